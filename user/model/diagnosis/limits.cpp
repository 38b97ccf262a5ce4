// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "user/model/diagnosis/host.h"
#include "user/model/diagnosis/resends.h"
#include "user/model/diagnosis/rules.h"

namespace netsonde::rules {

namespace {

// A limit is worth a word from a tenth of the sending time and a tenth of a second on.
constexpr double kShare = 0.1;
constexpr std::uint64_t kLeastMs = 100;
constexpr std::uint32_t kInitialWindow = 10;  // segments
constexpr std::uint32_t kNoRtt = ~0U;

double worth(std::uint64_t limited_ms, std::uint64_t of_ms) {
  const bool much = limited_ms >= kLeastMs &&
                    static_cast<double>(limited_ms) >= kShare * static_cast<double>(of_ms);
  return much ? static_cast<double>(limited_ms) : 0;
}

Nanos ms(std::uint64_t count) {
  return std::chrono::milliseconds(static_cast<std::int64_t>(count));
}

// In the time observed.
std::uint64_t lifetime_ms(const Watched& w, const Observation& observation) {
  const Time begin = w.opened ? time_from_ns(w.first_ns) : observation.from;
  const Time end = w.closed ? time_from_ns(w.last.header.time_ns) : observation.to;
  return end > begin ? static_cast<std::uint64_t>((end - begin) / std::chrono::milliseconds(1)) : 0;
}

std::uint64_t idle_or_unlimited_ms(const Watched& w, const Observation& observation) {
  const std::uint64_t limited = w.busy_by_cwnd_ms + w.window_limited_ms() + w.buffer_limited_ms();
  const std::uint64_t life = lifetime_ms(w, observation);
  return life > limited ? life - limited : 0;
}

void add_path(Finding& finding, const Watched& w) {
  const ev_sample& s = w.last;
  finding.evidence.push_back(evidence("srtt_us", std::uint64_t{s.srtt_us}));
  if (s.min_rtt_us && s.min_rtt_us != kNoRtt)
    finding.evidence.push_back(evidence("min_rtt_us", std::uint64_t{s.min_rtt_us}));
  if (s.delivery_us && s.delivery_segs)
    finding.evidence.push_back(
        evidence("delivery_bytes_per_s",
                 static_cast<std::uint64_t>(s.delivery_segs) * s.mss * 1'000'000 / s.delivery_us));
}

Finding on_limit(const Group& group, const Observation& observation, Where where,
                 std::string_view field, std::uint64_t limited_ms) {
  const std::uint64_t sending = group.sum([](const Watched& w) { return w.sending_ms(); });
  const double share = static_cast<double>(limited_ms) / static_cast<double>(sending);
  Finding finding =
      on_group(group, observation, share >= 0.5 ? Severity::Warning : Severity::Info, where);
  finding.impact.time = ms(limited_ms);
  finding.impact.bytes = group.grew(&ev_sample::tx_bytes);
  finding.evidence.push_back(figure(field, limited_ms, Unit::Milliseconds));
  finding.evidence.push_back(figure("sending_ms", sending, Unit::Milliseconds));
  finding.evidence.push_back(figure("share_percent", 100 * share, Unit::Percent));
  return finding;
}

}  // namespace

Findings application_limited(const Observation& observation) {
  const auto weight = [&](const Watched& w) -> double {
    const std::uint64_t life = lifetime_ms(w, observation);
    const std::uint64_t tick =
        static_cast<std::uint64_t>(observation.now.interval().count()) / 1'000'000;
    const bool active = std::uint64_t{2} * w.ticks * tick >= life && w.ticks > 1;
    const std::uint64_t free = idle_or_unlimited_ms(w, observation);
    const bool moved = w.grew(&ev_sample::tx_bytes) >= std::uint64_t{kInitialWindow} * w.last.mss;
    return active && moved && 2 * free > life ? static_cast<double>(free) : 0;
  };
  Findings findings;
  for (const Group& group : grouped(observation.connections, weight)) {
    const std::uint64_t life =
        group.sum([&](const Watched& w) { return lifetime_ms(w, observation); });
    const std::uint64_t free =
        group.sum([&](const Watched& w) { return idle_or_unlimited_ms(w, observation); });
    Finding finding = on_group(group, observation, Severity::Info, Where::Application);
    finding.impact.time = ms(free);
    finding.impact.bytes = group.grew(&ev_sample::tx_bytes);
    finding.evidence = {figure("not_limited_ms", free, Unit::Milliseconds),
                        figure("observed_ms", life, Unit::Milliseconds),
                        evidence("tx_bytes", group.grew(&ev_sample::tx_bytes))};
    finding.text = fmt::format(
        "For {} of the time neither window nor buffer held {} back: the application had no more to "
        "send.",
        percent(static_cast<double>(free) / static_cast<double>(life)), these(group));
    finding.advice =
        "No setting of the network makes this faster; look at what the application waits for.";
    findings.push_back(std::move(finding));
  }
  return findings;
}

namespace {

// The other end, on this host, is known as well as ours. False: what its buffer may hold decides.
bool blame_reader(Finding& finding, const ev_sample& reader) {
  const std::string who = fmt::format("{}[{}] at the other end, on this host,",
                                      printable(fixed_string(reader.conn.comm)), reader.conn.pid);
  if (reader.receive_queue > 0) {
    finding.evidence.push_back(
        figure("peer.receive_queue_bytes", std::uint64_t{reader.receive_queue}, Unit::Bytes));
    finding.advice = who +
                     " does not read as fast as it is sent to; a larger window would only fill "
                     "too.";
  } else if (reader.options & EV_OPT_RCVBUF_LOCKED) {
    finding.advice = who +
                     " fixed its receive buffer (SO_RCVBUF), which switches autotuning off; leave "
                     "the size to the kernel.";
  } else {
    return false;
  }
  finding.where = Where::Application;
  return true;
}

void blame_receiver(Finding& finding, const Observation& observation, const Group& group) {
  const ev_sample& s = group.worst().last;
  finding.evidence.push_back(evidence("send_window_bytes", std::uint64_t{s.snd_wnd}));
  add_path(finding, group.worst());
  const Connection* other = other_end(observation, s.conn);
  if (other && blame_reader(finding, other->last)) return;
  finding.advice =
      "The receiver decides: where it reads at once, raise its tcp_rmem maximum to bandwidth times "
      "round-trip time; where it does not, a larger window would only fill too.";
  finding.tunables = {"net.ipv4.tcp_rmem"};
  if (!other)
    return doubt(finding, Confidence::Medium,
                 "whether the peer reads slowly or has a small buffer is not visible here");
  finding.evidence.push_back(
      figure("peer.netns", std::uint64_t{other->last.conn.netns}, Unit::None));
  finding.evidence.push_back(
      figure("peer.receive_buffer_bytes", std::uint64_t{other->last.rcvbuf}, Unit::Bytes));
}

// What a receive buffer may grow to there; 0: not known, for the host's counters are of another
// namespace.
std::uint64_t most_received(const Observation& observation, const ev_conn& conn) {
  const bool known = observation.host && value_of(observation, "netns.inode") == conn.netns;
  return known ? value_of(observation, "limit.tcp_rmem.max") : 0;
}

enum class Buffer : std::uint8_t { Fixed, Grown, Growing };

// By the application, or by the kernel up to its limit.
Buffer buffer_of(const ev_sample& s, const Observation& observation) {
  if (s.options & EV_OPT_RCVBUF_LOCKED) return Buffer::Fixed;
  const std::uint64_t most = most_received(observation, s.conn);
  return most && std::uint64_t{10} * s.rcvbuf >= 9 * most ? Buffer::Grown : Buffer::Growing;
}

// We receive, read at once, and the window we offer is used up in every round trip.
double starved_ms(const Watched& w, const Observation& observation) {
  const ev_sample& s = w.last;
  const std::uint64_t received = w.grew(&ev_sample::rx_bytes);
  const std::uint64_t life = lifetime_ms(w, observation);
  if (!w.ticks || !life || !s.rcv_rtt_us || !(s.options & EV_OPT_TIMESTAMPS)) return 0;
  if (w.unread_sum / w.ticks > s.rcv_wnd / 4) return 0;
  const double per_round_trip =
      static_cast<double>(received) / static_cast<double>(life) / 1000.0 * s.rcv_rtt_us;
  return per_round_trip >= 0.7 * s.rcv_wnd ? static_cast<double>(life) : 0;
}

void blame_buffer(Finding& finding, Buffer buffer, const ev_conn& conn,
                  const Observation& observation) {
  if (buffer == Buffer::Fixed) {
    finding.advice =
        "The application fixed its receive buffer (SO_RCVBUF), which switches autotuning off; "
        "leave the size to the kernel, or ask for bandwidth times round-trip time.";
    return;
  }
  finding.where = Where::Host;
  finding.evidence.push_back(
      host_figure("limit.tcp_rmem.max", most_received(observation, conn), Unit::Bytes));
  finding.advice =
      "The buffer has grown to the maximum of tcp_rmem: raise that to twice bandwidth times "
      "round-trip time.";
  finding.tunables = {"net.ipv4.tcp_rmem"};
}

Finding own_window(const Group& group, const Observation& observation, Buffer buffer) {
  const ev_sample& s = group.worst().last;
  Finding finding = on_group(group, observation, Severity::Warning, Where::Application);
  finding.impact.time =
      ms(group.sum([&](const Watched& w) { return lifetime_ms(w, observation); }));
  finding.impact.bytes = group.grew(&ev_sample::rx_bytes);
  finding.evidence = {evidence("receive_window_bytes", std::uint64_t{s.rcv_wnd}),
                      evidence("receive_buffer_bytes", std::uint64_t{s.rcvbuf}),
                      figure("receive_rtt_us", std::uint64_t{s.rcv_rtt_us}, Unit::Microseconds),
                      evidence("rx_bytes", group.grew(&ev_sample::rx_bytes))};
  finding.text = fmt::format(
      "Our receive window of {}B is used up in every round trip of {}: the peer must wait for us, "
      "although the application reads at once.",
      short_bytes(s.rcv_wnd), duration_text(s.rcv_rtt_us));
  blame_buffer(finding, buffer, s.conn, observation);
  return finding;
}

void find_own_windows(Findings& findings, const Observation& observation, Buffer buffer) {
  const auto starved = [&](const Watched& w) {
    return buffer_of(w.last, observation) == buffer ? starved_ms(w, observation) : 0;
  };
  for (const Group& group : grouped(observation.connections, starved))
    findings.push_back(own_window(group, observation, buffer));
}

}  // namespace

Findings receive_window_limited(const Observation& observation) {
  const auto weight = [](const Watched& w) { return worth(w.window_limited_ms(), w.sending_ms()); };
  Findings findings;
  for (const Group& group : grouped(observation.connections, weight)) {
    const std::uint64_t limited = group.sum([](const Watched& w) { return w.window_limited_ms(); });
    Finding finding = on_limit(group, observation, Where::Peer, "waited_for_window_ms", limited);
    finding.evidence.push_back(
        evidence("receive_window_limited_ms", group.grew(&ev_sample::rwnd_limited_ms)));
    finding.text = fmt::format("The peer's receive window of {}B held {} back for {}.",
                               short_bytes(group.worst().last.snd_wnd), these(group),
                               duration_text(limited * 1000));
    blame_receiver(finding, observation, group);
    findings.push_back(std::move(finding));
  }
  find_own_windows(findings, observation, Buffer::Fixed);
  find_own_windows(findings, observation, Buffer::Grown);
  return findings;
}

Findings send_buffer_limited(const Observation& observation) {
  const auto weight = [](const Watched& w) { return worth(w.buffer_limited_ms(), w.sending_ms()); };
  Findings findings;
  for (const Group& group : grouped(observation.connections, weight)) {
    const ev_sample& s = group.worst().last;
    const bool fixed = s.options & EV_OPT_SNDBUF_LOCKED;
    const std::uint64_t limited = group.sum([](const Watched& w) { return w.buffer_limited_ms(); });
    Finding finding = on_limit(group, observation, fixed ? Where::Application : Where::Host,
                               "waited_for_buffer_ms", limited);
    finding.evidence.push_back(
        evidence("send_buffer_limited_ms", group.grew(&ev_sample::sndbuf_limited_ms)));
    finding.evidence.push_back(evidence("send_buffer_bytes", std::uint64_t{s.sndbuf}));
    add_path(finding, group.worst());
    finding.text = fmt::format(
        "The send buffer of {}B was too small for what may be on its way: {} waited {} for it.",
        short_bytes(s.sndbuf), these(group), duration_text(limited * 1000));
    finding.advice =
        fixed ? "The application fixed its send buffer (SO_SNDBUF), which switches "
                "autotuning off; leave the size to the kernel."
              : "Raise the maximum of tcp_wmem to twice bandwidth times round-trip time.";
    if (!fixed) finding.tunables = {"net.ipv4.tcp_wmem"};
    findings.push_back(std::move(finding));
  }
  return findings;
}

namespace {

// A congestion control that paces (bbr) holds back by its rate before its window is full.
std::string pace_text(const Group& group, std::uint64_t limited_ms) {
  const ev_sample& s = group.worst().last;
  const bool paced =
      s.pacing_rate != ~0ULL && s.in_flight < s.cwnd && !(s.options & EV_OPT_CWND_LIMITED);
  const std::string what =
      paced ? fmt::format("pacing rate of {}B/s", short_bytes(static_cast<double>(s.pacing_rate)))
            : fmt::format("congestion window of {}", counted(s.cwnd, "segment"));
  return fmt::format(
      "The {} set the pace of {} for {}: the path, as the congestion control ({}) "
      "understands it, gives no more.",
      what, these(group), duration_text(limited_ms * 1000), printable(fixed_string(s.congestion)));
}

}  // namespace

Findings congestion_window_limited(const Observation& observation) {
  const auto weight = [](const Watched& w) -> double {
    const bool mostly = 2 * w.busy_by_cwnd_ms >= w.sending_ms();
    return mostly && !is_silent(w) ? worth(w.busy_by_cwnd_ms, w.sending_ms()) : 0;
  };
  Findings findings;
  for (const Group& group : grouped(observation.connections, weight)) {
    const std::uint64_t limited = group.sum([](const Watched& w) { return w.busy_by_cwnd_ms; });
    Finding finding =
        on_limit(group, observation, Where::Network, "congestion_window_limited_ms", limited);
    finding.severity =
        Severity::Info;  // somebody must set the pace; loss and queues have their own
    const ev_sample& s = group.worst().last;
    finding.evidence.push_back(evidence("cwnd_segments", std::uint64_t{s.cwnd}));
    finding.evidence.push_back(evidence("in_flight_segments", std::uint64_t{s.in_flight}));
    if (s.pacing_rate != ~0ULL)
      finding.evidence.push_back(evidence("pacing_bytes_per_s", std::uint64_t{s.pacing_rate}));
    add_path(finding, group.worst());
    finding.text = pace_text(group, limited);
    finding.advice =
        "As it should be on a path used to the full. Where it is not, see what is said "
        "here of loss and queues; another congestion control may do better.";
    finding.tunables = {"net.ipv4.tcp_congestion_control"};
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace netsonde::rules
