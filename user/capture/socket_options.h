// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <unordered_set>
#include <vector>

#include "bpf/socket_options.h"
#include "user/base/fd.h"
#include "user/base/result.h"

struct bpf_link;
struct socket_options_bpf;

namespace netsonde {

// Reads and sets options of live TCP connections of any process. A walk over the sockets of a
// namespace pauses at each that is wanted, so those wanted in the order of the walk cost one.
class SocketWalk {
 public:
  // Loads the program, which goes with the object.
  static Result<SocketWalk> open();

  // The connections of the namespace that the thread is in, in the order of the walk.
  Result<std::vector<opt_values>> list();
  // One of them, with what was asked of it done; absent: it has closed, since whoever asks has
  // learnt of it. space: the cookie of the namespace.
  Result<std::optional<opt_answer>> visit(std::uint64_t space, const opt_request& request);

 private:
  struct Free {
    void operator()(socket_options_bpf* object) const;
    void operator()(bpf_link* link) const;
  };

  SocketWalk() = default;
  Result<UniqueFd> begin_walk();
  Result<bool> walk_on();
  void note_living(std::uint64_t space);

  std::unique_ptr<socket_options_bpf, Free> object_;
  std::unique_ptr<bpf_link, Free> link_;
  UniqueFd walk_;                         // pauses at the socket that was visited last:
  std::uint64_t space_ = 0, cookie_ = 0;  // in which namespace, which one,
  std::uint64_t place_ = 0;               // and how many it has passed before
  bool backwards_ = false;                // what is wanted comes in the order against the walk
  // As of the last walk in vain: what was not there then does not come again.
  std::optional<std::uint64_t> living_space_;
  std::unordered_set<std::uint64_t> living_;
};

}  // namespace netsonde
