// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "probes/attempt_run.h"
#include "probes/dns_client.h"
#include "probes/lookup.h"
#include "probes/prober.h"

namespace netsonde {

// "dns://server/name?type=TYPE": one question to the server over UDP, and over TCP where the answer
// was cut; never from the cache. Questions to one server share a socket. times.dns is how long the
// answer took, without finding the server's own address. What the lookup still works on when the
// prober ends must not be driven on: the loop stands.
class DnsProber : public Prober {
 public:
  DnsProber(Loop& loop, Lookup& lookup) : loop_(loop), lookup_(lookup) {}

  void start(const ProbeRequest& request, OnAttempt on_attempt) override;

 private:
  // Its address and port; how long c-ares waits for it.
  using ServerKey = std::pair<std::string, Nanos>;
  struct Server {
    std::unique_ptr<DnsClient> client{};
    std::size_t runs = 0;
  };
  struct Run {
    Run(Loop& loop, const ProbeRequest& request, OnAttempt on_attempt)
        : common(loop, request, std::move(on_attempt)) {}

    AttemptRun common;
    Server* server = nullptr;  // from when its address is known
    Time asked{};
  };

  Result<Server*> server_at(const Address& address, const ProbeRequest& request);

  void ask_at(std::uint64_t id, Run& run, const Address& address);
  void ask(std::uint64_t id, Run& run, bool tcp);
  void take(std::uint64_t id, const DnsReply& reply, bool tcp);
  static void give_up(Run& run);

  Loop& loop_;
  Lookup& lookup_;
  std::uint64_t last_id_ = 0;
  std::map<ServerKey, Server> servers_;
  std::map<std::uint64_t, Run> runs_;
};

}  // namespace netsonde
