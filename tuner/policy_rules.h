// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tuner/policy.h"
#include "tuner/tunable.h"
#include "user/base/result.h"

// What each finding allows to change, by subject; which rule answers for what stands in the table
// in policy_rules.cpp.
namespace netsonde::policy {

// A setting as it is now, with a value that could be written back.
struct CurrentSetting {
  const Tunable* tunable = nullptr;
  ChangeScope scope{};
  std::string value{};
  std::vector<std::int64_t> numbers{};  // none of words
};

struct Step {
  CurrentSetting now{};
  std::vector<std::int64_t> to{};
  std::string word{};  // instead of numbers
  std::string expected{}, verify{};
};

// A step, or why there is none, in one line.
using Decision = Result<Step>;

// Whether a finding is a reason to change one setting.
struct Question {
  const PolicyInput& input;
  const Finding& finding;
  std::string_view key;

  Question about(std::string_view other) const { return {input, finding, other}; }
};

struct PolicyRule {
  std::string_view finding{};  // empty: any that names the setting
  std::string_view key{};
  Decision (*decide)(const Question&) = nullptr;
  // Asked also where the finding does not name the setting but this holds of it.
  bool (*also)(const Finding&) = nullptr;
};

std::span<const PolicyRule> policy_rules();
// Why a setting without a rule is left as it is.
std::string_view reason_to_leave(std::string_view key);

// policy_settings.cpp: what rules ask, and what they make of a number

bool has(const Finding& finding, std::string_view field);
// A figure of the evidence; absent where it is none or was not measured.
std::optional<double> measured(const Finding& finding, std::string_view field);
std::optional<std::string> word_of(const Finding& finding, std::string_view field);
bool names(const Finding& finding, std::string_view key);
bool is_found(const PolicyInput& input, std::string_view finding);

// Where the finding is: in the namespace of its connection, else where the host's counters are
// read.
Result<CurrentSetting> current(const Question& question);
Result<CurrentSetting> current(const Question& question, std::uint64_t inode);
Result<CurrentSetting> current(const Question& question, const ChangeScope& scope);
// As the kernel has it there; also of what is not in the catalogue.
std::optional<std::string> value_at(const Question& question, const ChangeScope& scope,
                                    std::string_view key);

inline constexpr std::int64_t kNoCeiling = std::numeric_limits<std::int64_t>::max();
// How many of so many bytes each fit into this part (1/share) of the host's memory.
Result<std::int64_t> most_in_memory(const PolicyInput& input, std::uint64_t share,
                                    std::uint64_t bytes_each);

struct Outlook {
  std::string_view expected{}, verify{};
};
// One step of a setting of one number, never beyond its own ceiling.
Decision multiplied(const Question& question, std::int64_t times, const Outlook& outlook,
                    std::int64_t ceiling = kNoCeiling);
Decision set_to(CurrentSetting now, std::int64_t number, const Outlook& outlook);

// policy_buffers.cpp
Decision receive_window(const Question& question);
Decision send_buffer(const Question& question);

// policy_connections.cpp
Decision accept_queue(const Question& question);
Decision syn_queue(const Question& question);
Decision syn_backlog(const Question& question);
Decision keepalive_time(const Question& question);
Decision slow_start_after_idle(const Question& question);
Decision mtu_probing(const Question& question);
Decision option_of_handshake(const Question& question);
Decision congestion_control(const Question& question);

// policy_ports.cpp
Decision local_ports(const Question& question);
Decision time_wait_reuse(const Question& question);
Decision time_wait_table(const Question& question);

// policy_devices.cpp
Decision queue_of_device(const Question& question);

// policy_host.cpp
Decision input_queue(const Question& question);
Decision input_budget(const Question& question);
Decision tcp_memory(const Question& question);
Decision tcp_orphans(const Question& question);
Decision connection_tracking(const Question& question);
Decision neighbours(const Question& question);
Decision neighbours_kept(const Question& question);
Decision datagram_buffer(const Question& question);

}  // namespace netsonde::policy
