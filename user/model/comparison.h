// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "user/model/inference.h"
#include "user/model/statistics.h"

namespace netsonde {

// What an experiment measured, and what that allows to say.

enum class Metric : std::uint8_t {
  Total,      // us, of a unit, from its first request to the end of its last answer
  Ttfb,       // us, from the request to the first byte of its answer
  WireBytes,  // of a unit's bodies as they came
  Bandwidth,  // Mbit/s, of the body that was sent or else came
};

// "total_us", "ttfb_us", "wire_bytes", "bandwidth_mbps".
std::string_view name_of(Metric metric);
bool less_is_better(Metric metric);

struct ArmFigures {
  std::string name{};
  std::string advice{};       // what to do to have it so: "keep connections open"
  std::string unavailable{};  // why nothing of it was measured; empty: it was
  // By block, the median of its good units; absent where they were too few.
  std::map<Metric, std::vector<std::optional<double>>> medians{};
  std::uint64_t units = 0, failed = 0, not_in_force = 0;  // without warming up
  std::string failure{}, why_not_in_force{};              // the last of each
};

// Of the figures of its blocks.
Statistics statistics_of(const ArmFigures& arm, Metric metric);

struct FactorFigures {
  std::string name{}, question{};
  std::vector<Metric> metrics{};               // the one that counts most first
  std::vector<ArmFigures> arms{};              // the first that is available is the baseline
  std::optional<ArmFigures> baseline_again{};  // the A/A arm

  // nullptr: none is available.
  const ArmFigures* baseline() const;
};

// Of a metric beside the first that the baseline has in no block, nothing can be said.
bool is_measured(const FactorFigures& factor, Metric metric);

// One arm beside its baseline, by one metric.
struct ArmComparison {
  std::string factor{}, arm{}, baseline{};
  bool again = false;  // A/A: the arm is the baseline once more
  Metric metric = Metric::Total;
  // Of the blocks in which both have a figure, the medians of these.
  std::size_t blocks = 0;
  std::optional<double> baseline_median{}, arm_median{};
  std::optional<Effect> effect{};      // absent: too few blocks
  std::optional<double> adjusted_p{};  // for all comparisons of the run; A/A: for those alone
  // Of no A/A comparison.
  Verdict verdict = Verdict::Inconclusive;
  std::optional<std::size_t> more_blocks{};  // about so many would tell; of Inconclusive
  std::string refused{};                     // why there is no verdict; empty: there is
  // Of an A/A comparison: the baseline differs from itself, by more than makes a difference.
  bool alarm = false;
};

// "better", ..., "refused"; of an A/A comparison "same" or "alarm".
std::string_view verdict_of(const ArmComparison& comparison);

// All comparisons of a run: each factor's A/A first, then its arms. They are judged together: the
// chance that any of them is better or worse where nothing differs is at most 5%. The A/A ones are
// judged by the same rule apart, and a factor with an alarm gets no verdict.
std::vector<ArmComparison> compare(const std::vector<FactorFigures>& factors, std::uint64_t seed);

}  // namespace netsonde
