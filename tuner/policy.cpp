// SPDX-License-Identifier: Apache-2.0
#include "tuner/policy.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <compare>

#include "tuner/policy_rules.h"

namespace netsonde {

namespace {

using policy::Decision, policy::PolicyRule, policy::Question, policy::Step;

constexpr std::size_t kMostEvidence = 100;  // what is read back of a plan
constexpr std::string_view kMoreFindings = "findings_not_shown";

const PolicyRule* rule_for(const Question& question) {
  const auto rules = policy::policy_rules();
  const auto found = std::ranges::find_if(rules, [&question](const PolicyRule& rule) {
    return rule.key == question.key &&
           (rule.finding.empty() || rule.finding == question.finding.id);
  });
  return found != rules.end() ? &*found : nullptr;
}

Decision decide(const Question& question) {
  if (const PolicyRule* rule = rule_for(question)) return rule->decide(question);
  TRY(policy::current(question));
  return Error(std::string(policy::reason_to_leave(question.key)));
}

// The settings that the finding names, and those that a rule has to say something of anyhow.
std::vector<std::string_view> settings_of(const Finding& finding) {
  std::vector<std::string_view> keys = finding.tunables;
  for (const PolicyRule& rule : policy::policy_rules())
    if (rule.finding == finding.id && rule.also && rule.also(finding) &&
        !policy::names(finding, rule.key))
      keys.push_back(rule.key);
  return keys;
}

bool go_the_same_way(const Proposal& made, const Step& step) {
  if (!step.word.empty()) return made.to == step.word;
  const auto before = numbers_of(*step.now.tunable, made.to);
  if (!before) return false;
  for (std::size_t i = 0; i < step.to.size(); ++i) {
    const auto first = before.value()[i] <=> step.now.numbers[i];
    const auto second = step.to[i] <=> step.now.numbers[i];
    if (first != 0 && second != 0 && first != second) return false;
  }
  return true;
}

bool is_known(const std::vector<Evidence>& evidence, const Evidence& one) {
  return std::ranges::any_of(evidence, [&one](const Evidence& known) {
    return known.field == one.field && known.value == one.value;
  });
}

// What does not fit is counted in the last place.
void join(std::vector<Evidence>& evidence, const std::vector<Evidence>& more) {
  if (!evidence.empty() && evidence.back().field == kMoreFindings) {
    ++std::get<std::uint64_t>(evidence.back().value);
    return;
  }
  if (evidence.size() + more.size() >= kMostEvidence) {
    evidence.push_back({std::string(kMoreFindings), std::uint64_t{1}, Unit::Count});
    return;
  }
  for (const Evidence& one : more)
    if (!is_known(evidence, one)) evidence.push_back(one);
}

// What is not proposed, and in which network namespaces, of which there may be thousands.
struct NotProposed {
  std::string_view key{};
  std::string why_not{};
  std::vector<std::uint64_t> spaces{};  // other than the own
};

void consider(std::vector<NotProposed>& all, std::string_view key, const std::string& why_not,
              std::optional<std::uint64_t> space) {
  auto same = std::ranges::find_if(all, [&](const NotProposed& one) {
    return one.key == key && one.why_not == why_not && one.spaces.empty() == !space;
  });
  if (same == all.end()) same = all.insert(same, {.key = key, .why_not = why_not});
  if (space && std::ranges::find(same->spaces, *space) == same->spaces.end())
    same->spaces.push_back(*space);
}

std::string text_of(const NotProposed& one) {
  if (one.spaces.empty()) return one.why_not;
  const std::size_t others = one.spaces.size() - 1;
  return fmt::format("in netns {}{}: {}", one.spaces.front(),
                     others ? fmt::format(" and {} other{}", others, others == 1 ? "" : "s") : "",
                     one.why_not);
}

// Of several findings for one setting the first are told, which are the worst.
void join(std::string& subject, const std::string& other) {
  constexpr std::size_t kLongest = 200;
  constexpr std::string_view kMore = "; and others";
  if (subject.find(other) != std::string::npos || subject.ends_with(kMore)) return;
  if (subject.size() + other.size() > kLongest)
    subject += kMore;
  else
    subject += (subject.empty() ? "" : "; ") + other;
}

Proposal proposal_of(const PolicyInput& input, const Finding& finding, const Step& step) {
  return {.key = std::string(step.now.tunable->key),
          .scope = step.now.scope,
          .from = step.now.value,
          .to = step.word.empty() ? fmt::format("{}", fmt::join(step.to, " ")) : step.word,
          .evidence = finding.evidence,
          .subject = input.words ? input.words(finding.subject) : "",
          .finding = std::string(finding.id),
          .expected = step.expected,
          .risk = std::string(step.now.tunable->risk),
          .verify = step.verify};
}

Result<> add(Policy& policy, const Question& question, const Step& step) {
  const Finding& finding = question.finding;
  Proposal made = proposal_of(question.input, finding, step);
  TRY(check_value(*step.now.tunable, made.to));
  const auto known = std::ranges::find_if(policy.proposals, [&made](const Proposal& one) {
    return one.key == made.key && one.scope == made.scope;
  });
  if (known == policy.proposals.end()) {
    if (policy.proposals.size() >= Plan::kMostProposals)
      return Error(fmt::format("a plan holds no more than {} proposals", Plan::kMostProposals));
    policy.proposals.push_back(std::move(made));
    return {};
  }
  if (!go_the_same_way(*known, step))
    return Error(fmt::format("{} asks for the opposite of {}", finding.id, known->finding));
  join(known->evidence, made.evidence);
  join(known->subject, made.subject);
  return {};
}

std::optional<std::uint64_t> other_space_of(const PolicyInput& input, const Finding& finding) {
  const auto& connection = finding.subject.connection;
  if (!connection || input.own.name == std::to_string(connection->netns)) return std::nullopt;
  return connection->netns;
}

// What waits longer in a longer queue.
constexpr std::array<std::string_view, 5> kQueues = {
    "net.core.netdev_max_backlog", "net.core.rmem_default", "net.core.wmem_default",
    "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"};

Result<> take(Policy& policy, const Question& question) {
  if (question.input.goal == Goal::Latency &&
      std::ranges::find(kQueues, question.key) != kQueues.end())
    return Error("a longer queue is a longer wait, and the goal is latency");
  return add(policy, question, TRY(decide(question)));
}

// A window that pauses cut is small under any congestion control: what cuts it is tried first.
void put_pauses_first(std::vector<Proposal>& proposals) {
  const auto pauses =
      std::ranges::find(proposals, "net.ipv4.tcp_slow_start_after_idle", &Proposal::key);
  const auto congestion = std::ranges::find_if(proposals, [](const Proposal& one) {
    return one.key == "net.ipv4.tcp_congestion_control" || one.key == "route.congestion_control";
  });
  if (pauses != proposals.end() && congestion < pauses) std::rotate(congestion, pauses, pauses + 1);
}

}  // namespace

std::string_view name_of(Goal goal) {
  switch (goal) {
    case Goal::Balanced: return "balanced";
    case Goal::Throughput: return "throughput";
    case Goal::Latency: return "latency";
  }
  return "balanced";
}

Policy propose(const PolicyInput& input) {
  Policy policy;
  std::vector<NotProposed> considered;
  for (const Finding& finding : input.findings)
    for (const std::string_view key : settings_of(finding))
      if (const auto taken = take(policy, {input, finding, key}); !taken)
        consider(considered, key, taken.error().message(), other_space_of(input, finding));
  for (const NotProposed& one : considered)
    policy.considered.push_back({.key = std::string(one.key), .why_not = text_of(one)});
  put_pauses_first(policy.proposals);
  return policy;
}

}  // namespace netsonde
