// SPDX-License-Identifier: Apache-2.0
#include "user/sinks/witness.h"

#include "user/sinks/trace.h"

namespace netsonde {

Result<> Witness::on_event(const Event& event, const Store& store) {
  lost_ = store.lost();
  const std::uint64_t cookie = cookie_of(event);
  if (cookie == 0) return {};
  const auto [found, added] = gathered_.try_emplace(cookie);
  Gathered& gathered = found->second;
  if (added) gathered.lost_before = lost_;
  WitnessFacts& facts = gathered.facts;
  switch (header_of(event).kind) {
    case EV_CONNECT: gathered.connect = time_of(event); break;
    case EV_ESTABLISHED:
      if (gathered.connect) facts.handshake = time_of(event) - *gathered.connect;
      break;
    case EV_RETRANSMIT: facts.retransmits.push_back(details_of(event, store)); break;
    case EV_DROP: facts.drops.push_back(details_of(event, store)); break;
    case EV_RESET: facts.resets.push_back(details_of(event, store)); break;
    default: break;
  }
  return {};
}

std::optional<WitnessFacts> Witness::take(std::uint64_t cookie) {
  auto found = gathered_.extract(cookie);
  if (!found) return std::nullopt;
  WitnessFacts facts = std::move(found.mapped().facts);
  facts.lost_events = lost_ - found.mapped().lost_before;
  return facts;
}

}  // namespace netsonde
