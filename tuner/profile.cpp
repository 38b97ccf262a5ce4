// SPDX-License-Identifier: Apache-2.0
#include "tuner/profile.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "user/base/text.h"

namespace netsonde {

namespace {

constexpr std::string_view kCongestionControl = "net.ipv4.tcp_congestion_control";
constexpr std::string_view kAvailable = "net.ipv4.tcp_available_congestion_control";

using Numbers = std::vector<std::int64_t>;

// --- conditions ---

// In plain numbers where the short ones do not tell them apart.
Error too_little(std::string_view what, std::uint64_t have, std::uint64_t wanted,
                 std::string (*to_text)(std::uint64_t)) {
  const bool differ = to_text(have) != to_text(wanted);
  return Error(fmt::format("{} {} is less than {}", what,
                           differ ? to_text(have) : fmt::to_string(have),
                           differ ? to_text(wanted) : fmt::to_string(wanted)));
}

std::string bytes_text(std::uint64_t bytes) {
  return short_bytes(static_cast<double>(bytes)) + "B";
}

std::string link_text(std::uint64_t bits_per_s) {
  return short_count(static_cast<double>(bits_per_s)) + "bit";
}

Result<> check_conditions(const ProfileSetting& setting, const HostTraits& host) {
  if (setting.memory_at_least && !host.memory_bytes) return Error("memory unknown");
  if (host.memory_bytes < setting.memory_at_least)
    return too_little("memory", host.memory_bytes, setting.memory_at_least, bytes_text);
  if (setting.link_at_least && !host.link_bits_per_s) return Error("link speed unknown");
  if (host.link_bits_per_s < setting.link_at_least)
    return too_little("link", host.link_bits_per_s, setting.link_at_least, link_text);
  return {};
}

// --- what is there ---

Result<ChangeScope> scope_of(const Tunable& tunable, const ProfileInput& input) {
  if (tunable.scope == ScopeKind::Host) return ChangeScope{};
  if (input.own.kind == ScopeKind::Namespace) return input.own;
  return Error("which network namespace to change is not known");
}

std::optional<std::string> value_at(const ProfileInput& input, const ChangeScope& scope,
                                    std::string_view key) {
  return input.value ? input.value(scope, key) : std::nullopt;
}

Result<std::string> current(const Tunable& tunable, const ChangeScope& scope,
                            const ProfileInput& input) {
  const std::optional<std::string> value = value_at(input, scope, tunable.key);
  if (!value) return Error("not available here");
  if (const Result<> checked = check_value(tunable, *value); !checked)
    return Error(
        fmt::format("what is there could not be written back ({})", checked.error().message()));
  return *value;
}

bool has_word(std::string_view words, std::string_view word) {
  return fmt::format(" {} ", words).find(fmt::format(" {} ", word)) != std::string::npos;
}

// A module that is not loaded is not in the kernel's list.
Result<> check_congestion_control(std::string_view name, const ChangeScope& scope,
                                  const ProfileInput& input) {
  const std::optional<std::string> available = value_at(input, scope, kAvailable);
  if (!available) return Error("which congestion controls this kernel has is not known");
  if (has_word(*available, name)) return {};
  return Error(fmt::format("this kernel has no {0} (available: {1}); a module? modprobe tcp_{0}",
                           name, printable(*available)));
}

// --- what is wanted ---

Numbers raised(const Tunable& tunable, const Numbers& now, const Numbers& wanted) {
  if (tunable.shape == TunableShape::Range)
    return {std::min(now[0], wanted[0]), std::max(now[1], wanted[1])};
  Numbers numbers(now.size());
  std::ranges::transform(now, wanted, numbers.begin(), std::ranges::max);
  return numbers;
}

Result<std::string> value_wanted(const Tunable& tunable, const ProfileSetting& setting,
                                 const std::string& now) {
  TRY(check_value(tunable, setting.value));
  const std::string wanted = normal_value(setting.value);
  if (wanted == now) return Error(fmt::format("is {} already", now));
  if (setting.may_lower) return wanted;
  const Numbers numbers =
      raised(tunable, TRY(numbers_of(tunable, now)), TRY(numbers_of(tunable, wanted)));
  const std::string to = fmt::format("{}", fmt::join(numbers, " "));
  if (to != now) return to;
  return Error(fmt::format("{} is there, which is {}", now,
                           tunable.shape == TunableShape::Range ? "wider" : "more"));
}

Result<Proposal> proposal_for(const Profile& profile, const ProfileSetting& setting,
                              const ProfileInput& input) {
  const Tunable* tunable = find_tunable(setting.key);
  if (!tunable) return Error("is not in the catalogue");
  TRY(check_conditions(setting, input.host));
  const ChangeScope scope = TRY(scope_of(*tunable, input));
  const std::string now = TRY(current(*tunable, scope, input));
  const std::string wanted = TRY(value_wanted(*tunable, setting, now));
  if (setting.key == kCongestionControl) TRY(check_congestion_control(wanted, scope, input));
  return Proposal{.key = setting.key,
                  .scope = scope,
                  .from = now,
                  .to = wanted,
                  .finding = "profile " + profile.name,
                  .expected = setting.why,
                  .risk = std::string(tunable->risk),
                  .verify = "read back"};
}

}  // namespace

Plan plan_of(const Profile& profile, const ProfileInput& input) {
  Plan plan{.goal = "profile " + profile.name};
  for (const ProfileSetting& setting : profile.settings) {
    Result<Proposal> proposal = proposal_for(profile, setting, input);
    if (proposal)
      plan.proposals.push_back(std::move(proposal).value());
    else
      plan.considered.push_back({.key = setting.key, .why_not = proposal.error().message()});
  }
  return plan;
}

}  // namespace netsonde
