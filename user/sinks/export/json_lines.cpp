// SPDX-License-Identifier: Apache-2.0
#include "user/sinks/export/json_lines.h"

#include "user/base/text.h"
#include "user/sinks/json_rows.h"

namespace netsonde {

Result<> JsonLinesOutput::write(const char* record, const Json& json) {
  Json line = {{"record", record}};
  line.update(json);
  const std::string text = to_line(line) + "\n";
  if (std::fwrite(text.data(), 1, text.size(), out_) != text.size())
    return Error::from_errno("write the export");
  return {};
}

Result<> JsonLinesOutput::event(const Event& event, const Store& store) {
  return write("event", to_json(event, store));
}

Result<> JsonLinesOutput::row(const char* record, const Row& row) {
  Json json = {{"time", rfc3339(row.now.time_since_epoch().count() + row.realtime_offset_ns)}};
  json.update(to_json(row));
  return write(record, json);
}

Result<> JsonLinesOutput::sample(const Row& of) {
  return row("sample", of);
}

Result<> JsonLinesOutput::connection(const Row& of) {
  return row("connection", of);
}

Result<> JsonLinesOutput::host(std::int64_t time_ns, const HostValue& value) {
  return write("host", {{"time", rfc3339(time_ns)},
                        {"name", value.name},
                        {"instance", value.instance},
                        {"value", value.value}});
}

Result<> JsonLinesOutput::finding(const Json& finding, std::int64_t from_ns,
                                  std::int64_t until_ns) {
  Json json = {{"from", rfc3339(from_ns)}, {"until", rfc3339(until_ns)}};
  json.update(finding);
  return write("finding", json);
}

Result<> JsonLinesOutput::finish(const Snapshot& last) {
  return write("end", {{"time", rfc3339(last.realtime_ns())},
                       {"lost_events", last.lost()},
                       {"lost", losses_to_json(last.tick())}});
}

}  // namespace netsonde
