// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "probes/factors.h"
#include "user/base/loop.h"

namespace netsonde {

struct ExperimentSettings {
  std::vector<Factor> factors{};
  std::size_t blocks = 30;
  std::size_t units = 5;   // of each arm in each block, after one that warms up
  std::uint64_t seed = 0;  // of the order
};

// Measures every arm of every factor in every block: factors in random order, and the arms of each
// side by side in random order, so that what changes with time befalls all of them alike. An A/A
// arm does the same as the factor's baseline. One thing at a time.
class Experiment {
 public:
  using OpenProber = std::function<Result<std::unique_ptr<Prober>>(const Arm&)>;
  // What the blocks will ask for; bytes: as many as trying the arms took for each.
  struct Cost {
    std::uint64_t requests = 0, bytes = 0;
  };
  struct Callbacks {
    std::function<void(const Cost&)> on_tried{};         // which arms are available is known
    std::function<void(std::size_t blocks)> on_block{};  // so many are done
    std::function<void()> on_end{};
  };

  // The loop outlives it; a prober is opened for each arm.
  static Result<std::unique_ptr<Experiment>> open(Loop& loop, OpenProber open_prober,
                                                  ExperimentSettings settings);
  Experiment(const Experiment&) = delete;
  Experiment& operator=(const Experiment&) = delete;
  ~Experiment();

  // Tries each arm, then measures those that are available.
  void start(Callbacks callbacks);

  // As of now; of a block that is not done, the arms that are.
  std::vector<FactorFigures> figures() const;
  std::size_t blocks_done() const { return block_; }
  std::uint64_t requests() const { return requests_; }
  // Why it ended early; empty: it did not.
  const std::string& given_up() const { return given_up_; }

 private:
  // One arm, and what became of it.
  struct Course {
    std::size_t factor = 0;
    Arm arm{};
    bool again = false;  // A/A
    std::unique_ptr<Prober> prober{};
    ArmFigures figures{};
    std::uint64_t unit_bytes = 0;  // as tried
  };
  // Units of one course, one after the other.
  struct Turn {
    Course* course = nullptr;
    std::size_t ended = 0;  // units
    unsigned failed_in_a_row = 0;
    std::map<Metric, std::vector<double>> good{};
  };
  struct Unit {
    Time began{};
    unsigned started = 0;
    std::vector<Attempt> attempts{};  // that ended
  };

  Experiment(Loop& loop, OpenProber open_prober, ExperimentSettings settings);
  void later();
  Result<> begin_unit();
  void start_request();
  void take(Attempt attempt);
  void end_unit(const std::vector<Attempt>& attempts, Nanos took);
  bool end_trial(const std::vector<Attempt>& attempts);
  bool end_measured(const std::vector<Attempt>& attempts, Nanos took);
  void next_turn();
  void add_baselines_again();
  Cost cost_of_blocks() const;  // from what the first is going to be
  void begin_block();
  void end_turn(Turn& turn);

  Loop& loop_;
  OpenProber open_prober_;
  ExperimentSettings settings_;
  Callbacks callbacks_;
  std::mt19937_64 random_;
  std::vector<std::unique_ptr<Course>> courses_;
  bool trying_ = true;
  std::vector<Turn> turns_;  // of the block, or of trying; the last is under way
  Unit unit_;
  std::size_t block_ = 0;  // blocks that are done
  std::uint64_t requests_ = 0;
  unsigned failed_in_a_row_ = 0;  // units, of whatever arm
  std::string given_up_;
  int timer_ = -1;
};

}  // namespace netsonde
