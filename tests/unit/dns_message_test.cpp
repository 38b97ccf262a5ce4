// SPDX-License-Identifier: Apache-2.0
#include "probes/dns_message.h"

#include <gtest/gtest.h>

#include <vector>

namespace netsonde {
namespace {

// A message as a server writes it.
class Wire {
 public:
  // flags as RFC 1035 4.1.1 has them.
  Wire(unsigned flags, unsigned answers, unsigned authorities = 0, unsigned additional = 0) {
    u16(0x1234).u16(flags).u16(1).u16(answers).u16(authorities).u16(additional);
    name({"www", "example", "test"}).u16(1).u16(1);
  }

  Wire& u8(unsigned value) {
    bytes_.push_back(static_cast<std::byte>(value));
    return *this;
  }
  Wire& u16(unsigned value) { return u8(value >> 8 & 0xff).u8(value & 0xff); }
  Wire& u32(unsigned value) { return u16(value >> 16).u16(value & 0xffff); }
  Wire& name(const std::vector<std::string>& labels) {
    for (const std::string& label : labels) {
      u8(static_cast<unsigned>(label.size()));
      for (const char c : label) u8(static_cast<unsigned char>(c));
    }
    return u8(0);
  }
  // Of the question's name, by pointer.
  Wire& record(unsigned type, unsigned ttl, std::size_t length) {
    return u16(0xc00c).u16(type).u16(1).u32(ttl).u16(static_cast<unsigned>(length));
  }
  Wire& a(unsigned last, unsigned ttl = 300) {
    return record(1, ttl, 4).u8(192).u8(0).u8(2).u8(last);
  }

  std::vector<std::byte> bytes() const { return bytes_; }
  Result<DnsMessage> parsed() const { return parse_dns(bytes_); }

 private:
  std::vector<std::byte> bytes_;
};

constexpr unsigned kAnswer = 0x8180;
constexpr unsigned kTruncated = 0x0200;

TEST(DnsMessage, AddressesHaveTheirNameTtlAndText) {
  const auto message = Wire(kAnswer, 2).a(1, 300).a(2, 60).parsed();
  ASSERT_TRUE(message);
  ASSERT_EQ(message.value().answers.size(), 2U);
  const DnsRecord& second = message.value().answers[1];
  EXPECT_EQ(second.name, "www.example.test");
  EXPECT_EQ(second.type, DnsType::A);
  EXPECT_EQ(second.ttl_s, 60U);
  EXPECT_EQ(second.data, "192.0.2.2");
  EXPECT_EQ(second.address, parse_address("192.0.2.2"));
}

TEST(DnsMessage, FlagsAreThoseOfTheHeader) {
  const auto message = Wire(0x8000 | 0x0400 | kTruncated | 0x0020 | 2, 0).parsed();
  ASSERT_TRUE(message);
  EXPECT_TRUE(message.value().response);
  EXPECT_TRUE(message.value().authoritative);
  EXPECT_TRUE(message.value().truncated);
  EXPECT_TRUE(message.value().authenticated);
  EXPECT_EQ(rcode_text(message.value().rcode), "SERVFAIL");
}

TEST(DnsMessage, AnAliasIsFollowedByItsTarget) {
  const auto message = Wire(kAnswer, 1).record(5, 30, 7).name({"cdn", "x"}).parsed();
  ASSERT_TRUE(message);
  EXPECT_EQ(message.value().answers[0].data, "cdn.x");
  EXPECT_FALSE(message.value().answers[0].address);
}

TEST(DnsMessage, ANegativeAnswerIsKeptAsTheSmallerOfSoaMinimumAndItsTtl) {
  const auto soa = [](unsigned ttl, unsigned minimum) {
    return Wire(kAnswer | 3, 0, 1)
        .record(6, ttl, 24)
        .u16(0xc00c)
        .u16(0xc00c)
        .u32(1)
        .u32(2)
        .u32(3)
        .u32(4)
        .u32(minimum)
        .parsed();
  };
  EXPECT_EQ(soa(900, 60).value().negative_ttl_s, 60U);
  EXPECT_EQ(soa(30, 60).value().negative_ttl_s, 30U);
}

TEST(DnsMessage, EdnsTellsSizesAndTheUpperBitsOfTheCode) {
  const auto message =
      Wire(kAnswer, 0, 0, 1).u8(0).u16(41).u16(1232).u32(0x01000000).u16(0).parsed();
  ASSERT_TRUE(message);
  EXPECT_EQ(message.value().edns_udp_bytes, 1232);
  EXPECT_EQ(message.value().rcode, 16);
}

TEST(DnsMessage, WhatIsNotKnownIsHexadecimal) {
  const auto message = Wire(kAnswer, 1).record(65, 1, 3).u8(0).u8(1).u8(255).parsed();
  ASSERT_TRUE(message);
  EXPECT_EQ(message.value().answers[0].data, "\\# 3 0001ff");
}

TEST(DnsMessage, HostileLabelsAreEscaped) {
  const auto message = Wire(kAnswer, 1).record(5, 1, 7).name({"\x1b[m.", ""}).parsed();
  ASSERT_TRUE(message);
  EXPECT_EQ(message.value().answers[0].data, "\\027\\091m\\046");
}

TEST(DnsMessage, ATtlBeyondTheSignedRangeIsZero) {
  EXPECT_EQ(Wire(kAnswer, 1).a(1, 0x80000000).parsed().value().answers[0].ttl_s, 0U);
}

TEST(DnsMessage, ATruncatedAnswerMayEndBeforeItsCounts) {
  EXPECT_TRUE(Wire(kAnswer | kTruncated, 5).a(1).parsed());
  EXPECT_FALSE(Wire(kAnswer, 5).a(1).parsed());
}

TEST(DnsMessage, EveryCutIsRefused) {
  const auto whole = Wire(kAnswer, 2).a(1).a(2).bytes();
  ASSERT_TRUE(parse_dns(whole));
  for (std::size_t size = 0; size < whole.size(); ++size)
    EXPECT_FALSE(parse_dns(std::span(whole).first(size))) << size;
}

TEST(DnsMessage, ANameThatPointsAtItselfOrForwardsIsRefused) {
  const auto at = static_cast<unsigned>(Wire(kAnswer, 1).bytes().size());
  EXPECT_FALSE(Wire(kAnswer, 1).u16(0xc000 | at).u16(1).u16(1).u32(1).u16(0).parsed());
  EXPECT_FALSE(Wire(kAnswer, 1).u16(0xc000 | (at + 2)).u16(1).u16(1).u32(1).u16(0).parsed());
}

TEST(DnsMessage, AnAddressOfTheWrongLengthIsRefused) {
  EXPECT_FALSE(Wire(kAnswer, 1).record(1, 1, 3).u8(1).u8(2).u8(3).parsed());
}

TEST(DnsMessage, TypesAreReadByNameInAnyCaseAndByNumber) {
  EXPECT_EQ(parse_dns_type("aaaa"), DnsType::AAAA);
  EXPECT_EQ(parse_dns_type("TYPE65"), DnsType::HTTPS);
  EXPECT_EQ(to_text(static_cast<DnsType>(99)), "TYPE99");
  EXPECT_FALSE(parse_dns_type("TYPE"));
  EXPECT_FALSE(parse_dns_type("TYPE65536"));
  EXPECT_FALSE(parse_dns_type("AX"));
}

// RFC 9460, D: priority, target, then parameters.
TEST(DnsMessage, AnHttpsRecordTellsItsTargetAndParameters) {
  Wire wire(kAnswer, 1);
  wire.record(65, 60, 36).u16(1).u8(0);
  wire.u16(1).u16(6).u8(2).u8('h').u8('2').u8(2).u8('h').u8('3');
  wire.u16(3).u16(2).u16(8443);
  wire.u16(4).u16(8).u8(192).u8(0).u8(2).u8(1).u8(192).u8(0).u8(2).u8(2);
  wire.u16(0xfff0).u16(1).u8(0xab);
  const auto message = wire.parsed();
  ASSERT_TRUE(message) << message.error().message();
  EXPECT_EQ(message.value().answers[0].data,
            "1 . alpn=h2,h3 port=8443 ipv4hint=192.0.2.1,192.0.2.2 key65520=ab");
}

TEST(DnsMessage, AnHttpsAliasHasNoParameters) {
  Wire wire(kAnswer, 1);
  wire.record(65, 60, 9).u16(0).name({"cdn", "x"});
  const auto message = wire.parsed();
  ASSERT_TRUE(message) << message.error().message();
  EXPECT_EQ(message.value().answers[0].data, "0 cdn.x");
}

TEST(DnsMessage, AnHttpsRecordWithBrokenParametersStaysBytes) {
  Wire wire(kAnswer, 1);
  wire.record(65, 60, 9).u16(1).u8(0).u16(3).u16(9).u16(1);
  const auto message = wire.parsed();
  ASSERT_TRUE(message) << message.error().message();
  EXPECT_EQ(message.value().answers[0].data, "\\# 9 000100000300090001");
}

}  // namespace
}  // namespace netsonde
