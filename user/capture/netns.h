// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "user/base/fd.h"
#include "user/base/result.h"

namespace netsonde {

// One network namespace that can be entered.
struct NetworkNamespace {
  std::uint64_t inode = 0;
  UniqueFd fd;
};

// Every one that a process lives in or that is kept below /run/netns, each once.
std::vector<NetworkNamespace> network_namespaces();

// Of the one that this thread is in: the kernel gives out inodes again, but a cookie only once.
struct NamespaceIdentity {
  std::uint64_t inode = 0, cookie = 0;
};
Result<NamespaceIdentity> own_namespace();

// Runs the function inside the namespace on this thread, and comes back whatever it returns.
Result<> inside(const NetworkNamespace& target, const std::function<Result<>()>& function);

}  // namespace netsonde
