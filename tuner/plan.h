// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tuner/tunable.h"
#include "user/base/result.h"
#include "user/model/diagnosis/finding.h"

namespace netsonde {

// Where a change holds.
struct ChangeScope {
  ScopeKind kind = ScopeKind::Host;
  // Of a namespace its inode, of a device its name, of a route its destination ("10.0.0.0/8",
  // "default"), of a connection the cookie of its socket; empty for the host.
  std::string name{};
  std::uint64_t cookie = 0;  // of the namespace: the kernel gives out inodes again, these never
  std::uint64_t netns = 0;  // the inode of the namespace that a device, a route, a connection is in
  // Of a device: it keeps its index when its name changes, and may come to an index that another
  // one had; 0 and empty: not known.
  std::uint32_t index = 0;
  std::string address{};  // of its hardware: "02:00:5e:10:00:01"

  // A device is the same whatever it is called.
  bool operator==(const ChangeScope& other) const;
  // Whether a device that is there is the one that is meant.
  bool is_device(const std::string& its_name, std::uint32_t its_index,
                 const std::string& its_address) const;
};

// "host", "netns 4026531840", "device eth0 in netns 4026531840".
std::string to_text(const ChangeScope& scope);
// Whether it is in this namespace, or is this namespace.
bool is_within(const ChangeScope& scope, const ChangeScope& space);

// The finding of what a person wants.
inline constexpr std::string_view kAskedFor = "asked for";

// One change that is proposed, and why.
struct Proposal {
  std::string key{};
  ChangeScope scope{};
  std::string from{}, to{};
  std::vector<Evidence> evidence{};
  std::string subject{};   // whom the evidence is about; empty: nobody in particular
  std::string finding{};   // id of the rule; "profile NAME"; "asked for"
  std::string expected{};  // what should become better
  std::string risk{};
  std::string verify{};  // how that will be seen
};

// Where it holds: as to_text() has it, but a connection by its ends, as far as the evidence tells
// them: "connection 10.0.0.1:4000 > 10.0.0.2:443 (curl/1234) in netns 4026531840".
std::string where_text(const Proposal& proposal);

// What was looked at and is not proposed.
struct Considered {
  std::string key{};
  std::string why_not{};
};

// What a plan was made from.
struct PlanObserved {
  double seconds = 0;
  std::size_t connections = 0, listeners = 0;  // that were active
  std::uint64_t lost = 0;                      // events
};

struct Plan {
  static constexpr int kSchema = 1;
  static constexpr std::size_t kMostProposals = 1000;

  std::int64_t time_ns = 0;  // since the epoch
  std::string host{};        // its name
  std::string boot{};        // of which run of the kernel; namespaces do not outlive it
  std::string goal{};        // "throughput", "latency", "balanced", "profile NAME", "asked for"
  std::optional<PlanObserved> observed{};  // absent: nothing was looked at
  std::vector<Proposal> proposals{};
  std::vector<Considered> considered{};
};

// Fails on two proposals for one setting.
Result<> check_twice(const std::vector<Proposal>& proposals);
// Trusts nothing: a plan is refused whole for an unknown schema, a key that is not in the
// catalogue, a value that may not be written there, a scope that the key does not have, or two
// proposals for one setting. Unknown members are passed over.
Result<Plan> plan_from(std::string_view text);

}  // namespace netsonde
