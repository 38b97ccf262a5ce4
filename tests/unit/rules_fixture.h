// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "tests/unit/store_fixture.h"
#include "user/model/diagnosis/diagnosis.h"

namespace netsonde {

inline constexpr std::uint32_t kMss = 1000;
inline constexpr std::uint8_t kRecovery = 3, kLoss = 4;

// Nanoseconds at so many seconds after the observation's begin.
std::uint64_t at(double seconds);

template <typename T>
T event(std::uint16_t kind, double seconds) {
  T event = {};
  event.header = {.time_ns = at(seconds), .kind = kind, .size = sizeof(T), .cpu = 0};
  return event;
}

// A client of long ago with nothing wrong and nothing done yet; its end of the path.
ev_sample connection(std::uint64_t cookie = kCookie);
// One that began meanwhile and was established a millisecond later.
ev_sample opened(double seconds, std::uint64_t cookie = kCookie);
// Its last counters: closed by both ends, unless an error or a flag says otherwise.
ev_sample closed(ev_sample s, double seconds, std::uint16_t error = 0, std::uint8_t end = 0);
// As the other end of its path has it, in a namespace of its own on this host.
ev_sample other_end_of(const ev_sample& s, std::uint64_t cookie);
ev_sample listener(std::uint64_t cookie = kCookie);

// A store and an observer that looks on for some seconds, and what the rules say of it then.
class World {
 public:
  World() { know({}); }
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  // They were there before the observation began, with these counters; before all that happens.
  void know(const std::vector<ev_sample>& samples);
  void happen(const Event& event);
  void look(double seconds);
  // It has these counters at a look.
  void step(ev_sample s, double seconds);
  // They had nothing before and have these counters at so many looks, one a second.
  void run(const std::vector<ev_sample>& ends, int looks = 10);

  // Other events of that connection.
  void resend(double seconds, std::uint32_t sequence, std::uint32_t bytes = kMss,
              std::uint8_t kind = EV_RETRANSMIT_FAST, std::uint64_t cookie = kCookie);
  void drop(double seconds, std::uint32_t reason, std::uint32_t sequence = 0,
            std::uint64_t location = 0, std::uint64_t cookie = kCookie);
  void state(double seconds, const ev_congestion_state& change, std::uint64_t cookie = kCookie);

  std::vector<Finding> all();
  std::vector<Finding> found(std::string_view id);
  // The only one; the test fails where there is none or several.
  Finding only(std::string_view id);

  Names names;
  HostCounters host;
  bool has_host = false;

 private:
  ev_conn conn_of(std::uint64_t cookie) const;

  Store store_{&names};
  Observer observer_{time_from_ns(at(0))};
  bool begun_ = false;
};

// "warning network high": severity, whose doing, confidence.
std::string verdict(const Finding& finding);
// "connections=2 bytes=10 ms=1.5": what was measured of the impact.
std::string cost(const Finding& finding);
// The settings of the kernel that it names, without "net.".
std::string tunables(const Finding& finding);
// "srtt_us=100 us, share_percent=2.5 percent": all the evidence.
std::string figures(const Finding& finding);

// A connection with some change, and how often the rule finds something wrong with it.
struct Case {
  const char* is;
  std::size_t findings;
  void (*change)(ev_sample&);
};
void expect(std::string_view id, const ev_sample& from, std::initializer_list<Case> cases,
            int looks = 10);

}  // namespace netsonde
