// SPDX-License-Identifier: Apache-2.0
#include "probes/target.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace netsonde {
namespace {

using testing::HasSubstr;
using testing::Not;

Target target_of(std::string_view text) {
  auto target = Target::parse(text);
  EXPECT_TRUE(target) << (target ? "" : target.error().message());
  return target ? target.value() : Target{};
}

std::string refused(std::string_view text) {
  const auto target = Target::parse(text);
  EXPECT_FALSE(target) << text;
  return target ? "" : target.error().message();
}

TEST(Target, WhatIsEndlessIsNone) {
  EXPECT_TRUE(Target::parse("http://a.test/" + std::string(10'000, 'x')));
  EXPECT_FALSE(Target::parse("http://a.test/" + std::string(20'000, 'x')));
}

TEST(Target, WithoutASchemeItIsHttps) {
  const Target target = target_of("example.test");
  EXPECT_EQ(target.scheme, Scheme::Https);
  EXPECT_EQ(target.host, "example.test");
  EXPECT_EQ(target.port, 443);
  EXPECT_EQ(target.path, "/");
  EXPECT_EQ(target_of("example.test:8443/x").port, 8443);
}

TEST(Target, EverySchemeHasItsName) {
  for (const std::string_view name : {"http", "https", "h3", "ws", "wss", "icmp"})
    EXPECT_EQ(name_of(target_of(std::string(name) + "://host").scheme), name);
  EXPECT_EQ(name_of(target_of("tcp://host:1").scheme), "tcp");
  EXPECT_EQ(name_of(target_of("dns://host/name").scheme), "dns");
  EXPECT_EQ(target_of("HTTP://host").scheme, Scheme::Http);
}

TEST(Target, SchemesHaveTheirPorts) {
  EXPECT_EQ(target_of("http://host").port, 80);
  EXPECT_EQ(target_of("ws://host").port, 80);
  EXPECT_EQ(target_of("wss://host").port, 443);
  EXPECT_EQ(target_of("h3://host").port, 443);
  EXPECT_EQ(target_of("dns://host/name").port, 53);
  EXPECT_EQ(target_of("icmp://host").port, 0);
  EXPECT_EQ(target_of("h3://host:8443").port, 8443);
}

TEST(Target, TheHostIsLowerCaseAndTheTextAsGiven) {
  const Target target = target_of("HTTPS://WWW.Example.Test/Path");
  EXPECT_EQ(target.host, "www.example.test");
  EXPECT_EQ(target.path, "/Path");
  EXPECT_EQ(target.text, "HTTPS://WWW.Example.Test/Path");
}

TEST(Target, ThePathKeepsQueryAndEncodingButNoFragment) {
  EXPECT_EQ(target_of("https://host/a%20b/?q=%2f&r=a:b@c#there").path, "/a%20b/?q=%2f&r=a:b@c");
  EXPECT_EQ(target_of("https://host?q=1").path, "/?q=1");
  EXPECT_EQ(target_of("https://host#there").path, "/");
  EXPECT_EQ(target_of("wss://host/chat").path, "/chat");
}

TEST(Target, ASchemeWithinThePathIsNone) {
  const Target target = target_of("example.test/x?to=ftp://other.test/");
  EXPECT_EQ(target.scheme, Scheme::Https);
  EXPECT_EQ(target.path, "/x?to=ftp://other.test/");
}

TEST(Target, Ipv6StandsInBrackets) {
  const Target target = target_of("https://[2001:DB8:0::1]:8443/x");
  EXPECT_EQ(target.host, "2001:db8::1");
  EXPECT_EQ(target.port, 8443);
  EXPECT_EQ(target.path, "/x");
  EXPECT_EQ(target_of("icmp://[::1]").host, "::1");
  EXPECT_THAT(refused("https://2001:db8::1/"), HasSubstr("brackets"));
  for (const char* text : {"https://[2001:db8::1", "https://[2001:db8::1]x", "https://[::1]x:80",
                           "https://[192.0.2.1]", "https://[]", "https://[::g]", "https://["})
    EXPECT_THAT(refused(text), HasSubstr("is no target")) << text;
}

TEST(Target, TheAuthorityNamesHostAndPort) {
  EXPECT_EQ(target_of("https://[2001:db8::1]/x").authority(), "[2001:db8::1]:443");
  EXPECT_EQ(target_of("http://192.0.2.1/x").authority(), "192.0.2.1:80");
  EXPECT_EQ(target_of("icmp://host").authority(), "host");
}

TEST(Target, TcpNeedsAPort) {
  EXPECT_EQ(target_of("tcp://host:22").port, 22);
  EXPECT_EQ(target_of("tcp://host:22").path, "");
  EXPECT_THAT(refused("tcp://host"), HasSubstr("port is missing"));
  EXPECT_THAT(refused("tcp://host:22/x"), HasSubstr("tcp has no path"));
}

TEST(Target, IcmpHasNoPort) {
  EXPECT_THAT(refused("icmp://host:7"), HasSubstr("no port"));
  EXPECT_THAT(refused("icmp://host/x"), HasSubstr("no path"));
}

TEST(Target, DnsNamesServerQuestionAndType) {
  const Target target = target_of("dns://192.0.2.53:5353/WWW.example.test?type=aaaa");
  EXPECT_EQ(target.host, "192.0.2.53");
  EXPECT_EQ(target.port, 5353);
  EXPECT_EQ(target.dns_name, "www.example.test");
  EXPECT_EQ(target.dns_type, DnsType::AAAA);
  EXPECT_EQ(target.path, "");
  EXPECT_EQ(target_of("dns://[2001:db8::53]/x").dns_type, DnsType::A);
  EXPECT_EQ(target_of("dns://resolver/.?type=NS").dns_name, ".");
  EXPECT_EQ(target_of("dns://resolver/*.test?type=TYPE99").dns_name, "*.test");
}

TEST(Target, ADnsQuestionThatIsNoneIsRefused) {
  EXPECT_THAT(refused("dns://resolver"), HasSubstr("name to ask for is missing"));
  EXPECT_THAT(refused("dns://resolver/"), HasSubstr("name to ask for is missing"));
  EXPECT_THAT(refused("dns://resolver/?type=A"), HasSubstr("name to ask for is missing"));
  EXPECT_THAT(refused("dns://resolver/x?type=Q"), HasSubstr("'Q' is no record type"));
  EXPECT_THAT(refused("dns://resolver/x?class=IN"), HasSubstr("type=TYPE"));
  EXPECT_THAT(refused("dns://resolver/a..b"), HasSubstr("empty label"));
}

TEST(Target, PortsThatAreNoneAreRefused) {
  for (const char* port : {"0", "65536", "http", "", "-1", "80x", "+80", "99999999999"})
    EXPECT_THAT(refused("https://host:" + std::string(port) + "/"), HasSubstr("is no port"))
        << port;
  EXPECT_EQ(target_of("https://host:65535/").port, 65535);
}

TEST(Target, AHostMustBeThere) {
  for (const char* text : {"", "https://", "https:///x", "https://:80/", "/x", "dns:///name"})
    EXPECT_THAT(refused(text), HasSubstr("there is no host")) << text;
}

TEST(Target, SpacesAndControlCharactersAreRefusedAndShownEscaped) {
  EXPECT_THAT(refused("https://host/a b"), HasSubstr("spaces or control characters"));
  EXPECT_THAT(refused("https://host/a\r\nX: y"), HasSubstr("a\\x0d\\x0aX: y"));
  EXPECT_THAT(refused(std::string_view("https://host/\0x", 15)), HasSubstr("\\x00x"));
}

TEST(Target, CredentialsAreRefusedAndNotShown) {
  const std::string message = refused("https://user:secret@host/");
  EXPECT_THAT(message, HasSubstr("'https://...@host/' is no target: credentials are not taken"));
  EXPECT_THAT(message, Not(HasSubstr("secret")));
  EXPECT_THAT(refused("user:sec@ret@host"), Not(HasSubstr("sec")));
}

TEST(Target, AnUnknownSchemeIsToldWhichAreKnown) {
  EXPECT_THAT(refused("ftp://host/"),
              HasSubstr("none of http, https, h3, ws, wss, tcp, dns, icmp"));
}

TEST(Target, NamesThatDnsCannotCarryAreRefused) {
  const std::string label(63, 'a');
  EXPECT_EQ(target_of(label + ".test").host, label + ".test");
  EXPECT_THAT(refused(label + "a.test"), HasSubstr("label is longer than 63"));
  const std::string four = label + "." + label + "." + label + "." + label;
  EXPECT_THAT(refused(four), HasSubstr("name is longer than 253"));
  EXPECT_EQ(target_of(four.substr(2)).host, four.substr(2));
  EXPECT_THAT(refused("a..test"), HasSubstr("empty label"));
  EXPECT_THAT(refused(".test"), HasSubstr("empty label"));
  EXPECT_THAT(refused("https://./"), HasSubstr("empty label"));
  EXPECT_EQ(target_of("www.test./").host, "www.test.");
}

TEST(Target, CharactersOfNoNameAreRefused) {
  EXPECT_THAT(refused("https://a%41.test/"), HasSubstr("no name has a '%'"));
  EXPECT_THAT(refused("https://a\\b/"), HasSubstr("no name has a '\\'"));
  EXPECT_THAT(refused("https://m\xc3\xbcller.test/"), HasSubstr("ASCII"));
  EXPECT_EQ(target_of("https://_x-1.test/").host, "_x-1.test");
}

TEST(Target, WhatLooksLikeAnIpv4AddressMustBeOne) {
  EXPECT_EQ(target_of("192.0.2.1").host, "192.0.2.1");
  for (const char* text : {"192.0.2.256", "192.0.2", "1", "192.0.2.01"})
    EXPECT_THAT(refused(text), HasSubstr("nor an IPv4 address")) << text;
}

TEST(Target, ErrorsAreOneLineThatShowsWhatATargetLooksLike) {
  for (const char* text : {"", "https://a\nb", "ftp://x", "https://u@h", "tcp://h"}) {
    const std::string message = refused(text);
    EXPECT_THAT(message, HasSubstr("https://example.test/path"));
    EXPECT_THAT(message, Not(HasSubstr("\n")));
  }
}

}  // namespace
}  // namespace netsonde
