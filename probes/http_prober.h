// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>

#include "probes/lookup.h"
#include "probes/prober.h"
#include "probes/transfer.h"

namespace netsonde {

// http:// and https://, over HTTP/1.1 or 2: finds the address, asks, and follows redirects, each a
// hop of its own. What an attempt tells beside its hops and its total time is of the last request.
class HttpProber : public Prober {
 public:
  // All three outlive it.
  HttpProber(Loop& loop, Lookup& lookup, Transfers& transfers)
      : loop_(loop), lookup_(lookup), transfers_(transfers) {}

  void start(const ProbeRequest& request, OnAttempt on_attempt) override;

 private:
  struct Trip {
    ProbeRequest request{};  // of the hop that runs
    OnAttempt on_attempt{};
    Attempt attempt{};
    Nanos limit{};  // of all hops together
  };
  using Id = std::uint64_t;

  void find(Id id);
  void ask(Id id, const Address& address);
  void take(Id id, Transferred transferred);
  bool follow(Trip& trip, const Transferred& transferred);
  void end(Id id);

  Loop& loop_;
  Lookup& lookup_;
  Transfers& transfers_;
  Id next_ = 0;
  std::map<Id, Trip> trips_;
};

// What is told to one server alone: for requests to another.
void drop_credentials(HttpOptions& http);

}  // namespace netsonde
