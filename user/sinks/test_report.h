// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "user/model/test_results.h"
#include "user/sinks/report/report.h"

namespace netsonde {

// What the test was of, and how.
struct TestSubject {
  std::string url{};  // without credentials, as it was asked for in the end
  Attempt first{};    // before all stages: names, redirects, TLS
  std::string program{}, kernel{};
  std::int64_t to_epoch_ns = 0;  // from a Time to nanoseconds since the epoch
};

// The report of a test, which the forms of reports then show.
Report test_report(const TestResults& results, const TestSubject& subject);

}  // namespace netsonde
