// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "probes/dns_client.h"

namespace netsonde {

// Servers that are asked no faster than their sockets take it: questions wait here rather than
// being lost there, and being taken for ones without an answer.
class DnsServers {
 public:
  using OnReply = std::function<void(const DnsReply&)>;  // its `took` is without the wait here

  // servers: as DnsClient takes them.
  static Result<std::unique_ptr<DnsServers>> open(Loop& loop,
                                                  const std::vector<std::string>& servers,
                                                  Nanos timeout);
  DnsServers(const DnsServers&) = delete;
  DnsServers& operator=(const DnsServers&) = delete;
  ~DnsServers();

  std::size_t size() const { return clients_.size(); }
  // Its address and port.
  const std::string& name(std::size_t server) const { return clients_[server]->server(); }

  // Calls back once, later or at once, unless this ends before. next: before all that waits.
  void ask(std::size_t server, DnsQuestion question, bool next, OnReply on_reply);

 private:
  struct Waiting {
    std::size_t server;
    DnsQuestion question;
    OnReply on_reply;
  };

  explicit DnsServers(Loop& loop) : loop_(loop) {}
  void send();
  void send_one();
  void begin_moment();

  Loop& loop_;
  int timer_ = -1;
  std::deque<Waiting> waiting_;
  Time moment_{};            // its begin
  unsigned unanswered_ = 0;  // of what was sent in this moment
  bool sending_ = false;
  std::vector<std::unique_ptr<DnsClient>> clients_;  // last: their end still answers what waits
};

}  // namespace netsonde
