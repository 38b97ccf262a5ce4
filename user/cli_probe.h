// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>
#include <deque>
#include <string>

#include "user/cli.h"

namespace netsonde {

// The options of the commands that ask the network.
class ProbeArguments {
 public:
  void add_probe(CLI::App* sub, Options& options);
  void add_test(CLI::App* sub, Options& options);
  void add_experiment(CLI::App* sub, Options& options);

 private:
  // CLI11 wants texts to check; the values are stored on the way.
  std::string& text() { return texts_.emplace_back(); }
  void add_limits(CLI::App* sub, Options& options);
  void add_pacing(CLI::App* sub, Options& options);
  void add_request(CLI::App* sub, Options& options);
  void add_http(CLI::App* sub, Options& options);
  void add_sockets(CLI::App* sub, Options& options);

  std::deque<std::string> texts_;
};

}  // namespace netsonde
