// SPDX-License-Identifier: Apache-2.0
#include "tuner/tunable.h"

#include <gtest/gtest.h>

#include <limits>

#include "tests/unit/tunable_fixture.h"

namespace netsonde {
namespace {

using namespace std::string_literals;

Tunable of_shape(TunableShape shape) {
  return {.key = "net.test",
          .shape = shape,
          .floor = std::numeric_limits<std::int64_t>::min(),
          .ceiling = std::numeric_limits<std::int64_t>::max()};
}

TEST(NormalValueTest, BlanksBecomeOneSpaceAndTheEndsGo) {
  EXPECT_EQ(normal_value("4096\t131072\t6291456\n"), "4096 131072 6291456");
  EXPECT_EQ(normal_value("  reno \t  cubic "), "reno cubic");
  EXPECT_EQ(normal_value("bbr"), "bbr");
  EXPECT_EQ(normal_value(" \t\n"), "");
  EXPECT_EQ(normal_value(""), "");
}

TEST(NumbersOfTest, ThereAreAsManyAsTheShapeHas) {
  using Numbers = std::vector<std::int64_t>;
  EXPECT_EQ(numbers_of(of_shape(TunableShape::Number), "-31\n").value(), Numbers({-31}));
  EXPECT_EQ(numbers_of(of_shape(TunableShape::Range), "32768\t60999").value(),
            Numbers({32768, 60999}));
  EXPECT_EQ(numbers_of(of_shape(TunableShape::Triple), " 1  2 3 ").value(), Numbers({1, 2, 3}));
}

TEST(NumbersOfTest, AnotherCountIsRefused) {
  for (const std::string_view value : {"", " ", "1 2"})
    EXPECT_FALSE(numbers_of(of_shape(TunableShape::Number), value)) << value;
  for (const std::string_view value : {"1", "1 2 3"})
    EXPECT_FALSE(numbers_of(of_shape(TunableShape::Range), value)) << value;
  EXPECT_EQ(numbers_of(tunable("net.ipv4.tcp_rmem"), "4096 87380").error().message(),
            "net.ipv4.tcp_rmem: '4096 87380' is not 3 numbers");
}

TEST(NumbersOfTest, WordsAndMasksHaveNone) {
  for (const TunableShape shape :
       {TunableShape::Word, TunableShape::Words, TunableShape::Mask, TunableShape::Masks}) {
    EXPECT_FALSE(numbers_of(of_shape(shape), ""));
    EXPECT_FALSE(numbers_of(of_shape(shape), "1"));
  }
}

TEST(NumbersOfTest, WhatTheKernelWouldNotPrintSoIsNoNumber) {
  for (const std::string_view value : {"abc", "+1", "0x10", "010", "-0", "00", "1.0", "1,2", "1e3",
                                       "12x", "-", "--1", "\xff", "1\v2", "1;"})
    EXPECT_FALSE(numbers_of(of_shape(TunableShape::Number), value)) << value;
}

TEST(NumbersOfTest, MoreThan64BitsAreRefused) {
  const Tunable number = of_shape(TunableShape::Number);
  EXPECT_EQ(numbers_of(number, "9223372036854775807").value()[0],
            std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(numbers_of(number, "-9223372036854775808").value()[0],
            std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(numbers_of(number, "9223372036854775808").error().message(),
            "net.test: 9223372036854775808 does not fit into 64 bits");
  EXPECT_FALSE(numbers_of(number, "-9223372036854775809"));
  EXPECT_FALSE(numbers_of(number, std::string(200, '9')));
}

TEST(CheckValueTest, ABoundIsNamedAndIsInside) {
  EXPECT_EQ(refusal("net.core.somaxconn", "70000"), "net.core.somaxconn: 70000 is above 65535");
  EXPECT_EQ(refusal("net.core.somaxconn", "0"), "net.core.somaxconn: 0 is below 1");
  EXPECT_EQ(refusal("net.core.somaxconn", "65535"), "");
  EXPECT_EQ(refusal("net.core.somaxconn", "128"), "");
}

TEST(CheckValueTest, BoundsHoldForEachNumber) {
  EXPECT_EQ(refusal("net.ipv4.tcp_rmem", "4095 87380 6291456"),
            "net.ipv4.tcp_rmem: 4095 is below 4096");
  EXPECT_EQ(refusal("net.ipv4.tcp_rmem", "4096 87380 2147483648"),
            "net.ipv4.tcp_rmem: 2147483648 is above 2147483647");
}

TEST(CheckValueTest, ATripleDoesNotFall) {
  EXPECT_EQ(refusal("net.ipv4.tcp_wmem", "4096 16384 8192"),
            "net.ipv4.tcp_wmem: 16384 is above 8192, which follows it");
  EXPECT_EQ(refusal("net.ipv4.tcp_wmem", "16384 4096 65536"),
            "net.ipv4.tcp_wmem: 16384 is above 4096, which follows it");
  EXPECT_EQ(refusal("net.ipv4.tcp_wmem", "4096 4096 4096"), "");
}

TEST(CheckValueTest, ARangeRisesAndIsNotNarrow) {
  EXPECT_EQ(refusal("net.ipv4.ip_local_port_range", "60999 32768"),
            "net.ipv4.ip_local_port_range: 60999 is above 32768, which follows it");
  EXPECT_EQ(refusal("net.ipv4.ip_local_port_range", "5000 5254"),
            "net.ipv4.ip_local_port_range: 5000 to 5254 are fewer than 256");
  EXPECT_EQ(refusal("net.ipv4.ip_local_port_range", "5000 5255"), "");
}

TEST(CheckValueTest, TabsAndBlanksDoNoHarm) {
  EXPECT_EQ(refusal("net.ipv4.tcp_rmem", " 4096\t131072   6291456 "), "");
  EXPECT_EQ(refusal("net.ipv4.tcp_congestion_control", " bbr\t"), "");
}

TEST(CheckValueTest, AWordIsOneNameThatTheKernelCouldHave) {
  const std::string_view key = "net.ipv4.tcp_congestion_control";
  for (const std::string_view value : {"cubic", "bbr", "bpf_cubic", "a-b.c", "ABCDEFGHIJKLMN9"})
    EXPECT_EQ(refusal(key, value), "");
  for (const std::string_view value :
       {"", " ", "abcdefghijklmnop", "bbr;reboot", "../bbr", "b\xc3\xa4r", "bbr=1", "\xff", "$bbr"})
    EXPECT_NE(refusal(key, value), "") << value;
  EXPECT_EQ(refusal(key, "reno cubic"), std::string(key) + ": reno cubic is more than one name");
}

TEST(CheckValueTest, WordsAreOneOrMoreNames) {
  const std::string_view key = "net.ipv4.tcp_allowed_congestion_control";
  EXPECT_EQ(refusal(key, "reno"), "");
  EXPECT_EQ(refusal(key, "reno cubic bbr"), "");
  EXPECT_EQ(refusal(key, " "), std::string(key) + ": a name is missing");
  EXPECT_EQ(refusal(key, "reno abcdefghijklmnop"),
            std::string(key) + ": abcdefghijklmnop is longer than 15 characters");
  EXPECT_NE(refusal(key, "reno cu/bic"), "");
}

TEST(CheckValueTest, AMaskIsHexadecimalWithCommas) {
  const std::string_view key = "net.core.flow_limit_cpu_bitmap";
  for (const std::string_view value : {"0", "ff", "FFffffff,00000000", "deadbeef"})
    EXPECT_EQ(refusal(key, value), "");
  for (const std::string_view value : {"", ",", "0x1", "g", "1 2", "-1"})
    EXPECT_NE(refusal(key, value), "") << value;
}

TEST(CheckValueTest, MasksAreThoseThatTheKernelWouldRead) {
  const std::string_view key = "device.rps_cpus";
  for (const std::string_view value : {"0", "3 f", "FFffffff,00000000", "1,2 3"})
    EXPECT_EQ(refusal(key, value), "");
  for (const std::string_view value :
       {"", " ", ",", "1,", ",1", "1,,2", "0x1", "g", "123456789", "-1"})
    EXPECT_NE(refusal(key, value), "") << value;
  EXPECT_EQ(refusal(key, std::string(65'536, 'f')).find("too long"), std::string::npos);
  EXPECT_NE(refusal(key, std::string(65'537, ' ')).find("too long"), std::string::npos);
}

TEST(CheckValueTest, WhereOnlySomeWordsAreKnownOthersAreRefused) {
  EXPECT_EQ(refusal("device.qdisc", "fq_codel"), "");
  for (const std::string_view value : {"mq", "noqueue", "fq 8001:", "fq fq_codel", "", "htb", "FQ"})
    EXPECT_NE(refusal("device.qdisc", value), "") << value;
}

TEST(NormalValueTest, AMaskHasOneForm) {
  const Tunable& masks = *find_tunable("device.rps_cpus");
  EXPECT_EQ(normal_value(masks, " 0003\tF "), "3 f");
  EXPECT_EQ(normal_value(masks, "00000000,00000000"), "0");
  EXPECT_EQ(normal_value(masks, "0001,2"), "1,00000002");
  EXPECT_EQ(normal_value(masks, "00000000,80000000 00ff,00000000,1"),
            "80000000 ff,00000000,00000001");
  EXPECT_EQ(normal_value(masks, "1,"), "1,") << "what is none stays for the check to refuse";
  EXPECT_EQ(normal_value(*find_tunable("net.core.somaxconn"), " 007 "), "007");
}

TEST(CheckValueTest, NoShapeTakesMoreThan256Characters) {
  EXPECT_EQ(refusal("net.core.flow_limit_cpu_bitmap", std::string(256, 'f')), "");
  EXPECT_EQ(refusal("net.core.flow_limit_cpu_bitmap", std::string(257, 'f')),
            "net.core.flow_limit_cpu_bitmap: a value of 257 characters is too long, "
            "at most 256 are taken");
  EXPECT_NE(refusal("net.core.somaxconn", "128" + std::string(1'000'000, ' ')), "");
}

TEST(CheckValueTest, ControlCharactersAreRefusedAndShownEscaped) {
  for (const TunableShape shape : {TunableShape::Number, TunableShape::Range, TunableShape::Triple,
                                   TunableShape::Word, TunableShape::Words, TunableShape::Mask})
    for (const std::string& value : {"1\n2"s, "1\n"s, "1\0"s, "\x1b[2J"s, "1\r"s, "1\x7f"s})
      EXPECT_NE(refusal(of_shape(shape), value).find("control"), std::string::npos);
  EXPECT_EQ(refusal("net.core.somaxconn", "1\x1b[2J"),
            "net.core.somaxconn: 1\\x1b[2J has control characters");
}

TEST(CheckValueTest, NothingCrashesIt) {
  std::vector<std::string> values = {std::string(1, '\0'), "\xc3", "-", ",", " ", "\t\t"};
  for (int byte = 0; byte < 256; ++byte) values.emplace_back(3, static_cast<char>(byte));
  for (const Tunable& row : tunables())
    for (const std::string& value : values)
      if (const std::string why = refusal(row, value); !why.empty()) {
        EXPECT_TRUE(why.starts_with(row.key)) << why;
      }
}

}  // namespace
}  // namespace netsonde
