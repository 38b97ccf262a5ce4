// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "user/base/json.h"
#include "user/model/recording/layout.h"

namespace netsonde::recording {

// Who recorded what: the Begin frame of a file.
struct Origin {
  std::uint32_t format = 1;
  std::string program;  // "netsonde 0.1.0"
  std::string host;
  std::string kernel;  // as uname -r
  std::string boot;    // the kernel's id of its boot: kernel times of another one mean nothing
  std::string run;     // the same in all files that one recorder wrote
  std::uint64_t number = 0;   // of the file among these
  std::int64_t began_ns = 0;  // since the epoch
  std::int64_t realtime_offset_ns = 0;
  std::int64_t interval_ns = 0;  // between two ticks
  std::string filter;            // only what this expression accepts was recorded
  std::vector<RecordLayout> layouts;
};

Json to_json(const Origin& origin);
// Fails on a description that is none, and on a format newer than ours.
Result<Origin> origin_from(std::string_view text);

// Where a reader may begin.
struct CheckpointPlace {
  std::int64_t time_ns = 0;  // since the epoch
  std::uint64_t offset = 0;

  bool operator==(const CheckpointPlace&) const = default;
};

// What the End frame tells.
struct Ending {
  std::map<std::uint16_t, std::uint64_t> records;  // by kind; those of checkpoints are left out
  std::uint64_t not_recorded = 0;
  std::vector<CheckpointPlace> checkpoints;
};

Json to_json(const Ending& ending);
Result<Ending> ending_from(std::string_view text);

}  // namespace netsonde::recording
