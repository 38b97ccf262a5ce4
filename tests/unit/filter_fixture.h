// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "user/model/filter.h"

namespace netsonde {

inline constexpr std::uint64_t kSecond = 1'000'000'000;
inline const std::string kContainer(64, 'a');

template <std::size_t N>
void set_text(char (&to)[N], std::string_view text) {
  std::memset(to, 0, N);
  std::memcpy(to, text.data(), std::min(text.size(), N));
}

inline void set_address(std::uint8_t (&to)[16], std::string_view text) {
  const Address address = parse_address(text).value();
  std::copy(address.bytes.begin(), address.bytes.end(), to);
}

// An outgoing connection of nginx, ten seconds old; each test changes what it is about.
class FilterTest : public ::testing::Test {
 protected:
  FilterTest() {
    names_.learn_cgroup(7, [](std::uint64_t) { return "/docker/" + kContainer; });
    connection_.sampled = true;
    connection_.limit_known = true;
    connection_.limit = Limit::ReceiveWindow;
    ev_sample& sample = connection_.last;
    sample.srtt_us = 60'000;
    sample.min_rtt_us = ~0U;
    sample.tx_bytes = 1 << 20;
    sample.busy_ms = 1500;
    sample.segs_out = 200;
    sample.retransmitted = 4;
    sample.options = EV_OPT_ECN;
    set_text(sample.congestion, "cubic");
    set_identity(sample.conn);
  }

  static void set_identity(ev_conn& conn) {
    conn.cookie = 4242;
    set_address(conn.local, "192.0.2.1");
    set_address(conn.remote, "10.1.2.3");
    conn.local_port = 50'000;
    conn.remote_port = 443;
    conn.netns = 4026531840;
    conn.start_ns = 90 * kSecond;
    conn.cgroup = 7;
    conn.uid = 33;
    conn.pid = 1234;
    conn.owner = EV_OWNER_EXACT;
    conn.direction = EV_OUT;
    conn.state = 1;
    set_text(conn.comm, "nginx");
  }

  bool accepts(std::string_view text) const {
    auto filter = Filter::parse(text);
    if (!filter) ADD_FAILURE() << filter.error().message();
    return filter && filter.value().accepts(row());
  }

  Row row() const { return {connection_, names_, time_from_ns(100 * kSecond), 0}; }
  ev_conn& conn() { return connection_.last.conn; }

  Connection connection_;
  Names names_;
};

}  // namespace netsonde
