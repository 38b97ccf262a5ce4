// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>
#include <string>

#include "tests/unit/attempts_fixture.h"

namespace netsonde {
namespace {

using std::chrono::milliseconds;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::int64_t kOffset = 1'795'000'000'000'000'000;

// The line that begins with the label.
std::string line_of(const std::string& text, std::string_view label) {
  const std::size_t at = text.find("  " + std::string(label) + " ");
  return at == std::string::npos ? "" : text.substr(at, text.find('\n', at) - at);
}

bool is_printable(const std::string& text) {
  return std::ranges::all_of(text, [](char c) { return c == '\n' || (c >= ' ' && c <= '~'); });
}

TEST(AttemptText, TellsEveryPhase) {
  EXPECT_EQ("\n" + to_text(filled_attempt()), R"(
http://example.test/  192.0.2.1:80  301 to https://example.test/  12.3ms
https://example.test/  192.0.2.1:443  HTTP/2 200  48.0KiB
  dns        1.20ms  A 192.0.2.1 (one of 2) from 192.0.2.53:53, TTL 300s, alias of cdn.example.test
  connect    10.1ms  SYN answered after 10.0ms, prober delay 42us
  tls        11.5ms  TLSv1.3 TLS_AES_128_GCM_SHA256, h2, resumed, certificate valid for 61 days
  request      42us  2.0KiB
  ttfb       12.0ms  text/html, from nginx, via 1.1 varnish, cache HIT, age 30s, retry after 7s
  transfer   3.10ms  31.7 Mbit/s, gzip 12.3KiB on the wire, 48.0KiB decoded
  total      38.2ms
  kernel    min RTT 9.90ms, srtt 10.2ms, cubic, cwnd 10, delivery 3.1MiB/s, receive buffer 128KiB,
            DSCP 46, 1 of 25 segments retransmitted
  witness   handshake 10.1ms, retransmit: fast (twice), retransmit: RTO, drop: no socket in
            tcp_v4_rcv, reset: peer, 3 events lost meanwhile
)");
}

TEST(AttemptText, TellsWhyItFailed) {
  EXPECT_EQ(to_text(refused_attempt()),
            "tcp://example.test:81  [2001:db8::1]:81  attempt 2\n"
            "  total      10.2ms\n"
            "  FAILED  connect-refused in connect: refused by [2001:db8::1]:81 after 10.2ms\n");
}

TEST(AttemptText, SaysNothingOfWhatWasNotMeasured) {
  Attempt attempt;
  attempt.target = "icmp://192.0.2.1";
  EXPECT_EQ(to_text(attempt), "icmp://192.0.2.1\n  total         0us\n");
}

TEST(AttemptText, OfEmptyPartsStaysReadable) {
  Attempt attempt;
  attempt.target = "https://example.test";
  attempt.lookup.emplace();
  attempt.tls.emplace();
  attempt.http.emplace();
  attempt.kernel.emplace();
  attempt.witness.emplace();
  attempt.failure = Failure{.phase = ProbePhase::Dns, .kind = FailureKind::DnsName, .detail = ""};
  EXPECT_EQ(to_text(attempt),
            "https://example.test\n"
            "  dns             -  no address without asking\n"
            "  tls             -\n"
            "  total         0us\n"
            "  witness   no retransmit, drop or reset\n"
            "  FAILED  dns-name in dns\n");
}

TEST(AttemptText, TellsWhoAnsweredTheQuestion) {
  Attempt attempt = filled_attempt();
  attempt.address = parse_address("2001:db8::2");
  attempt.lookup->tcp = true;
  EXPECT_THAT(line_of(to_text(attempt), "dns"),
              HasSubstr("AAAA 2001:db8::2 (one of 2) from 192.0.2.53:53 over TCP, TTL 300s"));
  attempt.lookup->cached = true;
  EXPECT_THAT(line_of(to_text(attempt), "dns"), HasSubstr("(one of 2) from our cache, TTL 300s"));
}

TEST(AttemptText, TellsTheCodeOfAnAnswerWithoutAddresses) {
  Attempt attempt = filled_attempt();
  attempt.address.reset();
  attempt.lookup = LookupFacts{.server = "192.0.2.53:53", .rcode = "NXDOMAIN"};
  EXPECT_THAT(line_of(to_text(attempt), "dns"),
              EndsWith("  no address from 192.0.2.53:53, NXDOMAIN"));
}

TEST(AttemptText, TellsAConnectionThatWasThereBefore) {
  Attempt attempt = filled_attempt();
  attempt.reused = true;
  attempt.times.connect.reset();
  attempt.kernel.reset();
  EXPECT_EQ(line_of(to_text(attempt), "connect"),
            "  connect         -  the connection was there before");
}

TEST(AttemptText, TellsASynThatWasSentAgain) {
  Attempt attempt = filled_attempt();
  attempt.kernel->syn_rtt.reset();
  attempt.kernel->syn_retransmits = 1;
  EXPECT_THAT(line_of(to_text(attempt), "connect"), HasSubstr("SYN sent again once, prober delay"));
  attempt.kernel->syn_retransmits = 3;
  attempt.times.connect.reset();
  EXPECT_THAT(line_of(to_text(attempt), "connect"), HasSubstr("-  SYN sent again 3 times"));
}

TEST(AttemptText, ShoutsAboutACertificateThatExpired) {
  Attempt attempt = filled_attempt();
  attempt.tls->days_left = -1;
  EXPECT_THAT(line_of(to_text(attempt), "tls"), EndsWith("certificate EXPIRED 1 day ago"));
  attempt.tls->days_left = 0;
  EXPECT_THAT(line_of(to_text(attempt), "tls"), EndsWith("certificate valid for 0 days"));
}

TEST(AttemptText, NamesTheCertificateThatWasRejected) {
  Attempt attempt = filled_attempt();
  EXPECT_THAT(to_text(attempt), Not(HasSubstr("CN=R3")));
  attempt.failure =
      Failure{.phase = ProbePhase::Tls, .kind = FailureKind::TlsCertificate, .detail = ""};
  EXPECT_THAT(line_of(to_text(attempt), "tls"), EndsWith("of CN=example.test, issued by CN=R3"));
}

TEST(AttemptText, WithoutAnEncodingTellsTheBytesOnce) {
  Attempt attempt = filled_attempt();
  attempt.http->encoding.clear();
  EXPECT_THAT(line_of(to_text(attempt), "transfer"), EndsWith("31.7 Mbit/s, 12.3KiB"));
}

TEST(AttemptText, TellsAnEcho) {
  Attempt attempt;
  attempt.echo = milliseconds(7);
  EXPECT_EQ(line_of(to_text(attempt), "echo"), "  echo       7.00ms");
}

TEST(AttemptText, IsSafeWhateverIsInIt) {
  const std::string text = to_text(hostile_attempt());
  EXPECT_TRUE(is_printable(text)) << text;
  // A line break of theirs would begin a line with what follows it.
  EXPECT_THAT(text, Not(HasSubstr("\n\\xff")));
  EXPECT_THAT(text, HasSubstr("FAILED  tls-certificate in tls: \\x1b]0;owned\\x07\\x0a\\xff"));
}

TEST(AttemptText, CutsLongHeaders) {
  Attempt attempt = filled_attempt();
  attempt.http->server = std::string(100'000, 'x');
  EXPECT_THAT(line_of(to_text(attempt), "ttfb"), HasSubstr("from " + std::string(63, 'x') + "~,"));
}

AttemptColumns columns_for(const std::vector<Attempt>& attempts) {
  AttemptColumns columns;
  for (const Attempt& attempt : attempts) columns.make_room(attempt);
  return columns;
}

TEST(AttemptLine, StandsBelowItsHead) {
  const AttemptColumns columns = columns_for({filled_attempt(), refused_attempt()});
  EXPECT_EQ(
      attempt_head(columns) + attempt_line(filled_attempt(), kOffset, columns) +
          attempt_line(refused_attempt(), kOffset, columns),
      "TIME          TARGET                ADDRESS         STATUS      DNS  CONNECT      TLS     "
      "TTFB TRANSFER    TOTAL   LOSS  FAILURE\n"
      "11:06:45.123Z https://example.test/ 192.0.2.1          200   1.20ms   10.1ms   11.5ms   "
      "12.0ms   3.10ms   38.2ms  4.00%\n"
      "11:06:40.000Z tcp://example.test:81 2001:db8::1          -        -        -        -     "
      "   -        -   10.2ms      -  attempt 2, connect-refused: refused by "
      "[2001:db8::1]:81 after 10.2ms\n");
}

TEST(AttemptLine, WithoutAStatusTellsThatItWentWell) {
  EXPECT_THAT(attempt_line(Attempt{}, 0, AttemptColumns()), HasSubstr(" ok "));
  EXPECT_THAT(attempt_line(refused_attempt(), 0, AttemptColumns()), Not(HasSubstr(" ok ")));
}

TEST(AttemptLine, TellsAConnectionThatWasThereBefore) {
  Attempt attempt = filled_attempt();
  attempt.reused = true;
  attempt.times.connect.reset();
  EXPECT_THAT(attempt_line(attempt, 0, columns_for({attempt})), HasSubstr(" 1.20ms   reused "));
}

TEST(AttemptLine, HasEchoesOfTargetsThatAreAskedForThem) {
  Attempt attempt;
  EXPECT_THAT(attempt_head(columns_for({attempt})), Not(HasSubstr("ECHO")));
  attempt.echo = milliseconds(7);
  EXPECT_THAT(attempt_head(columns_for({attempt})), HasSubstr("TRANSFER     ECHO    TOTAL"));
  EXPECT_THAT(attempt_line(attempt, 0, columns_for({attempt})), HasSubstr("  7.00ms      0us"));
}

TEST(AttemptLine, CutsLongTargetsAndNoAddress) {
  Attempt attempt = refused_attempt();
  attempt.target = std::string(200, 'x');
  attempt.address = parse_address("2001:db8:1111:2222:3333:4444:5555:6666");
  const std::string line = attempt_line(attempt, 0, columns_for({attempt}));
  EXPECT_THAT(line,
              HasSubstr(" " + std::string(47, 'x') + "~ 2001:db8:1111:2222:3333:4444:5555:6666 "));
}

TEST(AttemptLine, IsOneSafeLineWhateverIsInIt) {
  const std::string line =
      attempt_line(hostile_attempt(), kOffset, columns_for({hostile_attempt()}));
  EXPECT_TRUE(is_printable(line)) << line;
  EXPECT_EQ(std::ranges::count(line, '\n'), 1);
}

TargetSummary summary_of(const std::string& target, const std::vector<Attempt>& attempts) {
  TargetSummary summary{.target = target};
  for (const Attempt& attempt : attempts) summary.summary.add(attempt);
  return summary;
}

TEST(SummaryTable, HasALineForEachTargetAndOneForItsFailures) {
  Attempt reset = refused_attempt();
  reset.failure->kind = FailureKind::Reset;
  const std::vector<TargetSummary> targets = {
      summary_of("https://example.test/", {filled_attempt(), reset, refused_attempt(), reset}),
      summary_of("tcp://example.test:81", {filled_attempt()})};
  EXPECT_EQ(summary_table(targets),
            "                                                           "
            "-------- CONNECT --------   --------- TTFB ----------   --------- TOTAL ---------\n"
            "TARGET                     N FAILED  SUCCESS (95% CI)          P50      P95      MAX  "
            "     P50      P95      MAX       P50      P95      MAX\n"
            "https://example.test/      4      3  25% (4.5-70)           10.1ms   10.1ms   10.1ms  "
            "  12.0ms   12.0ms   12.0ms    38.2ms   38.2ms   38.2ms\n"
            "  2 reset, 1 connect-refused\n"
            "tcp://example.test:81      1      0  100% (20.6-100)        10.1ms   10.1ms   10.1ms  "
            "  12.0ms   12.0ms   12.0ms    38.2ms   38.2ms   38.2ms\n");
}

TEST(SummaryTable, HasColumnsOnlyForWhatWasMeasured) {
  EXPECT_EQ(summary_table(std::vector{summary_of("tcp://a", {refused_attempt()})}),
            "TARGET       N FAILED  SUCCESS (95% CI)\n"
            "tcp://a      1      1  0% (0-79.4)\n"
            "  1 connect-refused\n");
  Attempt echo;
  echo.echo = milliseconds(7);
  const std::string table = summary_table(std::vector{summary_of("icmp://a", {echo})});
  EXPECT_THAT(table, HasSubstr(" ECHO "));
  EXPECT_THAT(table, HasSubstr(" 7.00ms   7.00ms   7.00ms"));
  EXPECT_THAT(table, Not(HasSubstr("CONNECT")));
}

TEST(SummaryTable, SaysAllOfNoRunWithAFailure) {
  TargetSummary target{.target = "a"};
  for (int i = 0; i < 9999; ++i) target.summary.add(Attempt{});
  target.summary.add(refused_attempt());
  EXPECT_THAT(summary_table(std::vector{target}), HasSubstr("  99.9% (99.9-100) "));
}

TEST(SummaryTable, OfATargetThatWasNotTriedKnowsNoShare) {
  EXPECT_THAT(summary_table(std::vector{TargetSummary{.target = "a"}}),
              EndsWith("a           0      0  -\n"));
}

TEST(SummaryTable, IsSafeWhateverTheTargetIs) {
  const std::string table =
      summary_table(std::vector{summary_of(hostile_attempt().target, {filled_attempt()})});
  EXPECT_TRUE(is_printable(table)) << table;
  EXPECT_EQ(std::ranges::count(table, '\n'), 3);
}

}  // namespace
}  // namespace netsonde
