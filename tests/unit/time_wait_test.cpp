// SPDX-License-Identifier: Apache-2.0
#include "user/capture/time_wait.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <linux/inet_diag.h>
#include <sys/socket.h>

namespace netsonde {
namespace {

class TimeWaitTest : public testing::Test {
 protected:
  TimeWaitTest() {
    socket_.idiag_family = AF_INET;
    socket_.id.idiag_sport = htons(40'000);
    socket_.id.idiag_dport = htons(443);
    inet_pton(AF_INET, "10.0.0.1", socket_.id.idiag_src);
    inet_pton(AF_INET, "10.0.0.2", socket_.id.idiag_dst);
  }
  // As the kernel sends it, cut after so many bytes.
  std::optional<TimeWait> decoded(std::size_t size = sizeof(inet_diag_msg)) {
    NetlinkRequest message(0, 0);
    message.put(socket_);
    message.header()->nlmsg_len = static_cast<std::uint32_t>(NLMSG_HDRLEN + size);
    return time_wait_of(*message.header());
  }

  inet_diag_msg socket_ = {};
};

TEST_F(TimeWaitTest, ASocketHasItsPortsAndAddresses) {
  const auto found = decoded();
  ASSERT_TRUE(found);
  EXPECT_EQ(found->local_port, 40'000);
  EXPECT_EQ(to_text(found->way.local), "10.0.0.1");
  EXPECT_EQ(to_text(found->way.remote), "10.0.0.2");
  EXPECT_EQ(found->way.remote_port, 443);
}

TEST_F(TimeWaitTest, OneOfVersion6WithAnAddressOfVersion4IsTheSame) {
  const auto ipv4 = decoded();
  socket_.idiag_family = AF_INET6;
  inet_pton(AF_INET6, "::ffff:10.0.0.1", socket_.id.idiag_src);
  inet_pton(AF_INET6, "::ffff:10.0.0.2", socket_.id.idiag_dst);
  const auto ipv6 = decoded();
  ASSERT_TRUE(ipv4 && ipv6);
  EXPECT_EQ(ipv4->way, ipv6->way);
}

TEST_F(TimeWaitTest, AMessageThatMakesNoSenseIsNone) {
  EXPECT_FALSE(decoded(0));
  EXPECT_FALSE(decoded(sizeof(inet_diag_msg) - 1));
  socket_.idiag_family = AF_UNIX;
  EXPECT_FALSE(decoded());
}

}  // namespace
}  // namespace netsonde
