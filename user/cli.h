// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "probes/prober.h"
#include "user/base/result.h"
#include "user/base/units.h"

namespace netsonde {

enum class Command {
  Top,
  Connections,
  Trace,
  Explain,
  Monitor,
  Report,
  Record,
  Snapshot,
  Export,
  Dns,
  Probe,
  Test,
  Experiment,
  Tune,
  Doctor,
  Fields
};
constexpr std::size_t kCommands = 16;

// What the commands that ask the network are told; count, interval, servers and json are below.
struct ProbeOptions {
  std::string file;  // of targets
  bool all_addresses = false;
  std::string expect;
  bool no_bpf = false;
  std::size_t parallel = 64, per_host = 16, pool = 1000, dns_cache = 4096;
  unsigned retries = 0, breaker = 5;
  Nanos backoff = std::chrono::milliseconds(200);
  ProbeLimits limits;
  SocketOptions socket;
  std::string http_version, method = "GET", encoding, ca_file;
  std::vector<std::string> headers;  // "NAME: VALUE"
  std::uint64_t send_bytes = 0;
  unsigned redirects = 5;
  bool keep_alive = false, insecure = false;
};

// What the test of an endpoint is told beside that; duration is below.
struct TestOptions {
  static constexpr std::size_t kMostConcurrency = 10'000;

  std::size_t concurrency = 64;
  std::optional<double> per_second;
  std::uint64_t requests = 2000, bytes = 100'000'000;
  std::string upload_url;
  std::vector<std::string> only;  // stages; empty: all
};

// What is compared, and how often; of the rest, an experiment has that of a probe.
struct ExperimentOptions {
  std::vector<std::string> factors = {"reuse", "http", "encoding"};
  std::size_t blocks = 30, units = 5;
  std::optional<std::uint64_t> seed;  // absent: by chance
  unsigned requests = 10;             // of a unit of several
  std::string batch;                  // URL
  std::vector<std::string> values;    // of a numeric factor
};

enum class TuneAction : std::uint8_t {
  List,
  Plan,
  ProfileList,
  ProfileShow,
  Experiment,
  Auto,
  Apply,
  Connection,
  Confirm,
  Rollback,
  Recover,
  HandBack,
  Status,
  Log,
  Report,
  Persist,
  Unpersist
};

struct TuneOptions {
  TuneAction action = TuneAction::List;
  std::vector<std::string> settings;      // list, hand-back: "KEY[@WHERE]"
  bool all = false;                       // list
  std::string plan;                       // apply: a file
  std::string profile;                    // plan, apply, profile show
  std::string goal = "balanced";          // plan
  std::vector<std::string> only, except;  // plan, apply, auto: "KEY[@WHERE]"
  std::vector<std::string> set;           // "KEY=VALUE"
  Nanos confirm_within = std::chrono::seconds(60);
  bool yes = false, wait = false, by_measurement = false;
  std::optional<std::uint64_t> to;  // rollback
  // connection
  std::string where, congestion;
  std::uint64_t max_pacing_rate = 0, window_clamp = 0;  // bytes/s, bytes; 0: stays
  // experiment
  std::string metric, load, probe;
  std::optional<std::size_t> blocks;
  Nanos period = std::chrono::seconds(5);
  std::optional<Nanos> wash_out;
  std::optional<std::uint64_t> seed;  // absent: by chance
  bool keep = false;
  // auto
  std::optional<Nanos> lasts;
  Nanos window = std::chrono::seconds(30), back_off = std::chrono::minutes(10);
  std::size_t most_per_hour = 12;
};

// What the command line and the configuration file ask for, checked for form but not for meaning.
struct Options {
  Command command = Command::Top;
  bool json = false;
  std::string filter;
  std::string deep;
  Nanos interval = std::chrono::seconds(1);
  std::uint64_t count = 0;  // ticks or events; 0: no limit
  std::uint32_t ring_bytes = 4 << 20;

  bool once = false;  // top
  bool batch = false;
  bool listeners = false;
  bool resolve = false;
  bool ascii = false;
  std::string by;
  std::string fields;
  std::size_t limit = 0;
  std::size_t history_bytes = 64 << 20;

  std::string events;             // trace
  std::optional<Nanos> duration;  // trace, explain, monitor

  std::optional<std::uint64_t> pid;  // explain
  std::optional<std::uint64_t> connection;

  std::string from;  // a recording, instead of the running kernel
  std::string at, since, until;
  bool salvage = false;

  std::string output;  // record, snapshot, report, export, test
  bool force = false;
  // report, test: "html", "md", "json", "text", empty: as the output is named; export: "jsonl", ...
  std::string format;
  std::vector<std::string> with;  // report: results of probes and experiments
  std::string table;              // export, CSV
  std::string rolling;            // record: a directory
  std::optional<Nanos> keep;
  std::uint64_t max_bytes = 2ULL << 30;
  std::vector<std::string> words;  // record: a command and its arguments; dns: names; probe:
                                   // targets; test, experiment: a URL

  std::vector<std::string> servers;  // dns, probe, experiment; empty: the system's
  std::vector<std::string> types = {"A", "AAAA"};
  Nanos timeout = std::chrono::seconds(2);

  ProbeOptions probe;
  TestOptions test;
  ExperimentOptions experiment;
  TuneOptions tune;

  bool man = false;  // fields
};

// What to do instead of a command: print this and exit so (help, version, a bad argument).
struct Answer {
  std::string text;
  int status = 0;
};

// The format that a name of a report asks for: "text" for none and for "-"; empty for a name that
// tells none.
std::string_view format_of(std::string_view output);

// Never throws. Bad arguments give one line and status 2.
std::variant<Options, Answer> parse_arguments(int count, const char* const* arguments);

}  // namespace netsonde
