// SPDX-License-Identifier: Apache-2.0
#include "tuner/plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "user/base/text.h"

namespace netsonde {

namespace {

std::string text_of(const Proposal& proposal, std::string_view field) {
  const auto found = std::ranges::find(proposal.evidence, field, &Evidence::field);
  return found == proposal.evidence.end() ? "" : human(*found);
}

}  // namespace

bool ChangeScope::is_device(const std::string& its_name, std::uint32_t its_index,
                            const std::string& its_address) const {
  if (!index) return name == its_name;
  return index == its_index && (name == its_name || (!address.empty() && address == its_address));
}

bool ChangeScope::operator==(const ChangeScope& other) const {
  if (kind != other.kind || cookie != other.cookie || netns != other.netns) return false;
  return index && other.index ? is_device(other.name, other.index, other.address)
                              : name == other.name;
}

std::string to_text(const ChangeScope& scope) {
  if (scope.kind == ScopeKind::Host) return "host";
  std::string text = fmt::format("{} {}", name_of(scope.kind), printable(scope.name));
  if (scope.kind != ScopeKind::Namespace) text += fmt::format(" in netns {}", scope.netns);
  return text;
}

std::string where_text(const Proposal& proposal) {
  const std::string local = text_of(proposal, "local"), remote = text_of(proposal, "remote");
  const ChangeScope& scope = proposal.scope;
  if (scope.kind != ScopeKind::Connection || local.empty() || remote.empty()) return to_text(scope);
  const std::string process = text_of(proposal, "process");
  return fmt::format("connection {} {} {}{} in netns {}", local,
                     text_of(proposal, "direction") == "in" ? "<" : ">", remote,
                     process.empty() ? "" : " (" + process + ")", scope.netns);
}

bool is_within(const ChangeScope& scope, const ChangeScope& space) {
  if (scope.kind == ScopeKind::Host || scope.cookie != space.cookie) return false;
  return scope.kind == ScopeKind::Namespace ? scope.name == space.name
                                            : std::to_string(scope.netns) == space.name;
}

Result<> check_twice(const std::vector<Proposal>& proposals) {
  for (std::size_t i = 0; i < proposals.size(); ++i)
    for (std::size_t j = 0; j < i; ++j)
      if (proposals[i].key == proposals[j].key && proposals[i].scope == proposals[j].scope)
        return Error(fmt::format("two proposals for {} ({})", proposals[i].key,
                                 to_text(proposals[i].scope)));
  return {};
}

}  // namespace netsonde
