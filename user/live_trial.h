// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "tuner/auto_pilot.h"
#include "tuner/ledger.h"
#include "user/base/fd.h"
#include "user/base/result.h"
#include "user/cli.h"
#include "user/guarded_trial.h"
#include "user/period_meter.h"
#include "user/session.h"
#include "user/tune_auto_output.h"

namespace netsonde {

inline constexpr Nanos kShortestTick = std::chrono::milliseconds(50);
// Five in a span, but not rarer than that.
Nanos tick_of(Nanos span, Nanos most);

// With these options, if it does not end early.
Nanos time_of_trial(const TuneOptions& options, const Proof& proof);

// A proposal that is tried on the traffic that there is, behind a guard, and stays only when it
// proved itself. What happens is told.
enum class TrialEnd : std::uint8_t { Kept, Undone, EndedByOthers, NotTried };

class LiveTrial {
 public:
  using Done = std::function<Result<>(TrialEnd)>;

  // All outlive it; the figures are a sink of the session.
  LiveTrial(const TuneOptions& options, Session& session, PeriodFigures& figures,
            const AutoOutput& output)
      : options_(options), session_(session), figures_(figures), output_(output) {}

  // Of what has a proof; one after the other. The session looks as often as it needs meanwhile.
  Result<> start(const Proposal& proposal, Done done);
  bool runs() const { return attempt_.has_value(); }
  bool has_changed_something() const { return attempt_ && attempt_->begun; }
  // Undoes what is being tried.
  Result<> interrupt();

 private:
  struct Attempt {
    Proposal proposal{};
    const Proof* proof = nullptr;
    Done done{};
    std::optional<GuardedSet> begun{};  // absent: nothing was written yet
    UniqueFd owner{};
    std::unique_ptr<PeriodMeter> meter{};
    std::unique_ptr<Trial> trial{};
    OpenedMeanwhile opened{};
  };

  Result<> switch_to(bool tried);
  Result<> end();
  TrialReport report();
  Result<TrialEnd> conclude_attempt(TrialReport& report) const;
  Result<> undo() const;

  const TuneOptions& options_;
  Session& session_;
  PeriodFigures& figures_;
  const AutoOutput& output_;
  std::optional<Attempt> attempt_;
};

}  // namespace netsonde
