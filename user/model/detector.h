// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

namespace netsonde {

// So many values are learned from before the first alarm.
inline constexpr std::size_t kDetectorWarmUp = 120;

// What began or ended with the value just added. A change that ends has the kind and direction that
// it began with.
struct AnomalyChange {
  enum class Kind { Spike, Shift };      // seen by one value alone; by several, each maybe noise
  enum class End { Returned, Settled };  // to the baseline; the new level is the baseline now

  bool began = true;
  Kind kind = Kind::Spike;
  End end = End::Returned;  // means nothing while it begins
  bool up = true;
  double value = 0;      // the one just added
  double baseline = 0;   // what would be usual; of one that settled: what was usual before it
  double deviation = 0;  // of value from baseline in robust sigmas, negative below it
};

// What the last values of a series were like, in units; see Detector for the method.
class Baseline {
 public:
  // In nats, for a level that has changed and against one that has not.
  struct Evidence {
    double onset = 0;    // if it changed with this value
    double lasting = 0;  // if it had changed before
    double alone = 0;    // as if no value before were known, unbounded
  };
  struct Score {
    double sigmas = 0;
    bool spike = false;
    Evidence rise;
    Evidence fall;
  };

  void learn(double value);
  void replace(std::span<const double> values);
  bool warm() const;
  double level() const { return level_; }
  // Of a value that followed before, absent if nothing was measured then.
  Score score(double value, std::optional<double> before) const;

 private:
  struct Seen {
    double value = 0;
    double scaled = 0;
  };
  // One direction, on its own scale.
  struct Side {
    double spread = 1;    // sigmas of values around the center
    double surprise = 1;  // sigmas of values around what the value before predicts
  };
  // Offsets from the center, positive in the direction that is judged.
  struct Offset {
    double now = 0;
    double predicted = 0;
    double step = 0;  // of the change that is sought
  };

  const Seen& seen(std::size_t age) const { return window_[(oldest_ + age) % window_.size()]; }
  double quantile(double share) const;
  double confidence(double memory) const;
  void refresh();
  void refresh_memory();
  void refresh_surprise();
  void refresh_few();
  Score score_few(double value) const;
  Score score_many(double value, std::optional<double> before) const;
  // memory: how far the offset is judged against what the value before predicts; most: nats.
  Evidence judge(const Side& side, const Offset& offset, double memory, double most) const;

  std::vector<Seen> window_;    // a ring once it is full
  std::vector<double> sorted_;  // the same values
  std::size_t oldest_ = 0;
  std::size_t unused_ = 0;  // learned since the last refresh

  bool few_ = true;
  double level_ = 0;
  double center_ = 0;  // level_ on the stabilised scale
  double memory_ = 0;  // correlation of neighbours
  Side above_;         // on the stabilised scale
  Side below_;         // on the plain scale
  double error_ = 0;   // of the level, if few_
  double dispersion_ = 1;
};

// Tells when a series of one non-negative value per interval leaves what is usual for it, and when
// that ends. What is usual is learned from the last 300 values, looked at again every 16.
//
// Unit: 1 for events per interval, else the smallest difference that anyone would care about (a
// packet's bytes, 10 us, 0.001 of a share). Noise below one event's, or below a tenth of the level,
// is taken for that: so a constant or quantised series never divides by zero.
//
// Scale. From 10 units on rises are judged as asinh(c sqrt(x + 3/8)), Anscombe's (1948) for counts
// with 10% of relative noise on top: a root for small values, a logarithm for large, and 1 is the
// sigma of such noise. Falls are judged on the plain scale: a logarithm makes a long lower tail of
// normal noise. Below 10 units values are counts of rare events: likelihoods of Poisson over the
// dispersion (McCullagh & Nelder 1989), sigmas are signed roots of the deviance, the mean is taken
// one standard error to the safe side, at least 0.05. A rise is sought from one event more on, a
// fall from a mean of 1.
//
// Baseline. Center: the mean of values clamped to two sigmas around the median (Huber 1964), for a
// median of small counts jumps. Spread: the median of deviations to the side that is judged (Hampel
// 1974; Leys et al. 2013), or the quantile of 90% or 98% where that is wider, so that heavy tails
// and bursts are usual.
//
// Memory. Neighbours that correlate by r > 0.2 (three standard errors) are taken for AR(1): a jump
// is judged against what the value before predicts, and what lasts counts (1-r)/(1+r). Evidence
// counts n/(n+36), n being the independent values of the window: the baseline is a guess.
//
// Spike: 5.5 sigmas, which is one in 5e7 of normal noise; the margin is for tails and for the error
// of the spread. Two sigmas from the center at least: a leap back is none.
//
// Shift: CUSUM (Page 1954) of log-likelihood ratios for three times, or a third, of the level,
// which finds such a step soonest (Moustakides 1986), and lasting smaller ones from 1.7 times
// on; 1.35 in a quiet series, for a step counts as 6 sigmas at most. 12.5 nats alarm, after
// n/(n+36) one in 6e6 values each way by Siegmund (1985). One value brings at most 10 nats for a
// rise and 5.5 for a fall, where tails are longer: two or three are needed. From 4 nats on nothing
// is learned.
//
// End. Nothing is learned from an anomaly. It returned after 5 nats for the baseline, from two
// values at least; after 300 values its own become the baseline: it settled.
//
// Absent is what is no measurement, too: not a number, infinite, negative. It changes nothing. The
// first kDetectorWarmUp values that are not absent alarm about nothing.
//
// False alarms in a day of 86,400 values, mean of 30 days each with seeds that no test has:
// lognormal (sigma 0.5) 0.10, Poisson of 0.5 and 5: 0.07 and 0.10; none with Poisson of 0.02 and
// 200, 20% of normal noise on a daily wave, 20% of AR(1) (r = 0.8), steps of a bucket, zeros. No
// day had two. Not kept: AR(1) of 50% 0.1 to 0.2, once three; one value in ten lognormal, else
// zero: 1.5, once seven.
//
// Slow to be found, since noise hides it (medians): three times a lognormal of 0.5 takes 7 values,
// a third 13; three times a Poisson of 0.5 takes 21, a third is not sought; with AR(1) of 30% three
// times takes 1, but one in twenty more than 78, and a third takes 64. What rises or falls in more
// time than the window is learned, and peaks minutes apart are reported each.
class Detector {
 public:
  explicit Detector(double unit = 1);
  std::optional<AnomalyChange> add(std::optional<double> value);

 private:
  struct Anomaly {
    AnomalyChange::Kind kind = AnomalyChange::Kind::Spike;
    bool up = true;
    double returned = 0;  // nats for the baseline
    std::vector<double> values;
  };

  std::optional<AnomalyChange> watch(double value, const Baseline::Score& score);
  std::optional<AnomalyChange> follow(double value, const Baseline::Score& score);
  AnomalyChange change(double value, const Baseline::Score& score) const;

  double unit_;
  Baseline baseline_;
  std::optional<double> before_;
  double rise_ = 0;  // nats
  double fall_ = 0;
  std::optional<Anomaly> anomaly_;
};

}  // namespace netsonde
