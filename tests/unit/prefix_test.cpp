// SPDX-License-Identifier: Apache-2.0
#include "user/base/prefix.h"

#include <gtest/gtest.h>

namespace netsonde {
namespace {

// Empty for what is no prefix.
std::string read(std::string_view text) {
  const auto prefix = parse_prefix(text);
  return prefix ? to_text(*prefix) : "";
}

TEST(PrefixTest, OnesTextIsReadAgain) {
  for (const std::string text : {"default", "::/0", "10.0.0.0/8", "192.0.2.1/32", "128.0.0.0/1",
                                 "2001:db8::/32", "fe80::/64", "2001:db8::1/128", "0.0.0.0/8"})
    EXPECT_EQ(read(text), text);
}

TEST(PrefixTest, OtherWaysToWriteItHaveOneText) {
  EXPECT_EQ(read("0.0.0.0/0"), "default");
  EXPECT_EQ(read("192.0.2.1"), "192.0.2.1/32");
  EXPECT_EQ(read("2001:DB8:0:0::/32"), "2001:db8::/32");
  EXPECT_EQ(read("2001:db8::1"), "2001:db8::1/128");
}

TEST(PrefixTest, WhatIsNoneIsRefused) {
  for (const std::string_view text :
       {"", "/", "default/0", "Default", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/8 ",
        " 10.0.0.0/8", "10.0.0.0/08x", "10.0.0/8", "10.1.0.0/8", "2001:db8::1/32", "::/129",
        "2001:db8::/32/1", "10.0.0.0/8/8", "eth0", "::/+0"})
    EXPECT_EQ(read(text), "") << text;
  EXPECT_FALSE(parse_prefix(std::string_view("10.0.0.0\0/8", 11)));
}

TEST(PrefixTest, ContainsWhatBeginsWithIt) {
  const auto in = [](std::string_view prefix, std::string_view address) {
    return contains(*parse_prefix(prefix), *parse_address(address));
  };
  EXPECT_TRUE(in("10.0.0.0/8", "10.255.0.1"));
  EXPECT_FALSE(in("10.0.0.0/8", "11.0.0.1"));
  EXPECT_TRUE(in("192.0.2.1", "192.0.2.1"));
  EXPECT_FALSE(in("192.0.2.1", "192.0.2.2"));
  EXPECT_TRUE(in("default", "192.0.2.2"));
  EXPECT_FALSE(in("default", "2001:db8::1"));
  EXPECT_TRUE(in("::/0", "2001:db8::1"));
  EXPECT_FALSE(in("::/0", "192.0.2.2"));
  EXPECT_TRUE(in("2001:db8::/33", "2001:db8:7fff::1"));
  EXPECT_FALSE(in("2001:db8::/33", "2001:db8:8000::1"));
}

TEST(PrefixTest, IPv4WithinIPv6IsNotTakenForIPv4) {
  for (const std::string_view text : {"::ffff:10.0.0.0/104", "::ffff:0:0/96", "::ffff:10.0.0.1"})
    EXPECT_EQ(read(text), "") << text;
}

}  // namespace
}  // namespace netsonde
