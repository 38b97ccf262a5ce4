// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>

#include "user/model/diagnosis/finding.h"

namespace netsonde {

// Which findings are new, of those that are more than notes. One is the same as before where its
// rule, the process and the service are the same, whichever connection suffers most just now; and
// one that was gone for less time than findings look back is no news when it returns.
class FindingNews {
 public:
  static constexpr std::int64_t kForgetNs = 20'000'000'000;

  // The worst of the new ones; nullptr: there is none. Valid as long as the findings.
  const Finding* add(std::int64_t now_ns, std::span<const Finding> findings);

 private:
  std::map<std::string, std::int64_t> seen_;  // when last
};

}  // namespace netsonde
