// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "user/base/units.h"
#include "user/model/host_value.h"

namespace netsonde {

// Whether the name is of something that goes up and down (a queue, a limit, a setting): it has a
// value but neither delta nor rate.
bool is_gauge(std::string_view name);

// What the host's counters did since begin().
//
// - A 32-bit counter of the kernel (softnet, interrupts, drops of a queue) that falls by more than
//   half its range has wrapped around. Any other counter that falls was started again at 0, with
//   its device: what it shows is what it counted since, and what it had counted before stays
//   counted.
// - An instance that appears while others of its name were there is new: it counts from 0.
// - A name that nobody reported in the reading before (a module that was loaded, a file that could
//   not be read) counts from its first value on; one that comes back, from where it was.
// - Of two values with the same name and instance in one reading the first counts.
class HostCounters {
 public:
  // Forgets everything; from here on is counted.
  void begin(Time now, std::span<const HostValue> values);
  // One more reading; without a begin() the first one begins.
  void update(Time now, std::span<const HostValue> values);
  // From the last reading on is counted, if there was one.
  void begin_anew();
  bool was_read() const { return reading_ > 0; }

  // As last read; nothing when the last reading did not have it.
  std::optional<std::uint64_t> value(std::string_view name, std::string_view instance = "") const;
  // Since begin().
  std::optional<std::uint64_t> delta(std::string_view name, std::string_view instance = "") const;
  // Between begin() and the last reading.
  Nanos counted() const { return last_ - begun_; }
  // Per second, over the time between the last two readings that had it.
  std::optional<double> rate(std::string_view name, std::string_view instance = "") const;
  // Those of the last reading, sorted.
  std::vector<std::string> instances(std::string_view name) const;

 private:
  struct Entry {
    std::uint64_t value = 0;
    std::uint64_t since_begin = 0;
    std::uint64_t last_increase = 0;
    Nanos interval{0};  // of the last increase; 0: there is none yet
    Time at;
    std::uint64_t reading = 0;
  };

  // All of one name.
  struct Group {
    bool gauge = false;
    bool narrow = false;  // 32 bits
    std::uint64_t reading = 0;
    std::uint64_t reading_before = 0;
    std::map<std::string, Entry, std::less<>> entries;
  };

  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view name) const {
      return std::hash<std::string_view>()(name);
    }
  };

  Group& group_of(std::string_view name);
  void take(Group& group, const HostValue& value, Time now, Time before);
  const Group* find_group(std::string_view name) const;
  static const Entry* find(const Group* group, std::string_view instance);

  std::unordered_map<std::string, Group, Hash, std::equal_to<>> groups_;
  std::uint64_t reading_ = 0;
  Time begun_, last_;
};

}  // namespace netsonde
