// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "user/base/text.h"
#include "user/model/inference.h"

namespace netsonde {

// What measurements of an endpoint, and what this host's own connections to it do, allow to
// recommend. Nothing is recommended that was not measured.

// Two arms of an experiment, by one metric.
struct MeasuredArm {
  std::string factor{}, baseline{}, arm{}, metric{};  // "reuse", "new", "kept", "total_us"
  std::size_t blocks = 0;
  double baseline_value = 0, arm_value = 0;  // medians over all blocks, in the metric's unit
  double ratio = 1;                          // of arm to baseline
  Interval interval{.low = 1, .high = 1};    // of the ratio, 95%
  Verdict verdict = Verdict::Inconclusive;
};

// What probes of one address found. Times are medians in microseconds.
struct ProbedAddress {
  Address address{};
  std::uint64_t attempts = 0, failures = 0;
  std::optional<double> syn_rtt_us{}, tls_us{}, ttfb_us{}, total_us{};
  std::optional<double> loss_percent{};
};

// What probes of one target found.
struct ProbedEndpoint {
  std::string target{};  // as it was given
  std::uint16_t port = 0;
  std::vector<ProbedAddress> addresses{};
  std::uint64_t attempts = 0, failures = 0;
  std::map<std::string, std::uint64_t> failures_by_kind{};
  std::uint64_t longest_failing = 0;  // attempts in a row
  std::optional<double> bandwidth_mbps{};
  // Of answers: how many told of a cache in front, and how many of these came out of it.
  std::uint64_t answers = 0, cache_told = 0, cache_hits = 0;
  std::vector<std::string> cdn_signs{};  // "via: 1.1 varnish", "CNAME x.cdn.example"
  std::vector<MeasuredArm> comparisons{};
};

// What this host's connections to the endpoint did in the time observed.
struct EndpointUse {
  std::uint64_t opened = 0;       // new connections
  std::uint64_t connections = 0;  // all that did something
  double seconds = 0;             // observed
};

struct Recommendation {
  std::string_view rule;  // "keep-alive", "http2", ...: a contract
  std::string target;
  std::string what;                   // one sentence
  std::vector<std::string> evidence;  // each a measurement, with its figures
  // Saved per request (or in what `what` says), in microseconds; absent where it is no time.
  std::optional<Interval> saves_us;
  // The same for all that this host does there, per minute; absent where that is not known.
  std::optional<Interval> saves_us_per_minute;
  std::string how;
};

// use: absent where nobody observed, or where no connection went there.
std::vector<Recommendation> advise(const ProbedEndpoint& endpoint,
                                   const std::optional<EndpointUse>& use);

// A listener of this host and what came to it.
struct ListenerUse {
  std::string name{};  // process and address
  std::uint16_t port = 0;
  std::uint64_t accepted = 0;
};

// Several processes that share a port, unevenly.
std::vector<Recommendation> advise_listeners(const std::vector<ListenerUse>& listeners);

}  // namespace netsonde
