// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>

#include "probes/factors.h"
#include "probes/http_prober.h"
#include "probes/lookup.h"
#include "probes/transfer.h"

namespace netsonde {

// What the requests of one arm go through: connections, TLS sessions and, where the arm looks up
// names, a cache of its own, so that arms share nothing.
class ArmProber : public Prober {
 public:
  using ProberOf = std::function<Prober&(Scheme)>;

  // prober_of: of HTTP/3, whose connections are never kept. The loop and the probers outlive it.
  static Result<std::unique_ptr<Prober>> open(Loop& loop, const LookupSettings& lookup,
                                              ProberOf prober_of, const Arm& arm);

  void start(const ProbeRequest& request, OnAttempt on_attempt) override;

 private:
  ArmProber(Loop& loop, ProberOf prober_of) : loop_(loop), prober_of_(std::move(prober_of)) {}
  void take(const ProbeRequest& request, const Lookup::Found& found, const OnAttempt& on_attempt);

  Loop& loop_;
  ProberOf prober_of_;
  bool looks_up_first_ = false;  // for the time that it takes: the address is known
  std::unique_ptr<Transfers> transfers_;
  std::unique_ptr<HttpProber> http_;
  std::unique_ptr<Lookup> lookup_;  // last: what it still finds is for nobody
};

}  // namespace netsonde
