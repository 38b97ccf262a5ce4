// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <optional>
#include <vector>

#include "probes/icmp_prober.h"
#include "tests/bpf/long_path.h"
#include "tests/bpf/path.h"
#include "tests/unit/prober_fixture.h"

namespace netsonde::test {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;
using testing::StartsWith;

ProbeRequest icmp_to(const std::string& host) {
  return {.target = {.scheme = Scheme::Icmp, .host = host}};
}

// The thread may open no raw socket as long as this object lives.
class WithoutRawSockets {
 public:
  WithoutRawSockets() {
    must(syscall(SYS_capget, &header_, before_.data()) == 0, "read capabilities");
    auto fewer = before_;
    fewer[0].effective &= ~(1U << CAP_NET_RAW);
    must(syscall(SYS_capset, &header_, fewer.data()) == 0, "drop CAP_NET_RAW");
  }
  ~WithoutRawSockets() { syscall(SYS_capset, &header_, before_.data()); }
  WithoutRawSockets(const WithoutRawSockets&) = delete;
  WithoutRawSockets& operator=(const WithoutRawSockets&) = delete;

 private:
  __user_cap_header_struct header_ = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  std::array<__user_cap_data_struct, 2> before_{};
};

// Which kind of socket the host allows.
enum class Kind { Ping, Raw };

// In the thread's namespace, whose own range is empty.
class Allowed {
 public:
  explicit Allowed(Kind kind) {
    if (kind == Kind::Raw) return;
    set_ipv4("ping_group_range", "0 0");
    no_raw_.emplace();
  }

 private:
  std::optional<WithoutRawSockets> no_raw_;
};

class IcmpProbeTest : public testing::TestWithParam<Kind> {
 protected:
  Attempt measure(const ProbeRequest& request) { return fixture_.measure(prober_, request); }
  Attempt measure() { return measure(icmp_to(Path::kFar)); }
  Attempt rejected_with(const std::string& how) {
    const Rule rule(path_.far(), "input", "icmp type echo-request", "reject with icmp type " + how);
    return measure();
  }

  Path path_;
  Inside inside_{path_.near()};
  ProberFixture fixture_;
  IcmpProber prober_{fixture_.loop(), fixture_.lookup()};
  Allowed allowed_{GetParam()};
};

std::string name_of_kind(const testing::TestParamInfo<Kind>& info) {
  return info.param == Kind::Ping ? "PingSocket" : "RawSocket";
}

INSTANTIATE_TEST_SUITE_P(Both, IcmpProbeTest, testing::Values(Kind::Ping, Kind::Raw), name_of_kind);

TEST_P(IcmpProbeTest, OneRequestHasOneReply) {
  const Attempt attempt = measure();
  EXPECT_FALSE(attempt.failure);
  EXPECT_EQ(attempt.address, parse_address(Path::kFar));
  ASSERT_TRUE(attempt.echo);
  EXPECT_GT(*attempt.echo, Nanos(0));
  EXPECT_LE(*attempt.echo, attempt.times.total);
  EXPECT_EQ(kernel_counter_in(path_.far(), "IcmpInEchos"), 1U);
  EXPECT_EQ(kernel_counter_in(path_.near(), "IcmpInEchoReps"), 1U);
  EXPECT_EQ(kernel_counter_in(path_.far(), "IcmpInCsumErrors"), 0U);
}

// However late we look, once the kernel has begun to stamp packets, which it does in its own time.
TEST_P(IcmpProbeTest, TheRoundTripEndsWhenTheKernelHasTheReply) {
  const auto echo_looked_at_late = [&] {
    std::optional<Attempt> ended;
    prober_.start(icmp_to(Path::kFar), [&](Attempt attempt) {
      ended = std::move(attempt);
      fixture_.loop().stop();
    });
    const Time busy_until = kernel_now() + milliseconds(50);
    while (kernel_now() < busy_until) continue;
    fixture_.run();
    EXPECT_GE(ended.value().times.total, milliseconds(50));
    return ended->echo.value();
  };
  EXPECT_TRUE(wait_until([&] { return echo_looked_at_late() < milliseconds(25); }));
}

TEST_P(IcmpProbeTest, NoReplyIsATimeoutAfterTheLimit) {
  const Rule rule(path_.far(), "input", "icmp type echo-request");
  ProbeRequest request = icmp_to(Path::kFar);
  request.limits.response = milliseconds(50);
  const Attempt attempt = measure(request);
  EXPECT_EQ(rule.packets(), 1U);
  EXPECT_EQ(kind_of(attempt), FailureKind::EchoTimeout);
  EXPECT_EQ(attempt.failure->phase, ProbePhase::Response);
  EXPECT_THAT(attempt.failure->detail, StartsWith("no echo from 10.77.0.2 within 5"));
  EXPECT_FALSE(attempt.echo);
  EXPECT_LT(attempt.times.total, milliseconds(1000));
}

TEST_P(IcmpProbeTest, AnErrorNamesWhoSaidSo) {
  const Attempt attempt = rejected_with("host-unreachable");
  EXPECT_EQ(kind_of(attempt), FailureKind::ConnectUnreachable);
  EXPECT_THAT(attempt.failure->detail, StartsWith("host unreachable, said 10.77.0.2 after "));
  EXPECT_EQ(kernel_counter_in(path_.near(), "IcmpInDestUnreachs"), 1U);
}

TEST_P(IcmpProbeTest, AFilterThatProhibitsIsTold) {
  EXPECT_THAT(rejected_with("admin-prohibited").failure.value().detail,
              StartsWith("prohibited by a filter, said 10.77.0.2 after "));
}

TEST_P(IcmpProbeTest, WhatThisHostFiltersItCouldNotTry) {
  const Rule rule(path_.near(), "output", "icmp type echo-request");
  const Attempt attempt = measure();
  EXPECT_EQ(kind_of(attempt), FailureKind::ConnectLocal);
  EXPECT_EQ(attempt.failure->detail, "send an echo request: Operation not permitted");
}

TEST_P(IcmpProbeTest, WithoutARouteItIsUnreachable) {
  const Attempt attempt = measure(icmp_to("203.0.113.1"));
  EXPECT_EQ(kind_of(attempt), FailureKind::ConnectUnreachable);
  EXPECT_EQ(attempt.failure->detail, "find a way to 203.0.113.1: Network is unreachable");
}

TEST_P(IcmpProbeTest, SeveralAtOnceHaveTheirOwnReplies) {
  std::vector<Attempt> attempts;
  for (int i = 0; i < 20; ++i)
    prober_.start(icmp_to(Path::kFar), [&](Attempt attempt) {
      attempts.push_back(std::move(attempt));
      if (attempts.size() == 20) fixture_.loop().stop();
    });
  fixture_.run();
  ASSERT_EQ(attempts.size(), 20U);
  for (const Attempt& attempt : attempts) EXPECT_TRUE(attempt.echo);
  EXPECT_EQ(kernel_counter_in(path_.near(), "IcmpInEchoReps"), 20U);
}

// Both are under way when it comes.
TEST_P(IcmpProbeTest, AnErrorIsOnlyOfItsOwnRequest) {
  LongPath path;
  path.shape().delay_us = 20'000;
  const Inside inside(path.near());
  const Allowed allowed(GetParam());
  const Rule rule(path.far(), "input", "icmp type echo-request limit rate 1/hour burst 1 packets",
                  "reject with icmp type host-unreachable");
  std::vector<Attempt> attempts;
  for (int i = 0; i < 2; ++i)
    prober_.start(icmp_to(LongPath::kFar), [&](Attempt attempt) {
      attempts.push_back(std::move(attempt));
      if (attempts.size() == 2) fixture_.loop().stop();
    });
  fixture_.run();
  ASSERT_EQ(attempts.size(), 2U);
  EXPECT_NE(attempts[0].failure.has_value(), attempts[1].failure.has_value());
  EXPECT_NE(attempts[0].echo.has_value(), attempts[1].echo.has_value());
}

TEST_P(IcmpProbeTest, TheRequestCarriesItsDscp) {
  const Rule rule(path_.far(), "input", "icmp type echo-request ip dscp ef", "accept");
  ProbeRequest request = icmp_to(Path::kFar);
  request.socket.dscp = 46;
  EXPECT_FALSE(measure(request).failure);
  EXPECT_EQ(rule.packets(), 1U);
}

TEST_P(IcmpProbeTest, TheRoundTripIsThePaths) {
  LongPath path;
  path.shape().delay_us = 20'000;
  const Inside inside(path.near());
  const Allowed allowed(GetParam());
  const Attempt attempt = measure(icmp_to(LongPath::kFar));
  ASSERT_TRUE(attempt.echo);
  EXPECT_GE(*attempt.echo, milliseconds(40));
  EXPECT_LE(*attempt.echo, milliseconds(is_slow_machine() ? 200 : 80));
}

// On the loopback of a namespace of its own.
class IcmpV6ProbeTest : public testing::TestWithParam<Kind> {
 protected:
  Attempt measure() { return fixture_.measure(prober_, icmp_to("::1")); }

  Namespace space_ = Namespace::create();
  Inside inside_{space_};
  ProberFixture fixture_;
  IcmpProber prober_{fixture_.loop(), fixture_.lookup()};
  Allowed allowed_{GetParam()};
};

INSTANTIATE_TEST_SUITE_P(Both, IcmpV6ProbeTest, testing::Values(Kind::Ping, Kind::Raw),
                         name_of_kind);

TEST_P(IcmpV6ProbeTest, OneRequestHasOneReply) {
  const Rule rule(space_, "input", "icmpv6 type echo-request", "accept");
  const Attempt attempt = measure();
  EXPECT_FALSE(attempt.failure);
  EXPECT_TRUE(attempt.echo);
  EXPECT_EQ(rule.packets(), 1U);
}

TEST_P(IcmpV6ProbeTest, AnErrorNamesWhoSaidSo) {
  const Rule rule(space_, "input", "icmpv6 type echo-request",
                  "reject with icmpv6 type admin-prohibited");
  const Attempt attempt = measure();
  EXPECT_EQ(kind_of(attempt), FailureKind::ConnectUnreachable);
  EXPECT_THAT(attempt.failure->detail, StartsWith("prohibited by a filter, said ::1 after "));
}

TEST(IcmpProbe, WhereNoSocketIsAllowedItSaysWhatIsMissing) {
  const Namespace space = Namespace::create();
  const Inside inside(space);
  set_ipv4("ping_group_range", "1 0");
  const WithoutRawSockets no_raw;
  ProberFixture fixture;
  IcmpProber prober(fixture.loop(), fixture.lookup());
  const Attempt attempt = fixture.measure(prober, icmp_to("127.0.0.1"));
  EXPECT_EQ(kind_of(attempt), FailureKind::Unsupported);
  EXPECT_THAT(attempt.failure->detail, HasSubstr("net.ipv4.ping_group_range"));
  EXPECT_THAT(attempt.failure->detail, HasSubstr("CAP_NET_RAW"));
}

}  // namespace
}  // namespace netsonde::test
