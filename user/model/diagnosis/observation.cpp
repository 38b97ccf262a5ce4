// SPDX-License-Identifier: Apache-2.0
#include "user/model/diagnosis/observation.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace netsonde {

namespace {

constexpr std::size_t kMostKept = 256;  // of one connection's retransmissions, episodes, drops
constexpr std::uint32_t kBulkSegments = 4;
constexpr double kFastUs = 10'000, kDelayedFromUs = 36'000, kDelayedToUs = 60'000;

RttShape shape_of(const ev_histogram& histogram) {
  RttShape shape{.samples = histogram.samples};
  for (std::uint32_t i = 0; i < EV_RTT_BUCKETS; ++i) {
    const double us = rtt_bucket_middle(i);
    if (us < kFastUs) shape.fast += histogram.buckets[i];
    if (us < kDelayedFromUs || us > kDelayedToUs) continue;
    shape.delayed += histogram.buckets[i];
    shape.delayed_us += static_cast<std::uint64_t>(us * histogram.buckets[i]);
  }
  return shape;
}

RttShape operator-(const RttShape& a, const RttShape& b) {
  return {.samples = a.samples - b.samples,
          .fast = a.fast - b.fast,
          .delayed = a.delayed - b.delayed,
          .delayed_us = a.delayed_us - b.delayed_us};
}

// A complete pass also visits sockets to which nothing happened.
bool is_same(const ev_sample& a, const ev_sample& b) {
  const auto signs = [](const ev_sample& s) {
    return std::tuple(s.segs_in, s.segs_out, s.conn.state, s.send_queue, s.not_sent,
                      s.receive_queue, s.ca_state, s.backoff, s.probes, s.drops, s.sk_drops);
  };
  return signs(a) == signs(b);
}

bool has_queue(const ev_sample& sample) {
  return sample.receive_queue || sample.send_queue;
}

bool is_peer_shut(const ev_sample& s) {
  return s.snd_wnd == 0 && s.not_sent > 0;
}

// Too small for a segment, and nobody reads.
bool is_own_shut(const ev_sample& s) {
  return s.rcv_wnd < s.rcv_mss && s.receive_queue > 0;
}

bool restarts_after_pauses(const ev_sample& s) {
  return !fixed_string(s.congestion).starts_with("bbr");  // which has its own way with pauses
}

// As the kernel counts them.
void note_restarts(Watched& watched, const ev_sample& now) {
  const std::uint32_t more = now.idle_restarts - watched.last.idle_restarts;
  if (!more || !restarts_after_pauses(now)) return;
  watched.restarts += more;
  watched.cwnd_before = now.restart_cwnd_before;
  watched.cwnd_after = now.restart_cwnd_after;
  watched.pause_ms = std::max(watched.pause_ms, std::uint64_t{now.restart_pause_ms});
}

// The kernel's congestion controls without one of their own start over after a pause longer than
// the RTO (tcp_slow_start_after_idle). Where no program sees it, a window that is still smaller at
// the tick after the pause tells.
void note_pause(Watched& watched, const ev_sample& now, Time last_tick) {
  const ev_sample& before = watched.last;
  const bool answered = now.tx_bytes != before.tx_bytes;
  if (answered) watched.unanswered_pause_ms = 0;
  if (!before.header.time_ns || now.data_segs_out == before.data_segs_out) return;
  const auto sent_ns = static_cast<std::int64_t>(before.header.time_ns) -
                       std::int64_t{before.last_sent_ms} * 1'000'000;
  const std::int64_t pause_ms = (last_tick.time_since_epoch().count() - sent_ns) / 1'000'000;
  if (before.data_segs_out == 0 || pause_ms * 1000 <= std::int64_t{before.rto_us}) return;
  watched.pause_ms = std::max(watched.pause_ms, static_cast<std::uint64_t>(pause_ms));
  if (!answered)
    watched.unanswered_pause_ms =
        std::max(watched.unanswered_pause_ms, static_cast<std::uint64_t>(pause_ms));
  const bool idle = before.send_queue == 0;  // not stopped by a window
  const bool restarts = restarts_after_pauses(now);
  const bool lossless = now.retransmitted == before.retransmitted &&
                        now.recoveries == before.recoveries && now.losses == before.losses;
  if (!idle || !restarts || !lossless || now.cwnd >= before.cwnd || now.idle_restarts) return;
  ++watched.restarts;
  watched.cwnd_before = before.cwnd;
  watched.cwnd_after = now.cwnd;
}

// Whose packet was dropped. One that was on its way through this host, between two namespaces of
// it, is the sender's.
const Connection* owner_of(ev_conn packet, const Store& store) {
  if (const Connection* found = store.find(packet)) return found;
  packet.cookie = 0;
  packet.netns = 0;
  return store.find(packet);
}

// The other end of who should have received it, where that is on this host too.
const Connection* sender_to(const ev_conn& receiver, const Store& store) {
  ev_conn sender = receiver;
  std::swap(sender.local, sender.remote);
  std::swap(sender.local_port, sender.remote_port);
  sender.cookie = 0;
  sender.netns = 0;
  const Connection* found = store.find(sender);
  return found && found->last.conn.cookie != receiver.cookie ? found : nullptr;
}

// What held the sender back in the interval that a tick ends. The kernel's own counters tell the
// windows and the buffer; the rest is the congestion window's or nobody's.
void account(Watched& watched, const Connection& connection, Time last_tick) {
  const ev_sample& s = watched.last;
  ++watched.ticks;
  const std::uint64_t busy = watched.grew(&ev_sample::busy_ms);
  const std::uint64_t news = busy - std::exchange(watched.busy_accounted_ms, busy);
  if (connection.limit == Limit::CongestionWindow) watched.busy_by_cwnd_ms += news;
  if (connection.limit == Limit::ReceiveWindow) watched.busy_by_window_ms += news;
  if (connection.limit == Limit::SendBuffer) watched.busy_by_buffer_ms += news;
  watched.ticks_unread += s.receive_queue > 0;
  watched.unread_sum += s.receive_queue;
  watched.unread.become(s.receive_queue, last_tick);
  watched.ticks_peer_shut += is_peer_shut(s);
  watched.ticks_own_shut += is_own_shut(s);
  watched.ticks_nagled += s.not_sent > 0 && s.not_sent < s.mss && s.in_flight > 0 &&
                          s.in_flight < s.cwnd && s.snd_wnd > s.send_queue;
  if (s.in_flight < kBulkSegments || !s.srtt_us) return;
  ++watched.ticks_bulk;
  watched.least_srtt_us =
      watched.least_srtt_us ? std::min(watched.least_srtt_us, s.srtt_us) : s.srtt_us;
}

}  // namespace

void Observer::begin(Time now, const Store& store) {
  from_ = now;
  host_.begin_anew();
  lost_before_ = store.lost();
  last_tick_ = now;
  watched_.clear();
  dropped_.clear();
  touched_.clear();
  not_watched_.clear();
  waiting_.clear();
  for (const auto& [cookie, connection] : store.connections())
    if (connection.sampled) note_queues(connection.last);
  std::erase_if(shapes_, [](const auto& entry) { return !entry.second.fresh; });
  for (auto& [cookie, shapes] : shapes_) shapes = {.first = shapes.last, .last = shapes.last};
}

Watched* Observer::find(std::uint64_t cookie) {
  const auto found = watched_.find(cookie);
  return found == watched_.end() ? nullptr : &found->second;
}

// What the store held until now is where the differences begin. A socket that is older than this
// observation and was never met before begins with its first sample.
void Observer::begin_watching(const Event& event, const ev_conn& conn, const Store& store) {
  const auto known = store.connections().find(conn.cookie);
  const bool has_base = known != store.connections().end() && known->second.sampled;
  const bool opened = conn.start_ns && time_from_ns(conn.start_ns) >= from_ && !has_base;
  const auto* sample = std::get_if<ev_sample>(&event);
  if (!has_base && !opened && (!sample || sample->header.kind == EV_SAMPLE)) return;
  if (has_base && sample && sample->header.kind == EV_SAMPLE &&
      is_same(known->second.last, *sample))
    return;
  if (watched_.size() >= most_) {
    not_watched_.insert(conn.cookie);
    return;
  }
  Watched& watched = watched_[conn.cookie];
  watched.opened = opened;
  watched.first_ns = opened ? conn.start_ns : header_of(event).time_ns;
  if (!opened) watched.base = has_base ? known->second.last : *sample;
  watched.unread = {
      .bytes = watched.base.receive_queue,
      .since = std::max(from_, time_from_ns(opened ? conn.start_ns : watched.base.header.time_ns))};
  watched.last = watched.base;
  watched.last.conn = conn;
}

void Observer::before_event(const Event& event, const Store& store) {
  const ev_conn* conn = connection_of(event);
  if (!conn) return;
  if (const auto* drop = std::get_if<ev_drop>(&event)) {
    if (conn->cookie && !watched_.contains(conn->cookie)) begin_watching(event, *conn, store);
    const Connection* sender = drop->incoming ? sender_to(*conn, store) : nullptr;
    for (const Connection* end : {owner_of(*conn, store), sender})
      if (end && !watched_.contains(end->last.conn.cookie))
        begin_watching(event, end->last.conn, store);
    return;
  }
  if (!conn->cookie || watched_.contains(conn->cookie)) return;
  const bool counts = std::holds_alternative<ev_sample>(event) ||
                      std::holds_alternative<ev_retransmit>(event) ||
                      std::holds_alternative<ev_congestion_state>(event);
  if (counts) begin_watching(event, *conn, store);
}

Result<> Observer::on_event(const Event& event, const Store& store) {
  if (const auto* sample = std::get_if<ev_sample>(&event)) on(*sample);
  if (const auto* resend = std::get_if<ev_retransmit>(&event)) on(*resend);
  if (const auto* state = std::get_if<ev_congestion_state>(&event)) on(*state);
  if (const auto* drop = std::get_if<ev_drop>(&event)) on(*drop, store);
  if (const auto* histogram = std::get_if<ev_histogram>(&event)) on(*histogram);
  return {};
}

void Observer::note_queues(const ev_sample& sample) {
  if (sample.header.kind == EV_SAMPLE && has_queue(sample))
    waiting_.insert(sample.conn.cookie);
  else
    waiting_.erase(sample.conn.cookie);
}

void Observer::on(const ev_sample& sample) {
  note_queues(sample);
  Watched* watched = find(sample.conn.cookie);
  if (!watched) return;
  note_restarts(*watched, sample);
  note_pause(*watched, sample, last_tick_);
  watched->last = sample;
  watched->closed = sample.header.kind != EV_SAMPLE;
  if (!watched->closed && !std::exchange(watched->touched, true))
    touched_.push_back(sample.conn.cookie);
}

void Observer::on(const ev_retransmit& event) {
  Watched* watched = find(event.conn.cookie);
  if (!watched) return;
  if (watched->resends.size() >= kMostKept) {
    ++watched->resends_not_kept;
    return;
  }
  Resend resend{.time_ns = event.header.time_ns,
                .sequence = event.sequence,
                .bytes = event.bytes,
                .segments = event.segments,
                .kind = event.kind};
  if (const auto lost = dropped_.find(event.conn.cookie); lost != dropped_.end())
    resend.dropped_here = std::ranges::any_of(lost->second, [&](const Lost& packet) {
      // A packet has at least its headers, so its length is beyond what it carries.
      return event.sequence - packet.sequence < packet.length ||
             packet.sequence - event.sequence < event.bytes;
    });
  watched->resends.push_back(resend);
}

void Observer::on(const ev_congestion_state& event) {
  Watched* watched = find(event.conn.cookie);
  if (!watched) return;
  constexpr std::uint8_t kRecovery = 3;
  std::vector<Episode>& episodes = watched->episodes;
  if (event.old_state >= kRecovery && !episodes.empty() && !episodes.back().end_ns) {
    episodes.back().end_ns = event.header.time_ns;
    episodes.back().undone = event.undone;
  }
  if (event.new_state < kRecovery || episodes.size() >= kMostKept) return;
  episodes.push_back({.begin_ns = event.header.time_ns,
                      .srtt_us = event.srtt_us,
                      .rttvar_us = event.rttvar_us,
                      .min_rtt_us = event.min_rtt_us,
                      .timeout = event.new_state > kRecovery});
}

void Observer::on(const ev_drop& event, const Store& store) {
  if (benign_drop(store.names().drop_reason(event.reason), store.names().symbol(event.location)))
    return;
  const Connection* found = owner_of(event.conn, store);
  const std::uint64_t owner = found ? found->last.conn.cookie : event.conn.cookie;
  const Connection* other = event.incoming ? sender_to(event.conn, store) : nullptr;
  const std::uint64_t sender = other ? other->last.conn.cookie : event.incoming ? 0 : owner;
  note_drop(event, owner);
  if (sender != owner) note_drop(event, sender);
  if (!sender) return;
  auto& lost = dropped_[sender];
  if (lost.size() < kMostKept) lost.push_back({event.sequence, event.length});
}

void Observer::note_drop(const ev_drop& event, std::uint64_t cookie) {
  Watched* watched = find(cookie);
  if (!watched) return;
  const auto same = std::ranges::find_if(watched->drops, [&](const Dropped& drop) {
    return drop.reason == event.reason && drop.location == event.location &&
           drop.incoming == event.incoming;
  });
  if (same != watched->drops.end())
    ++same->packets;
  else if (watched->drops.size() < kMostKept)
    watched->drops.push_back({.reason = event.reason,
                              .location = event.location,
                              .incoming = event.incoming != 0,
                              .packets = 1});
}

void Observer::on(const ev_histogram& event) {
  const auto [shapes, is_new] = shapes_.try_emplace(event.cookie);
  shapes->second.last = shape_of(event);
  shapes->second.fresh = true;
  const Watched* watched = find(event.cookie);
  if (is_new && !(watched && watched->opened)) shapes->second.first = shapes->second.last;
}

Result<> Observer::on_snapshot(const Snapshot& snapshot) {
  for (const std::uint64_t cookie : touched_) {
    Watched* watched = find(cookie);
    if (!watched || !std::exchange(watched->touched, false) || watched->closed) continue;
    if (const Connection* connection = snapshot.store().find(cookie))
      account(*watched, *connection, last_tick_);
  }
  touched_.clear();
  last_tick_ = snapshot.time();
  return {};
}

// Of what did nothing, only what keeps somebody waiting is worth a look.
void Observer::watch_queues(const Snapshot& snapshot, Observation& observation) {
  const auto& connections = snapshot.store().connections();
  std::erase_if(waiting_, [&](std::uint64_t cookie) { return !connections.contains(cookie); });
  for (const std::uint64_t cookie : waiting_) {
    const ev_sample& s = connections.at(cookie).last;
    if (watched_.contains(cookie) || observation.at_rest.size() >= most_) continue;
    Watched& still = observation.at_rest.emplace_back();
    still.base = still.last = s;
    still.first_ns = s.header.time_ns;
    still.ticks_peer_shut = is_peer_shut(s);
    still.ticks_own_shut = is_own_shut(s);
  }
}

void Observer::select(Observation& observation, const Filter& filter) const {
  const auto accepts = [&](const Watched& watched) {
    Connection connection;
    connection.take(watched.last);
    if (watched.closed) connection.closed_ns = watched.last.header.time_ns;
    return filter.accepts(observation.now.row(connection));
  };
  const auto add = [&](const Watched& watched) {
    if (!filter.empty() && !accepts(watched)) return;
    (watched.is_listener() ? observation.listeners : observation.connections).push_back(&watched);
  };
  for (const auto& [cookie, watched] : watched_)
    if (watched.last.header.time_ns) add(watched);  // else there was no sample yet
  for (const Watched& still : observation.at_rest) add(still);
}

Result<> Observer::on_host(Time now, std::span<const HostValue> values) {
  host_.update(now, values);
  return {};
}

Observation Observer::observe(const Snapshot& snapshot, const Filter& filter) {
  Observation observation{.from = from_,
                          .to = snapshot.time(),
                          .now = snapshot,
                          .host = host_.was_read() ? &host_ : nullptr};
  observation.lost = snapshot.lost() - lost_before_;
  observation.not_watched = not_watched_.size();
  for (const auto& [cookie, shapes] : shapes_)
    if (Watched* watched = find(cookie)) watched->rtt = shapes.last - shapes.first;
  watch_queues(snapshot, observation);
  select(observation, filter);
  return observation;
}

}  // namespace netsonde
