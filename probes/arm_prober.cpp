// SPDX-License-Identifier: Apache-2.0
#include "probes/arm_prober.h"

#include <algorithm>
#include <utility>

namespace netsonde {

Result<std::unique_ptr<Prober>> ArmProber::open(Loop& loop, const LookupSettings& lookup,
                                                ProberOf prober_of, const Arm& arm) {
  std::unique_ptr<ArmProber> prober(new ArmProber(loop, std::move(prober_of)));
  LookupSettings settings = lookup;
  if (arm.lookup) {
    settings.servers = arm.lookup->servers;
    if (!arm.lookup->hosts_file) settings.hosts_file.clear();
    prober->looks_up_first_ = arm.request.pinned.has_value();
  }
  const std::size_t connections = std::max<std::size_t>(arm.requests, 1);
  prober->transfers_ =
      TRY(Transfers::open(loop, {.connections = connections, .connections_per_host = connections}));
  prober->lookup_ = TRY(Lookup::open(loop, settings));
  prober->http_ = std::make_unique<HttpProber>(loop, *prober->lookup_, *prober->transfers_);
  return std::unique_ptr<Prober>(std::move(prober));
}

void ArmProber::start(const ProbeRequest& request, OnAttempt on_attempt) {
  if (request.target.scheme == Scheme::Http3)
    return prober_of_(Scheme::Http3).start(request, std::move(on_attempt));
  if (!looks_up_first_) return http_->start(request, std::move(on_attempt));
  lookup_->find(request.target.host, request.fresh_lookup,
                [this, request, on_attempt = std::move(on_attempt)](const Lookup::Found& found) {
                  take(request, found, on_attempt);
                });
}

void ArmProber::take(const ProbeRequest& request, const Lookup::Found& found,
                     const OnAttempt& on_attempt) {
  http_->start(request, [found, on_attempt](Attempt attempt) {
    attempt.began -= found.took;
    attempt.times.dns = found.took;
    attempt.times.total += found.took;
    attempt.lookup = found.facts;
    if (found.failure) attempt.failure = found.failure;
    on_attempt(std::move(attempt));
  });
}

}  // namespace netsonde
