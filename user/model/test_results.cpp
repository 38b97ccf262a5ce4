// SPDX-License-Identifier: Apache-2.0
#include "user/model/test_results.h"

#include <algorithm>
#include <array>

namespace netsonde {

namespace {

constexpr std::array<std::string_view, kTestStages> kNames = {
    "cold", "warm", "download", "upload", "sweep", "open-loop", "responsiveness"};
constexpr double kMicrosecondsPerMinute = 60e6;

double microseconds(Nanos span) {
  return static_cast<double>(span.count()) / 1e3;
}

void add(Statistics& statistics, const std::optional<Nanos>& span) {
  if (span) statistics.add(microseconds(*span));
}

}  // namespace

void add_phases(LatencyResult& result, const Attempt& attempt) {
  add(result.connect_us, attempt.times.connect);
  add(result.tls_us, attempt.times.tls);
  add(result.ttfb_us, attempt.times.ttfb);
  add(result.transfer_us, attempt.times.transfer);
  if (!attempt.kernel) return;
  add(result.syn_rtt_us, attempt.kernel->syn_rtt);
  add(result.prober_delay_us, attempt.kernel->prober_delay);
}

void add_latency(TestBin& bin, Nanos latency) {
  const double us = microseconds(latency);
  bin.least_us = bin.answered ? std::min(bin.least_us, us) : us;
  bin.most_us = std::max(bin.most_us, us);
  bin.latency_us += us;
  ++bin.answered;
}

std::string_view name_of(TestStage stage) {
  return kNames.at(static_cast<std::size_t>(stage));
}

std::optional<TestStage> parse_test_stage(std::string_view text) {
  const auto* const found = std::ranges::find(kNames, text);
  if (found == kNames.end()) return std::nullopt;
  return static_cast<TestStage>(found - kNames.begin());
}

// Each of its parts counts the same; without TLS there are two.
std::optional<double> RoundTrips::foreign_rpm() const {
  if (!tcp_us || !http_us) return std::nullopt;
  const double sum = *tcp_us + *http_us + tls_us.value_or(0);
  if (sum <= 0) return std::nullopt;
  return kMicrosecondsPerMinute / (sum / (tls_us ? 3 : 2));
}

std::optional<double> RoundTrips::self_rpm() const {
  if (!self_us || *self_us <= 0) return std::nullopt;
  return kMicrosecondsPerMinute / *self_us;
}

std::optional<double> RoundTrips::rpm() const {
  const auto foreign = foreign_rpm(), self = self_rpm();
  if (!foreign || !self) return foreign;
  return (*foreign + *self) / 2;
}

}  // namespace netsonde
