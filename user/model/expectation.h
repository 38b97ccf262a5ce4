// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "user/model/attempt_summary.h"
#include "user/model/fields.h"

namespace netsonde {

struct FilterNode;

// What attempts should be like, in the language of filters (filter.h), over the quantities of their
// summary:
//
//   ttfb_p95 < 200ms and failures = 0
//   success_percent >= 99.9 and not failures_dns_timeout
//
//   MEASURE_STATISTIC           "ttfb_us_p95" or "ttfb_p95", "bandwidth_mbps_mean", "connect_count"
//   attempts, successes, failures, retries, success_percent, reused_percent
//   failures_KIND               "failures_dns_timeout"
//   segments_sent, retransmitted_segments, loss_percent     of all attempts together
//
// A quantity that was not measured is null: it fails its comparison, and so meets one within a
// "not". "ttfb_p95 < 200ms" wants a measurement; "not ttfb_p95 >= 200ms" does without. found()
// tells it in both.
class Expectation {
 public:
  Expectation(Expectation&&) noexcept;
  Expectation& operator=(Expectation&&) noexcept;
  ~Expectation();

  // Fails as Filter::parse does, and on blank text.
  static Result<Expectation> parse(std::string_view text);

  bool holds(const AttemptSummary& summary) const;
  // Each quantity that it names, once: "ttfb_p95 is 231ms, failures is 0, tls_p50 was not
  // measured". Fine enough to tell what just missed from what just met.
  std::string found(const AttemptSummary& summary) const;
  const std::string& text() const { return text_; }

 private:
  Expectation(std::string_view text, FilterNode root);

  std::string text_;
  std::unique_ptr<const FilterNode> root_;
};

}  // namespace netsonde
