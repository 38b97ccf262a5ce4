// SPDX-License-Identifier: Apache-2.0
#include "user/model/connection.h"

#include <span>

namespace netsonde {

namespace {

constexpr std::uint8_t kListen = 10;

std::uint32_t drops_of(const ev_sample& s) {
  return s.conn.state == kListen ? s.sk_drops : s.drops;
}

Connection::Base base_of(const ev_sample& s) {
  return {.tx = s.tx_bytes,
          .rx = s.rx_bytes,
          .segs_out = s.segs_out,
          .segs_in = s.segs_in,
          .retransmitted = s.retransmitted,
          .sk_drops = s.sk_drops,
          .drops = drops_of(s),
          .busy_ms = s.busy_ms,
          .rwnd_ms = s.rwnd_limited_ms,
          .sndbuf_ms = s.sndbuf_limited_ms,
          .time_ns = s.header.time_ns,
          .known = true};
}

// As the kernel decides whether a sender may go on (sk_stream_is_writeable): it waits for room, and
// all that it has written is on its way. The kernel's own count misses this where one call filled
// the buffer, since nothing is sent afterwards at which it would look.
bool waits_for_buffer(const ev_sample& s) {
  return s.in_flight > 0 && s.not_sent == 0 && 3ULL * s.wmem_queued > 2ULL * s.sndbuf;
}

// More is to be sent, and what is on its way leaves no room for a segment in the peer's window. The
// kernel's own count begins only when it tries.
bool waits_for_window(const ev_sample& s) {
  return s.not_sent > 0 && s.send_queue - s.not_sent + s.mss > s.snd_wnd;
}

// A sender with unacknowledged data is busy; the kernel says for how much of that time the
// receiver's window or the send buffer held it back. The rest was the congestion window's doing (or
// that of the pacing that follows it) if that was in use to the brim or a segment stands unsent,
// and otherwise nobody's but the application's, which had no more to send.
Limit limit_of(const ev_sample& s, const Connection::Base& base) {
  const std::uint32_t busy = s.busy_ms - base.busy_ms;
  const std::uint32_t rwnd = s.rwnd_limited_ms - base.rwnd_ms;
  const std::uint32_t sndbuf = s.sndbuf_limited_ms - base.sndbuf_ms;
  if (busy + rwnd + sndbuf == 0) return s.tx_bytes == base.tx ? Limit::None : Limit::Application;
  if (rwnd >= busy && rwnd >= sndbuf) return Limit::ReceiveWindow;
  if (sndbuf >= busy) return Limit::SendBuffer;
  if (waits_for_window(s)) return Limit::ReceiveWindow;
  if (waits_for_buffer(s)) return Limit::SendBuffer;
  const bool filled = s.options & EV_OPT_CWND_LIMITED && !(s.options & EV_OPT_APP_LIMITED);
  return filled || s.not_sent >= s.mss ? Limit::CongestionWindow : Limit::Application;
}

}  // namespace

std::string_view limit_name(Limit limit) {
  switch (limit) {
    case Limit::None: return "none";
    case Limit::Application: return "application";
    case Limit::ReceiveWindow: return "receive_window";
    case Limit::SendBuffer: return "send_buffer";
    case Limit::CongestionWindow: return "congestion_window";
  }
  return "none";
}

std::string_view short_limit_name(Limit limit) {
  switch (limit) {
    case Limit::None: return "none";
    case Limit::Application: return "app";
    case Limit::ReceiveWindow: return "rwnd";
    case Limit::SendBuffer: return "sndbuf";
    case Limit::CongestionWindow: return "cwnd";
  }
  return "none";
}

void Connection::take(const ev_sample& sample) {
  last = sample;
  sampled = true;
  if (sample.rtt_samples && sample.rtt_samples <= EV_FIRST_RTTS)
    rtt = quantiles_of_samples(std::span(sample.first_rtts).first(sample.rtt_samples));
}

// A pass takes its time, so the span is that between the two samples.
void Connection::set_rates(std::uint64_t last_tick_ns) {
  const std::uint64_t since = base.at_rest ? last_tick_ns : base.time_ns;
  if (!base.known || last.header.time_ns <= since) return;
  const double span = static_cast<double>(last.header.time_ns - since) / 1e9;
  tx_rate = static_cast<float>(static_cast<double>(last.tx_bytes - base.tx) / span);
  rx_rate = static_cast<float>(static_cast<double>(last.rx_bytes - base.rx) / span);
  retransmit_rate = static_cast<float>((last.retransmitted - base.retransmitted) / span);
  drop_rate = static_cast<float>((drops_of(last) - base.drops) / span);
  limit = limit_of(last, base);
  limit_known = true;
}

void Connection::begin_interval() {
  base = base_of(last);
}

void Connection::come_to_rest() {
  tx_rate = rx_rate = 0;
  retransmit_rate = drop_rate = 0;
  limit = Limit::None;
  limit_known = true;
  base.at_rest = true;
}

}  // namespace netsonde
