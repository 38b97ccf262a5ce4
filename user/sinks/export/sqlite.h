// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "user/sinks/export/output.h"

namespace netsonde {

// An SQLite database: tables connections, samples, events, findings, host and recording. Times
// (..._ns, opened_at) are nanoseconds since the epoch, what was not measured is NULL. Control
// characters in a text are written as \xNN.
class SqliteOutput : public ExportOutput {
 public:
  // The file must not exist.
  static Result<std::unique_ptr<SqliteOutput>> create(const std::string& path);
  ~SqliteOutput() override;

  Result<> event(const Event& event, const Store& store) override;
  Result<> sample(const Row& row) override;
  Result<> connection(const Row& row) override;
  Result<> host(std::int64_t time_ns, const HostValue& value) override;
  Result<> finding(const Json& finding, std::int64_t from_ns, std::int64_t until_ns) override;
  Result<> finish(const Snapshot& last) override;

 private:
  struct Database;
  explicit SqliteOutput(std::unique_ptr<Database> database);
  std::unique_ptr<Database> database_;
};

}  // namespace netsonde
