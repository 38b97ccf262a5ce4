// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "probes/attempt_run.h"
#include "probes/lookup.h"
#include "probes/prober.h"
#include "user/base/loop.h"

namespace netsonde::test {

// A loop, and a lookup that asks nobody unless told whom.
class ProberFixture {
 public:
  // For probers that are made afterwards. server: "ADDRESS:PORT".
  void ask(const std::string& server) {
    lookup_ =
        Lookup::open(loop_, {.servers = {server}, .hosts_file = "", .resolv_file = ""}).value();
  }

  Loop& loop() { return loop_; }
  Lookup& lookup() { return *lookup_; }

  // Runs the loop until the attempt has ended; a test that waits for 20 s fails.
  Attempt measure(Prober& prober, const ProbeRequest& request) {
    std::optional<Attempt> ended;
    prober.start(request, [&](Attempt attempt) {
      ended = std::move(attempt);
      loop_.stop();
    });
    EXPECT_FALSE(ended) << "called back at once";
    run();
    EXPECT_TRUE(ended) << "not called back";
    return std::move(ended).value_or(Attempt{});
  }

  // Until somebody stops the loop.
  void run() {
    Deadline deadline(loop_);
    ASSERT_TRUE(deadline.set(std::chrono::seconds(20), [&] { loop_.stop(); }));
    ASSERT_TRUE(loop_.run());
  }

 private:
  Loop loop_ = Loop::open().value();
  std::unique_ptr<Lookup> lookup_ =
      Lookup::open(loop_, {.servers = {"127.0.0.1:1"}, .hosts_file = "", .resolv_file = ""})
          .value();
};

inline FailureKind kind_of(const Attempt& attempt) {
  return attempt.failure.value().kind;
}

}  // namespace netsonde::test
