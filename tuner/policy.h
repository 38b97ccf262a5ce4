// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tuner/plan.h"
#include "user/model/diagnosis/finding.h"

namespace netsonde {

enum class Goal : std::uint8_t { Balanced, Throughput, Latency };
std::string_view name_of(Goal goal);  // "balanced", "throughput", "latency"

// What proposals are made from.
struct PolicyInput {
  std::span<const Finding> findings{};
  // Of a network namespace by its inode, where its settings are changed; absent: it is gone.
  std::function<std::optional<ChangeScope>(std::uint64_t inode)> scope_of{};
  // Where the host's own counters were read.
  ChangeScope own{};
  // As it is now, as normal_value() has it; absent: not available there.
  std::function<std::optional<std::string>(const ChangeScope&, std::string_view key)> value{};
  // The route by which a namespace reaches it, where that can be changed and does not lead
  // everywhere; else absent.
  std::function<std::optional<ChangeScope>(const ChangeScope&, const Address& remote)> route_to{};
  // A device of the own namespace, and whether this kernel has a queueing discipline.
  std::function<ChangeScope(const std::string& name)> device{};
  std::function<bool(std::string_view kind)> has_qdisc{};
  // Whom a finding is about, in words.
  std::function<std::string(const Subject&)> words{};
  std::uint64_t memory_bytes = 0;  // of the host; 0: unknown, and nothing that takes memory grows
  std::uint64_t page_bytes = 4096;
  Goal goal = Goal::Balanced;
  bool tries = false;  // whether what only an experiment decides is proposed too, to be tried
};

struct Policy {
  std::vector<Proposal> proposals{};  // at most one for each setting
  std::vector<Considered> considered{};
};

// What the findings allow to propose: one step, never a guessed final value. Every proposal carries
// the figures of its finding. Pure: the same input, the same proposals.
Policy propose(const PolicyInput& input);

}  // namespace netsonde
