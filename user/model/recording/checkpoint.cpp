// SPDX-License-Identifier: Apache-2.0
#include "user/model/recording/checkpoint.h"

#include <algorithm>
#include <cstring>
#include <unordered_set>

#include "user/model/recording/format.h"
#include "user/model/recording/records.h"

namespace netsonde::recording {

namespace {

constexpr std::size_t kPartBytes = 4 << 20;

template <typename T>
std::span<const std::byte> bytes_of(const T& record) {
  return std::as_bytes(std::span(&record, 1));
}

template <typename T>
T read(std::span<const std::byte> bytes) {
  T record;
  std::memcpy(&record, bytes.data(), sizeof(record));
  return record;
}

void set_header(ev_header& header, RecordKind kind, std::size_t size, std::uint64_t time_ns) {
  header.kind = kind;
  header.size = static_cast<std::uint16_t>(size);
  header.time_ns = time_ns;
}

void add_name(Batch& batch, const Name& name, std::uint64_t time_ns) {
  rec_name record = {};
  set_header(record.header, kName, sizeof(record), time_ns);
  record.number = name.number;
  record.of = static_cast<std::uint8_t>(name.kind);
  batch.add(bytes_of(record), std::as_bytes(std::span(name.text)));
}

rec_store image_of(const Store& store) {
  rec_store record = {};
  record.tick = store.tick();
  set_header(record.header, kStoreState, sizeof(record), record.tick.header.time_ns);
  const Store::Rest rest = store.rest();
  record.interval_ns = rest.interval.count();
  record.last_pass_ns = rest.last_pass_ns;
  record.last_complete_ns = rest.last_complete_ns;
  record.vanished = rest.vanished;
  return record;
}

rec_connection image_of(const Connection& c, bool active) {
  rec_connection record = {};
  record.last = c.last;
  record.kind = c.last.header.kind;
  // The time stays that of the sample.
  set_header(record.last.header, kConnectionState, sizeof(record), c.last.header.time_ns);
  record.closed_ns = c.closed_ns;
  record.sampled_ns = c.sampled_ns;
  record.base_tx = c.base.tx;
  record.base_rx = c.base.rx;
  record.base_time_ns = c.base.time_ns;
  record.base_segs_out = c.base.segs_out;
  record.base_segs_in = c.base.segs_in;
  record.base_retransmitted = c.base.retransmitted;
  record.base_sk_drops = c.base.sk_drops;
  record.base_drops = c.base.drops;
  record.base_busy_ms = c.base.busy_ms;
  record.base_rwnd_ms = c.base.rwnd_ms;
  record.base_sndbuf_ms = c.base.sndbuf_ms;
  record.tx_rate = c.tx_rate;
  record.rx_rate = c.rx_rate;
  record.retransmit_rate = c.retransmit_rate;
  record.drop_rate = c.drop_rate;
  record.rtt_p50 = c.rtt.p50;
  record.rtt_p90 = c.rtt.p90;
  record.rtt_p99 = c.rtt.p99;
  record.rtt_count = c.rtt.samples;
  record.limit = static_cast<std::uint32_t>(c.limit);
  record.flags = (c.limit_known ? kLimitKnown : 0U) | (c.sampled ? kSampled : 0U) |
                 (c.base.known ? kBaseKnown : 0U) | (c.base.at_rest ? kAtRest : 0U) |
                 (active ? kActive : 0U);
  return record;
}

std::uint16_t size_of_event(std::uint32_t kind) {
  return kind ? static_cast<std::uint16_t>(sizeof(ev_sample)) : std::uint16_t{0};
}

Connection connection_of(const rec_connection& record) {
  Connection c;
  c.last = record.last;
  c.last.header.kind = static_cast<std::uint16_t>(record.kind);
  c.last.header.size = size_of_event(record.kind);
  c.closed_ns = record.closed_ns;
  c.sampled_ns = record.sampled_ns;
  c.base = {.tx = record.base_tx,
            .rx = record.base_rx,
            .segs_out = record.base_segs_out,
            .segs_in = record.base_segs_in,
            .retransmitted = record.base_retransmitted,
            .sk_drops = record.base_sk_drops,
            .drops = record.base_drops,
            .busy_ms = record.base_busy_ms,
            .rwnd_ms = record.base_rwnd_ms,
            .sndbuf_ms = record.base_sndbuf_ms,
            .time_ns = record.base_time_ns,
            .known = (record.flags & kBaseKnown) != 0,
            .at_rest = (record.flags & kAtRest) != 0};
  c.tx_rate = record.tx_rate;
  c.rx_rate = record.rx_rate;
  c.retransmit_rate = record.retransmit_rate;
  c.drop_rate = record.drop_rate;
  c.rtt = {.samples = record.rtt_count,
           .p50 = record.rtt_p50,
           .p90 = record.rtt_p90,
           .p99 = record.rtt_p99};
  c.limit = static_cast<Limit>(std::min<std::uint32_t>(record.limit, kLimits.size() - 1));
  c.limit_known = (record.flags & kLimitKnown) != 0;
  c.sampled = (record.flags & kSampled) != 0;
  return c;
}

// Hands out batches that are not too large for a frame.
class Parts {
 public:
  Batch& next() {
    if (parts_.back().bytes() >= kPartBytes) parts_.emplace_back();
    return parts_.back();
  }
  std::vector<Batch> take() { return std::move(parts_); }

 private:
  std::vector<Batch> parts_ = std::vector<Batch>(1);
};

}  // namespace

void add_names(Batch& batch, const Names& names, std::size_t from, std::uint64_t time_ns) {
  for (std::size_t i = from; i < names.count(); ++i) add_name(batch, names.at(i), time_ns);
}

std::vector<Batch> checkpoint_of(const Store& store, const Keep& keep) {
  Parts parts;
  const std::uint64_t now = store.tick().header.time_ns;
  parts.next().add(bytes_of(image_of(store)));
  const Names& names = store.names();
  add_name(parts.next(), {.kind = NameKind::Host, .number = 0, .text = names.host}, now);
  for (std::size_t i = 0; i < names.count(); ++i) add_name(parts.next(), names.at(i), now);
  for (const DropCount& drop : store.drops()) {
    ev_drop_count record = {};
    record.header = {.time_ns = now, .kind = EV_DROP_COUNT, .size = sizeof(record), .cpu = 0};
    record.key = drop.key;
    record.count = drop.count;
    parts.next().add(bytes_of(record));
  }
  const std::unordered_set<std::uint64_t> active(store.active().begin(), store.active().end());
  for (const auto& [cookie, connection] : store.connections())
    if (keep(connection)) parts.next().add(bytes_of(image_of(connection, active.contains(cookie))));
  for (const Connection& connection : store.closed())
    if (keep(connection)) parts.next().add(bytes_of(image_of(connection, false)));
  return parts.take();
}

void restore(std::uint16_t kind, std::span<const std::byte> record, Names& names, Store& store) {
  if (kind == kName) {
    const auto name = read<rec_name>(record);
    const auto text = record.subspan(sizeof(name));
    if (name.of <= static_cast<std::uint8_t>(NameKind::Cgroup))
      names.learn({.kind = static_cast<NameKind>(name.of),
                   .number = name.number,
                   .text = {reinterpret_cast<const char*>(text.data()), text.size()}});
  } else if (kind == kStoreState) {
    const auto state = read<rec_store>(record);
    store.restore(state.tick, {.interval = Nanos(state.interval_ns),
                               .last_pass_ns = state.last_pass_ns,
                               .last_complete_ns = state.last_complete_ns,
                               .vanished = state.vanished});
  } else if (kind == kConnectionState) {
    const auto state = read<rec_connection>(record);
    store.restore(connection_of(state), (state.flags & kActive) != 0);
  } else if (kind == EV_DROP_COUNT) {
    store.restore(read<ev_drop_count>(record));
  }
}

}  // namespace netsonde::recording
