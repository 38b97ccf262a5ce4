// SPDX-License-Identifier: Apache-2.0
#include "user/sinks/tui/track.h"

#include <fmt/format.h>

#include <limits>

#include "user/base/text.h"

namespace netsonde {

namespace {

constexpr std::size_t kPoints = 1200, kHappenings = 2000;
constexpr double kNothing = std::numeric_limits<double>::quiet_NaN();
constexpr std::uint8_t kCongestionLoss = 4;
constexpr std::uint64_t kBurstNs = 20'000'000;
constexpr std::string_view kRetransmit = "retransmit";

std::string open_details(const ev_open& open) {
  switch (open.header.kind) {
    case EV_CONNECT: return "sends a SYN";
    case EV_ESTABLISHED: return "the handshake is complete";
    case EV_ACCEPT:
      return fmt::format("taken over by {}[{}]", fixed_string(open.conn.comm), open.conn.pid);
    default: return {};
  }
}

std::string tcp_flags(std::uint8_t flags) {
  static constexpr std::string_view kLetters = "FSRPAUEC";
  std::string text;
  for (std::size_t i = 0; i < kLetters.size(); ++i)
    if (flags & (1U << i)) text += kLetters[i];
  return text;
}

}  // namespace

void Track::add(const ev_header& header, std::string what, std::string details, Style style) {
  happenings_.push_back({.time = time_from_ns(header.time_ns),
                         .what = std::move(what),
                         .details = std::move(details),
                         .style = style});
  if (happenings_.size() > kHappenings) happenings_.pop_front();
}

void Track::note_state(const ev_header& header, std::uint8_t state) {
  if (state_ && state && state != state_)
    add(header, "state", fmt::format("{} -> {}", state_name(state_), state_name(state)));
  if (state) state_ = state;
}

void Track::on(const ev_open& open) {
  add(open.header, std::string(name_of(static_cast<ev_kind>(open.header.kind))),
      open_details(open));
  if (open.conn.state) state_ = open.conn.state;
}

void Track::on(const ev_sample& sample) {
  last_ = sample;
  sampled_ = true;
  if (sample.header.kind == EV_SAMPLE) return note_state(sample.header, sample.conn.state);
  closed_ = true;
  const std::string_view end = end_name(sample);
  add(sample.header, "closed", fmt::format("{}, in state {}", end, state_name(sample.old_state)),
      end == "fin" ? Style::Normal : Style::Warn);
}

bool Track::joins_burst(const ev_retransmit& event) const {
  return !happenings_.empty() && burst_.header.time_ns &&
         happenings_.back().time == time_from_ns(burst_.header.time_ns) &&
         happenings_.back().what == kRetransmit && burst_.kind == event.kind &&
         burst_.error == event.error && event.header.time_ns - burst_.header.time_ns < kBurstNs;
}

// Segments that go out again together are told together.
void Track::on(const ev_retransmit& event) {
  if (joins_burst(event)) {
    burst_.segments += event.segments;
    burst_.bytes += event.bytes;
    happenings_.pop_back();
  } else {
    burst_ = event;
  }
  const std::string error = event.error ? fmt::format(", not sent: errno {}", event.error) : "";
  add(burst_.header, std::string(kRetransmit),
      fmt::format("{}, {} segment{}, {} bytes, sequence {}, in {}{}", retransmit_name(burst_.kind),
                  burst_.segments, burst_.segments == 1 ? "" : "s", burst_.bytes, burst_.sequence,
                  congestion_state_name(burst_.ca_state), error),
      Style::Warn);
}

void Track::on(const ev_reset& event) {
  std::string why = event.sent ? "sent" : "received";
  if (event.reason != EV_NO_REASON) why += ", " + names_.reset_reason(event.reason);
  add(event.header, "reset", std::move(why), Style::Warn);
}

void Track::on(const ev_drop& event) {
  const std::string_view where = names_.symbol(event.location);
  add(event.header, "drop",
      fmt::format("{}{}{}, {} {} bytes, sequence {}, flags {}", names_.drop_reason(event.reason),
                  where.empty() ? "" : " in ", where, event.incoming ? "incoming" : "outgoing",
                  event.length, event.sequence, tcp_flags(event.flags)),
      Style::Bad);
}

void Track::on(const ev_congestion_state& event) {
  add(event.header, "congestion",
      fmt::format("{} -> {}{}, cwnd {}", congestion_state_name(event.old_state),
                  congestion_state_name(event.new_state),
                  event.undone ? " (was needless, undone)" : "", event.cwnd),
      event.new_state == kCongestionLoss ? Style::Warn : Style::Normal);
}

void Track::on(const ev_listen_overflow& event) {
  add(event.header, "overflow",
      fmt::format("{} connections refused, {} of {} waiting", event.count, event.queued,
                  event.backlog),
      Style::Bad);
}

void Track::on_tick(Time time) {
  if (closed_) return;
  const double span = ticked_ ? seconds(time - tick_) : 0;
  const auto rate = [span](std::uint64_t now, std::uint64_t before) {
    return span > 0 && now >= before ? static_cast<double>(now - before) / span : kNothing;
  };
  Point point = {.time = time,
                 .srtt_us = kNothing,
                 .cwnd = kNothing,
                 .tx_rate = kNothing,
                 .rx_rate = kNothing,
                 .retransmit_rate = kNothing};
  if (sampled_) {
    if (last_.srtt_us) point.srtt_us = last_.srtt_us;
    point.cwnd = last_.cwnd;
    if (ticked_) {
      point.tx_rate = rate(last_.tx_bytes, at_tick_.tx_bytes);
      point.rx_rate = rate(last_.rx_bytes, at_tick_.rx_bytes);
      point.retransmit_rate = rate(last_.retransmitted, at_tick_.retransmitted);
    }
    points_.push_back(point);
    ticked_ = true;
  }
  at_tick_ = last_;
  tick_ = time;
  if (points_.size() <= kPoints) return;
  points_.pop_front();
  ++dropped_;
}

void Track::on_event(const Event& event) {
  if (std::holds_alternative<ev_tick>(event)) return on_tick(time_of(event));
  if (cookie_of(event) == cookie_) std::visit([this](const auto& e) { on(e); }, event);
}

void Track::load(const History& history) {
  std::size_t tick = 0;
  for (const Event& event : history.events_of(cookie_)) {
    for (; tick < history.size() && history.tick(tick) <= time_of(event); ++tick)
      on_tick(history.tick(tick));
    on_event(event);
  }
  for (; tick < history.size(); ++tick) on_tick(history.tick(tick));
}

}  // namespace netsonde
