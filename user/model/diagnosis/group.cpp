// SPDX-License-Identifier: Apache-2.0
#include "user/model/diagnosis/group.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <map>
#include <set>
#include <span>
#include <tuple>

#include "user/model/fields.h"

namespace netsonde {

namespace {

struct Weighed {
  double weight;
  const Watched* watched;
};

// The remote end of a client, the local service of a server. The process by its name: a client that
// is started for every request has a new number each time.
auto key_of(const Watched& watched) {
  const ev_conn& conn = watched.last.conn;
  const bool server = conn.direction == EV_IN || conn.direction == EV_LISTENER;
  const Address remote = conn.direction == EV_LISTENER ? Address() : Address::from(conn.remote);
  const Address local = server ? Address::from(conn.local) : Address();
  const std::uint16_t service = server ? conn.local_port : conn.remote_port;
  return std::tuple(conn.netns, fixed_string(conn.comm), server, remote, local, service);
}

}  // namespace

std::uint64_t Group::sum(const std::function<std::uint64_t(const Watched&)>& of) const {
  std::uint64_t sum = 0;
  for (const Watched* member : members_) sum += of(*member);
  return sum;
}

std::uint64_t Group::most(const std::function<std::uint64_t(const Watched&)>& of) const {
  std::uint64_t most = 0;
  for (const Watched* member : members_) most = std::max(most, of(*member));
  return most;
}

Time Group::since(const Observation& observation) const {
  Time since = observation.to;
  for (const Watched* member : members_) since = std::min(since, time_from_ns(member->first_ns));
  return std::max(since, observation.from);
}

std::vector<Group> grouped(const std::vector<const Watched*>& all, const Weight& weight) {
  std::map<decltype(key_of(*all.front())), std::vector<Weighed>> by_key;
  for (const Watched* watched : all)
    if (const double w = weight(*watched); w > 0) by_key[key_of(*watched)].push_back({w, watched});
  std::vector<Group> groups;
  for (auto& [key, members] : by_key) {
    // The cookie decides between equals, so that the same input gives the same text.
    std::sort(members.begin(), members.end(), [](const Weighed& a, const Weighed& b) {
      return a.weight != b.weight ? a.weight > b.weight
                                  : a.watched->last.conn.cookie < b.watched->last.conn.cookie;
    });
    std::vector<const Watched*> sorted;
    for (const Weighed& member : members) sorted.push_back(member.watched);
    groups.emplace_back(std::move(sorted));
  }
  return groups;
}

Finding on_group(const Group& group, const Observation& observation, Severity severity,
                 Where where) {
  Finding finding;
  finding.severity = severity;
  finding.where = where;
  finding.subject.connection = group.worst().last.conn;
  finding.subject.connections = group.size();
  for (const Watched* member :
       std::span(group.members()).first(std::min(group.size(), Subject::kMostCookies)))
    finding.subject.cookies.push_back(member->last.conn.cookie);
  std::set<std::uint32_t> processes;
  for (const Watched* member : group.members())
    if (member->last.conn.owner) processes.insert(member->last.conn.pid);
  finding.subject.processes = processes.size();
  finding.since = group.since(observation);
  finding.impact.connections = group.size();
  return finding;
}

Evidence evidence(std::string_view field, std::uint64_t value) {
  const Field* known = find_field(field);
  assert(known);
  return {std::string(field), value, known->unit};
}

Evidence evidence(std::string_view field, double value) {
  const Field* known = find_field(field);
  assert(known);
  return {std::string(field), value, known->unit};
}

Evidence figure(std::string_view name, std::uint64_t value, Unit unit) {
  return {std::string(name), value, unit};
}

Evidence figure(std::string_view name, double value, Unit unit) {
  return {std::string(name), value, unit};
}

Evidence words(std::string_view name, std::string_view text) {
  return {std::string(name), std::string(text), Unit::None};
}

std::string these(const Group& group) {
  return group.size() == 1 ? "this connection" : fmt::format("{} connections", group.size());
}

std::string counted(std::uint64_t count, std::string_view what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

std::string percent(double share) {
  const double value = 100 * share;
  if (value > 99 && value < 100) return "over 99%";
  return value < 1 ? fmt::format("{:.2g}%", value) : fmt::format("{:.0f}%", value);
}

std::string duration_text(std::uint64_t us) {
  return short_duration(std::chrono::microseconds(static_cast<std::int64_t>(us)));
}

void doubt(Finding& finding, Confidence confidence, std::string_view why) {
  if (confidence >= finding.confidence) return;
  finding.confidence = confidence;
  finding.doubt = why;
}

void keep_on_host(Finding& finding, const Observation& observation, const Group& group) {
  if (!other_end(observation, group.worst().last.conn)) return;
  finding.where = Where::Host;
  finding.text += " Both ends are on this host.";
}

const Connection* other_end(const Observation& observation, const ev_conn& conn) {
  ev_conn packet = conn;
  packet.cookie = 0;
  packet.netns = 0;  // it may be in another: a container
  std::swap(packet.local, packet.remote);
  std::swap(packet.local_port, packet.remote_port);
  const Connection* other = observation.now.store().find(packet);
  return other && other->last.conn.cookie != conn.cookie ? other : nullptr;
}

}  // namespace netsonde
