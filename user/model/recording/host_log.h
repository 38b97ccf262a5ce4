// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "user/base/units.h"
#include "user/model/host_value.h"
#include "user/model/recording/codec.h"

namespace netsonde::recording {

// Readings of the host's counters into records: what changed since the one before, or all of it
// where the names are others.
class HostLogWriter {
 public:
  void add(Batch& batch, Time now, std::span<const HostValue> values);
  // The newest reading once more, as a checkpoint needs it; nothing where there was none.
  void add_all(Batch& batch) const;

 private:
  bool same_names(std::span<const HostValue> values) const;
  void add_news(Batch& batch, std::span<const HostValue> values) const;

  std::vector<HostValue> last_;
  Time last_time_{};
  std::uint64_t reading_ = 0;
};

// And back.
class HostLogReader {
 public:
  struct Reading {
    Time time;
    std::span<const HostValue> values;  // until the next call
  };
  // Nothing for news of a reading that this reader has not seen: it waits for a whole one. The
  // record is of kind kHostAll or kHostNews, and at least a rec_host.
  Result<std::optional<Reading>> take(std::uint16_t kind, std::span<const std::byte> record);

 private:
  std::vector<HostValue> last_;
  std::optional<std::uint64_t> reading_;
};

}  // namespace netsonde::recording
