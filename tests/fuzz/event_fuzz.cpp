// SPDX-License-Identifier: Apache-2.0
// Bytes of a hostile recording through everything that reads them: events one after the other, as
// in a stream, and every field of every row after each tick.
#include <algorithm>
#include <array>
#include <cstring>
#include <span>
#include <vector>

#include "user/model/fields.h"

namespace {

using namespace netsonde;

void read_everything(const Store& store) {
  const Snapshot snapshot(store);
  (void)snapshot.realtime_ns();
  (void)store.drops();
  (void)store.lost();
  std::vector<Row> rows;
  for (const Connection* connection :
       snapshot.select(Snapshot::Connections | Snapshot::Listeners | Snapshot::Closed)) {
    rows.push_back(snapshot.row(*connection));
    (void)store.find(connection->last.conn);
    (void)store.find(connection->last.conn.cookie);
    (void)end_name(connection->last);
  }
  for (const Field& field : fields()) {
    for (const Row& row : rows) (void)human(field.get(row), field.unit);
    for (std::size_t i = 1; i < rows.size(); ++i)
      (void)sorts_before(field.get(rows[i - 1]), field.get(rows[i]), i % 2);
    (void)combined(field, rows);
  }
}

void apply(Store& store, const Event& event) {
  (void)name_of(static_cast<ev_kind>(header_of(event).kind));
  (void)connection_of(event);
  (void)cookie_of(event);
  (void)time_of(event);
  store.apply(event);
  for (const Event& derived : store.take_derived()) store.apply(derived);
  if (std::holds_alternative<ev_tick>(event)) read_everything(store);
}

struct Kind {
  std::uint16_t kind;
  std::uint16_t size;
};

constexpr std::array kKinds = {
    Kind{.kind = EV_CONNECT, .size = sizeof(ev_open)},
    Kind{.kind = EV_ESTABLISHED, .size = sizeof(ev_open)},
    Kind{.kind = EV_CLOSE, .size = sizeof(ev_sample)},
    Kind{.kind = EV_LISTEN_CLOSE, .size = sizeof(ev_sample)},
    Kind{.kind = EV_SAMPLE, .size = sizeof(ev_sample)},
    Kind{.kind = EV_RETRANSMIT, .size = sizeof(ev_retransmit)},
    Kind{.kind = EV_RESET, .size = sizeof(ev_reset)},
    Kind{.kind = EV_DROP, .size = sizeof(ev_drop)},
    Kind{.kind = EV_CONGESTION_STATE, .size = sizeof(ev_congestion_state)},
    Kind{.kind = EV_HISTOGRAM, .size = sizeof(ev_histogram)},
    Kind{.kind = EV_RTT, .size = sizeof(ev_rtt)},
    Kind{.kind = EV_TICK, .size = sizeof(ev_tick)},
    Kind{.kind = EV_DROP_COUNT, .size = sizeof(ev_drop_count)},
    Kind{.kind = EV_LISTEN_OVERFLOW, .size = sizeof(ev_listen_overflow)},
};

// One event: a byte that chooses its kind, one that says how many bytes of it follow (in eights),
// the bytes, and zeros for the rest. Without a kind to choose, the bytes are decoded as they are.
Result<Event> next_event(std::span<const std::uint8_t>& data) {
  const std::size_t choice = data[0];
  const std::size_t length =
      std::min<std::size_t>({data[1] * 8U, data.size() - 2, sizeof(ev_histogram)});
  std::array<std::byte, sizeof(ev_histogram)> bytes{};
  std::memcpy(bytes.data(), data.data() + 2, length);
  data = data.subspan(2 + length);
  if (choice >= kKinds.size()) return decode(std::span(bytes).first(length));
  ev_header header;
  std::memcpy(&header, bytes.data(), sizeof(header));
  header.kind = kKinds[choice].kind;
  header.size = kKinds[choice].size;
  std::memcpy(bytes.data(), &header, sizeof(header));
  return decode(std::span(bytes).first(header.size));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Names names;
  Store store(&names, {.linger_limit = 4, .linger = std::chrono::seconds(1)});
  std::span<const std::uint8_t> rest(data, size);
  while (rest.size() >= 2)
    if (const auto event = next_event(rest)) apply(store, event.value());
  ev_tick tick = {};
  tick.header = {.time_ns = 9'000'000'000, .kind = EV_TICK, .size = sizeof(tick), .cpu = 0};
  tick.complete = tick.sampled = 1;
  apply(store, tick);
  return 0;
}
