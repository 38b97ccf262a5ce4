// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "probes/prober.h"
#include "user/base/loop.h"
#include "user/model/load_result.h"

namespace netsonde {

// Many requests of one kind: as many at once as is wanted (closed loop), or as many a second,
// whether or not the server keeps up (open loop).

struct LoadSettings {
  std::size_t concurrency = 1;               // in flight; open loop: at most
  double per_second = 0;                     // open loop
  std::uint64_t requests = 1;                // at most
  std::uint64_t bytes = ~0ULL;               // of bodies; no request begins that may exceed it
  std::uint64_t answer_bytes = 0;            // of one body, as far as known
  Nanos duration = std::chrono::seconds(1);  // in which requests begin
  Nanos timeout = std::chrono::seconds(10);  // of a request
  Nanos grace = std::chrono::seconds(1);     // beyond the duration for those that have begun
  bool opens = false;  // closed loop: a request on each connection opens it, before all begin
};

// Sends a request that may take so long, and calls back once, later.
using Send = std::function<void(Nanos at_most, Prober::OnAttempt on_attempt)>;
// A request was answered or has failed, with its latency as the result counts it.
using OnRequest = std::function<void(const Attempt&, Nanos latency)>;

// The account of a load.
class LoadTally {
 public:
  explicit LoadTally(const LoadSettings& settings)
      : settings_(settings), largest_(settings.answer_bytes) {}

  // Whether budgets allow one more while so many are in flight.
  bool may_start(std::size_t in_flight) const;
  // How long one that begins now may take.
  Nanos at_most(Time now) const;

  void begin(Time now);
  // The load is whole from now on; no longer.
  void begin_whole(Time now) { whole_since_ = now; }
  void end_whole(Time now);

  void note_start(bool opening);
  void note_start(Time intended, Time now);  // open loop
  void note_not_started(std::uint64_t count) { result_.not_started += count; }
  // Whether it counts: what the end of the load cut off does not.
  bool take(const Attempt& attempt, Time intended, Time started, Time now, bool opening);

  const LoadResult& result() const { return result_; }

 private:
  bool is_cut(const Attempt& attempt, Time now) const;

  LoadSettings settings_;
  Time began_{};
  std::optional<Time> whole_since_{};
  bool whole_ended_ = false;
  std::uint64_t answered_whole_ = 0;  // counts until it ends
  std::uint64_t largest_;             // body so far
  LoadResult result_;
};

// A load on the loop, which outlives it.
class Load {
 public:
  virtual ~Load() = default;
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

  // Calls back once when all requests have ended.
  virtual Result<> start(OnRequest on_request, std::function<void()> on_end) = 0;
  // By now.
  virtual const LoadResult& result() const = 0;

 protected:
  Load() = default;
};

// So many requests in flight, each followed by the next.
class ClosedLoad : public Load {
 public:
  ClosedLoad(Loop& loop, Send send, const LoadSettings& settings)
      : loop_(loop), send_(std::move(send)), settings_(settings), tally_(settings) {}
  ~ClosedLoad() override;

  Result<> start(OnRequest on_request, std::function<void()> on_end) override;
  const LoadResult& result() const override { return tally_.result(); }

 private:
  enum class State : std::uint8_t { Opening, Running, Ending };

  void fill();
  void send_one();
  void take(const Attempt& attempt, Time started, bool opening);
  void run();
  void end();
  void end_if_idle();
  bool nothing_works() const;

  Loop& loop_;
  Send send_;
  LoadSettings settings_;
  LoadTally tally_;
  OnRequest on_request_;
  std::function<void()> on_end_;
  State state_ = State::Opening;
  std::size_t in_flight_ = 0, opened_ = 0;
  bool half_over_ = false;
  int timer_ = -1;
};

// When the requests of an open loop begin. Up to 1000 a second each has a time of its own, above
// that those of a millisecond begin together.
class OpenSchedule {
 public:
  OpenSchedule(const LoadSettings& settings, Time begin);

  Nanos tick() const { return tick_; }
  // The intended start of the next request that is due and may begin now; it is in flight then.
  std::optional<Time> take(Time now);
  void note_end() { --in_flight_; }
  std::size_t in_flight() const { return in_flight_; }
  // Nothing begins any more.
  bool is_over(Time now) const { return next_ == total_ || now >= end_; }
  // Due by now, but not begun.
  std::uint64_t waiting(Time now) const;

 private:
  Time intended(std::uint64_t index) const;

  double per_second_;
  std::size_t most_in_flight_;
  std::uint64_t total_, next_ = 0;
  Time begin_, end_;
  Nanos tick_;
  std::size_t in_flight_ = 0;
};

// So many requests a second. One that cannot begin in time, for too many are in flight, waits; its
// latency counts from when it should have begun, as that of one whose answer is late.
class OpenLoad : public Load {
 public:
  OpenLoad(Loop& loop, Send send, const LoadSettings& settings)
      : loop_(loop), send_(std::move(send)), settings_(settings), tally_(settings) {}
  ~OpenLoad() override;

  Result<> start(OnRequest on_request, std::function<void()> on_end) override;
  const LoadResult& result() const override { return tally_.result(); }

 private:
  void pump();
  void begin_one(Time intended, Time now);

  Loop& loop_;
  Send send_;
  LoadSettings settings_;
  LoadTally tally_;
  std::optional<OpenSchedule> schedule_;
  OnRequest on_request_;
  std::function<void()> on_end_;
  bool closed_ = false;
  int timer_ = -1;
};

}  // namespace netsonde
