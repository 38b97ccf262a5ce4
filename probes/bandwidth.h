// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "probes/prober.h"
#include "probes/transfer.h"
#include "user/model/test_results.h"

namespace netsonde {

struct BandwidthSettings {
  ProbeRequest request{};
  Address address{};
  std::uint64_t requests = 10;               // at most
  std::uint64_t bytes = 30'000'000;          // likewise
  Nanos duration = std::chrono::seconds(4);  // likewise
};

// How fast one connection is: long answers, or long requests, one after the other.
class Bandwidth {
 public:
  virtual ~Bandwidth() = default;
  Bandwidth(const Bandwidth&) = delete;
  Bandwidth& operator=(const Bandwidth&) = delete;

  // Calls back once.
  void start(std::function<void()> on_end);
  // By now.
  const BandwidthResult& result() const { return result_; }
  const Transfers& transfers() const { return *transfers_; }

 protected:
  Bandwidth(BandwidthSettings settings, std::unique_ptr<Transfers> transfers);

  // Sends the next request, or ends.
  virtual void next() = 0;
  virtual void take(const Attempt& attempt) = 0;
  void send(const ProbeRequest& request);
  void end();
  Nanos time_left() const;
  const BandwidthSettings& settings() const { return settings_; }
  BandwidthResult& result() { return result_; }

 private:
  void note_kernel(const Attempt& attempt);

  BandwidthSettings settings_;
  std::unique_ptr<Transfers> transfers_;
  std::function<void()> on_end_;
  Time began_{};
  BandwidthResult result_;
};

// What counts is the time from the first byte of an answer to its last.
class Download : public Bandwidth {
 public:
  static Result<std::unique_ptr<Bandwidth>> open(Loop& loop, const BandwidthSettings& settings);

 private:
  using Bandwidth::Bandwidth;
  void next() override;
  void take(const Attempt& attempt) override;

  std::uint64_t received_ = 0;
  bool over_ = false;
};

// With the method that the server takes, POST or PUT, and bodies that grow as long as it takes
// them. What counts is the time until it answers, of the longest ones.
class Upload : public Bandwidth {
 public:
  static Result<std::unique_ptr<Bandwidth>> open(Loop& loop, const BandwidthSettings& settings);

 private:
  using Bandwidth::Bandwidth;
  void next() override;
  void take(const Attempt& attempt) override;
  void take_answer(const Attempt& attempt);
  bool fits(std::uint64_t size) const;

  std::uint64_t size_ = 64 << 10, taken_ = 0, sent_ = 0;  // the longest that was taken; of all
  bool put_ = false, grows_ = true;
  std::optional<double> bytes_per_s_{};  // of the last
};

}  // namespace netsonde
