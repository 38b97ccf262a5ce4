// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <utility>

#include "probes/attempt_run.h"
#include "probes/lookup.h"
#include "probes/prober.h"
#include "user/base/fd.h"

namespace netsonde {

// "tcp://host:port": a handshake with the pinned address or the first of the name, closed at once.
// What the lookup still works on when the prober ends must not be driven on: the loop stands.
class TcpProber : public Prober {
 public:
  TcpProber(Loop& loop, Lookup& lookup) : loop_(loop), lookup_(lookup) {}
  TcpProber(const TcpProber&) = delete;
  TcpProber& operator=(const TcpProber&) = delete;
  ~TcpProber() override;

  void start(const ProbeRequest& request, OnAttempt on_attempt) override;

 private:
  struct Run {
    Run(Loop& loop, const ProbeRequest& request, OnAttempt on_attempt)
        : common(loop, request, std::move(on_attempt)) {}

    AttemptRun common;
    UniqueFd socket{};
    Time called{};  // connect()
  };

  void connect_to(Run& run, const Address& address);
  Result<> open_socket(Run& run, int family);
  void on_ready(Run& run);
  void on_failure(Run& run, int error);
  void finish(Run& run, std::optional<Failure> failure);

  Loop& loop_;
  Lookup& lookup_;
  std::uint64_t last_id_ = 0;
  std::map<std::uint64_t, Run> runs_;
};

}  // namespace netsonde
