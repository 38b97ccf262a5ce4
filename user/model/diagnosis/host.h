// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "user/model/diagnosis/group.h"

// What the rules on the host share.
namespace netsonde::rules {

// A finding on a part of the host ("eth0", "cpu3"; empty: the host).
Finding on_part(const Observation& observation, std::string_view part, Severity severity,
                Where where = Where::Host);
// Evidence under the host's own name of it: "softnet.dropped".
Evidence host_figure(std::string_view name, std::uint64_t value, Unit unit = Unit::Count);

// How much a counter grew in the time observed, and what a value is; 0 where nobody knows.
std::uint64_t grew(const Observation& observation, std::string_view name,
                   std::string_view instance = "");
std::uint64_t value_of(const Observation& observation, std::string_view name,
                       std::string_view instance = "");
// The same as evidence.
Evidence grown_figure(const Observation& observation, std::string_view name,
                      std::string_view instance = "");
Evidence value_figure(const Observation& observation, std::string_view name,
                      std::string_view instance = "", Unit unit = Unit::Count);
// The instances of a counter that grew, most first.
std::vector<std::string> grown(const Observation& observation, std::string_view name);

}  // namespace netsonde::rules
