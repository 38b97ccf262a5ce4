// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "user/model/snapshot.h"
#include "user/model/value.h"

namespace netsonde {

// A number of the host that is looked at once per interval. It is one series, or as many as the
// host has instances: devices, queueing disciplines.
struct WatchedSeries {
  std::string_view id;
  std::string_view help;
  Unit unit = Unit::None;
  // The smallest difference that anyone would care about; of a rate: as a count of one interval.
  double step = 1;
  // Those present now, sorted. nullptr where there is one series, with an empty instance.
  std::vector<std::string> (*instances)(const HostCounters& host) = nullptr;
  std::optional<double> (*total)(const Snapshot& snapshot) = nullptr;  // else a sum of the host's:
  std::array<std::string_view, 3> numbers{};  // gauges, or counters as rates; empty: no more
};

std::span<const WatchedSeries> watched_series();

// Absent when nobody measured it. A series without instances is the sum over those of the host.
std::optional<double> value_of(const WatchedSeries& series, const Snapshot& snapshot,
                               std::string_view instance);

// The unit that a Detector of the series wants where values come at this interval.
double detector_unit(const WatchedSeries& series, Nanos interval);

}  // namespace netsonde
