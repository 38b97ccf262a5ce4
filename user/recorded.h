// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "user/replay.h"
#include "user/request.h"

namespace netsonde {

// The commands that watch, on a recording (--from). Neither needs privileges nor a particular
// kernel; the same recording gives the same output.
Result<int> run_recorded(const Options& options, const Request& request);

// What --from names, and the span that --at, --since and --until choose of it; nanoseconds since
// the epoch. What is missing of the recording has been told on standard error.
struct RecordedSpan {
  recording::Recording recording;
  std::int64_t since_ns = 0;
  std::int64_t until_ns = 0;
};
Result<RecordedSpan> open_recorded(const Options& options);

// What replaying found out about the file, in words.
std::vector<std::string> gaps_of(const Replay& replay);

// A time as it is given to --at, in that recording, nanoseconds since the epoch.
Result<std::int64_t> time_in(const std::string& text, const recording::Recording& recording);
// Tells what replaying found out about the file, on standard error.
void tell_gaps(const Replay& replay);

}  // namespace netsonde
