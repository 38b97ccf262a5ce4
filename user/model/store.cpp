// SPDX-License-Identifier: Apache-2.0
#include "user/model/store.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <utility>

namespace netsonde {

namespace {

constexpr std::uint8_t kClosed = 7;
constexpr std::uint8_t kListen = 10;
constexpr std::uint8_t kNewSynRecv = 12;

// A packet's namespace may be unknown (0): before 6.11 the kernel forgets it inside TCP.
bool same_end(const ev_conn& a, const ev_conn& b) {
  return (a.netns == b.netns || !b.netns) && a.local_port == b.local_port &&
         a.remote_port == b.remote_port &&
         std::equal(std::begin(a.local), std::end(a.local), std::begin(b.local)) &&
         std::equal(std::begin(a.remote), std::end(a.remote), std::begin(b.remote));
}

// Without the namespace, which is not always known.
std::uint64_t hash_of_addresses(const ev_conn& conn) {
  std::array<std::uint64_t, 4> words{};
  static_assert(sizeof(conn.local) + sizeof(conn.remote) == sizeof(words));
  std::memcpy(words.data(), conn.local, sizeof(conn.local));
  std::memcpy(words.data() + 2, conn.remote, sizeof(conn.remote));
  std::uint64_t hash = std::uint64_t{conn.local_port} << 16 | conn.remote_port;
  for (const std::uint64_t word : words) hash = (hash ^ word) * 0x9e3779b97f4a7c15 ^ hash >> 29;
  return hash;
}

ev_conn swapped(ev_conn conn) {
  std::swap(conn.local_port, conn.remote_port);
  std::swap(conn.local, conn.remote);
  return conn;
}

}  // namespace

void Store::apply(const Event& event) {
  std::visit([this](const auto& e) { on(e); }, event);
}

void Store::restore(const ev_tick& tick, const Rest& rest) {
  tick_ = tick;
  interval_ = rest.interval;
  last_pass_ns_ = rest.last_pass_ns;
  last_complete_ns_ = rest.last_complete_ns;
  totals_.vanished = rest.vanished;
}

void Store::restore(const Connection& connection, bool active) {
  const std::uint64_t cookie = connection.last.conn.cookie;
  if (connection.is_closed()) {
    closed_.push_back(connection);
    if (closed_.size() > settings_.linger_limit) closed_.pop_front();
    return;
  }
  connections_.insert_or_assign(cookie, connection);
  if (active) touched_last_.push_back(cookie);
}

void Store::restore(const ev_drop_count& count) {
  on(count);
  sums_.harmful = sums_.benign = 0;
}

std::vector<Event> Store::take_derived() {
  return std::exchange(derived_, {});
}

const Connection* Store::find(std::uint64_t cookie) const {
  const auto found = connections_.find(cookie);
  if (found != connections_.end()) return &found->second;
  const auto closed = std::find_if(closed_.rbegin(), closed_.rend(), [&](const Connection& c) {
    return c.last.conn.cookie == cookie;
  });
  return closed == closed_.rend() ? nullptr : &*closed;
}

const Connection* Store::find(const ev_conn& packet) const {
  if (packet.cookie) return find(packet.cookie);
  // On loopback both ends are here: the one that the packet was for or from comes first.
  for (const ev_conn& wanted : {packet, swapped(packet)})
    if (const Connection* connection = find_by_addresses(wanted)) return connection;
  return nullptr;
}

const Connection* Store::find_by_addresses(const ev_conn& packet) const {
  if (!std::exchange(addresses_known_, true))
    for (const auto& [cookie, connection] : connections_)
      by_addresses_.emplace(hash_of_addresses(connection.last.conn), cookie);
  const auto [begin, end] = by_addresses_.equal_range(hash_of_addresses(packet));
  for (auto entry = begin; entry != end; ++entry) {
    const auto found = connections_.find(entry->second);
    if (found != connections_.end() && same_end(found->second.last.conn, packet))
      return &found->second;
  }
  return nullptr;
}

std::uint64_t Store::lost() const {
  return std::accumulate(std::begin(tick_.lost), std::end(tick_.lost), std::uint64_t{0}) -
         tick_.lost[EV_LOST_RATE];
}

std::vector<DropCount> Store::drops() const {
  std::vector<DropCount> drops;
  for (const auto& [key, count] : drops_) drops.push_back(count);
  std::sort(drops.begin(), drops.end(),
            [](const auto& a, const auto& b) { return a.count > b.count; });
  return drops;
}

// Events that are no samples tell who, not how much. What happens to a socket after its close (a
// reset that it still sends, say) does not bring it back, and a handshake is no connection yet.
void Store::remember(const ev_conn& conn) {
  if (!conn.cookie || conn.state == kClosed || conn.state == kNewSynRecv) return;
  row_of(conn).last.conn = conn;
}

Connection& Store::row_of(const ev_conn& conn) {
  const auto [row, is_new] = connections_.try_emplace(conn.cookie);
  if (!is_new) return row->second;
  if (addresses_known_) by_addresses_.emplace(hash_of_addresses(conn), conn.cookie);
  take_early_rtt(row->second, conn.cookie);
  return row->second;
}

void Store::take_early_rtt(Connection& connection, std::uint64_t cookie) {
  if (early_rtts_.empty()) return;
  if (const auto early = early_rtts_.find(cookie); early != early_rtts_.end())
    connection.rtt = early->second;
}

// A pass may have begun to read a socket while another processor closed it.
bool Store::is_late(const ev_sample& sample) const {
  return !connections_.contains(sample.conn.cookie) &&
         std::any_of(closed_.rbegin(), closed_.rend(), [&](const Connection& closed) {
           return closed.last.conn.cookie == sample.conn.cookie &&
                  closed.last.conn.start_ns == sample.conn.start_ns;
         });
}

void Store::on(const ev_open& open) {
  // The same socket may connect again after it closed.
  if (open.header.kind == EV_CONNECT) connections_.erase(open.conn.cookie);
  remember(open.conn);
}

// A socket that began after the last pass did, and may have been missed by it, counts from zero; of
// an older one only changes count.
void Store::begin(Connection& connection, const ev_sample& sample) {
  if (connection.sampled || !sample.conn.start_ns || sample.conn.start_ns < last_pass_ns_) return;
  connection.base.known = true;
  connection.base.time_ns = tick_.header.time_ns;
  if (sample.conn.direction != EV_LISTENER) ++sums_.opened;
}

// Once, whether it is sampled during its handshake or never before its close.
void Store::count_connected(const Connection& connection, const ev_sample& sample) {
  const bool news = sample.established_ns && !connection.last.established_ns;
  if (news && sample.established_ns >= last_pass_ns_) ++sums_.connected;
}

void Store::check_overflow(Connection& connection, const ev_sample& sample) {
  const std::uint32_t dropped = sample.sk_drops - connection.base.sk_drops;
  if (!connection.base.known || dropped == 0) return;
  sums_.overflows += dropped;
  connection.base.sk_drops = sample.sk_drops;
  ev_listen_overflow overflow = {};
  overflow.header = sample.header;
  overflow.header.kind = EV_LISTEN_OVERFLOW;
  overflow.header.size = sizeof(overflow);
  overflow.conn = sample.conn;
  overflow.count = dropped;
  overflow.queued = sample.receive_queue;
  overflow.backlog = sample.backlog;
  derived_.emplace_back(overflow);
}

void Store::on(const ev_sample& sample) {
  if (sample.header.kind != EV_SAMPLE) return close(sample);
  if (is_late(sample)) return;
  Connection& connection = row_of(sample.conn);
  begin(connection, sample);
  count_connected(connection, sample);
  if (sample.conn.state == kListen) check_overflow(connection, sample);
  if (!std::exchange(connection.touched, true)) touched_.push_back(sample.conn.cookie);
  connection.take(sample);
  connection.sampled_ns = sample.header.time_ns;
}

// Comes right before the sample or close that it belongs to, which may be the first we hear of it.
void Store::on(const ev_histogram& histogram) {
  const RttQuantiles rtt = quantiles_of_buckets(histogram.buckets);
  const auto row = connections_.find(histogram.cookie);
  if (row == connections_.end())
    early_rtts_[histogram.cookie] = rtt;
  else
    row->second.rtt = rtt;
}

void Store::on(const ev_reset& reset) {
  ++(reset.sent ? sums_.resets_sent : sums_.resets_received);
  if (reset.conn.cookie) remember(reset.conn);
}

void Store::on(const ev_drop_count& count) {
  const std::string reason = names_->drop_reason(count.key.reason);
  DropCount& drop =
      drops_[{count.key.reason, count.key.location, count.key.netns, count.key.protocol}];
  drop.key = count.key;
  drop.harmful = !benign_drop(reason, names_->symbol(count.key.location));
  const std::uint64_t news = count.count - drop.count;
  (drop.harmful ? sums_.harmful : sums_.benign) += news;
  drop.count = count.count;
}

// What the connection did since the last tick, into the sums of the interval.
void Store::add(const Connection& connection) {
  const ev_sample& now = connection.last;
  const Connection::Base& base = connection.base;
  if (!base.known) return;
  sums_.tx += now.tx_bytes - base.tx;
  sums_.rx += now.rx_bytes - base.rx;
  sums_.busy_ms += now.busy_ms - base.busy_ms;
  sums_.busy_ms += now.rwnd_limited_ms - base.rwnd_ms;
  sums_.busy_ms += now.sndbuf_limited_ms - base.sndbuf_ms;
  sums_.segs_out += now.segs_out - base.segs_out;
  sums_.segs_in += now.segs_in - base.segs_in;
  sums_.retransmitted += now.retransmitted - base.retransmitted;
  const bool active = now.segs_in != base.segs_in || now.segs_out != base.segs_out;
  if (active && now.srtt_us) sums_.srtts.push_back(now.srtt_us);
}

void Store::close(const ev_sample& sample) {
  const bool listener = sample.header.kind == EV_LISTEN_CLOSE;
  if (!listener) ++sums_.closed;
  Connection connection;
  if (const auto row = connections_.extract(sample.conn.cookie))
    connection = row.mapped();
  else
    take_early_rtt(connection, sample.conn.cookie);
  begin(connection, sample);
  count_connected(connection, sample);
  if (listener) check_overflow(connection, sample);
  connection.take(sample);
  connection.closed_ns = sample.header.time_ns;
  connection.tx_rate = connection.rx_rate = kUnknown;
  connection.retransmit_rate = connection.drop_rate = kUnknown;
  if (listener) return;
  add(connection);
  closed_.push_back(connection);
  if (closed_.size() <= settings_.linger_limit) return;
  if (closed_.front().closed_ns > tick_.header.time_ns) ++sums_.closed_not_kept;
  closed_.pop_front();
}

void Store::account(Connection& connection) {
  connection.set_rates(tick_.header.time_ns);
  add(connection);
  connection.begin_interval();
}

// Only those that did something, or did so until the tick before.
void Store::account_all() {
  for (const std::uint64_t cookie : touched_last_)
    if (const auto found = connections_.find(cookie);
        found != connections_.end() && found->second.sampled && !found->second.touched)
      found->second.come_to_rest();
  for (const std::uint64_t cookie : touched_)
    if (const auto found = connections_.find(cookie);
        found != connections_.end() && std::exchange(found->second.touched, false))
      account(found->second);
  touched_last_.swap(touched_);
  touched_.clear();
}

void Store::forget_vanished() {
  const std::uint64_t since = last_complete_ns_;
  totals_.vanished += std::erase_if(connections_, [since](const auto& entry) {
    return std::max<std::uint64_t>(entry.second.sampled_ns, entry.second.last.conn.start_ns) <
           since;
  });
}

void Store::forget_closed() {
  // However long the interval: what closed in it must be shown once.
  const auto linger = static_cast<std::uint64_t>(std::max(settings_.linger, interval_).count());
  while (!closed_.empty() && closed_.front().closed_ns + linger < tick_.header.time_ns)
    closed_.pop_front();
}

void Store::finish_totals(double span) {
  const auto rate = [span](std::uint64_t count) {
    return span > 0 ? static_cast<double>(count) / span : 0.0;
  };
  const std::uint64_t vanished = totals_.vanished;
  totals_ = {};
  totals_.vanished = vanished;
  for (const auto& [cookie, connection] : connections_) {
    ++(connection.is_listener() ? totals_.listeners : totals_.connections);
    ++totals_.by_state[std::min<std::size_t>(connection.last.conn.state, kTcpStates - 1)];
  }
  totals_.tx_rate = rate(sums_.tx);
  totals_.rx_rate = rate(sums_.rx);
  totals_.busy = rate(sums_.busy_ms) / 1000;
  totals_.segments_out_rate = rate(sums_.segs_out);
  totals_.segments_in_rate = rate(sums_.segs_in);
  totals_.retransmit_rate = rate(sums_.retransmitted);
  if (sums_.segs_out)
    totals_.retransmit_percent =
        100.0 * static_cast<double>(sums_.retransmitted) / static_cast<double>(sums_.segs_out);
  if (!sums_.srtts.empty()) {
    const RttQuantiles rtt = quantiles_of_samples(sums_.srtts);
    totals_.rtt_p50_us = rtt.p50;
    totals_.rtt_p99_us = rtt.p99;
  }
  totals_.opened_rate = rate(sums_.opened);
  totals_.closed_rate = rate(sums_.closed);
  totals_.connected_rate = rate(sums_.connected);
  totals_.drop_rate = rate(sums_.harmful);
  totals_.benign_drop_rate = rate(sums_.benign);
  totals_.resets_sent_rate = rate(sums_.resets_sent);
  totals_.resets_received_rate = rate(sums_.resets_received);
  totals_.listen_overflow_rate = rate(sums_.overflows);
  totals_.closed_not_kept = sums_.closed_not_kept;
  sums_ = {};
}

void Store::on(const ev_tick& tick) {
  const bool first = tick_.header.time_ns == 0;
  interval_ =
      Nanos(first ? 0 : static_cast<std::int64_t>(tick.header.time_ns - tick_.header.time_ns));
  sums_.benign += tick.benign_drops - tick_.benign_drops;
  const double span = seconds(interval_);
  account_all();
  early_rtts_.clear();
  by_addresses_.clear();
  addresses_known_ = false;
  const std::uint64_t previous = tick_.header.time_ns;
  last_pass_ns_ = first ? tick.header.time_ns : previous;
  tick_ = tick;
  if (tick.complete) {
    // Samples of this pass lie between the two ticks.
    last_complete_ns_ = previous;
    forget_vanished();
  }
  forget_closed();
  finish_totals(span);
}

}  // namespace netsonde
