// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "user/capture/bpf.h"
#include "user/capture/kernel.h"

namespace netsonde {

// One thing that we want to see, and the programs able to see it. Alternatives are tried best first
// and the first set that loads and attaches stays.
struct Hook {
  std::string_view sees;
  bool essential = false;  // without it there is nothing to show
  // Sets of program names joined by "+"; an optional member ends with "?".
  std::vector<std::string_view> alternatives;
};

std::span<const Hook> hooks();

// What became of one hook on this host.
struct HookOutcome {
  std::string_view sees;
  bool essential = false;
  std::vector<std::string> programs;  // chosen; empty: nothing works
  std::vector<std::string> rejected;  // "on_accept: Operation not permitted", best first
};

// Loads candidates alone, without attaching them, 10-20 ms each: those of hooks that have a choice,
// or all of them (thorough).
std::vector<HookOutcome> choose_hooks(const KernelFeatures& features, bool thorough);

// Tells the object which programs to load and what the kernel's tracepoints carry.
void configure(BpfObject& object, const KernelFeatures& features);
void select_programs(BpfObject& object, std::span<const HookOutcome> outcomes);

}  // namespace netsonde
