// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "user/model/advice.h"
#include "user/model/snapshot.h"

namespace netsonde {

// How this host uses remote ends, and how what came to it was spread over those who accept: counted
// from the first tick on, in bounded memory.
class EndpointUseLog : public Sink {
 public:
  static constexpr std::size_t kMost = 10'000;  // remote ends, and accepting processes

  Result<> on_event(const Event& event, const Store& store) override;

  // With the connections that are still open. Nothing may follow.
  void finish(const Snapshot& last);

  // Of all addresses together; absent where no connection went to any of them.
  std::optional<EndpointUse> use_of(std::span<const ProbedAddress> addresses,
                                    std::uint16_t port) const;
  std::vector<ListenerUse> listeners() const;
  std::uint64_t left_out() const { return left_out_; }  // connections, for want of room

 private:
  struct Use {
    std::uint64_t opened = 0, connections = 0;
  };
  struct Accepting {
    std::string name{};
    std::uint64_t accepted = 0;
  };
  void add(const ev_conn& conn);

  std::uint64_t begin_ns_ = 0, end_ns_ = 0;
  std::uint64_t left_out_ = 0;
  std::map<std::pair<Address, std::uint16_t>, Use> remotes_;
  std::map<std::pair<std::uint16_t, std::uint32_t>, Accepting> accepting_;  // port, pid
};

}  // namespace netsonde
