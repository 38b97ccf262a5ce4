// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "user/model/diagnosis/resends.h"
#include "user/model/diagnosis/rules.h"

namespace netsonde::rules {

namespace {

std::string place_text(const Observation& observation, const Dropped& drop) {
  const Names& names = observation.now.names();
  const std::string_view location = names.symbol(drop.location);
  return fmt::format("{}{}{}", names.drop_reason(drop.reason), location.empty() ? "" : " in ",
                     location);
}

std::string_view advice_on_drop(std::string_view reason) {
  if (reason == "QDISC_DROP")
    return "The queue of the own interface overflows: look at its qdisc (tc -s qdisc) and its "
           "limit.";
  if (reason == "NETFILTER_DROP")
    return "A rule of the own firewall drops them: nft list ruleset shows which counts.";
  if (reason == "SOCKET_RCVBUFF" || reason == "PROTO_MEM" || reason == "SOCKET_BACKLOG")
    return "The receiving socket is out of memory: see tcp_mem, tcp_rmem and whether its process "
           "reads.";
  if (reason == "TCP_CSUM") return "Damaged on the way: look at cable, card and offload settings.";
  return "The kernel's own name of the reason says what to look at.";
}

}  // namespace

Findings local_drop(const Observation& observation) {
  const auto weight = [&](const Watched& w) {
    return static_cast<double>(dropped_by_host(w, observation));
  };
  Findings findings;
  for (const Group& group : grouped(observation.connections, weight)) {
    std::map<std::string, std::pair<std::uint64_t, const Dropped*>> places;
    std::uint64_t packets = 0;
    for (const Watched* w : group.members())
      for (const Dropped& drop : w->drops) {
        if (!is_ours(observation, drop)) continue;
        auto& [count, example] = places[place_text(observation, drop)];
        count += drop.packets;
        example = &drop;
        packets += drop.packets;
      }
    const auto worst =
        std::ranges::max_element(places, {}, [](const auto& place) { return place.second.first; });
    Finding finding = on_group(group, observation, Severity::Warning, Where::Host);
    finding.since = first_resend(group, observation);
    finding.impact.segments = packets;
    finding.evidence = {
        evidence("drops", packets),
        figure("retransmitted_after_local_drop", group.sum(dropped_here), Unit::Segments)};
    for (const auto& [place, entry] : places)
      finding.evidence.push_back(figure("drops " + place, entry.first, Unit::Count));
    finding.text = fmt::format("This host itself dropped {} of {}: {}.", counted(packets, "packet"),
                               these(group), worst->first);
    finding.advice =
        advice_on_drop(observation.now.names().drop_reason(worst->second.second->reason));
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace netsonde::rules
