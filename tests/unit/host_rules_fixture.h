// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <optional>
#include <vector>

#include "user/model/diagnosis/diagnosis.h"

namespace netsonde {

// Readings as /proc, rtnetlink and ethtool give them: what no test machine can be made to do, and
// beside it what looks alike and is no fault.
class HostRulesTest : public testing::Test {
 protected:
  using Values = std::vector<HostValue>;

  // Ten seconds lie between the two readings.
  void read(const Values& before, const Values& after) {
    observer_ = Observer(from_);
    ASSERT_TRUE(observer_.on_host(from_, before));
    ASSERT_TRUE(observer_.on_host(from_ + std::chrono::seconds(10), after));
  }

  std::vector<Finding> findings() {
    ev_tick tick = {};
    tick.header.kind = EV_TICK;
    tick.header.time_ns =
        static_cast<std::uint64_t>((from_ + std::chrono::seconds(10)).time_since_epoch().count());
    store_.apply(tick);
    return diagnosis().findings;
  }

  Diagnosis diagnosis() {
    const Snapshot snapshot(store_);
    return diagnose(observer_.observe(snapshot, Filter()));
  }

  std::optional<Finding> only(std::string_view id) {
    auto all = findings();
    EXPECT_EQ(all.size(), 1U);
    if (all.size() != 1) return std::nullopt;
    EXPECT_EQ(all[0].id, id);
    return std::move(all[0]);
  }

  Time from_ = Time(std::chrono::seconds(100));
  Names names_;
  Store store_{&names_};
  Observer observer_{from_};
};

}  // namespace netsonde
