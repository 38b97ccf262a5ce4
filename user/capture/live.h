// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "user/capture/bpf.h"
#include "user/capture/hooks.h"
#include "user/capture/kernel.h"
#include "user/model/event.h"
#include "user/model/filter.h"
#include "user/model/names.h"

namespace netsonde {

struct LiveSettings {
  std::uint32_t ring_bytes = 4 << 20;  // a power of two
  // connect, established, accept, listen as events. The hooks that tell of accept() also tell at
  // once whose an accepted connection is; else that is known when its owner closes it, or when a
  // look at all open files finds it.
  bool opens = false;
  bool symbols_first = false;  // read the kernel's now; else with the first drop, 0.1 s at once
  bool losses = true;          // retransmissions, drops, resets, ... as events
  bool deep = false;           // load the program that deep mode needs
  bool thorough = false;       // try every program alone first
  std::uint32_t drop_events_per_second = 1000;
  KernelFilter filter{};
};

// What one program costs.
struct ProgramCost {
  std::string name;
  std::uint64_t runs = 0;
  std::uint64_t ns = 0;
};

// The running kernel as a source of events. Everything it attaches goes with it, also after
// SIGKILL: nothing is pinned.
class Live {
 public:
  using Handler = std::function<void(const Event&)>;

  // Loads the programs; nothing is attached yet. names learns what this kernel calls things.
  static Result<std::unique_ptr<Live>> open(const LiveSettings& settings, Names& names);

  // Attaches, then takes up the sockets that were open before, in every network namespace.
  Result<> start();

  // No more events; what waits can still be drained, and a pass still reads all sockets.
  void detach() { links_.clear(); }

  // Readable when the ring wants to be drained before the next timed drain.
  int fd() const { return ring_->fd(); }
  // Hands over every event that waits now, or in a hurry only the next few thousand of them: what
  // comes faster than it can be told must not keep the loop from signals and timers.
  Result<> drain(const Handler& handler, bool hurry = false);

  struct Pass {
    bool connections = true;  // else listeners alone
    bool complete = false;    // also sockets that did nothing since their last sample
    bool hurry = false;       // as for drain()
  };
  // Reads the counters of all sockets, then those of drops, and ends with an EV_TICK.
  Result<> pass(const Pass& pass, const Handler& handler);

  // RTT histograms come with the next passes for just these connections.
  Result<> want(const std::map<std::uint64_t, std::uint32_t>& wants);  // enum ev_want by cookie
  void want_all_histograms(bool all) { object_->bss->want_all_histograms = all; }

  // Measures the programs' cost from now until end_measuring(); costs about 40 ns per run
  // meanwhile.
  Result<> begin_measuring();
  std::vector<ProgramCost> end_measuring();

  const std::vector<HookOutcome>& outcomes() const { return outcomes_; }
  const CgroupRoot* cgroups() const { return cgroups_ ? &*cgroups_ : nullptr; }
  std::size_t namespaces() const { return namespaces_; }
  std::size_t namespaces_unreachable() const { return namespaces_unreachable_; }
  std::uint64_t undecodable() const { return undecodable_; }

 private:
  Live(BpfObject object, Names& names) : object_(std::move(object)), names_(names) {}

  Result<> load(const LiveSettings& settings);
  void reject(std::string_view program, std::string_view why, std::string_view instead);
  Result<> attach(bpf_program* program);
  Result<> adopt();
  Result<> look_at_files();
  // Whether it is through: it went without a pause, in which sockets may have come and gone, or was
  // cut off at the deadline. The handler takes what fills the ring meanwhile, if anything does.
  Result<bool> run_iterator(bpf_link* link, const Handler* handler, Time deadline);
  void learn(const Event& event);
  void note_guess(const Event& event);
  void on_bytes(std::span<const std::byte> bytes);
  void send_drop_counts(const Handler& handler);
  std::uint64_t benign_drops() const;
  std::uint64_t missed() const;
  std::vector<ProgramCost> read_costs() const;

  BpfObject object_;
  Names& names_;
  std::optional<CgroupRoot> cgroups_;
  std::optional<Symbols> symbols_;
  std::vector<HookOutcome> outcomes_;
  std::optional<RingBuffer> ring_;
  std::vector<BpfLink> links_;
  std::vector<int> program_fds_;  // of the attached programs; the object owns them
  BpfLink sampler_;
  BpfLink files_;
  Time files_looked_{};               // when the last look began
  Nanos files_cost_{};                // what it took
  bool guessed_ = false;              // since then a sample had nobody's name but the listener's
  const Handler* handler_ = nullptr;  // of the drain that runs
  std::vector<std::uint32_t> benign_reasons_;
  std::map<std::string, std::uint64_t> drop_counts_sent_;
  std::map<std::uint64_t, std::uint32_t> wants_;
  UniqueFd stats_;
  std::vector<ProgramCost> costs_before_;
  std::uint64_t bpf_ns_per_s_ = ~0ULL;
  Time measuring_since_{};
  std::uint64_t undecodable_ = 0;
  std::uint64_t cut_passes_ = 0;
  std::size_t namespaces_ = 0;
  std::size_t namespaces_unreachable_ = 0;
};

// The capabilities that live capture needs and this process lacks, by name.
std::vector<std::string> missing_capabilities();

}  // namespace netsonde
