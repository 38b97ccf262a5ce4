// SPDX-License-Identifier: Apache-2.0
#include "user/sinks/export/perfetto.h"

#include <fmt/format.h>

#include <array>

#include "user/base/text.h"
#include "user/sinks/trace.h"

namespace netsonde {

namespace {

// Numbers of Perfetto's schema (protos/perfetto/trace).
namespace trace {
constexpr std::uint32_t kPacket = 1;
}
namespace packet {
constexpr std::uint32_t kClockSnapshot = 6, kTimestamp = 8, kSequence = 10, kTrackEvent = 11,
                        kTrackDescriptor = 60;
}
namespace clocks {
constexpr std::uint32_t kClocks = 1, kId = 1, kTime = 2, kRealtime = 1, kBoottime = 6;
}
namespace descriptor {
constexpr std::uint32_t kUuid = 1, kName = 2, kProcess = 3, kParent = 5, kCounter = 8;
constexpr std::uint32_t kPid = 1, kProcessName = 6, kUnitName = 6;
}  // namespace descriptor
namespace track_event {
constexpr std::uint32_t kDebugAnnotations = 4, kType = 9, kTrack = 11, kName = 23,
                        kDoubleCounter = 44;
constexpr std::uint32_t kSliceBegin = 1, kSliceEnd = 2, kInstant = 3, kCounterType = 4;
constexpr std::uint32_t kAnnotationName = 10, kAnnotationText = 6;
}  // namespace track_event

constexpr std::uint64_t kHostTrack = 1;
constexpr std::uint8_t kRecovery = 3;

struct CounterTrack {
  std::string_view name, unit;
};
constexpr std::array kConnectionCounters = {CounterTrack{.name = "srtt", .unit = "us"},
                                            CounterTrack{.name = "cwnd", .unit = "segments"},
                                            CounterTrack{.name = "sent", .unit = "bytes/s"},
                                            CounterTrack{.name = "received", .unit = "bytes/s"}};
constexpr std::array kHostCounters = {CounterTrack{.name = "sent", .unit = "bytes/s"},
                                      CounterTrack{.name = "received", .unit = "bytes/s"},
                                      CounterTrack{.name = "retransmitted", .unit = "%"},
                                      CounterTrack{.name = "RTT p50", .unit = "us"},
                                      CounterTrack{.name = "drops", .unit = "packets/s"},
                                      CounterTrack{.name = "connections", .unit = ""}};

// Numbers that are no others by chance.
std::uint64_t uuid_of(std::uint64_t what, std::uint64_t salt) {
  std::uint64_t hash = what * 0x9e3779b97f4a7c15 ^ salt * 0xc2b2ae3d27d4eb4f;
  hash ^= hash >> 29;
  return hash * 0xbf58476d1ce4e5b9 | 2;
}

std::string end_text(const std::uint8_t (&raw)[16], std::uint16_t port) {
  const Address address = Address::from(raw);
  const std::string text = to_text(address);
  return fmt::format("{}:{}", address.is_ipv4() ? text : "[" + text + "]", port);
}

std::string title_of(const ev_conn& conn) {
  if (conn.direction == EV_LISTENER) return "listens on " + end_text(conn.local, conn.local_port);
  return fmt::format("{} {} {}", end_text(conn.local, conn.local_port),
                     conn.direction == EV_IN ? "<" : ">", end_text(conn.remote, conn.remote_port));
}

std::string slice_name_of(const ev_conn& conn) {
  if (conn.direction == EV_LISTENER) return title_of(conn);
  return (conn.direction == EV_IN ? "from " : "to ") + end_text(conn.remote, conn.remote_port);
}

ProtoMessage event_of(std::uint32_t type, std::uint64_t track) {
  ProtoMessage event;
  event.number(track_event::kType, type).number(track_event::kTrack, track);
  return event;
}

ProtoMessage counter_descriptor(std::uint64_t uuid, std::uint64_t parent,
                                const CounterTrack& counter) {
  ProtoMessage unit;
  if (!counter.unit.empty()) unit.text(descriptor::kUnitName, counter.unit);
  ProtoMessage described;
  described.number(descriptor::kUuid, uuid)
      .text(descriptor::kName, counter.name)
      .number(descriptor::kParent, parent)
      .message(descriptor::kCounter, unit);
  return described;
}

}  // namespace

Result<> PerfettoOutput::write(const ProtoMessage& packet) {
  ProtoMessage of_trace;
  of_trace.message(trace::kPacket, packet);
  const std::string& bytes = of_trace.bytes();
  if (std::fwrite(bytes.data(), 1, bytes.size(), out_) != bytes.size())
    return Error::from_errno("write the export");
  return {};
}

Result<> PerfettoOutput::write_event(std::uint64_t time_ns, const ProtoMessage& event) {
  ProtoMessage whole;
  whole.number(packet::kTimestamp, time_ns)
      .number(packet::kSequence, 1)
      .message(packet::kTrackEvent, event);
  return write(whole);
}

Result<> PerfettoOutput::describe(const ProtoMessage& descriptor) {
  ProtoMessage whole;
  whole.number(packet::kSequence, 1).message(packet::kTrackDescriptor, descriptor);
  return write(whole);
}

// The trace's clock is the kernel's monotonic one, under the name of the default.
Result<> PerfettoOutput::tell_clock(const ev_tick& tick) {
  if (std::exchange(told_offset_ns_, tick.realtime_offset_ns) == tick.realtime_offset_ns) return {};
  const auto clock = [](std::uint32_t id, std::uint64_t ns) {
    ProtoMessage message;
    message.number(clocks::kId, id).number(clocks::kTime, ns);
    return message;
  };
  ProtoMessage snapshot;
  snapshot.message(clocks::kClocks, clock(clocks::kBoottime, tick.header.time_ns));
  snapshot.message(clocks::kClocks, clock(clocks::kRealtime,
                                          tick.header.time_ns +
                                              static_cast<std::uint64_t>(tick.realtime_offset_ns)));
  ProtoMessage whole;
  whole.number(packet::kSequence, 1).message(packet::kClockSnapshot, snapshot);
  return write(whole);
}

Result<std::uint64_t> PerfettoOutput::process_of(const ev_conn& conn) {
  const std::uint64_t uuid = uuid_of(conn.pid, 1);
  if (!processes_.insert(uuid).second) return uuid;
  ProtoMessage process;
  process.number(descriptor::kPid, conn.pid)
      .text(descriptor::kProcessName,
            conn.owner ? printable(fixed_string(conn.comm)) : std::string("unknown process"));
  ProtoMessage described;
  described.number(descriptor::kUuid, uuid).message(descriptor::kProcess, process);
  TRY(describe(described));
  return uuid;
}

// Begins with the first we hear of it, at the time when the kernel says that it began.
Result<PerfettoOutput::Track*> PerfettoOutput::track_of(const ev_conn& conn,
                                                        std::uint64_t time_ns) {
  const auto [entry, is_new] = tracks_.try_emplace(conn.cookie);
  Track& track = entry->second;
  if (!is_new) return &track;
  track.uuid = uuid_of(conn.cookie, conn.start_ns + 2);
  TRY(describe_connection(track, conn));
  TRY(begin_slice(conn.start_ns ? conn.start_ns : time_ns, track.uuid, slice_name_of(conn)));
  return &track;
}

// Once more when it is established: before, the local port may not be known.
Result<> PerfettoOutput::describe_connection(const Track& track, const ev_conn& conn) {
  const std::uint64_t process = TRY(process_of(conn));
  ProtoMessage described;
  described.number(descriptor::kUuid, track.uuid)
      .text(descriptor::kName, title_of(conn))
      .number(descriptor::kParent, process);
  return describe(described);
}

Result<> PerfettoOutput::begin_slice(std::uint64_t time_ns, std::uint64_t track,
                                     std::string_view name) {
  ProtoMessage event = event_of(track_event::kSliceBegin, track);
  event.text(track_event::kName, name);
  return write_event(time_ns, event);
}

Result<> PerfettoOutput::end_slice(std::uint64_t time_ns, std::uint64_t track) {
  return write_event(time_ns, event_of(track_event::kSliceEnd, track));
}

Result<> PerfettoOutput::enter(Track& track, std::uint64_t time_ns, std::string_view state) {
  if (std::exchange(track.recovering, false)) TRY(end_slice(time_ns, track.uuid));
  if (std::exchange(track.in_state, true)) TRY(end_slice(time_ns, track.uuid));
  return begin_slice(time_ns, track.uuid, state);
}

Result<> PerfettoOutput::change(Track& track, const ev_congestion_state& event) {
  const std::uint64_t now = event.header.time_ns;
  if (std::exchange(track.recovering, false)) TRY(end_slice(now, track.uuid));
  if (event.new_state < kRecovery) return {};
  track.recovering = true;
  return begin_slice(now, track.uuid, congestion_state_name(event.new_state));
}

Result<> PerfettoOutput::end(const ev_conn& conn, std::uint64_t time_ns) {
  const auto track = tracks_.extract(conn.cookie);
  if (!track) return {};
  const Track& ended = track.mapped();
  for (int open = 1 + ended.in_state + ended.recovering; open > 0; --open)
    TRY(end_slice(time_ns, ended.uuid));
  return {};
}

Result<> PerfettoOutput::instant(std::uint64_t time_ns, std::uint64_t track, std::string_view name,
                                 const std::string& details) {
  ProtoMessage annotation;
  annotation.text(track_event::kAnnotationName, "details")
      .text(track_event::kAnnotationText, printable(details));
  ProtoMessage event = event_of(track_event::kInstant, track);
  event.text(track_event::kName, name).message(track_event::kDebugAnnotations, annotation);
  return write_event(time_ns, event);
}

Result<> PerfettoOutput::event(const Event& event, const Store& store) {
  const ev_header& header = header_of(event);
  const auto kind = static_cast<ev_kind>(header.kind);
  const ev_conn* conn = connection_of(event);
  const Connection* known = conn && !conn->cookie ? store.find(*conn) : nullptr;
  if (known) conn = &known->last.conn;
  if (!conn || !conn->cookie)
    return instant(header.time_ns, TRY(host_track()), name_of(kind), to_line(event, store));
  Track& track = *TRY(track_of(*conn, header.time_ns));
  if (const auto* state = std::get_if<ev_congestion_state>(&event)) return change(track, *state);
  if (kind == EV_CONNECT) return enter(track, header.time_ns, "SYN_SENT");
  if (kind == EV_ESTABLISHED) {
    TRY(describe_connection(track, *conn));
    return enter(track, header.time_ns, "ESTABLISHED");
  }
  TRY(instant(header.time_ns, track.uuid, name_of(kind), details_of(event, store)));
  if (kind == EV_CLOSE || kind == EV_LISTEN_CLOSE) return end(*conn, header.time_ns);
  return {};
}

Result<> PerfettoOutput::count(Track& track, std::uint64_t time_ns, std::size_t which,
                               double value) {
  const std::uint64_t uuid = uuid_of(track.uuid, which + 3);
  if (!(track.counters & 1U << which)) {
    track.counters |= 1U << which;
    TRY(describe(counter_descriptor(uuid, track.uuid, kConnectionCounters[which])));
  }
  ProtoMessage event = event_of(track_event::kCounterType, uuid);
  event.real(track_event::kDoubleCounter, value);
  return write_event(time_ns, event);
}

Result<> PerfettoOutput::sample(const Row& row) {
  const Connection& c = row.connection;
  const std::uint64_t now = c.last.header.time_ns;
  if (c.is_listener()) return {};
  Track& track = *TRY(track_of(c.last.conn, now));
  if (!track.in_state) TRY(enter(track, now, state_name(c.last.conn.state)));
  if (c.last.srtt_us) TRY(count(track, now, 0, c.last.srtt_us));
  TRY(count(track, now, 1, c.last.cwnd));
  if (c.tx_rate >= 0) TRY(count(track, now, 2, static_cast<double>(c.tx_rate)));
  if (c.rx_rate >= 0) TRY(count(track, now, 3, static_cast<double>(c.rx_rate)));
  return {};
}

// Their slices and counters are made of events and samples.
Result<> PerfettoOutput::connection(const Row&) {
  return {};
}

Result<> PerfettoOutput::host(std::int64_t, const HostValue&) {
  return {};
}

Result<> PerfettoOutput::finding(const Json& finding, std::int64_t, std::int64_t until_ns) {
  const std::string text = fmt::format("{}: {}", finding.at("severity").get<std::string>(),
                                       finding.at("text").get<std::string>());
  return instant(static_cast<std::uint64_t>(until_ns - told_offset_ns_), TRY(host_track()),
                 finding.at("id").get<std::string>(), text);
}

Result<std::uint64_t> PerfettoOutput::host_track() {
  if (std::exchange(host_described_, true)) return kHostTrack;
  ProtoMessage described;
  described.number(descriptor::kUuid, kHostTrack).text(descriptor::kName, "host");
  TRY(describe(described));
  for (std::size_t i = 0; i < kHostCounters.size(); ++i)
    TRY(describe(counter_descriptor(uuid_of(kHostTrack, i), kHostTrack, kHostCounters[i])));
  return kHostTrack;
}

Result<> PerfettoOutput::tick(const Snapshot& snapshot) {
  TRY(tell_clock(snapshot.tick()));
  TRY(host_track());
  const Totals& totals = snapshot.totals();
  const std::array<std::optional<double>, kHostCounters.size()> values = {
      totals.tx_rate,    totals.rx_rate,   totals.retransmit_percent,
      totals.rtt_p50_us, totals.drop_rate, totals.connections};
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!values[i]) continue;
    ProtoMessage event = event_of(track_event::kCounterType, uuid_of(kHostTrack, i));
    event.real(track_event::kDoubleCounter, *values[i]);
    TRY(write_event(snapshot.tick().header.time_ns, event));
  }
  return {};
}

Result<> PerfettoOutput::finish(const Snapshot& last) {
  TRY(tell_clock(last.tick()));
  while (!tracks_.empty()) {
    ev_conn conn = {};
    conn.cookie = tracks_.begin()->first;
    TRY(end(conn, last.tick().header.time_ns));
  }
  return {};
}

}  // namespace netsonde
