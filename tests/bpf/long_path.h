// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>

#include "tests/bpf/process.h"
#include "tests/bpf/sandbox.h"
#include "tests/bpf/sockets.h"

namespace netsonde::test {

// What happens to packets on their way; may be changed while they run. Both directions are alike.
struct PathShape {
  std::atomic<std::uint32_t> delay_us{0};   // one way
  std::atomic<std::uint32_t> jitter_us{0};  // at most so much more, which lets packets overtake
  std::atomic<std::uint64_t> bits_per_second{0};  // 0: no limit
  std::atomic<std::uint32_t> queue_bytes{1 << 20};
  std::atomic<std::uint32_t> lost_per_mille{0};  // of those towards the far end, by chance
  std::atomic<std::uint32_t> largest{65'535};    // bytes; larger ones vanish
  std::atomic<bool> clears_ecn{false};
  std::atomic<bool> strips_options{false};  // window scaling and timestamps of SYNs
};

// Two network namespaces with a path of any length between them, which a process of ours moves
// packet by packet from one TUN device to the other.
class LongPath {
 public:
  static constexpr const char* kNear = "10.78.0.1";
  static constexpr const char* kFar = "10.78.0.2";

  LongPath();

  const Namespace& near() const { return near_; }
  const Namespace& far() const { return far_; }
  PathShape& shape() { return *shape_; }
  Socket listen_far(int backlog = 128) const;

 private:
  Namespace near_ = Namespace::create();
  Namespace far_ = Namespace::create();
  Shared<PathShape> shape_;
  UniqueFd near_device_, far_device_;
  Child mover_;
};

}  // namespace netsonde::test
