// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdio>
#include <string_view>
#include <vector>

#include "user/sinks/export/output.h"

namespace netsonde {

// "connections", ...; fails on another name, telling these.
Result<ExportTable> parse_export_table(std::string_view name);

// One table as RFC 4180 has it: a line of names, then the records; what was not measured is empty.
// Control characters in a value are written as \xNN.
class CsvOutput : public ExportOutput {
 public:
  CsvOutput(ExportTable table, std::FILE* out) : table_(table), out_(out) {}

  bool keeps(ExportTable table) const override { return table == table_; }
  Result<> event(const Event& event, const Store& store) override;
  Result<> sample(const Row& row) override;
  Result<> connection(const Row& row) override;
  Result<> host(std::int64_t time_ns, const HostValue& value) override;
  Result<> finding(const Json& finding, std::int64_t from_ns, std::int64_t until_ns) override;
  Result<> finish(const Snapshot& last) override;

 private:
  Result<> row(const Row& row);
  Result<> write(const std::vector<std::string>& cells);
  Result<> head();

  ExportTable table_;
  std::FILE* out_;
  bool begun_ = false;
};

}  // namespace netsonde
