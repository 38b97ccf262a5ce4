// SPDX-License-Identifier: Apache-2.0
#include "probes/factors.h"

#include <gtest/gtest.h>

namespace netsonde {
namespace {

Target target(const std::string& text) {
  return Target::parse(text).value();
}

FactorSettings settings() {
  return {.request = {.target = target("https://example.test/small")},
          .addresses = {*parse_address("192.0.2.1"), *parse_address("2001:db8::1")},
          .congestion_controls = {"cubic", "bbr"}};
}

// What is wrong with a unit of one request.
std::string wrong(const Arm& arm, const Attempt& attempt) {
  return arm.not_in_force ? arm.not_in_force(std::span(&attempt, 1)).value_or("") : "";
}

std::vector<std::string> names(const Factor& factor) {
  std::vector<std::string> all;
  for (const Arm& arm : factor.arms) all.push_back(arm.name);
  return all;
}

Factor made(const std::string& name, const FactorSettings& with = settings()) {
  auto factor = make_factor(name, with);
  EXPECT_TRUE(factor) << factor.error().message();
  return factor ? std::move(factor).value() : Factor{};
}

std::string refused(const std::string& name, const FactorSettings& with = settings()) {
  const auto factor = make_factor(name, with);
  return factor ? "" : factor.error().message();
}

using Names = std::vector<std::string>;

TEST(Factors, AnUnknownOneIsAnsweredWithThoseThereAre) {
  EXPECT_TRUE(refused("bogus").starts_with("'bogus' is no factor; there are reuse, http, "));
}

TEST(Factors, WhatIsMissingIsNamedWithItsOption) {
  EXPECT_NE(refused("batch").find("--batch"), std::string::npos);
  EXPECT_NE(refused("resolver").find("--server"), std::string::npos);
  EXPECT_NE(refused("congestion").find("--send"), std::string::npos);
  EXPECT_NE(refused("notsent-lowat").find("--send"), std::string::npos);
}

TEST(Factors, ValuesThatCannotBeAreRefused) {
  FactorSettings with = settings();
  with.values = {64};
  EXPECT_EQ(refused("dscp", with), "dscp is from 0 to 63");
  with.values = {0};
  EXPECT_EQ(refused("rcvbuf", with), "rcvbuf is from 1 byte to 1GiB");
}

TEST(Factors, TheLargerRequestOfABatchGoesToTheSameServer) {
  FactorSettings with = settings();
  with.batch = target("https://other.test/large");
  EXPECT_NE(refused("batch", with).find("same"), std::string::npos);
  with.batch = target("https://example.test/large");
  const Factor factor = made("batch", with);
  EXPECT_EQ(names(factor), (Names{"10 requests", "1 request"}));
  EXPECT_EQ(factor.arms[0].requests, 10U);
  EXPECT_FALSE(factor.arms[0].at_once);
  EXPECT_EQ(factor.arms[1].request.target.path, "/large");
}

TEST(Factors, AllArmsButThoseOfNamesAndAddressesGoToTheFirstAddress) {
  for (const std::string name : {"reuse", "http", "multiplex", "encoding", "tls", "nodelay", "dns"})
    for (const Arm& arm : made(name).arms)
      EXPECT_EQ(arm.request.pinned, settings().addresses[0]) << name << ' ' << arm.name;
}

TEST(Factors, AConnectionIsNewOrKept) {
  const Factor factor = made("reuse");
  EXPECT_EQ(names(factor), (Names{"new", "kept"}));
  EXPECT_TRUE(factor.arms[0].request.http.fresh);
  EXPECT_FALSE(factor.arms[1].request.http.fresh);
  EXPECT_EQ(wrong(factor.arms[0], {.reused = true}), "the connection was there before");
  EXPECT_EQ(wrong(factor.arms[0], {}), "");
  EXPECT_EQ(wrong(factor.arms[1], {}), "a new connection was opened");
  EXPECT_EQ(wrong(factor.arms[1], {.reused = true}), "");
}

TEST(Factors, TheVersionThatWasSpokenCounts) {
  const Factor factor = made("http");
  EXPECT_EQ(names(factor), (Names{"1.1", "2", "3"}));
  EXPECT_EQ(factor.arms[2].request.target.scheme, Scheme::Http3);
  const Attempt old{.http = HttpFacts{.version = "1.1"}};
  EXPECT_EQ(wrong(factor.arms[0], old), "");
  EXPECT_EQ(wrong(factor.arms[1], old), "HTTP/1.1 was spoken");
  EXPECT_EQ(wrong(factor.arms[2], old), "HTTP/1.1 was spoken");
}

TEST(Factors, MultiplexedRequestsShareOneConnection) {
  const Factor factor = made("multiplex");
  EXPECT_EQ(factor.metrics, (std::vector{Metric::Total}));
  std::vector<Attempt> unit(10);
  for (std::size_t i = 0; i < unit.size(); ++i) unit[i].kernel = KernelFacts{.cookie = 1 + i};
  EXPECT_EQ(factor.arms[0].not_in_force(unit), std::nullopt);
  EXPECT_EQ(factor.arms[1].not_in_force(unit), "10 connections");
  for (Attempt& attempt : unit) attempt.kernel->cookie = 7;
  EXPECT_EQ(factor.arms[0].not_in_force(unit), "1 connection");
  EXPECT_EQ(factor.arms[1].not_in_force(unit), std::nullopt);
  unit[3].kernel.reset();
  EXPECT_EQ(factor.arms[1].not_in_force(unit), "which connection is not known");
}

TEST(Factors, TheEncodingThatWasGrantedCounts) {
  const Factor factor = made("encoding");
  EXPECT_EQ(names(factor), (Names{"identity", "gzip", "br", "zstd"}));
  EXPECT_EQ(factor.metrics.back(), Metric::WireBytes);
  const Attempt plain{.http = HttpFacts{}}, gzip{.http = HttpFacts{.encoding = "gzip"}};
  EXPECT_EQ(wrong(factor.arms[0], plain), "");
  EXPECT_EQ(wrong(factor.arms[0], gzip), "the server granted gzip");
  EXPECT_EQ(wrong(factor.arms[1], gzip), "");
  EXPECT_EQ(wrong(factor.arms[2], gzip), "the server granted gzip");
  EXPECT_EQ(wrong(factor.arms[2], plain), "the server did not encode");
}

TEST(Factors, ANameIsAskedForOrTakenFromTheCache) {
  const Factor factor = made("dns");
  const Attempt cached{.lookup = LookupFacts{.cached = true}};
  const Attempt asked{.lookup = LookupFacts{.server = "192.0.2.53:53"}};
  const Attempt known{.lookup = LookupFacts{}};
  EXPECT_EQ(wrong(factor.arms[0], asked), "");
  EXPECT_EQ(wrong(factor.arms[0], cached), "no server was asked for the name");
  EXPECT_EQ(wrong(factor.arms[0], known), "no server was asked for the name");
  EXPECT_EQ(wrong(factor.arms[1], cached), "");
  EXPECT_EQ(wrong(factor.arms[1], asked), "the name was not in our cache");
}

TEST(Factors, ResolversAreThoseGivenOrTheSystemsBesideASingleOne) {
  FactorSettings with = settings();
  with.servers = {"192.0.2.53"};
  EXPECT_EQ(names(made("resolver", with)), (Names{"system", "192.0.2.53"}));
  with.servers.emplace_back("192.0.2.54");
  const Factor factor = made("resolver", with);
  EXPECT_EQ(names(factor), (Names{"192.0.2.53", "192.0.2.54"}));
  EXPECT_FALSE(factor.arms[0].request.pinned);
  EXPECT_FALSE(factor.arms[0].lookup->hosts_file);
}

TEST(Factors, EveryAddressIsAnArm) {
  const Factor factor = made("address");
  EXPECT_EQ(names(factor), (Names{"192.0.2.1", "2001:db8::1"}));
  const Attempt first{.address = settings().addresses[0]};
  EXPECT_EQ(wrong(factor.arms[0], first), "");
  EXPECT_EQ(wrong(factor.arms[1], first), "another address was used");
}

TEST(Factors, AHandshakeIsFullOrResumed) {
  const Factor factor = made("tls");
  const Attempt full{.tls = TlsFacts{.resumed = false}}, resumed{.tls = TlsFacts{.resumed = true}};
  EXPECT_EQ(wrong(factor.arms[0], full), "");
  EXPECT_EQ(wrong(factor.arms[0], resumed), "a session was resumed");
  EXPECT_EQ(wrong(factor.arms[1], full), "the session was not resumed");
  EXPECT_EQ(wrong(factor.arms[1], resumed), "");
  EXPECT_EQ(wrong(factor.arms[1], {}), "there was no TLS");
}

TEST(Factors, TheKernelTellsWhichCongestionControlThereWas) {
  FactorSettings with = settings();
  with.request.http.send_bytes = 1000;
  const Factor factor = made("congestion", with);
  EXPECT_EQ(names(factor), (Names{"cubic", "bbr"}));
  const Attempt cubic{.kernel = KernelFacts{.congestion_control = "cubic"}};
  EXPECT_EQ(wrong(factor.arms[0], cubic), "");
  EXPECT_EQ(wrong(factor.arms[1], cubic), "congestion control is cubic");
  EXPECT_EQ(wrong(factor.arms[1], {}), "the kernel does not tell congestion control");
}

TEST(Factors, AReceiveBufferIsTwiceWhatWasAskedFor) {
  FactorSettings with = settings();
  with.values = {50'000};
  const Factor factor = made("rcvbuf", with);
  EXPECT_EQ(names(factor), (Names{"default", "50000"}));
  EXPECT_EQ(factor.arms[1].request.socket.receive_buffer, 50'000);
  const auto of = [](std::uint32_t bytes) {
    return Attempt{.kernel = KernelFacts{.receive_buffer_bytes = bytes}};
  };
  EXPECT_EQ(wrong(factor.arms[1], of(100'000)), "");
  EXPECT_NE(wrong(factor.arms[1], of(90'000)).find("net.core.rmem_max"), std::string::npos);
  EXPECT_EQ(wrong(factor.arms[0], of(131'072)), "");
}

TEST(Factors, MarksLimitsAndNagleAreReadBack) {
  FactorSettings with = settings();
  with.request.http.send_bytes = 1000;
  const Attempt attempt{
      .kernel = KernelFacts{.notsent_lowat_bytes = 16'384, .dscp = 46, .nodelay = true}};
  EXPECT_EQ(wrong(made("notsent-lowat", with).arms[1], attempt), "");
  EXPECT_NE(wrong(made("notsent-lowat", with).arms[2], attempt), "");
  EXPECT_EQ(wrong(made("dscp").arms[1], attempt), "DSCP is 46");
  EXPECT_EQ(wrong(made("dscp").arms[2], attempt), "");
  EXPECT_EQ(wrong(made("nodelay").arms[0], attempt), "");
  EXPECT_EQ(wrong(made("nodelay").arms[1], attempt), "TCP_NODELAY is true");
}

}  // namespace
}  // namespace netsonde
