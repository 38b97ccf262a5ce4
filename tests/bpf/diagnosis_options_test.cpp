// SPDX-License-Identifier: Apache-2.0
#include "tests/bpf/diagnosis.h"

namespace netsonde::test {
namespace {

class OptionsTest : public DiagnosisTest {
 protected:
  OptionsTest() { path_.shape().delay_us = 5'000; }

  // A megabyte one way.
  void transfer() {
    flow(
        [](const Socket& socket) {
          socket.send(std::string(1'000'000, 'x'));
          do_nothing(socket);
        },
        read_on);
  }
  void expect_nothing(std::initializer_list<std::string_view> ids) {
    for (const std::string_view id : ids) EXPECT_FALSE(find(id)) << found();
  }
};

TEST_F(OptionsTest, AHostWithoutWindowScalingIsTold) {
  set_ipv4("tcp_window_scaling", "0");
  transfer();
  ASSERT_TRUE(wait_for("window-scaling-off")) << found();
  expect_nothing({"timestamps-off", "mss-clamped", "ecn-bleached"});
}

TEST_F(OptionsTest, AHostWithoutTimestampsIsTold) {
  set_ipv4("tcp_timestamps", "0");
  transfer();
  ASSERT_TRUE(wait_for("timestamps-off")) << found();
  expect_nothing({"window-scaling-off", "mss-clamped", "ecn-bleached"});
}

TEST_F(OptionsTest, AMiddleboxThatStripsOptionsIsTold) {
  path_.shape().strips_options = true;
  transfer();
  ASSERT_TRUE(wait_for("window-scaling-off")) << found();
  EXPECT_TRUE(find("timestamps-off")) << found();
}

TEST_F(OptionsTest, ASmallerSegmentOfThePeerIsTold) {
  {
    const Inside inside(path_.far());
    run("/sbin/ip link set path mtu 1300");
  }
  transfer();
  const auto finding = wait_for("mss-clamped");
  ASSERT_TRUE(finding) << found();
  EXPECT_LT(value_of(*finding, "mss_bytes"), 1300);
  EXPECT_EQ(value_of(*finding, "advertised_mss_bytes"), 1448);
}

TEST_F(OptionsTest, ARouterThatClearsEcnIsTold) {
  set_ipv4("tcp_ecn", "1");
  path_.shape().clears_ecn = true;
  transfer();
  const auto finding = wait_for("ecn-bleached");
  ASSERT_TRUE(finding) << found();
  EXPECT_EQ(finding->subject.connection->direction, EV_IN);
}

TEST_F(OptionsTest, WhereAllIsAgreedOnNothingIsTold) {
  set_ipv4("tcp_ecn", "1");
  transfer();
  look(15);
  expect_nothing({"window-scaling-off", "timestamps-off", "mss-clamped", "ecn-bleached"});
}

TEST_F(OptionsTest, LoopbackIsNotClamped) {
  Socket listener = listen_on();
  const Endpoint endpoint{.port = listener.port()};
  const Child server([&] { read_on(listener.accept()); });
  const Socket client = connect_to(endpoint);
  client.send(std::string(1'000'000, 'x'));
  ASSERT_TRUE(wait_until_acknowledged(client));
  look(5);
  expect_nothing({"window-scaling-off", "timestamps-off", "mss-clamped", "ecn-bleached"});
}

}  // namespace
}  // namespace netsonde::test
