// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>
#include <deque>
#include <string>
#include <vector>

#include "user/cli.h"

namespace netsonde {

// netsonde tune and its commands.
class TuneArguments {
 public:
  void add(CLI::App* tune, Options& options);

 private:
  CLI::App* action(CLI::App* parent, const char* name, const char* help, TuneAction action,
                   Options& options);
  void add_list(CLI::App* tune, Options& options);
  void add_plan(CLI::App* tune, Options& options);
  void add_profiles(CLI::App* tune, Options& options);
  void add_apply(CLI::App* tune, Options& options);
  void add_connection(CLI::App* tune, Options& options);
  CLI::Option* add_confirm_within(CLI::App* command, TuneOptions& wanted);
  std::vector<CLI::Option*> add_measured(CLI::App* apply, Options& options);
  void add_goal(CLI::App* command, TuneOptions& wanted);
  void add_experiment(CLI::App* tune, Options& options);
  void add_auto(CLI::App* tune, Options& options);
  struct TrialHelp {
    const char *blocks = nullptr, *period = nullptr, *wash_out = nullptr;
  };
  std::vector<CLI::Option*> add_trial(CLI::App* command, TuneOptions& wanted,
                                      const TrialHelp& help);
  void add_undoing(CLI::App* tune, Options& options);
  void add_looking(CLI::App* tune, Options& options);
  // CLI11 wants texts to check; the values are stored on the way.
  std::string& text() { return texts_.emplace_back(); }

  std::deque<std::string> texts_;
};

}  // namespace netsonde
