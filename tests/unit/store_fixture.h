// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include "user/model/store.h"

namespace netsonde {

inline constexpr std::uint64_t kSecond = 1'000'000'000;
inline constexpr std::uint8_t kEstablished = 1, kSynSent = 2, kClose = 7, kListen = 10;
inline constexpr std::uint64_t kCookie = 42;

// Time is in seconds since the first tick at 100 s, well after the boot of the machine.
class StoreTest : public ::testing::Test {
 protected:
  StoreTest() { tick(0); }

  static std::uint64_t at(double seconds) {
    return static_cast<std::uint64_t>((100 + seconds) * static_cast<double>(kSecond));
  }

  template <typename T>
  static T event(std::uint16_t kind, double seconds) {
    T event = {};
    event.header = {.time_ns = at(seconds), .kind = kind, .size = sizeof(T), .cpu = 0};
    return event;
  }

  // Of a connection that began before the first tick, unless the test says otherwise.
  static ev_sample sample(double seconds, std::uint16_t kind = EV_SAMPLE) {
    auto sample = event<ev_sample>(kind, seconds);
    sample.conn.cookie = kCookie;
    sample.conn.start_ns = at(-50);
    sample.conn.state = kEstablished;
    sample.conn.direction = EV_OUT;
    sample.conn.local_port = 50'000;
    sample.conn.remote_port = 443;
    sample.old_state = kEstablished;
    return sample;
  }

  // Something else that happened to that connection.
  template <typename T>
  static T happened(std::uint16_t kind, double seconds) {
    T happened = event<T>(kind, seconds);
    happened.conn = sample(seconds).conn;
    return happened;
  }

  static ev_sample listener(double seconds, std::uint32_t drops, std::uint16_t kind = EV_SAMPLE) {
    ev_sample listener = sample(seconds, kind);
    listener.conn.state = kListen;
    listener.conn.direction = EV_LISTENER;
    listener.sk_drops = drops;
    listener.receive_queue = 5;
    listener.backlog = 4;
    return listener;
  }

  void tick(double seconds, bool complete = false) {
    auto tick = event<ev_tick>(EV_TICK, seconds);
    tick.complete = complete;
    tick.sampled = true;
    store_.apply(tick);
  }

  void send(double seconds, std::uint64_t tx_bytes, double begun = -50) {
    ev_sample s = sample(seconds);
    s.conn.start_ns = at(begun);
    s.tx_bytes = tx_bytes;
    store_.apply(s);
  }

  const Connection& connection() const { return *store_.find(kCookie); }
  const Totals& totals() const { return store_.totals(); }

  Names names_;
  Store store_{&names_};
};

}  // namespace netsonde
