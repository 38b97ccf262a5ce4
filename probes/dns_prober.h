// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <utility>

#include "probes/attempt_run.h"
#include "probes/dns_client.h"
#include "probes/lookup.h"
#include "probes/prober.h"

namespace netsonde {

// "dns://server/name?type=TYPE": one question to the server over UDP, and over TCP where the answer
// was cut; from a new socket, and never from the cache. times.dns is how long the answer took,
// without finding the server's own address. What the lookup still works on when the prober ends
// must not be driven on: the loop stands.
class DnsProber : public Prober {
 public:
  DnsProber(Loop& loop, Lookup& lookup) : loop_(loop), lookup_(lookup) {}

  void start(const ProbeRequest& request, OnAttempt on_attempt) override;

 private:
  struct Run {
    Run(Loop& loop, const ProbeRequest& request, OnAttempt on_attempt)
        : common(loop, request, std::move(on_attempt)) {}

    AttemptRun common;
    std::unique_ptr<DnsClient> client{};
    Time asked{};
  };

  void ask_at(Run& run, const Address& address);
  void ask(Run& run, bool tcp);
  void take(Run& run, const DnsReply& reply, bool tcp);
  static void give_up(Run& run);

  Loop& loop_;
  Lookup& lookup_;
  std::uint64_t last_id_ = 0;
  std::map<std::uint64_t, Run> runs_;
};

}  // namespace netsonde
