// SPDX-License-Identifier: Apache-2.0
// work WORKLOAD PAIRS top|trace [all]   What the programs of a command take from a workload. Run it
// in a network namespace of its own (run.sh does). Prints one JSON object per line:
//   {"kind":"cost", ...}   ns per run of each program, and of an empty one on the same hook
//   {"kind":"ratio", ...}  work per CPU-second with programs attached / without
// One workload runs all the time on core 0. Programs are attached and detached every few hundred
// milliseconds in random order, and slices next to each other are compared: whatever else the
// machine does falls on both alike. "all" adds each program alone and the empty programs.
#include <fmt/format.h>

#include <charconv>
#include <cstdio>

#include "tests/bench/programs.h"
#include "tests/bench/workload.h"

namespace netsonde::bench {

namespace {

constexpr int kWorkCore = 0;
constexpr int kReaderCore = 1;
constexpr Nanos kWarmUp = std::chrono::seconds(1);
constexpr Nanos kSettle = std::chrono::milliseconds(15);
constexpr Nanos kSlice = std::chrono::milliseconds(120);
constexpr Nanos kCostWindow = std::chrono::milliseconds(200);
constexpr int kCostWindows = 10;
constexpr double kBusyRunsPerSecond = 50;  // fewer: the workload does not meet this program
constexpr unsigned kSeed = 42;

struct Row {
  std::string name;
  std::set<std::string> programs;
  std::vector<double> ratios{};
};

struct Speed {
  std::string program;
  double runs_per_second = 0;
  double ns_min = 0;
  double ns_median = 0;
};

std::set<std::string> real_programs(const Programs& programs) {
  std::set<std::string> names;
  for (const auto& [name, program] : programs.all())
    if (!name.starts_with("empty ")) names.insert(name);
  return names;
}

std::set<std::string> empty_programs(const std::set<std::string>& real) {
  std::set<std::string> names;
  for (const std::string& name : real) names.insert("empty " + name);
  return names;
}

class Bench {
 public:
  Bench(std::string workload, Workload& load, Programs& programs, Reader& reader)
      : name_(std::move(workload)), load_(load), programs_(programs), reader_(reader) {}

  // Attaches all of these and looks at their statistics.
  Result<std::vector<Speed>> costs(const std::set<std::string>& names) {
    const UniqueFd statistics(bpf_enable_stats(BPF_STATS_RUN_TIME));
    if (!statistics) return Error::from_errno("measure BPF programs");
    TRY(attach(names));
    std::map<std::string, std::vector<double>> ns, rates;
    for (int window = 0; window < kCostWindows; ++window) {
      std::map<std::string, Cost> before;
      for (const std::string& name : names) before[name] = programs_.cost(name);
      const Time begin = kernel_now();
      sleep_for(kCostWindow);
      const double span = seconds(kernel_now() - begin);
      for (const std::string& name : names) {
        const Cost after = programs_.cost(name);
        const auto runs = static_cast<double>(after.runs - before[name].runs);
        rates[name].push_back(runs / span);
        if (runs > 0) ns[name].push_back(static_cast<double>(after.ns - before[name].ns) / runs);
      }
    }
    detach();
    std::vector<Speed> speeds;
    for (const auto& [name, values] : ns)
      speeds.push_back({.program = name,
                        .runs_per_second = median(rates[name]),
                        .ns_min = *std::min_element(values.begin(), values.end()),
                        .ns_median = median(values)});
    return speeds;
  }

  // In every round each row gets two slices, with and without its programs; the order is random.
  Result<> compare(std::vector<Row>& rows, int rounds) {
    std::vector<Row*> order;
    for (Row& row : rows) order.push_back(&row);
    for (int round = 0; round < rounds; ++round) {
      std::shuffle(order.begin(), order.end(), random_);
      for (Row* row : order) {
        std::array<double, 2> work{};
        const bool first = random_() & 1;
        for (const bool on : {first, !first}) {
          if (on) TRY(attach(row->programs));
          work[on] = work_per_cpu_second();
          if (on) detach();
        }
        if (work[true] <= 0 || work[false] <= 0)
          continue;  // something else had the core all the time
        row->ratios.push_back(work[true] / work[false]);
        base_.push_back(work[false]);
      }
    }
    return {};
  }

  void print(const Speed& speed) const {
    fmt::print(
        "{{\"kind\":\"cost\",\"workload\":\"{}\",\"program\":\"{}\",\"runs_per_s\":{:.0f},"
        "\"ns_min\":{:.1f},\"ns_median\":{:.1f}}}\n",
        name_, speed.program, speed.runs_per_second, speed.ns_min, speed.ns_median);
  }

  void print(const Row& row) {
    const Interval interval = median_interval(row.ratios, random_);
    fmt::print(
        "{{\"kind\":\"ratio\",\"workload\":\"{}\",\"row\":\"{}\",\"ratio\":{:.4f},\"low\":{:.4f},"
        "\"high\":{:.4f},\"pairs\":{},\"units_per_cpu_s\":{:.0f}}}\n",
        name_, row.name, median(row.ratios), interval.low, interval.high, row.ratios.size(),
        median(base_));
  }

 private:
  Result<> attach(const std::set<std::string>& names) {
    reader_.set_sampling(!names.empty() && names.contains("on_state"));
    return programs_.attach(names);
  }

  void detach() {
    reader_.set_sampling(false);
    programs_.detach();
  }

  double work_per_cpu_second() const {
    sleep_for(kSettle);
    const std::uint64_t units = load_.units();
    const std::uint64_t cpu = load_.cpu();
    sleep_for(kSlice);
    const std::uint64_t spent = load_.cpu() - cpu;
    return spent ? static_cast<double>(load_.units() - units) * 1e9 / static_cast<double>(spent)
                 : 0;
  }

  std::string name_;
  Workload& load_;
  Programs& programs_;
  Reader& reader_;
  std::mt19937 random_{kSeed};
  std::vector<double> base_;
};

std::vector<Row> rows_for(const std::string& command, const std::set<std::string>& real,
                          const std::vector<Speed>& speeds, bool all) {
  std::vector<Row> rows = {{.name = "nothing (A/A)", .programs = {}},
                           {.name = "netsonde " + command, .programs = real}};
  if (!all) return rows;
  rows.push_back({.name = "all empty", .programs = empty_programs(real)});
  for (const Speed& speed : speeds) {
    if (speed.runs_per_second < kBusyRunsPerSecond) continue;
    rows.push_back({.name = speed.program + " alone", .programs = {speed.program}});
    rows.push_back({.name = "empty " + speed.program, .programs = {"empty " + speed.program}});
  }
  return rows;
}

Result<> measure(const std::string& workload, int pairs, const std::string& command, bool all) {
  Programs programs = TRY(Programs::load(command == "trace"));
  const auto reader = TRY(Reader::start(programs, kReaderCore));
  const std::set<std::string> real = real_programs(programs);
  TRY(programs.attach(
      real));  // sockets get their state and the flag for RTT callbacks as they open
  Workload load = TRY(Workload::start(workload, kWorkCore));
  programs.keep_listener_state(load.listener());
  sleep_for(kWarmUp);
  programs.detach();

  Bench bench(workload, load, programs, *reader);
  const std::vector<Speed> speeds = TRY(bench.costs(real));
  for (const Speed& speed : speeds) bench.print(speed);
  for (const Speed& speed : TRY(bench.costs(empty_programs(real)))) bench.print(speed);
  std::vector<Row> rows = rows_for(command, real, speeds, all);
  TRY(bench.compare(rows, pairs));
  for (const Row& row : rows) bench.print(row);
  fmt::print("{{\"kind\":\"reader\",\"workload\":\"{}\",\"events\":{},\"bytes\":{},\"lost\":{}}}\n",
             workload, reader->events(), reader->bytes(), programs.lost());
  return {};
}

}  // namespace

}  // namespace netsonde::bench

int main(int count, char** arguments) {
  const std::string_view pairs_text = count > 2 ? arguments[2] : "";
  int pairs = 0;
  std::from_chars(pairs_text.data(), pairs_text.data() + pairs_text.size(), pairs);
  const std::string command = count > 3 ? arguments[3] : "";
  if (pairs < 1 || (command != "top" && command != "trace")) {
    std::fputs("usage: work bulk|rr|churn PAIRS top|trace [all]\n", stderr);
    return 2;
  }
  const auto done = netsonde::bench::measure(arguments[1], pairs, command,
                                             count > 4 && std::string_view(arguments[4]) == "all");
  if (done) return 0;
  std::fprintf(stderr, "work: %s\n", done.error().message().c_str());
  return 1;
}
