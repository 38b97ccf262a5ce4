// SPDX-License-Identifier: Apache-2.0
#include "user/sinks/export/exporter.h"

#include "user/model/diagnosis/diagnosis.h"
#include "user/sinks/concerns.h"
#include "user/sinks/explain.h"

namespace netsonde {

namespace {

constexpr Nanos kWindow = std::chrono::seconds(10);

// What is told as an event of its own. The others are inputs of samples and totals.
bool is_told(std::uint16_t kind) {
  return kind != EV_SAMPLE && kind != EV_TICK && kind != EV_HISTOGRAM && kind != EV_DROP_COUNT;
}

Row row_of(const Connection& connection, const Store& store) {
  return {connection, store.names(), time_from_ns(store.tick().header.time_ns),
          store.tick().realtime_offset_ns};
}

}  // namespace

void Exporter::before_event(const Event& event, const Store& store) {
  observer_.before_event(event, store);
}

Result<> Exporter::on_event(const Event& event, const Store& store) {
  TRY(observer_.on_event(event, store));
  realtime_offset_ns_ = store.tick().realtime_offset_ns;
  const std::uint16_t kind = header_of(event).kind;
  ++counts_.read[kind];
  if (kind == EV_TICK) return write_samples(store);
  if (kind == EV_SAMPLE) sampled_.push_back(cookie_of(event));
  if (!is_told(kind)) return {};
  if (!concerns(filter_, event, store)) {
    ++counts_.filtered;
    return {};
  }
  if (out_.keeps(ExportTable::Events)) {
    ++counts_.events;
    TRY(out_.event(event, store));
  }
  if (kind != EV_CLOSE) return {};
  return write_closed(std::get<ev_sample>(event), store);
}

// As the tick found them: rates and limits are of the interval that it ended.
Result<> Exporter::write_samples(const Store& store) {
  const auto cookies = std::exchange(sampled_, {});
  if (!out_.keeps(ExportTable::Samples)) return {};
  for (const std::uint64_t cookie : cookies) {
    const auto found = store.connections().find(cookie);
    if (found == store.connections().end()) {
      ++counts_.gone_samples;
      continue;
    }
    const Row row = row_of(found->second, store);
    if (!filter_.accepts(row)) {
      ++counts_.filtered;
      continue;
    }
    ++counts_.samples;
    TRY(out_.sample(row));
  }
  return {};
}

Result<> Exporter::write_closed(const ev_sample& close, const Store& store) {
  if (!out_.keeps(ExportTable::Connections)) return {};
  Connection connection;
  if (const Connection* known = store.find(close.conn.cookie)) connection = *known;
  connection.take(close);
  connection.closed_ns = close.header.time_ns;
  ++counts_.connections;
  return out_.connection(Row{connection, store.names(), time_from_ns(close.header.time_ns),
                             store.tick().realtime_offset_ns});
}

Result<> Exporter::on_host(Time now, std::span<const HostValue> values) {
  TRY(observer_.on_host(now, values));
  if (!out_.keeps(ExportTable::Host)) return {};
  const std::int64_t time_ns = now.time_since_epoch().count() + realtime_offset_ns_;
  for (const HostValue& value : values) {
    const auto [known, is_new] = host_.try_emplace(value.name + '\n' + value.instance, value.value);
    if (!is_new && std::exchange(known->second, value.value) == value.value) continue;
    ++counts_.host_values;
    TRY(out_.host(time_ns, value));
  }
  return {};
}

Result<> Exporter::on_snapshot(const Snapshot& snapshot) {
  TRY(observer_.on_snapshot(snapshot));
  if (snapshot.time() - observer_.from() >= kWindow) TRY(write_findings(snapshot));
  return out_.tick(snapshot);
}

Result<> Exporter::write_findings(const Snapshot& snapshot) {
  if (!out_.keeps(ExportTable::Findings)) return {};
  const Observation observation = observer_.observe(snapshot, filter_);
  const auto realtime = [&](Time time) {
    return time.time_since_epoch().count() + snapshot.tick().realtime_offset_ns;
  };
  const Json json = to_json(diagnose(observation), observation);
  for (const Json& finding : json.at("findings")) {
    ++counts_.findings;
    TRY(out_.finding(finding, realtime(observation.from), realtime(observation.to)));
  }
  observer_.begin(snapshot.time(), snapshot.store());
  return {};
}

Result<> Exporter::finish(const Snapshot& last) {
  if (last.time() > observer_.from()) {
    TRY(observer_.on_snapshot(last));
    TRY(write_findings(last));
  }
  for (const Connection* connection : last.select(Snapshot::Connections)) {
    if (!out_.keeps(ExportTable::Connections)) break;
    const Row row = last.row(*connection);
    if (!filter_.accepts(row)) continue;
    ++counts_.connections;
    TRY(out_.connection(row));
  }
  return out_.finish(last);
}

}  // namespace netsonde
