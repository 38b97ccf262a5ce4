// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>

#include "user/base/units.h"

namespace netsonde {

// How fast a recording is played: what time passed for whoever looks is what time may pass in it.
class Pace {
 public:
  // "0.25x" to "64x", "at full speed".
  std::string text() const;
  void slower();
  void faster();

  // From here on.
  void begin() { credit_ = Nanos(0); }
  void pass(Nanos time);
  // Whether an interval may pass now; it is used up then.
  bool take(Nanos interval);
  // What could not be kept up with is not made up for.
  void forgive(Nanos interval);

 private:
  std::size_t step_ = 2;
  Nanos credit_{0};
};

}  // namespace netsonde
