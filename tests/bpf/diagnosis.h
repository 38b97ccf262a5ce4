// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <list>
#include <optional>
#include <string>
#include <string_view>

#include "tests/bpf/capture.h"
#include "tests/bpf/long_path.h"
#include "user/model/diagnosis/diagnosis.h"

namespace netsonde::test {

// A path of a length of its own, whose two ends are watched as netsonde explain does. The thread is
// at the near end.
class DiagnosisTest : public testing::Test {
 protected:
  DiagnosisTest();
  ~DiagnosisTest() override;

  // The connection and its two processes go on until the test ends.
  struct Flow {
    Child client, server;
  };
  using Talk = std::function<void(const Socket&)>;
  // Each end of a new connection runs its part in a process of its own.
  void flow(const Talk& client, const Talk& server, const Talk& prepare_client = {},
            const Talk& prepare_listener = {});

  // Looks ten times a second; so many times.
  void look(int times);
  // Looks until the rule has found something, which is as wanted; nothing at the deadline.
  using Wanted = std::function<bool(const Finding&)>;
  std::optional<Finding> wait_for(std::string_view id, const Wanted& wanted = {});
  Diagnosis diagnose_now();
  std::optional<Finding> find(std::string_view id);
  // What was found, for a test that fails.
  std::string found();

  LongPath path_;
  Inside inside_{path_.near()};
  Capture capture_;
  Observer observer_;
  std::list<Flow> flows_;
};

// Sends without end, as fast as it may.
void send_on(const Socket& socket);

// Reads without end, as fast as it may.
void read_on(const Socket& socket);
// Loss-based congestion control, whatever the default.
void use_cubic(const Socket& socket);
// Keeps the connection and does nothing.
void do_nothing(const Socket& socket);

// The value of one figure of the evidence; 0 when it is not there.
double value_of(const Finding& finding, std::string_view field);

}  // namespace netsonde::test
