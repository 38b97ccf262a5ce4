// SPDX-License-Identifier: Apache-2.0
#include "user/model/diagnosis/diagnosis.h"

#include <algorithm>
#include <array>
#include <map>
#include <tuple>

#include "user/model/diagnosis/group.h"

namespace netsonde {

namespace {

// What it cost decides, never a ratio: first what did not come about, then time, then packets, then
// bytes.
auto cost(const Finding& finding) {
  const Impact& impact = finding.impact;
  return std::tuple(finding.severity, impact.attempts.value_or(0), impact.time.value_or(Nanos(0)),
                    impact.segments.value_or(0), impact.bytes.value_or(0), impact.connections);
}

struct Cause {
  std::string_view cause, effect;
};

// What follows from what, where both are found on the same connections. A chain names its nearest
// link first.
constexpr std::array kCauses = {
    Cause{.cause = "zero-window", .effect = "receive-window-limited"},
    Cause{.cause = "slow-reader", .effect = "zero-window"},
    Cause{.cause = "slow-reader", .effect = "receive-window-limited"},
    Cause{.cause = "bufferbloat", .effect = "congestive-loss"},
    Cause{.cause = "local-drop", .effect = "syn-retransmits"},
    Cause{.cause = "local-drop", .effect = "connect-timeout"},
    Cause{.cause = "local-drop", .effect = "peer-silent"},
    Cause{.cause = "local-drop", .effect = "tail-loss"},
    Cause{.cause = "syn-retransmits", .effect = "slow-connect"},
};

// Whether the cause was found on the connection that the effect is worst on. Of both ends of a
// connection on this host each may have its finding.
bool concern_the_same(const Finding& cause, const Finding& effect, const Observation& observation) {
  if (!effect.subject.connection) return false;
  const auto& cookies = cause.subject.cookies;
  const auto has = [&cookies](std::uint64_t cookie) {
    return std::ranges::find(cookies, cookie) != cookies.end();
  };
  const ev_conn& worst = *effect.subject.connection;
  if (has(worst.cookie)) return true;
  const Connection* other = other_end(observation, worst);
  return other && has(other->last.conn.cookie);
}

const Finding* cause_of(const Finding& effect, const std::vector<Finding>& all,
                        const Observation& observation) {
  for (const Cause& known : kCauses) {
    if (known.effect != effect.id) continue;
    for (const Finding& cause : all)
      if (cause.id == known.cause && concern_the_same(cause, effect, observation)) return &cause;
  }
  return nullptr;
}

// Of each finding the place of its cause; its own where there is none.
using Causes = std::vector<std::size_t>;

Causes name_causes(std::vector<Finding>& findings, const Observation& observation) {
  Causes causes(findings.size());
  for (std::size_t i = 0; i < findings.size(); ++i) {
    const Finding* cause = cause_of(findings[i], findings, observation);
    causes[i] = cause ? static_cast<std::size_t>(cause - findings.data()) : i;
    if (cause) findings[i].because = cause->id;
  }
  return causes;
}

// A cause is as severe as what follows from it.
void raise_causes(std::vector<Finding>& findings, const Causes& causes) {
  for (std::size_t i = 0; i < findings.size(); ++i)
    for (std::size_t at = i; causes[at] != at; at = causes[at]) {
      Severity& severity = findings[causes[at]].severity;
      severity = std::max(severity, findings[i].severity);
    }
}

// Brings each chain to the place of its worst link, causes first.
void join_chains(std::vector<Finding>& findings, const Causes& causes) {
  std::map<std::size_t, std::size_t> first;  // of a chain, by its root
  std::vector<std::tuple<std::size_t, std::size_t, std::size_t, std::size_t>> order;
  for (std::size_t i = 0; i < findings.size(); ++i) {
    std::size_t root = i, depth = 0;
    for (; causes[root] != root; root = causes[root]) ++depth;
    const auto place = first.try_emplace(root, i).first->second;
    order.emplace_back(place, root, depth, i);
  }
  std::ranges::sort(order);
  std::vector<Finding> sorted;
  for (const auto& [place, root, depth, i] : order) sorted.push_back(std::move(findings[i]));
  findings = std::move(sorted);
}

bool has_what_it_needs(const Rule& rule, const Observation& observation) {
  if (!rule.needs_host) return true;
  return observation.host &&
         (rule.needs.empty() || !observation.host->instances(rule.needs).empty());
}

}  // namespace

Diagnosis diagnose(const Observation& observation) {
  Diagnosis diagnosis;
  for (const Rule& rule : all_rules()) {
    const bool checked = has_what_it_needs(rule, observation);
    (checked ? diagnosis.checked : diagnosis.not_checked).push_back(rule.id);
    if (!checked) continue;
    for (Finding& finding : rule.check(observation)) {
      finding.id = rule.id;
      if (observation.lost)
        doubt(finding, Confidence::Medium, "events were lost meanwhile: counts may be too low");
      if (observation.not_watched)
        doubt(finding, Confidence::Medium, "too many connections to watch all: counts are too low");
      diagnosis.findings.push_back(std::move(finding));
    }
  }
  std::stable_sort(diagnosis.findings.begin(), diagnosis.findings.end(),
                   [](const Finding& a, const Finding& b) { return cost(a) > cost(b); });
  const Causes causes = name_causes(diagnosis.findings, observation);
  raise_causes(diagnosis.findings, causes);
  join_chains(diagnosis.findings, causes);
  return diagnosis;
}

}  // namespace netsonde
