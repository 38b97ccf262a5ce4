// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "probes/attempt_run.h"
#include "probes/lookup.h"
#include "probes/prober.h"
#include "probes/transfer.h"
#include "probes/websocket.h"

namespace netsonde {

// "ws://...", "wss://...": connects, asks for a WebSocket (RFC 6455), sends one ping and closes.
// ttfb is that of the answer to the request, echo from the ping to its pong. What the lookup and
// the transfers still work on when the prober ends must not be driven on: the loop stands.
class WsProber : public Prober {
 public:
  WsProber(Loop& loop, Lookup& lookup, Transfers& transfers)
      : loop_(loop), lookup_(lookup), transfers_(transfers) {}

  void start(const ProbeRequest& request, OnAttempt on_attempt) override;

 private:
  struct Run {
    Run(Loop& loop, const ProbeRequest& request, OnAttempt on_attempt)
        : common(loop, request, std::move(on_attempt)) {}

    AttemptRun common;
    std::unique_ptr<OpenConnection> connection{};
    std::string key = new_websocket_key();
    std::string ping{};          // its payload; empty until it is sent
    Time asked{};                // for the WebSocket, then for the pong
    std::string out{}, in{};     // not sent yet; not looked at yet
    std::uint64_t skip = 0;      // bytes that belong to a message of no interest
    std::uint64_t received = 0;  // bytes
    std::uint32_t events = 0;    // that the loop watches
  };

  void connect_to(Run& run, std::uint64_t id, const Address& address);
  void take_connection(Run& run, Transferred transferred);
  void give_up(Run& run);
  void on_ready(Run& run);
  // All of these: why it has failed, if so. It has succeeded when there is an echo.
  std::optional<Failure> ask(Run& run, std::string_view bytes);
  std::optional<Failure> send(Run& run, std::string_view bytes);
  std::optional<Failure> receive(Run& run, Time now);
  std::optional<Failure> take_answer(Run& run, Time now);
  std::optional<Failure> take_frames(Run& run, Time now);
  std::optional<Failure> take_control(Run& run, WebSocketOp op, std::string_view payload, Time now);
  static Failure ended(const Run& run);
  void finish(Run& run, std::optional<Failure> failure);

  Loop& loop_;
  Lookup& lookup_;
  Transfers& transfers_;
  std::uint64_t last_id_ = 0;
  std::map<std::uint64_t, Run> runs_;
};

}  // namespace netsonde
