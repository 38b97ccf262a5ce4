// SPDX-License-Identifier: Apache-2.0
#include "user/capture/hooks.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "user/model/names.h"

namespace netsonde {

namespace {

std::vector<std::string> split_set(std::string_view set) {
  std::vector<std::string> programs;
  while (!set.empty()) {
    const std::size_t plus = std::min(set.find('+'), set.size());
    programs.emplace_back(set.substr(0, plus));
    set.remove_prefix(std::min(plus + 1, set.size()));
  }
  return programs;
}

std::string_view section_of(const BpfObject& object, const std::string& name) {
  const bpf_program* program = bpf_object__find_program_by_name(object->obj, name.c_str());
  return program ? bpf_program__section_name(program) : "";
}

// Empty when the program loads, else why it does not.
std::string trial(const std::string& name, const KernelFeatures& features) {
  auto object = BpfObject::open();
  if (!object) return object.error().message();
  BpfObject& candidate = object.value();
  configure(candidate, features);
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, candidate->obj)
      bpf_program__set_autoload(program, bpf_program__name(program) == name);
  const int error = netsonde_bpf::load(candidate.operator->());
  const std::string_view section = section_of(candidate, name);
  if (error == -EPERM && (section.starts_with("fexit/") || section.starts_with("fentry/")))
    return "this kernel lets no program trace functions (fexit)";
  return error ? std::strerror(-error) : std::string();
}

// Tries the members of one alternative; all that are not optional must load.
bool try_set(std::string_view set, const KernelFeatures& features, HookOutcome& outcome) {
  std::vector<std::string> loaded;
  bool complete = true;
  for (std::string name : split_set(set)) {
    const bool optional = name.ends_with('?');
    if (optional) name.pop_back();
    const std::string why = trial(name, features);
    if (why.empty()) {
      loaded.push_back(name);
      continue;
    }
    outcome.rejected.push_back(name.append(": ").append(why));
    complete = complete && optional;
  }
  if (complete) outcome.programs = std::move(loaded);
  return complete;
}

constexpr std::string_view kCutWindows = "windows cut after a pause";

}  // namespace

std::span<const Hook> hooks() {
  static const std::vector<Hook> kHooks = {
      {.sees = "connections opening and closing", .essential = true, .alternatives = {"on_state"}},
      {.sees = "counters of every socket", .essential = true, .alternatives = {"sample_sockets"}},
      {.sees = "process behind an accepted connection",
       .alternatives = {"on_accept", "on_accept_before_6_10", "on_receive+on_send?"}},
      {.sees = "round-trip times", .alternatives = {"on_rtt", "on_probe_all"}},
      {.sees = "retransmissions", .alternatives = {"on_retransmit"}},
      {.sees = "retransmitted SYN-ACKs", .alternatives = {"on_retransmit_synack"}},
      {.sees = "congestion state", .alternatives = {"on_congestion_state"}},
      {.sees = kCutWindows, .alternatives = {"on_idle_restart+on_idle_restarted", "on_rtt"}},
      {.sees = "drops", .alternatives = {"on_drop"}},
      {.sees = "resets sent", .alternatives = {"on_send_reset"}},
      {.sees = "resets received", .alternatives = {"on_receive_reset"}},
      {.sees = "sockets older than netsonde", .alternatives = {"adopt_sockets"}},
      {.sees = "processes behind those", .alternatives = {"adopt_files"}},
      {.sees = "every ACK of chosen connections", .alternatives = {"on_probe"}},
  };
  return kHooks;
}

std::vector<HookOutcome> choose_hooks(const KernelFeatures& features, bool thorough) {
  std::vector<HookOutcome> outcomes;
  for (const Hook& hook : hooks()) {
    HookOutcome outcome{
        .sees = hook.sees, .essential = hook.essential, .programs = {}, .rejected = {}};
    if (!thorough && hook.alternatives.size() == 1) {
      outcome.programs = split_set(hook.alternatives[0]);
    } else {
      for (const std::string_view set : hook.alternatives)
        if (try_set(set, features, outcome)) break;
    }
    outcomes.push_back(std::move(outcome));
  }
  return outcomes;
}

void configure(BpfObject& object, const KernelFeatures& features) {
  object->rodata->kfree_skb_has_socket = features.kfree_skb_has_socket;
  object->rodata->send_reset_has_reason = features.send_reset_has_reason;
  object->rodata->retransmit_skb_has_error = features.retransmit_skb_has_error;
  object->rodata->ticks_per_second = features.ticks_per_second;
  for (const auto& [number, name] : features.drop_reasons)
    if (number < std::size(object->rodata->reason_is_benign))
      object->rodata->reason_is_benign[number] = always_benign(name);
}

void select_programs(BpfObject& object, std::span<const HookOutcome> outcomes) {
  object->rodata->rtt_tells_restarts =
      std::any_of(outcomes.begin(), outcomes.end(), [](const HookOutcome& hook) {
        return hook.sees == kCutWindows && hook.programs == std::vector<std::string>{"on_rtt"};
      });
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, object->obj) {
    const std::string_view name = bpf_program__name(program);
    const bool chosen =
        std::any_of(outcomes.begin(), outcomes.end(), [name](const HookOutcome& hook) {
          return std::find(hook.programs.begin(), hook.programs.end(), name) != hook.programs.end();
        });
    bpf_program__set_autoload(program, chosen);
  }
}

}  // namespace netsonde
