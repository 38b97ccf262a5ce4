// SPDX-License-Identifier: Apache-2.0
#include "user/capture/netlink.h"

#include <gtest/gtest.h>

namespace netsonde {
namespace {

bool is_whole(std::uint32_t length, std::size_t left) {
  nlmsghdr message = {};
  message.nlmsg_len = length;
  return netsonde::is_whole(message, left);
}

TEST(NetlinkTest, AMessageIsWholeWhenItsLengthIsThere) {
  EXPECT_TRUE(is_whole(16, 16));
  EXPECT_TRUE(is_whole(20, 100));
  EXPECT_FALSE(is_whole(20, 19));
  EXPECT_FALSE(is_whole(16, 15));
}

TEST(NetlinkTest, AMessageIsAtLeastItsHeader) {
  EXPECT_FALSE(is_whole(0, 100));
  EXPECT_FALSE(is_whole(15, 100));
}

TEST(NetlinkTest, AHugeLengthIsNotNegative) {
  for (const std::uint32_t length : {0x80000000U, 0xfffffffdU, 0xffffffffU})
    EXPECT_FALSE(is_whole(length, 100)) << length;
}

}  // namespace
}  // namespace netsonde
