// SPDX-License-Identifier: Apache-2.0
#include "user/model/address_ranking.h"

#include <algorithm>
#include <tuple>

namespace netsonde {

namespace {

constexpr Nanos kAttemptDelay = std::chrono::milliseconds(250);  // RFC 8305 5

// Families take turns, the first address's first (RFC 8305 4).
std::vector<std::size_t> tried_in_turn(std::span<const Address> addresses) {
  std::vector<std::size_t> first, second, order;
  for (std::size_t i = 0; i < addresses.size(); ++i)
    (addresses[i].is_ipv4() == addresses[0].is_ipv4() ? first : second).push_back(i);
  for (std::size_t i = 0; i < std::max(first.size(), second.size()); ++i) {
    if (i < first.size()) order.push_back(first[i]);
    if (i < second.size()) order.push_back(second[i]);
  }
  return order;
}

std::optional<double> median(const AttemptSummary& summary, Measure measure) {
  return value_of(summary.of(measure), Statistic::P50);
}

// Less is better; what was not measured is worst.
std::tuple<double, double, double, double> worth(const RankedAddress& ranked) {
  constexpr double kWorst = 1e300;
  const AttemptSummary& s = ranked.summary;
  const auto answer = median(s, Measure::Ttfb);
  const auto echo = answer ? answer : median(s, Measure::Echo);
  return {100 - s.success_percent().value_or(0), echo.value_or(kWorst),
          median(s, Measure::Connect).value_or(kWorst), median(s, Measure::Total).value_or(kWorst)};
}

}  // namespace

std::optional<std::size_t> raced_choice(std::span<const Address> addresses,
                                        std::span<const std::optional<Nanos>> connect) {
  std::optional<std::size_t> choice;
  Nanos best{}, begins{};
  for (const std::size_t i : tried_in_turn(addresses)) {
    if (choice && begins >= best) break;
    if (connect[i] && (!choice || begins + *connect[i] < best)) {
      choice = i;
      best = begins + *connect[i];
    }
    begins += kAttemptDelay;
  }
  return choice;
}

void rank(std::vector<RankedAddress>& addresses) {
  std::vector<Address> tried;
  std::vector<std::optional<Nanos>> connect;
  for (const RankedAddress& ranked : addresses) {
    tried.push_back(ranked.address);
    const auto us = median(ranked.summary, Measure::Connect);
    connect.push_back(us ? std::optional(Nanos(static_cast<std::int64_t>(*us * 1e3)))
                         : std::nullopt);
  }
  if (const auto chosen = raced_choice(tried, connect)) addresses[*chosen].chosen = true;
  std::ranges::stable_sort(addresses, {}, worth);
}

AddressUse use_of(const Snapshot& snapshot, const Address& address, std::uint16_t port,
                  std::uint32_t pid) {
  AddressUse use;
  Statistics rtts;
  for (const Connection* connection : snapshot.select(Snapshot::Connections | Snapshot::Closed)) {
    const ev_sample& last = connection->last;
    const bool there = Address::from(last.conn.remote) == address && last.conn.remote_port == port;
    if (!there || last.conn.pid == pid || last.conn.direction == EV_IN) continue;
    ++use.connections;
    use.segments_sent += last.segs_out;
    use.retransmitted_segments += last.retransmitted;
    if (last.srtt_us) rtts.add(last.srtt_us);
  }
  use.srtt_us = rtts.quantile(0.5);
  return use;
}

}  // namespace netsonde
