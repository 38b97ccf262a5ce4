// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "user/base/fd.h"
#include "user/base/result.h"

namespace netsonde {

// One network namespace that can be entered.
struct NetworkNamespace {
  std::uint64_t inode = 0;
  UniqueFd fd;
};

struct NetworkNamespaces {
  std::vector<NetworkNamespace> found{};
  std::size_t not_opened = 0;  // which may be of these, too; not for want of permission
  std::string problem{};       // why
};
// Every one that a process lives in or that a mount keeps, as those of ip-netns(8), each once.
NetworkNamespaces network_namespaces();

// Of the one that this thread is in: the kernel gives out inodes again, but a cookie only once.
struct NamespaceIdentity {
  std::uint64_t inode = 0, cookie = 0;
};
Result<NamespaceIdentity> own_namespace();
// Whether it is the one of process 1, which the host is booted with; absent: that cannot be told.
std::optional<bool> is_first_namespace(std::uint64_t inode);

// Runs the function inside the namespace on this thread, and comes back whatever it returns.
Result<> inside(const NetworkNamespace& target, const std::function<Result<>()>& function);

}  // namespace netsonde
