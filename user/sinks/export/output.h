// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "user/base/json.h"
#include "user/model/fields.h"
#include "user/model/snapshot.h"

namespace netsonde {

enum class ExportTable { Connections, Samples, Events, Host, Findings };

// What a format makes of the records of an export. Times are nanoseconds since the epoch.
class ExportOutput {
 public:
  virtual ~ExportOutput() = default;
  // Whether it has room for these at all; others it is not given.
  virtual bool keeps(ExportTable) const { return true; }
  // Something that happened; as trace shows it.
  virtual Result<> event(const Event& event, const Store& store) = 0;
  // The counters of a connection or listener at a tick.
  virtual Result<> sample(const Row& row) = 0;
  // A connection as a whole: when it closed, or as the end of the recording found it.
  virtual Result<> connection(const Row& row) = 0;
  // A number of the host that is another than in the reading before.
  virtual Result<> host(std::int64_t time_ns, const HostValue& value) = 0;
  // What was wrong in a window of time, as explain --json has it.
  virtual Result<> finding(const Json& finding, std::int64_t from_ns, std::int64_t until_ns) = 0;
  // The end of an interval.
  virtual Result<> tick(const Snapshot&) { return {}; }
  virtual Result<> finish(const Snapshot& last) = 0;
};

}  // namespace netsonde
