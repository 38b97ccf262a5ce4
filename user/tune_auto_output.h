// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "tuner/auto_pilot.h"
#include "user/base/json.h"
#include "user/base/result.h"
#include "user/cli.h"
#include "user/tune_output.h"

namespace netsonde {

// What tune auto tells while it runs: a line for each thing that happens, at once. Fails when it
// cannot be written.
class AutoOutput {
 public:
  explicit AutoOutput(bool json) : json_(json) {}

  Result<> begun(const TuneOptions& options) const;
  Result<> left(const Considered& one) const;
  Result<> trying(const Proposal& proposal, const Proof& proof) const;
  Result<> ended(const Proposal& proposal, const TrialReport& report) const;
  Result<> finished(std::size_t kept, std::size_t undone) const;
  Result<> interrupted(const Proposal& proposal) const;

 private:
  Result<> tell(std::string_view event, const std::string& text, Json more) const;

  bool json_;
};

}  // namespace netsonde
