// SPDX-License-Identifier: Apache-2.0
#include "user/sinks/export/csv.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "user/base/text.h"
#include "user/sinks/json_rows.h"
#include "user/sinks/trace.h"

namespace netsonde {

namespace {

constexpr std::array<std::string_view, 5> kTables = {"connections", "samples", "events", "host",
                                                     "findings"};

std::string cell_of(const Json& json) {
  if (json.is_null()) return {};
  return printable(json.is_string() ? json.get<std::string>() : to_line(json));
}

// Quoted where it must be: a lone number is not.
std::string quoted(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + "\"";
}

std::vector<std::string> field_names() {
  std::vector<std::string> names = {"time"};
  for (const Field& field : fields()) names.emplace_back(field.id);
  return names;
}

}  // namespace

Result<ExportTable> parse_export_table(std::string_view name) {
  const auto found = std::ranges::find(kTables, name);
  if (found != kTables.end()) return static_cast<ExportTable>(found - kTables.begin());
  std::string known;
  for (const std::string_view table : kTables)
    known += (known.empty() ? "" : ", ") + std::string(table);
  return Error(fmt::format("unknown table '{}'; known: {}", printable(name), known));
}

Result<> CsvOutput::write(const std::vector<std::string>& cells) {
  std::string line;
  for (const std::string& cell : cells) line += (&cell == &cells[0] ? "" : ",") + quoted(cell);
  line += "\r\n";
  if (std::fwrite(line.data(), 1, line.size(), out_) != line.size())
    return Error::from_errno("write the export");
  return {};
}

Result<> CsvOutput::head() {
  if (std::exchange(begun_, true)) return {};
  switch (table_) {
    case ExportTable::Events:
      return write({"time", "event", "cookie", "local_address", "local_port", "remote_address",
                    "remote_port", "pid", "comm", "details"});
    case ExportTable::Host: return write({"time", "name", "instance", "value"});
    case ExportTable::Findings:
      return write({"from", "until", "id", "severity", "where", "since", "text", "advice",
                    "subject", "impact", "evidence"});
    default: return write(field_names());
  }
}

Result<> CsvOutput::event(const Event& event, const Store& store) {
  TRY(head());
  const Json json = to_json(event, store);
  std::vector<std::string> cells;
  for (const char* key : {"time", "event", "cookie", "local_address", "local_port",
                          "remote_address", "remote_port", "pid", "comm"})
    cells.push_back(json.contains(key) ? cell_of(json[key]) : "");
  cells.push_back(details_of(event, store));
  return write(cells);
}

Result<> CsvOutput::row(const Row& row) {
  TRY(head());
  std::vector<std::string> cells = {
      rfc3339(row.now.time_since_epoch().count() + row.realtime_offset_ns)};
  for (const Field& field : fields()) cells.push_back(cell_of(to_json(field.get(row))));
  return write(cells);
}

Result<> CsvOutput::sample(const Row& of) {
  return row(of);
}

Result<> CsvOutput::connection(const Row& of) {
  return row(of);
}

Result<> CsvOutput::host(std::int64_t time_ns, const HostValue& value) {
  TRY(head());
  return write({rfc3339(time_ns), printable(value.name), printable(value.instance),
                std::to_string(value.value)});
}

Result<> CsvOutput::finding(const Json& finding, std::int64_t from_ns, std::int64_t until_ns) {
  TRY(head());
  std::vector<std::string> cells = {rfc3339(from_ns), rfc3339(until_ns)};
  for (const char* key :
       {"id", "severity", "where", "since", "text", "advice", "subject", "impact", "evidence"})
    cells.push_back(cell_of(finding.at(key)));
  return write(cells);
}

Result<> CsvOutput::finish(const Snapshot&) {
  return head();
}

}  // namespace netsonde
