// SPDX-License-Identifier: Apache-2.0
#include "user/experiment.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>
#include <random>
#include <utility>

#include "probes/arm_prober.h"
#include "probes/experiment.h"
#include "user/experiment_output.h"
#include "user/probe_request.h"
#include "user/probing.h"

namespace netsonde {

namespace {

// What the arguments ask for, as far as it is known before the name is looked up.
struct Plan {
  FactorSettings settings{};
  std::vector<std::string> factors{};
  std::size_t blocks = 0, units = 0;
  std::uint64_t seed = 0;
};

std::uint64_t seed_by_chance() {
  std::random_device device;
  return std::uniform_int_distribution<std::uint64_t>()(device);
}

Result<Target> http_target(const std::string& url) {
  Target target = TRY(Target::parse(url));
  if (target.scheme != Scheme::Http && target.scheme != Scheme::Https)
    return Error(
        fmt::format("'{}' is neither http:// nor https://; versions of HTTP are compared "
                    "with --compare http",
                    printable(url)));
  return target;
}

Result<std::vector<Factor>> factors_of(const Plan& plan) {
  std::vector<Factor> factors;
  for (const std::string& name : plan.factors)
    factors.push_back(TRY(make_factor(name, plan.settings)));
  return factors;
}

Result<std::vector<std::uint64_t>> values_of(const ExperimentOptions& options) {
  std::vector<std::uint64_t> values;
  if (options.values.empty()) return values;
  if (std::ranges::count_if(options.factors, has_values) != 1)
    return Error("--values is for one of rcvbuf, notsent-lowat and dscp at a time");
  for (const std::string& text : options.values) {
    auto value = parse_bytes(text);
    if (!value) return std::move(value).error().while_doing("--values");
    values.push_back(value.value());
  }
  return values;
}

Result<> check_twice(std::vector<std::string> names) {
  std::ranges::sort(names);
  const auto twice = std::ranges::adjacent_find(names);
  if (twice == names.end()) return {};
  return Error(fmt::format("--compare names '{}' twice", printable(*twice)));
}

Result<Plan> plan_of(const Options& options) {
  const ExperimentOptions& wanted = options.experiment;
  Plan plan{.factors = wanted.factors,
            .blocks = wanted.blocks,
            .units = wanted.units,
            .seed = wanted.seed ? *wanted.seed : seed_by_chance()};
  (void)TRY(http_target(options.words[0]));
  const std::vector<ProbeRequest> requests = TRY(probe_requests(options));
  std::vector<std::uint64_t> values = TRY(values_of(wanted));
  plan.settings = {.request = requests[0],
                   .requests = wanted.requests,
                   .servers = options.servers,
                   .values = std::move(values),
                   .congestion_controls = congestion_choices()};
  plan.settings.request.http.most_redirects = 0;
  if (!wanted.batch.empty()) plan.settings.batch = TRY(http_target(wanted.batch));
  TRY(check_twice(wanted.factors));
  TRY(factors_of(plan));
  return plan;
}

// One request to see what there is, then the experiment.
class Run {
 public:
  Run(Probing& probing, const LookupSettings& lookup, Plan plan)
      : probing_(probing), lookup_(lookup), plan_(std::move(plan)) {}

  Result<> begin();
  // Why nothing could be measured; empty: it could.
  std::string problem() const;
  // Only without a problem.
  ExperimentReport report() const;

 private:
  void take_first(const Attempt& attempt);
  Result<> begin_experiment(const Attempt& first);
  void fail(std::string problem);
  void show_cost(const Experiment::Cost& cost) const;
  void show_progress(std::size_t blocks) const;

  Probing& probing_;
  LookupSettings lookup_;
  Plan plan_;
  std::string problem_;
  std::unique_ptr<Experiment> experiment_;
};

Result<> Run::begin() {
  ProbeRequest first = plan_.settings.request;
  first.http.most_redirects = 1;  // to know where it leads
  probing_.prober_of(first.target.scheme).start(first, [this](const Attempt& attempt) {
    take_first(attempt);
  });
  return {};
}

std::string Run::problem() const {
  return problem_.empty() && !experiment_ ? "ended before anything was measured" : problem_;
}

void Run::fail(std::string problem) {
  problem_ = std::move(problem);
  probing_.stop();
}

void Run::take_first(const Attempt& attempt) {
  const std::string url = printable(plan_.settings.request.target.text);
  if (!attempt.hops.empty())
    return fail(fmt::format("{} redirects to {}: measure that", url,
                            printable(attempt.hops.front().location)));
  if (attempt.failure)
    return fail(fmt::format("{}: {} ({})", url, name_of(attempt.failure->kind),
                            printable(attempt.failure->detail)));
  if (auto begun = begin_experiment(attempt); !begun) fail(begun.error().message());
}

Result<> Run::begin_experiment(const Attempt& first) {
  const Address used = *first.address;
  plan_.settings.addresses = {used};
  if (first.lookup)
    for (const Address& address : first.lookup->addresses)
      if (address != used) plan_.settings.addresses.push_back(address);
  const auto open_prober = [this](const Arm& arm) {
    return ArmProber::open(
        probing_.loop(), lookup_,
        [this](Scheme scheme) -> Prober& { return probing_.prober_of(scheme); }, arm);
  };
  std::vector<Factor> factors = TRY(factors_of(plan_));
  experiment_ = TRY(Experiment::open(probing_.loop(), open_prober,
                                     {.factors = std::move(factors),
                                      .blocks = plan_.blocks,
                                      .units = plan_.units,
                                      .seed = plan_.seed}));
  experiment_->start({.on_tried = [this](const Experiment::Cost& cost) { show_cost(cost); },
                      .on_block = [this](std::size_t blocks) { show_progress(blocks); },
                      .on_end = [this] { probing_.stop(); }});
  return {};
}

void Run::show_cost(const Experiment::Cost& cost) const {
  fmt::print(stderr,
             "netsonde: {} requests to come in {} blocks, about {}B in bodies and headers\n",
             cost.requests, plan_.blocks, short_bytes(static_cast<double>(cost.bytes)));
}

void Run::show_progress(std::size_t blocks) const {
  if (!isatty(STDERR_FILENO)) return;
  const bool last = blocks == plan_.blocks;
  fmt::print(stderr, "\rblock {} of {}{}", blocks, plan_.blocks, last ? "\r\033[K" : "");
  (void)std::fflush(stderr);
}

ExperimentReport Run::report() const {
  const ProbeRequest& request = plan_.settings.request;
  const auto& addresses = plan_.settings.addresses;
  ExperimentReport report{.url = request.target.text,
                          .address = to_text(addresses.front()),
                          .blocks_wanted = plan_.blocks,
                          .units = plan_.units,
                          .seed = plan_.seed};
  report.blocks = experiment_->blocks_done();
  report.requests = experiment_->requests();
  report.ended_early = experiment_->given_up();
  if (report.ended_early.empty() && probing_.interrupted()) report.ended_early = "interrupted";
  report.factors = experiment_->figures();
  report.comparisons = compare(report.factors, plan_.seed);
  return report;
}

int refuse(const Error& error, int status) {
  std::fprintf(stderr, "netsonde: %s\n", error.message().c_str());
  return status;
}

}  // namespace

Result<int> run_experiment(const Options& options) {
  auto plan = plan_of(options);
  if (!plan) return refuse(plan.error(), 2);
  ProbingSettings settings = probing_settings(options);
  settings.bpf = false;  // it would be measured with
  auto opened = Probing::open(settings);
  if (!opened) return refuse(opened.error(), options.servers.empty() ? 1 : 2);
  Probing& probing = *opened.value();
  Run run(probing, settings.lookup, std::move(plan).value());
  TRY(probing.run([&run] { return run.begin(); }));
  if (!run.problem().empty()) return refuse(Error(run.problem()), 1);
  const ExperimentReport report = run.report();
  const std::int64_t now_ns = kernel_now().time_since_epoch().count() + realtime_offset_ns();
  fmt::print("{}", options.json ? to_json_lines(report, now_ns) : to_text(report));
  if (!report.ended_early.empty())
    fmt::print(stderr, "netsonde: ended early, {} of {} blocks done: {}\n", report.blocks,
               report.blocks_wanted, printable(report.ended_early));
  if (std::fflush(stdout)) return Error::from_errno("write the results");
  return report.measured() ? 0 : 1;
}

}  // namespace netsonde
