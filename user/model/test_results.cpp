// SPDX-License-Identifier: Apache-2.0
#include "user/model/test_results.h"

#include <algorithm>
#include <array>

namespace netsonde {

namespace {

constexpr std::array<std::string_view, kTestStages> kNames = {
    "cold", "warm", "download", "upload", "sweep", "open-loop", "responsiveness"};
constexpr double kMicrosecondsPerMinute = 60e6;

}  // namespace

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
