// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "user/model/fields.h"

// How the columns of the field table read a row: absent where nothing is known.
namespace netsonde::values {

inline constexpr std::uint32_t kNoRtt = ~0U;
inline constexpr std::uint32_t kInfiniteSsthresh = 0x7fffffff;
inline constexpr std::uint64_t kNotPaced = ~0ULL;

inline const ev_sample& sample(const Row& row) {
  return row.connection.last;
}
inline const ev_conn& conn(const Row& row) {
  return row.connection.last.conn;
}

inline Value number(std::uint64_t value) {
  return value;
}

// A counter or gauge of the kernel; absent until a sample has brought it.
template <auto Member>
Value counter(const Row& row) {
  if (!row.connection.sampled) return {};
  return static_cast<std::uint64_t>(sample(row).*Member);
}

// The same, where zero means that the kernel does not know either.
template <auto Member>
Value nonzero(const Row& row) {
  if (!row.connection.sampled || sample(row).*Member == 0) return {};
  return static_cast<std::uint64_t>(sample(row).*Member);
}

// What means nothing on a listener.
template <auto Get>
Value of_connection(const Row& row) {
  if (row.connection.is_listener()) return {};
  return Get(row);
}

template <auto Get>
Value of_listener(const Row& row) {
  if (!row.connection.is_listener()) return {};
  return Get(row);
}

// A sample stands until something happens, and meanwhile ages go on.
template <auto Member>
Value age(const Row& row) {
  if (!row.connection.sampled) return {};
  const auto since = std::chrono::duration_cast<std::chrono::milliseconds>(
      row.now - time_from_ns(sample(row).header.time_ns));
  const bool goes_on = !row.connection.is_closed() && since.count() > 0;
  return number(sample(row).*Member + (goes_on ? static_cast<std::uint64_t>(since.count()) : 0));
}

template <auto Member>
Value rate(const Row& row) {
  const float value = row.connection.*Member;
  if (std::isnan(value)) return {};
  return static_cast<double>(value);
}

template <auto Member>
Value quantile(const Row& row) {
  if (row.connection.rtt.samples == 0) return {};
  return static_cast<std::uint64_t>(std::lround(row.connection.rtt.*Member));
}

template <ev_option_flags Flag>
Value option(const Row& row) {
  if (!row.connection.sampled) return {};
  return (sample(row).options & Flag) != 0;
}

inline Value text(std::string_view value) {
  if (value.empty()) return {};
  return value;
}

inline Value direction(const Row& row) {
  switch (conn(row).direction) {
    case EV_OUT: return std::string_view("out");
    case EV_IN: return std::string_view("in");
    default: return {};
  }
}

inline Value state(const Row& row) {
  return row.connection.is_closed() ? std::string_view("CLOSED") : state_name(conn(row).state);
}

inline Value owner_source(const Row& row) {
  static constexpr std::array<std::string_view, 4> kNames = {"", "listener", "file", "exact"};
  return text(kNames[std::min<std::size_t>(conn(row).owner, kNames.size() - 1)]);
}

inline Value age(const Row& row) {
  if (!conn(row).start_ns) return {};
  const std::uint64_t end = row.connection.is_closed()
                                ? row.connection.closed_ns
                                : static_cast<std::uint64_t>(row.now.time_since_epoch().count());
  return end > conn(row).start_ns ? static_cast<double>(end - conn(row).start_ns) / 1e9 : 0.0;
}

inline Value opened_at(const Row& row) {
  if (!conn(row).start_ns) return {};
  return Timestamp{static_cast<std::int64_t>(conn(row).start_ns +
                                             static_cast<std::uint64_t>(row.realtime_offset_ns))};
}

inline Value handshake(const Row& row) {
  const std::uint64_t begun = conn(row).start_ns, done = sample(row).established_ns;
  if (!begun || done < begun || conn(row).direction != EV_OUT) return {};
  return number((done - begun) / 1000);
}

inline Value min_rtt(const Row& row) {
  if (!row.connection.sampled || sample(row).min_rtt_us == kNoRtt) return {};
  return number(sample(row).min_rtt_us);
}

inline Value retransmit_percent(const Row& row) {
  if (!row.connection.sampled || sample(row).segs_out == 0) return {};
  return 100.0 * sample(row).retransmitted / sample(row).segs_out;
}

inline Value ssthresh(const Row& row) {
  if (!row.connection.sampled || sample(row).ssthresh >= kInfiniteSsthresh) return {};
  return number(sample(row).ssthresh);
}

inline Value pacing(const Row& row) {
  if (!row.connection.sampled || sample(row).pacing_rate == kNotPaced) return {};
  return number(sample(row).pacing_rate);
}

inline Value delivery(const Row& row) {
  const ev_sample& s = sample(row);
  if (!row.connection.sampled || !s.delivery_us || !s.delivery_segs) return {};
  return number(static_cast<std::uint64_t>(s.delivery_segs) * s.mss * 1'000'000 / s.delivery_us);
}

inline Value limited_by(const Row& row) {
  if (!row.connection.limit_known) return {};
  return limit_name(row.connection.limit);
}

inline Value congestion_state(const Row& row) {
  if (!row.connection.sampled) return {};
  return congestion_state_name(sample(row).ca_state);
}

inline Value end(const Row& row) {
  if (!row.connection.is_closed()) return {};
  return end_name(sample(row));
}

inline constexpr auto local_address = [](const Row& row) -> Value {
  return Address::from(conn(row).local);
};
inline constexpr auto remote_address = [](const Row& row) -> Value {
  return Address::from(conn(row).remote);
};

}  // namespace netsonde::values
