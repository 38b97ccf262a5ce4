// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "user/model/attempt.h"
#include "user/model/diagnosis/finding.h"
#include "user/model/load_result.h"

namespace netsonde {

// What the test of one HTTP endpoint has found out. Whatever was not measured is absent.

enum class TestStage : std::uint8_t {
  Cold,            // new connections, one after the other
  Warm,            // one kept connection, requests one after the other
  Download,        // one connection, as fast as it goes
  Upload,          // likewise
  Sweep,           // more and more requests at once
  OpenLoop,        // so many requests a second
  Responsiveness,  // round trips while the path is full
};
constexpr std::size_t kTestStages = 7;

// "cold", "warm", "download", "upload", "sweep", "open-loop", "responsiveness".
std::string_view name_of(TestStage stage);
std::optional<TestStage> parse_test_stage(std::string_view text);

// What all stages together may use.
struct TestBudget {
  std::uint64_t requests = 2000;
  std::uint64_t bytes = 100'000'000;  // of bodies
  Nanos duration = std::chrono::seconds(30);

  bool operator==(const TestBudget&) const = default;
};

// Requests one after the other, each phase of those that were answered alone.
struct LatencyResult {
  LoadResult load{};
  Statistics connect_us{}, tls_us{}, ttfb_us{}, transfer_us{};
  Statistics syn_rtt_us{};       // by the kernel: SYN to SYN-ACK
  Statistics prober_delay_us{};  // what we add to the time to connect
};

struct BandwidthResult {
  std::uint64_t requests = 0;
  std::uint64_t bytes = 0;  // in that time
  Nanos spent{};            // down: first to last byte; up: from the first byte to the answer
  std::optional<Nanos> min_rtt{}, srtt{};  // the kernel's, the latter at the end
  std::optional<std::uint64_t> segments_sent{}, retransmitted_segments{};
  std::string congestion_control{};
  std::optional<Failure> failure{};  // what ended it early

  std::optional<double> mbps() const {
    if (spent <= Nanos(0) || bytes == 0) return std::nullopt;
    return static_cast<double>(bytes) * 8e3 / static_cast<double>(spent.count());
  }
};

struct SweepLevel {
  std::size_t concurrency = 0;
  LoadResult load{};
};

struct OpenLoopResult {
  double wanted_per_second = 0;
  std::size_t most_in_flight = 0;
  LoadResult load{};
};

// Times of the probes of one state of the path, each the mean of all but the slowest 5%.
struct RoundTrips {
  std::uint64_t foreign = 0, self = 0;  // probes that were answered
  // On a new connection: TCP (by the kernel where it tells), TLS by round trip, the request.
  std::optional<double> tcp_us{}, tls_us{}, http_us{};
  std::optional<double> self_us{};       // a request on a connection that bears load
  std::optional<double> first_hop_us{};  // an echo that lives one hop
  std::optional<double> own_queue_us{};  // of the slowest device: its backlog over its rate
  std::optional<double> load_rtt_us{};   // the kernel's smoothed one, of connections with load

  // Round trips a minute (draft-ietf-ippm-responsiveness); absent without their probes.
  std::optional<double> foreign_rpm() const;
  std::optional<double> self_rpm() const;
  // The mean of both; of the foreign ones alone where there are no others.
  std::optional<double> rpm() const;
};

struct ResponsivenessResult {
  RoundTrips idle{}, loaded{};
  std::optional<double> goodput_mbps{};  // while the path was full
  std::size_t connections = 0;           // that bore load in the end
  std::uint64_t requests = 0, bytes = 0;
  Nanos interval{}, spent{};  // between two looks; under load
  bool goodput_is_stable = false;
  std::optional<Confidence> confidence{};  // in the round trips: Low, Medium or High as the draft's
  bool multiplexed = false;                // HTTP/2: probes on connections that bear load
  FailureCounts probe_failures{};
  std::string address{};             // of the server
  std::string first_hop{};           // its address; empty: unknown
  std::string without_first_hop{};   // why it is
  std::string own_queue{};           // the device that waited longest; empty: none waited
  std::optional<Failure> failure{};  // of a connection that bore load
  std::string ended{};               // by what, if not by being stable
};

// A stage that was to be.
struct StageRun {
  TestStage stage = TestStage::Cold;
  Time from{}, to{};
  std::string why_not{};  // nothing was measured because of that; empty: it was
  std::string note{};     // on how it was measured
};

// A part of the time.
struct TestBin {
  std::uint64_t answered = 0, failed = 0, received_bytes = 0;
  double latency_us = 0;  // the sum of those answered
  double least_us = 0, most_us = 0;
};

struct TestResults {
  TestBudget budget{};
  Time began{}, ended{};
  bool interrupted = false;
  std::uint64_t requests = 0, bytes = 0;  // of all
  std::vector<StageRun> stages{};         // as far as it came
  std::optional<LatencyResult> cold{}, warm{};
  std::optional<BandwidthResult> download{}, upload{};
  std::vector<SweepLevel> sweep{};
  std::optional<OpenLoopResult> open_loop{};
  std::optional<ResponsivenessResult> responsiveness{};
  Nanos bin_length{};
  std::vector<TestBin> bins{};
};

// An answered request, into what is known of its stage's phases and of its time.
void add_phases(LatencyResult& result, const Attempt& attempt);
void add_latency(TestBin& bin, Nanos latency);

}  // namespace netsonde
