// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "user/base/json.h"
#include "user/model/attempt.h"
#include "user/model/attempt_summary.h"
#include "user/model/expectation.h"

namespace netsonde {

// What a probe prints. Times are told as they were measured, in JSON in microseconds with their
// nanoseconds; what was not measured is null, or "-". The offset leads from the kernel's clock to
// the epoch.

// The attempt as the contract has it: one object.
Json to_json(const Attempt& attempt, std::int64_t realtime_offset_ns);
// What ends them: one object with the key "summary". expectation: nullptr where there is none.
Json to_json(const AttemptSummary& summary, const Expectation* expectation, bool interrupted);

// One attempt with all that is worth knowing of it: where it led, a line for each phase, what the
// kernel says, and why it failed. Headers and names that others made long are cut; JSON has them.
std::string to_text(const Attempt& attempt);

// Of lines about many attempts: how wide what varies is. Wider addresses than foreseen make the
// lines from then on wider.
struct AttemptColumns {
  int target = 6;
  int address = 15;   // any of IPv4
  bool echo = false;  // for targets that are asked for an echo

  void make_room(std::string_view target_text);
  void make_room(const Attempt& attempt);
};

std::string attempt_head(const AttemptColumns& columns);
// The attempt on one line below that head.
std::string attempt_line(const Attempt& attempt, std::int64_t realtime_offset_ns,
                         const AttemptColumns& columns);

struct TargetSummary {
  std::string target;
  AttemptSummary summary{};
};

// A line for each target, and one more where attempts failed: how often, and by what.
std::string summary_table(std::span<const TargetSummary> targets);

}  // namespace netsonde
