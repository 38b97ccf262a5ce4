// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>

#include "user/base/result.h"
#include "user/base/units.h"

namespace netsonde {

// A time as people name it, which may need to know of what span.
class When {
 public:
  // "2026-11-22T03:12:05.5Z" (also with a space, without seconds, with +01:00; without a zone:
  // UTC), "03:12" or "03:12:05" (UTC, the last time it was that late), "15m" or "-15m" (before the
  // end),
  // "+30s" (after the begin).
  static Result<When> parse(std::string_view text);

  // Nanoseconds since the epoch; of the span from begin to end, likewise.
  std::int64_t in(std::int64_t begin_ns, std::int64_t end_ns) const;

 private:
  enum class Kind { Absolute, OfDay, BeforeEnd, AfterBegin };
  When(Kind kind, std::int64_t ns) : kind_(kind), ns_(ns) {}

  Kind kind_;
  std::int64_t ns_;
};

}  // namespace netsonde
