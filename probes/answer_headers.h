// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "user/model/attempt.h"

namespace netsonde {

// What an HTTP answer's headers tell, gathered line by line. Untrusted bytes.
class AnswerHeaders {
 public:
  // One line, with its end or without. A status line begins anew: an answer may follow 1xx ones.
  void take(std::string_view line);

  // Into the facts; now_s: since the epoch, what Retry-After counts from where the answer has no
  // date.
  void fill(HttpFacts& facts, std::int64_t now_s) const;

 private:
  HttpFacts facts_;
  std::string date_, retry_after_;
};

}  // namespace netsonde
