// SPDX-License-Identifier: Apache-2.0
#include "user/sinks/ranked_addresses.h"

#include <fmt/format.h>

#include <algorithm>

namespace netsonde {

namespace {

std::optional<double> median(const RankedAddress& ranked, Measure measure) {
  return value_of(ranked.summary.of(measure), Statistic::P50);
}

Json or_null(const std::optional<double>& value) {
  return value ? Json(*value) : Json();
}

std::string time_or_dash(const std::optional<double>& us) {
  return us ? short_duration(Nanos(static_cast<std::int64_t>(*us * 1e3))) : "-";
}

std::string percent_or_dash(const std::optional<double>& percent) {
  return percent ? fmt::format("{:.3g}%", *percent) : "-";
}

std::optional<double> loss_of(const AddressUse& use) {
  if (use.segments_sent == 0) return std::nullopt;
  return 100.0 * static_cast<double>(use.retransmitted_segments) /
         static_cast<double>(use.segments_sent);
}

Json to_json(const AddressUse& use) {
  return {{"connections", use.connections},
          {"segments_sent", use.segments_sent},
          {"retransmitted_segments", use.retransmitted_segments},
          {"srtt_us", or_null(use.srtt_us)}};
}

std::string use_text(const AddressUse& use) {
  if (use.connections == 0) return "none";
  return fmt::format("{}, RTT {}, lost {}", use.connections, time_or_dash(use.srtt_us),
                     percent_or_dash(loss_of(use)));
}

}  // namespace

Json to_json(std::span<const RankedAddress> ranked) {
  Json list = Json::array();
  for (const RankedAddress& r : ranked)
    list.push_back({{"target", r.target},
                    {"address", to_text(r.address)},
                    {"port", r.port},
                    {"attempts", r.summary.attempts()},
                    {"failures", r.summary.failures()},
                    {"syn_rtt_us", or_null(median(r, Measure::SynRtt))},
                    {"connect_us", or_null(median(r, Measure::Connect))},
                    {"tls_us", or_null(median(r, Measure::Tls))},
                    {"ttfb_us", or_null(median(r, Measure::Ttfb))},
                    {"echo_us", or_null(median(r, Measure::Echo))},
                    {"total_us", or_null(median(r, Measure::Total))},
                    {"loss_percent", or_null(r.summary.loss_percent())},
                    {"would_choose", r.chosen},
                    {"production", r.use ? to_json(*r.use) : Json()}});
  return list;
}

std::string to_text(std::span<const RankedAddress> ranked) {
  int width = 7;
  for (const RankedAddress& r : ranked)
    width = std::max(width, static_cast<int>(to_text(r.address).size()));
  const bool echoes = std::ranges::any_of(
      ranked, [](const RankedAddress& r) { return !!median(r, Measure::Echo); });
  const bool chosen = std::ranges::any_of(ranked, &RankedAddress::chosen);
  const bool used = std::ranges::any_of(ranked, [](const RankedAddress& r) { return !!r.use; });
  std::string text = fmt::format(
      "addresses of {}, best first (medians)\n  {} {:>5} {:>8} {:>8} {:>8} "
      "{:>8} {:>6}{}\n",
      printable(ranked.empty() ? "" : ranked.front().target), fit("ADDRESS", width), "OK",
      "SYN RTT", "CONNECT", "TLS", echoes ? "ECHO" : "TTFB", "LOSS",
      used ? "  THIS HOST'S CONNECTIONS" : "");
  for (const RankedAddress& r : ranked)
    text += fmt::format(
        "{} {} {:>5} {:>8} {:>8} {:>8} {:>8} {:>6}{}\n", r.chosen ? "*" : " ",
        fit(to_text(r.address), width),
        fmt::format("{}/{}", r.summary.successes(), r.summary.attempts()),
        time_or_dash(median(r, Measure::SynRtt)), time_or_dash(median(r, Measure::Connect)),
        time_or_dash(median(r, Measure::Tls)),
        time_or_dash(median(r, echoes ? Measure::Echo : Measure::Ttfb)),
        percent_or_dash(r.summary.loss_percent()), r.use ? "  " + use_text(*r.use) : "");
  if (chosen) text += "  * what a client takes that races addresses (RFC 8305), by these times\n";
  return text;
}

}  // namespace netsonde
