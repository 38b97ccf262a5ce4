// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tuner/policy.h"
#include "tuner/tunable.h"

namespace netsonde {

inline constexpr std::uint64_t kOwn = 1, kContainer = 2, kGone = 3;  // inodes
inline constexpr std::uint64_t kGiB = 1 << 30;

inline ChangeScope namespace_of(std::uint64_t inode) {
  return {.kind = ScopeKind::Namespace, .name = std::to_string(inode), .cookie = 100 + inode};
}

inline Evidence of(std::string_view field, std::uint64_t value) {
  return {std::string(field), value, Unit::Count};
}

// Of the host itself.
inline Finding on_host(std::string_view id, std::vector<std::string_view> tunables,
                       std::vector<Evidence> evidence = {}, std::string part = "") {
  Finding finding{.id = id, .where = Where::Host, .evidence = std::move(evidence)};
  finding.subject.part = std::move(part);
  finding.tunables = std::move(tunables);
  return finding;
}

// Of a connection to 10.0.0.9.
inline Finding on_connection(std::string_view id, std::vector<std::string_view> tunables,
                             std::vector<Evidence> evidence = {}, std::uint64_t netns = kOwn) {
  Finding finding = on_host(id, std::move(tunables), std::move(evidence));
  ev_conn conn = {};
  conn.netns = static_cast<std::uint32_t>(netns);
  conn.remote[10] = conn.remote[11] = 0xff;
  conn.remote[12] = 10;
  conn.remote[15] = 9;
  finding.subject.connection = conn;
  return finding;
}

// A host with a container beside its own network namespace, and what its settings are.
struct PolicyHost {
  // By the scope's name and the key; empty: all namespaces.
  std::map<std::pair<std::string, std::string>, std::string> values{};
  std::uint64_t memory_bytes = 64 * kGiB;

  explicit PolicyHost(
      std::initializer_list<std::pair<const std::string, std::string>> everywhere = {}) {
    for (const auto& [key, value] : everywhere) values[{"", key}] = value;
  }
  std::string& at(std::uint64_t inode, const std::string& key) {
    return values[{std::to_string(inode), key}];
  }

  std::optional<std::string> value(const ChangeScope& scope, std::string_view key) const {
    for (const std::string& name : {scope.name, std::string()})
      if (const auto found = values.find({name, std::string(key)}); found != values.end())
        return found->second;
    return std::nullopt;
  }

  PolicyInput input(const std::vector<Finding>& findings) const {
    PolicyInput input{.findings = findings, .own = namespace_of(kOwn)};
    input.scope_of = [](std::uint64_t inode) {
      return inode == kGone ? std::nullopt : std::optional(namespace_of(inode));
    };
    input.value = [this](const ChangeScope& scope, std::string_view key) {
      return value(scope, key);
    };
    input.memory_bytes = memory_bytes;
    return input;
  }
  Policy propose(const std::vector<Finding>& findings) const {
    return netsonde::propose(input(findings));
  }
};

// "net.core.somaxconn 4096 -> 16384", one after the other.
inline std::vector<std::string> steps(const Policy& policy) {
  std::vector<std::string> steps;
  for (const Proposal& one : policy.proposals)
    steps.push_back(fmt::format("{} {} -> {}", one.key, one.from, one.to));
  return steps;
}

// All that is said of a setting that is left as it is.
inline std::string why_not(const Policy& policy, std::string_view key) {
  std::string why;
  for (const Considered& one : policy.considered)
    if (one.key == key) why += (why.empty() ? "" : " | ") + one.why_not;
  return why;
}

}  // namespace netsonde
