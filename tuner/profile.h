// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tuner/plan.h"
#include "tuner/tunable.h"

namespace netsonde {

// What a host has, as far as profiles ask for it.
struct HostTraits {
  std::uint64_t memory_bytes = 0;
  std::uint64_t link_bits_per_s = 0;  // of its fastest device that is up; 0: unknown
};

// One setting that a profile wants.
struct ProfileSetting {
  std::string key{};
  std::string value{};
  // False: only where it raises what is there, number by number, or widens a range; what the
  // kernel, or somebody, has set higher stays. Names and masks cannot be raised: they need true.
  bool may_lower = false;
  std::string why{};
  // Conditions; 0: none.
  std::uint64_t memory_at_least = 0;
  std::uint64_t link_at_least = 0;  // bits per second
};

// A named set of values, from a file. It is data: whatever it says goes through the catalogue.
struct Profile {
  std::string name{};
  std::string summary{};
  std::string file{};  // empty: it came with netsonde
  std::vector<ProfileSetting> settings{};
};

// Of TOML that nobody vouches for: "file:line: what is wrong". Keys that are not in the catalogue,
// values that may not be written and members that nobody knows are refused, and characters other
// than ASCII unless they are escaped.
Result<Profile> profile_from(std::string_view toml, const std::string& name,
                             const std::string& file);

// Those that came with netsonde.
std::vector<Profile> own_profiles();
// Also those of the folder, *.toml, which stand before ours of the same name; sorted by name. A
// file that cannot be used, or that others than root may have written, is named in not_read, and
// why; then ours of that name is left out too, for whoever wrote the file wanted another. No such
// folder is none.
struct Profiles {
  std::vector<Profile> profiles{};
  std::vector<std::string> not_read{};
};
Profiles read_profiles(const std::string& folder);

struct ProfileInput {
  HostTraits host{};
  ChangeScope own{};  // the network namespace to change
  // As it is now, as normal_value() has it; absent: not available there.
  std::function<std::optional<std::string>(const ChangeScope&, std::string_view key)> value{};
};

// What the profile would change here, by profile and not by evidence, and what it would not, and
// why: a condition that does not hold, a value that is as high already, a setting that is not
// available.
Plan plan_of(const Profile& profile, const ProfileInput& input);

}  // namespace netsonde
