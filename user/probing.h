// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "probes/lookup.h"
#include "probes/prober.h"
#include "probes/transfer.h"
#include "user/session.h"
#include "user/sinks/witness.h"

namespace netsonde {

struct ProbingSettings {
  LookupSettings lookup{};
  TransferSettings transfer{};
  bool bpf = true;         // watch our own connections, where this process may
  bool everybody = false;  // and everybody else's
};

// What all commands need that ask the network: a loop with the probers on it and, as root, the
// kernel's own record of their connections.
class Probing {
 public:
  static Result<std::unique_ptr<Probing>> open(const ProbingSettings& settings);
  // On a loop that runs anyway and outlives it, without a record of the kernel's.
  static Result<std::unique_ptr<Probing>> open_on(Loop& loop, const ProbingSettings& settings);
  Probing(const Probing&) = delete;
  Probing& operator=(const Probing&) = delete;

  Loop& loop();
  Lookup& lookup() { return *lookup_; }
  Transfers& transfers() { return *transfers_; }
  Prober& prober_of(Scheme scheme);

  // What such requests need and takes long to read: so that no measurement waits for it. Fails
  // where it cannot be read.
  Result<> prepare(std::span<const ProbeRequest> requests);

  // What our BPF programs saw of the attempt's connection by now.
  Result<> add_witness(Attempt& attempt);
  // Why there are none; empty where they run.
  const std::string& without_bpf() const { return without_bpf_; }
  // Everything that was seen; nullptr without our BPF programs.
  const Session* session() const { return session_ ? &*session_ : nullptr; }

  // Runs begin on the loop, and then whatever it began, until stop() or a signal.
  Result<> run(std::function<Result<>()> begin);
  void stop();
  bool interrupted() const { return !stopped_; }

 private:
  Probing() = default;
  Result<> open_session(const ProbingSettings& settings);
  Result<> open_probers(const ProbingSettings& settings);

  std::string without_bpf_;
  std::optional<Session> session_;
  std::optional<Loop> loop_;  // without a session
  Loop* running_ = nullptr;   // somebody else's
  Witness witness_;
  Filter filter_;
  bool stopped_ = false;
  std::unique_ptr<Lookup> lookup_;
  std::unique_ptr<Transfers> transfers_;
  std::map<Scheme, std::unique_ptr<Prober>> probers_;
};

}  // namespace netsonde
