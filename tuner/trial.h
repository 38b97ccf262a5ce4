// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "user/base/loop.h"
#include "user/model/trial.h"

namespace netsonde {

// By turns: whatever else changes meanwhile hits both ways alike. Once, where what was tried cannot
// be taken back from the connections that had it: first what was there, then what is tried.
enum class TrialDesign : std::uint8_t { Turns, Once };

struct TrialSettings {
  TrialDesign design = TrialDesign::Turns;
  std::size_t blocks = 12;
  Nanos wash_out = std::chrono::seconds(2);  // after each change, before anything is measured
  std::uint64_t seed = 0;                    // of the order
  std::string_view decides{};                // a metric: what it gains pays for some harm
  Tolerance tolerance{};
};

// With periods of that length, if it does not end early.
Nanos time_of(const TrialSettings& settings, Nanos period);

// Tries a setting: in each block what was there and what is tried, by turns in random order, each
// measured after a wash-out. Ends early on harm, and when a setting cannot be brought about.
class Trial {
 public:
  struct Callbacks {
    // Brings it about, or sees at the end of a period that it still holds, and reads it back.
    std::function<Result<>(bool tried)> set{};
    // Measures one period, and tells later what; absent: nothing could be.
    std::function<void(std::function<void(std::optional<TrialFigures>)> done)> measure{};
    std::function<void(std::size_t blocks)> on_block{};  // so many are done
    std::function<void()> on_end{};
  };

  // The loop outlives it.
  Trial(Loop& loop, const TrialSettings& settings, Callbacks callbacks);
  Trial(const Trial&) = delete;
  Trial& operator=(const Trial&) = delete;
  ~Trial();

  // on_end may come before it returns, when the setting cannot be brought about.
  void start();

  const TrialSettings& settings() const { return settings_; }
  const std::vector<TrialBlock>& blocks() const { return blocks_; }  // whole ones
  // Why it ended before all blocks were done; empty: it did not.
  const std::string& ended_early() const { return ended_early_; }
  bool harmed() const { return harmed_; }

 private:
  void begin_period();
  void measure();
  void end_period(std::optional<TrialFigures> figures);
  void end_block();
  void end(std::string why);

  Loop& loop_;
  TrialSettings settings_;
  Callbacks callbacks_;
  std::vector<bool> order_;  // of the periods, which are two in a block: what they have
  std::vector<TrialFigures> before_, after_;
  std::vector<TrialBlock> blocks_;
  std::string ended_early_;
  bool harmed_ = false;
  int timer_ = -1;
};

}  // namespace netsonde
