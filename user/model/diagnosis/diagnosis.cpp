// SPDX-License-Identifier: Apache-2.0
#include "user/model/diagnosis/diagnosis.h"

#include <algorithm>
#include <tuple>

#include "user/model/diagnosis/group.h"

namespace netsonde {

namespace {

// What it cost decides, never a ratio: first time, then what did not come about, then bytes.
auto cost(const Finding& finding) {
  const Impact& impact = finding.impact;
  return std::tuple(finding.severity, impact.attempts.value_or(0), impact.time.value_or(Nanos(0)),
                    impact.bytes.value_or(0), impact.segments.value_or(0), impact.connections);
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
  return diagnosis;
}

}  // namespace netsonde
