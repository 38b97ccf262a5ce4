// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdio>

#include "user/sinks/export/output.h"

namespace netsonde {

// One JSON object a line; its key "record" tells what it is.
class JsonLinesOutput : public ExportOutput {
 public:
  explicit JsonLinesOutput(std::FILE* out) : out_(out) {}

  Result<> event(const Event& event, const Store& store) override;
  Result<> sample(const Row& row) override;
  Result<> connection(const Row& row) override;
  Result<> host(std::int64_t time_ns, const HostValue& value) override;
  Result<> finding(const Json& finding, std::int64_t from_ns, std::int64_t until_ns) override;
  Result<> finish(const Snapshot& last) override;

 private:
  Result<> row(const char* record, const Row& row);
  Result<> write(const char* record, const Json& json);

  std::FILE* out_;
};

}  // namespace netsonde
