// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <cstdio>
#include <functional>
#include <map>
#include <set>
#include <string>

#include "user/model/filter.h"
#include "user/model/snapshot.h"

namespace netsonde {

struct TraceSettings {
  std::set<std::uint16_t> kinds;  // enum ev_kind; empty: all that are shown by default
  std::uint64_t count = 0;        // stop after so many lines; 0: never
  bool json = false;
};

// The names that --events takes, and their kinds. Fails on an unknown name, listing the known ones.
Result<std::set<std::uint16_t>> parse_event_kinds(std::string_view list);

// One line per event as it happens.
class Trace : public Sink {
 public:
  Trace(TraceSettings settings, const Filter& filter, std::FILE* out, std::function<void()> on_full)
      : settings_(std::move(settings)), filter_(filter), out_(out), on_full_(std::move(on_full)) {}

  Result<> on_event(const Event& event, const Store& store) override;
  Result<> flush();
  // Events by kind and what was lost, for the end.
  std::string summary(const ev_tick& tick) const;

 private:
  bool wanted(const Event& event, const Store& store) const;

  TraceSettings settings_;
  const Filter& filter_;
  std::FILE* out_;
  std::function<void()> on_full_;
  std::map<std::uint16_t, std::uint64_t> printed_;
  std::uint64_t total_ = 0;
};

// "13:16:02.123456Z retransmit  nginx[812] 10.0.0.1:443 > 10.0.0.7:55120  fast, 3 segments".
std::string to_line(const Event& event, const Store& store);
// What the event tells besides whose it is.
std::string details_of(const Event& event, const Store& store);

}  // namespace netsonde
