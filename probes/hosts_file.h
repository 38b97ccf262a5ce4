// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "user/base/text.h"

namespace netsonde {

// What /etc/hosts says (hosts(5)); lines that make no sense say nothing.
class HostsFile {
 public:
  static HostsFile parse(std::string_view text);

  // In the order of the file, names in any case; none: it says nothing of that name.
  std::vector<Address> find(std::string_view name) const;

 private:
  std::map<std::string, std::vector<Address>> addresses_;  // by the name in lower case
};

// In which domains /etc/resolv.conf has short names looked for (resolv.conf(5)).
class SearchList {
 public:
  static SearchList parse(std::string_view text);

  // What to ask for, in turn, when a name is meant: one with fewer dots than ndots is looked for in
  // the domains, then as it stands; any other only as it stands. Without dots at their ends.
  std::vector<std::string> candidates(std::string_view name) const;

 private:
  std::vector<std::string> domains_;
  unsigned ndots_ = 1;
};

}  // namespace netsonde
