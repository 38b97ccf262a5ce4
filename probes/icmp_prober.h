// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <utility>

#include "probes/attempt_run.h"
#include "probes/icmp_echo.h"
#include "probes/lookup.h"
#include "probes/prober.h"
#include "user/base/fd.h"

namespace netsonde {

// "icmp://host": one echo request to the pinned address or the first of the name, through a ping
// socket, or a raw one where this host allows no other. echo is from right before it was sent to
// when the kernel had the reply, or we, where the kernel has not begun to stamp what comes;
// ProbeLimits::response is how long that may take. Where the request has a limit of hops, the
// router that the echo request dies at answers it as well: the attempt's address is then that
// router's. What the lookup still works on when the prober ends must not be driven on: the loop
// stands.
class IcmpProber : public Prober {
 public:
  IcmpProber(Loop& loop, Lookup& lookup);
  IcmpProber(const IcmpProber&) = delete;
  IcmpProber& operator=(const IcmpProber&) = delete;
  ~IcmpProber() override;

  void start(const ProbeRequest& request, OnAttempt on_attempt) override;

 private:
  struct Run {
    Run(Loop& loop, const ProbeRequest& request, OnAttempt on_attempt)
        : common(loop, request, std::move(on_attempt)) {}

    AttemptRun common;
    UniqueFd socket{};
    bool raw = false;
    IcmpEcho echo{};
    Time sent{};
    std::int64_t sent_ns = 0;  // since the epoch, as the kernel stamps what comes
  };
  struct Message;

  void send_to(Run& run, const Address& address);
  std::optional<Failure> open_socket(Run& run);  // why there is none
  Result<> prepare(Run& run);
  void give_up(Run& run);
  void on_ready(Run& run);
  // Whether that was the end of the run.
  bool take_error(Run& run, const Message& message, Time now);
  bool take_reply(Run& run, const Message& message, Time now);
  static void note_echo(Run& run, const Message& message, Time now);
  void finish(Run& run, std::optional<Failure> failure);

  Loop& loop_;
  Lookup& lookup_;
  // Has the kernel stamp packets as they come for as long as we live: it begins and ends that late.
  UniqueFd stamping_;
  std::uint64_t last_id_ = 0;
  std::map<std::uint64_t, Run> runs_;
};

}  // namespace netsonde
