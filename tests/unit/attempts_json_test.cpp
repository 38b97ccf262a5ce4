// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "tests/unit/attempts_fixture.h"

namespace netsonde {
namespace {

using Keys = std::vector<std::string>;

constexpr std::int64_t kOffset = 1'795'000'000'000'000'000;

Keys keys_of(const Json& json) {
  Keys keys;
  for (const auto& [key, value] : json.items()) keys.push_back(key);
  return keys;
}

const Keys kAttemptKeys = {
    "time",       "target",         "address",      "port",   "attempt",  "reused",
    "dns_us",     "dns_cached",     "connect_us",   "tls_us", "ttfb_us",  "transfer_us",
    "total_us",   "hops",           "http_version", "status", "encoding", "wire_bytes",
    "body_bytes", "bandwidth_mbps", "tls",          "kernel", "failure",  "round",
    "retried",    "request_us",     "echo_us",      "lookup", "http",     "witness"};

TEST(AttemptsJson, HasExactlyItsKeysInOrder) {
  const Json json = to_json(filled_attempt(), kOffset);
  EXPECT_EQ(keys_of(json), kAttemptKeys);
  EXPECT_EQ(keys_of(json["hops"][0]),
            (Keys{"url", "address", "port", "reused", "status", "location", "connect_us", "tls_us",
                  "ttfb_us", "total_us"}));
  EXPECT_EQ(keys_of(json["tls"]),
            (Keys{"version", "cipher", "alpn", "resumed", "days_left", "chain"}));
  EXPECT_EQ(keys_of(json["tls"]["chain"][0]), (Keys{"subject", "issuer", "not_after"}));
  EXPECT_EQ(keys_of(json["kernel"]),
            (Keys{"cookie", "syn_rtt_us", "min_rtt_us", "srtt_us", "segments_sent",
                  "retransmitted_segments", "loss_percent", "congestion_control", "cwnd_segments",
                  "delivery_bytes_per_s", "prober_delay_us", "syn_retransmits",
                  "receive_buffer_bytes", "dscp"}));
  EXPECT_EQ(keys_of(json["lookup"]),
            (Keys{"server", "tcp", "rcode", "ttl_s", "cnames", "addresses", "records"}));
  EXPECT_EQ(keys_of(json["http"]),
            (Keys{"content_type", "header_bytes", "sent_bytes", "age_s", "via", "cache", "server",
                  "cache_control", "retry_after_s"}));
  EXPECT_EQ(keys_of(json["witness"]),
            (Keys{"handshake_us", "retransmits", "drops", "resets", "lost_events"}));
  EXPECT_EQ(keys_of(to_json(refused_attempt(), kOffset)["failure"]),
            (Keys{"phase", "kind", "detail"}));
}

TEST(AttemptsJson, HasWhatWasMeasured) {
  Attempt attempt = filled_attempt();
  attempt.echo = Nanos(7001);
  const Json expected = Json::parse(R"({
    "time": "2026-11-18T11:06:45.123456789Z", "target": "https://example.test/",
    "address": "192.0.2.1", "port": 443, "attempt": 1, "reused": false, "dns_us": 1200.0,
    "dns_cached": false, "connect_us": 10100.0, "tls_us": 11500.0, "ttfb_us": 12000.0,
    "transfer_us": 3100.0, "total_us": 38200.001,
    "hops": [{"url": "http://example.test/", "address": "192.0.2.1", "port": 80, "reused": false,
              "status": 301, "location": "https://example.test/", "connect_us": 9000.0,
              "tls_us": null, "ttfb_us": 2000.0, "total_us": 12300.0}],
    "http_version": "2", "status": 200, "encoding": "gzip", "wire_bytes": 12595,
    "body_bytes": 49152, "bandwidth_mbps": 31.7,
    "tls": {"version": "TLSv1.3", "cipher": "TLS_AES_128_GCM_SHA256", "alpn": "h2",
            "resumed": true, "days_left": 61,
            "chain": [{"subject": "CN=example.test", "issuer": "CN=R3",
                       "not_after": "2027-01-15T08:00:00Z"}]},
    "kernel": {"cookie": 4242, "syn_rtt_us": 10000.0, "min_rtt_us": 9900.0, "srtt_us": 10200.0,
               "segments_sent": 25, "retransmitted_segments": 1, "loss_percent": 4.0,
               "congestion_control": "cubic", "cwnd_segments": 10,
               "delivery_bytes_per_s": 3200000, "prober_delay_us": 42.0, "syn_retransmits": 0,
               "receive_buffer_bytes": 131072, "dscp": 46},
    "failure": null, "round": 1, "retried": false, "request_us": 42.0, "echo_us": 7.001,
    "lookup": {"server": "192.0.2.53:53", "tcp": false, "rcode": "NOERROR", "ttl_s": 300,
               "cnames": ["cdn.example.test"], "addresses": ["192.0.2.1", "2001:db8::2"], "records": []},
    "http": {"content_type": "text/html", "header_bytes": 310, "sent_bytes": 2048, "age_s": 30,
             "via": "1.1 varnish", "cache": "HIT", "server": "nginx",
             "cache_control": "max-age=60", "retry_after_s": 7},
    "witness": {"handshake_us": 10050.0, "retransmits": ["fast", "RTO", "fast"],
                "drops": ["no socket in tcp_v4_rcv"], "resets": ["peer"], "lost_events": 3}})");
  EXPECT_EQ(to_json(attempt, kOffset), expected);
}

TEST(AttemptsJson, WhatWasNotMeasuredIsNull) {
  const Json json = to_json(Attempt{}, 0);
  EXPECT_EQ(keys_of(json), kAttemptKeys);
  const Keys known = {"time",     "target", "attempt", "reused",
                      "total_us", "hops",   "round",   "retried"};
  for (const auto& [key, value] : json.items())
    EXPECT_EQ(value.is_null(), std::ranges::find(known, key) == known.end()) << key;
}

TEST(AttemptsJson, EmptyPartsHoldNulls) {
  Attempt attempt;
  attempt.hops.resize(1);
  attempt.tls.emplace();
  attempt.kernel.emplace();
  attempt.lookup.emplace();
  attempt.http.emplace();
  attempt.witness.emplace();
  const Json json = to_json(attempt, 0);
  for (const auto& [key, value] : json["kernel"].items()) EXPECT_TRUE(value.is_null()) << key;
  for (const char* key : {"version", "cipher", "alpn", "resumed", "days_left"})
    EXPECT_TRUE(json["tls"][key].is_null()) << key;
  for (const char* key : {"http_version", "status", "encoding", "bandwidth_mbps"})
    EXPECT_TRUE(json[key].is_null()) << key;
  for (const char* key : {"address", "port", "status", "location", "connect_us", "ttfb_us"})
    EXPECT_TRUE(json["hops"][0][key].is_null()) << key;
  EXPECT_EQ(json["wire_bytes"], 0);
  EXPECT_EQ(json["tls"]["chain"], Json::array());
  EXPECT_EQ(json["lookup"]["cnames"], Json::array());
  EXPECT_TRUE(json["lookup"]["server"].is_null());
  EXPECT_TRUE(json["witness"]["handshake_us"].is_null());
}

TEST(AttemptsJson, TellsAFailureByPhaseAndKind) {
  const Json json = to_json(refused_attempt(), kOffset);
  EXPECT_EQ(json["failure"]["phase"], "connect");
  EXPECT_EQ(json["failure"]["kind"], "connect-refused");
  EXPECT_EQ(json["failure"]["detail"], "refused by [2001:db8::1]:81 after 10.2ms");
  EXPECT_EQ(json["attempt"], 2);
}

// What has no end ends in the last second of 9999 (RFC 5280), beyond what nanoseconds can say.
TEST(AttemptsJson, DatesOfCertificatesReachFar) {
  Attempt attempt = filled_attempt();
  std::optional<std::int64_t>& until = attempt.tls->chain[0].not_after_s;
  const auto not_after = [&attempt] {
    return to_json(attempt, kOffset)["tls"]["chain"][0]["not_after"];
  };
  until = 253'402'300'799;
  EXPECT_EQ(not_after(), "9999-12-31T23:59:59Z");
  until = std::numeric_limits<std::int64_t>::max();
  EXPECT_TRUE(not_after().is_null());
  until.reset();
  EXPECT_TRUE(not_after().is_null());
}

TEST(AttemptsJson, OneLineOfAsciiWhateverIsInIt) {
  const std::string line = to_line(to_json(hostile_attempt(), kOffset));
  EXPECT_TRUE(std::ranges::all_of(line, [](char c) { return c >= ' ' && c <= '~'; })) << line;
  EXPECT_EQ(keys_of(Json::parse(line)), kAttemptKeys);
}

Json summary_of(const AttemptSummary& summary, const Expectation* expectation = nullptr,
                bool interrupted = false) {
  const Json json = to_json(summary, expectation, interrupted);
  EXPECT_EQ(keys_of(json), Keys{"summary"});
  return json["summary"];
}

const Keys kSummaryKeys = {"attempts",
                           "failures",
                           "success_percent",
                           "failures_by_kind",
                           "measures",
                           "segments_sent",
                           "retransmitted_segments",
                           "loss_percent",
                           "retries",
                           "expectation",
                           "interrupted"};

TEST(AttemptsSummaryJson, HasExactlyItsKeysInOrder) {
  AttemptSummary summary;
  summary.add(filled_attempt());
  const Json json = summary_of(summary);
  EXPECT_EQ(keys_of(json), kSummaryKeys);
  EXPECT_EQ(keys_of(json["success_percent"]), (Keys{"value", "low", "high"}));
  EXPECT_EQ(keys_of(json["measures"]["ttfb_us"]),
            (Keys{"count", "min", "mean", "max", "p50", "p90", "p95", "p99", "stddev"}));
}

TEST(AttemptsSummaryJson, TellsWhatTheAttemptsWereLike) {
  AttemptSummary summary;
  summary.add(filled_attempt());
  summary.add(refused_attempt());
  const Json json = summary_of(summary);
  EXPECT_EQ(json["attempts"], 2);
  EXPECT_EQ(json["failures"], 1);
  EXPECT_EQ(json["retries"], 1);
  EXPECT_EQ(json["success_percent"]["value"], 50);
  EXPECT_NEAR(json["success_percent"]["low"], 9.453, 1e-3);
  EXPECT_NEAR(json["success_percent"]["high"], 90.547, 1e-3);
  EXPECT_EQ(json["failures_by_kind"], Json::parse(R"({"connect-refused": 1})"));
  EXPECT_EQ(json["measures"]["ttfb_us"], Json::parse(R"({"count": 1, "min": 12000.0,
      "mean": 12000.0, "max": 12000.0, "p50": 12000.0, "p90": 12000.0, "p95": 12000.0,
      "p99": 12000.0, "stddev": null})"));
  EXPECT_EQ(json["segments_sent"], 25);
  EXPECT_EQ(json["retransmitted_segments"], 1);
  EXPECT_EQ(json["loss_percent"], 4);
}

TEST(AttemptsSummaryJson, HasOnlyMeasuresWithValues) {
  AttemptSummary summary;
  summary.add(refused_attempt());
  EXPECT_EQ(summary_of(summary)["measures"], Json::object());
  summary.add(Attempt{});
  EXPECT_EQ(keys_of(summary_of(summary)["measures"]), Keys{"total_us"});
}

TEST(AttemptsSummaryJson, OfNoAttemptsKnowsNoShare) {
  const Json json = summary_of(AttemptSummary(), nullptr, true);
  EXPECT_EQ(keys_of(json), kSummaryKeys);
  for (const char* key : {"value", "low", "high"})
    EXPECT_TRUE(json["success_percent"][key].is_null()) << key;
  EXPECT_EQ(json["failures_by_kind"], Json::object());
  for (const char* key : {"segments_sent", "retransmitted_segments", "loss_percent", "expectation"})
    EXPECT_TRUE(json[key].is_null()) << key;
  EXPECT_EQ(json["interrupted"], true);
}

TEST(AttemptsSummaryJson, TellsWhetherItWasAsExpected) {
  AttemptSummary summary;
  summary.add(filled_attempt());
  const auto expectation = Expectation::parse("ttfb_p95 < 10ms and failures = 0");
  ASSERT_TRUE(expectation);
  const Json json = summary_of(summary, &expectation.value());
  EXPECT_EQ(json["expectation"], Json::parse(R"({"text": "ttfb_p95 < 10ms and failures = 0",
      "holds": false, "found": "ttfb_p95 is 12ms, failures is 0"})"));
  EXPECT_EQ(json["interrupted"], false);
}

}  // namespace
}  // namespace netsonde
