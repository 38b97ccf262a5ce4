// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "user/model/inference.h"
#include "user/model/value.h"

namespace netsonde {

// A setting of the whole host cannot be had both ways at once: it is tried by turns. In each block
// both ways come once, in random order.

// One figure of a period: a watched series as its mean, or what a load or a probe told.
struct TrialMetric {
  std::string_view id{};  // "rx_bytes_per_s"
  std::string_view help{};
  Unit unit = Unit::None;
  bool less_is_better = true;
  // What must not become worse, whatever the trial is for.
  bool guards = false;
  // Added to both figures, so that nothing can be compared with something: what nobody would care
  // about, of a rate as a count of a second. 0: of nothing there is no ratio.
  double step = 0;
};
std::span<const TrialMetric> trial_metrics();
// Null for one that is not known.
const TrialMetric* find_trial_metric(std::string_view id);

using TrialFigures = std::map<std::string, double, std::less<>>;  // by the id of the metric

struct TrialBlock {
  TrialFigures before{}, after{};  // with what was there, with what is tried
};

// One metric, over all blocks that have it.
struct TrialEffect {
  const TrialMetric* metric = nullptr;
  std::size_t blocks = 0;
  double before = 0, after = 0;    // as their ratio is: geometric means, the step apart
  std::optional<Effect> effect{};  // absent: too few blocks
  Verdict verdict = Verdict::Inconclusive;
  std::optional<std::size_t> more_blocks{};  // about so many would tell; of Inconclusive
};

// By the deciding metric, and by those that guard, which are judged together (Holm). Those that no
// block has are left out; the deciding one comes first, and stays in.
std::vector<TrialEffect> judge_trial(std::span<const TrialBlock> blocks, std::string_view decides,
                                     std::uint64_t seed);

// How many times as bad some figures may become for what is gained elsewhere.
struct Tolerance {
  double round_trip = 1, retransmits = 1, processor = 1;
  // Whoever carries more also sends more again, and computes more: these two may become as many
  // times as bad as what decides became better, to this power. 0: what is gained pays for nothing.
  double gain_pays = 0;
};

// Of a trial's effects, the deciding one first: the first that guards and is surely beyond what is
// tolerated, in words; empty: none. Each is judged for itself (95%): a false alarm leaves the host
// as it was, a harm that is overlooked does not.
std::string harm_in(std::span<const TrialEffect> effects, const Tolerance& tolerance);

// Looked at after every block: what has become worse; empty: nothing has. Either surely, judged so
// that the chance of a false alarm in so many blocks stays below 5%, for which few blocks beside
// many guards never suffice, or so much that nobody should wait for that: twice as bad in each of
// the last three blocks.
std::string harm_of(std::span<const TrialBlock> blocks, std::string_view decides,
                    std::size_t all_blocks, std::uint64_t seed, const Tolerance& tolerance = {});

}  // namespace netsonde
