// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "user/model/diagnosis/finding.h"
#include "user/model/diagnosis/observation.h"

namespace netsonde {

// Connections that suffer the same: of processes of one name, to one remote address and service.
// The worst comes first.
class Group {
 public:
  explicit Group(std::vector<const Watched*> members) : members_(std::move(members)) {}

  const std::vector<const Watched*>& members() const { return members_; }
  const Watched& worst() const { return *members_.front(); }
  std::size_t size() const { return members_.size(); }

  // Over all members, in the time observed.
  template <typename Number>
  std::uint64_t grew(Number ev_sample::*counter) const {
    return sum([counter](const Watched& w) -> std::uint64_t { return w.grew(counter); });
  }
  std::uint64_t sum(const std::function<std::uint64_t(const Watched&)>& of) const;
  std::uint64_t most(const std::function<std::uint64_t(const Watched&)>& of) const;
  // The earliest sign of activity.
  Time since(const Observation& observation) const;

 private:
  std::vector<const Watched*> members_;
};

using Weight = std::function<double(const Watched&)>;

// Those that the weight finds worth a word (greater than zero), grouped; heaviest member first.
std::vector<Group> grouped(const std::vector<const Watched*>& all, const Weight& weight);

// What every finding on connections starts from: subject, since, how many.
Finding on_group(const Group& group, const Observation& observation, Severity severity,
                 Where where);

// Evidence under the names of the field table, of the group's sum or its worst member.
Evidence evidence(std::string_view field, std::uint64_t value);
Evidence evidence(std::string_view field, double value);
Evidence figure(std::string_view name, std::uint64_t value, Unit unit);
Evidence figure(std::string_view name, double value, Unit unit);
Evidence words(std::string_view name, std::string_view text);

// "3 connections", "this connection".
std::string these(const Group& group);
// "1 packet", "12 packets".
std::string counted(std::uint64_t count, std::string_view what);
// "12%", never "100%" for less than all.
std::string percent(double share);
// "40ms".
std::string duration_text(std::uint64_t us);

// Lowers the confidence, saying why; the first reason stands.
void doubt(Finding& finding, Confidence confidence, std::string_view why);

// Where both ends are on this host, it is not the network's doing.
void keep_on_host(Finding& finding, const Observation& observation, const Group& group);

// The other end of a connection whose both ends are on this host; nullptr elsewhere.
const Connection* other_end(const Observation& observation, const ev_conn& conn);

}  // namespace netsonde
