// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>

#include "tuner/policy_rules.h"

namespace netsonde::policy {

namespace {

const Evidence* find_evidence(const Finding& finding, std::string_view field) {
  const auto found = std::ranges::find(finding.evidence, field, &Evidence::field);
  return found != finding.evidence.end() ? &*found : nullptr;
}

Result<ChangeScope> namespace_at(const Question& question, std::optional<std::uint64_t> inode) {
  std::optional<ChangeScope> scope = question.input.own;
  if (inode) scope = question.input.scope_of ? question.input.scope_of(*inode) : std::nullopt;
  if (!scope) return Error("its network namespace is gone");
  if (scope->kind != ScopeKind::Namespace)
    return Error("which network namespace the host's counters are of is not known");
  return *scope;
}

Result<CurrentSetting> read(const Question& question, std::optional<std::uint64_t> inode) {
  const Tunable* tunable = find_tunable(question.key);
  if (!tunable) return Error("is not in the catalogue");
  ChangeScope scope;
  if (tunable->scope == ScopeKind::Namespace) scope = TRY(namespace_at(question, inode));
  return current(question, scope);
}

}  // namespace

bool has(const Finding& finding, std::string_view field) {
  return find_evidence(finding, field) != nullptr;
}

std::optional<double> measured(const Finding& finding, std::string_view field) {
  const Evidence* evidence = find_evidence(finding, field);
  if (!evidence) return std::nullopt;
  if (const auto* count = std::get_if<std::uint64_t>(&evidence->value))
    return static_cast<double>(*count);
  if (const auto* number = std::get_if<double>(&evidence->value)) return *number;
  return std::nullopt;
}

std::optional<std::string> word_of(const Finding& finding, std::string_view field) {
  const Evidence* evidence = find_evidence(finding, field);
  const auto* word = evidence ? std::get_if<std::string>(&evidence->value) : nullptr;
  return word ? std::optional(*word) : std::nullopt;
}

bool names(const Finding& finding, std::string_view key) {
  return std::ranges::find(finding.tunables, key) != finding.tunables.end();
}

bool is_found(const PolicyInput& input, std::string_view finding) {
  return std::ranges::find(input.findings, finding, &Finding::id) != input.findings.end();
}

Result<CurrentSetting> current(const Question& question) {
  const std::optional<ev_conn>& connection = question.finding.subject.connection;
  return read(question,
              connection ? std::optional<std::uint64_t>(connection->netns) : std::nullopt);
}

Result<CurrentSetting> current(const Question& question, std::uint64_t inode) {
  return read(question, inode);
}

Result<CurrentSetting> current(const Question& question, const ChangeScope& scope) {
  const Tunable* tunable = find_tunable(question.key);
  if (!tunable) return Error("is not in the catalogue");
  const std::optional<std::string> value = value_at(question, scope, question.key);
  if (!value) return Error("not available here");
  if (const Result<> checked = check_value(*tunable, *value); !checked)
    return Error(
        fmt::format("what is there could not be written back ({})", checked.error().message()));
  CurrentSetting now{.tunable = tunable, .scope = scope, .value = *value};
  if (const auto numbers = numbers_of(*tunable, *value)) now.numbers = numbers.value();
  return now;
}

std::optional<std::string> value_at(const Question& question, const ChangeScope& scope,
                                    std::string_view key) {
  return question.input.value ? question.input.value(scope, key) : std::nullopt;
}

Result<std::int64_t> most_in_memory(const PolicyInput& input, std::uint64_t share,
                                    std::uint64_t bytes_each) {
  if (!input.memory_bytes) return Error("how much memory the host has is not known");
  return static_cast<std::int64_t>(input.memory_bytes / share / bytes_each);
}

Decision multiplied(const Question& question, std::int64_t times, const Outlook& outlook,
                    std::int64_t ceiling) {
  CurrentSetting now = TRY(current(question));
  const std::int64_t today = now.numbers.front();
  const std::int64_t most = std::min(now.tunable->ceiling, ceiling);
  // Nothing in the catalogue is so large that this overflows.
  const std::int64_t to = std::min(times * today, most);
  if (to <= today)
    return Error(fmt::format("is {}, and on this host no more than {} is proposed", today, most));
  return set_to(std::move(now), to, outlook);
}

Decision set_to(CurrentSetting now, std::int64_t number, const Outlook& outlook) {
  if (now.numbers.front() == number) return Error(fmt::format("is {} already", number));
  return Step{.now = std::move(now),
              .to = {number},
              .expected = std::string(outlook.expected),
              .verify = std::string(outlook.verify)};
}

}  // namespace netsonde::policy
