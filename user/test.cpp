// SPDX-License-Identifier: Apache-2.0
#include "user/test.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "probes/http_prober.h"
#include "probes/icmp_prober.h"
#include "probes/test_plan.h"
#include "user/base/new_file.h"
#include "user/base/text.h"
#include "user/host_queues.h"
#include "user/probe_request.h"
#include "user/probing.h"
#include "user/report.h"
#include "user/sinks/test_report.h"

namespace netsonde {

namespace {

constexpr std::size_t kOwnFiles = 64;
constexpr std::uint64_t kFirstBytes = 1'000'000;  // of the first answer
constexpr std::uint64_t kFirstPart = 20;          // of the budget, at most one of so many parts

int refuse(const Error& error) {
  std::fprintf(stderr, "netsonde: %s\n", error.message().c_str());
  return 2;
}

std::string bytes_text(std::uint64_t bytes) {
  return short_count(static_cast<double>(bytes)) + "B";
}

std::string url_of(const Target& target) {
  std::string authority = target.authority();
  const std::string_view usual = target.scheme == Scheme::Http ? ":80" : ":443";
  if (authority.ends_with(usual)) authority.erase(authority.size() - usual.size());
  return fmt::format("{}://{}{}", name_of(target.scheme), authority, target.path);
}

// What the arguments mean.
struct Wanted {
  ProbeRequest request{};
  std::optional<ProbeRequest> upload{};
  TestBudget budget{};
  std::vector<TestStage> stages{};
};

Result<ProbeRequest> http_request(const Options& options, const std::string& url) {
  Options of_url = options;
  of_url.words = {url};
  ProbeRequest request = TRY(probe_requests(of_url)).front();
  const Scheme scheme = request.target.scheme;
  if (scheme != Scheme::Http && scheme != Scheme::Https)
    return Error(fmt::format("'{}' is neither http nor https", printable(url)));
  return request;
}

Result<std::vector<TestStage>> stages_of(const Options& options) {
  std::vector<TestStage> stages;
  for (std::size_t i = 0; i < kTestStages; ++i) {
    const auto stage = static_cast<TestStage>(i);
    if (stage != TestStage::Upload || !options.test.upload_url.empty()) stages.push_back(stage);
  }
  if (options.test.only.empty()) return stages;
  std::vector<TestStage> wanted;
  for (const std::string& text : options.test.only) {
    const auto stage = parse_test_stage(text);
    if (!stage)
      return Error(
          fmt::format("--only: '{}' is no stage; cold, warm, download, upload, sweep, "
                      "open-loop, responsiveness",
                      printable(text)));
    if (*stage == TestStage::Upload && options.test.upload_url.empty())
      return Error("--only upload needs --upload-url");
    wanted.push_back(*stage);
  }
  std::erase_if(stages, [&wanted](TestStage stage) {
    return std::ranges::find(wanted, stage) == wanted.end();
  });
  return stages;
}

// What this process may not open is no fault of the endpoint's.
Result<> check_open_files(std::size_t concurrency) {
  rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= concurrency + kOwnFiles) return {};
  return Error(fmt::format("--concurrency {} needs {} open files; ulimit -n allows {}", concurrency,
                           concurrency + kOwnFiles, limit.rlim_cur));
}

Result<Wanted> understand_test(const Options& options) {
  const TestOptions& test = options.test;
  if (test.concurrency == 0 || test.concurrency > TestOptions::kMostConcurrency)
    return Error(fmt::format("--concurrency is from 1 to {}", TestOptions::kMostConcurrency));
  if (test.requests == 0) return Error("--requests is from 1 on");
  TRY(check_open_files(test.concurrency));
  Wanted wanted{
      .request = TRY(http_request(options, options.words.front())),
      .budget = {.requests = test.requests, .bytes = test.bytes, .duration = *options.duration},
      .stages = TRY(stages_of(options))};
  if (!test.upload_url.empty()) wanted.upload = TRY(http_request(options, test.upload_url));
  return wanted;
}

// More was to come than we wanted to wait for.
bool is_longer(const Attempt& attempt) {
  return attempt.failure && (attempt.failure->kind == FailureKind::TooLarge ||
                             (attempt.failure->kind == FailureKind::HttpTimeout &&
                              attempt.failure->phase == ProbePhase::Transfer));
}

// Whatever its status.
bool is_answered(const Attempt& attempt) {
  return !attempt.failure || attempt.failure->kind == FailureKind::HttpStatus || is_longer(attempt);
}

class TestCommand {
 public:
  TestCommand(const Options& options, Wanted wanted, Probing& probing)
      : options_(options), wanted_(std::move(wanted)), probing_(probing) {}

  // Whether anything could be measured.
  Result<bool> run();
  Report report();

 private:
  void announce() const;
  Result<> ask_first();
  void take_first(Attempt attempt);
  void find_upload();
  void take_upload(const Lookup::Found& found);
  void begin();
  Result<> start_plan();
  void show_progress() const;

  const Options& options_;
  Wanted wanted_;
  Probing& probing_;
  HostQueues queues_;
  Attempt first_;
  Result<> outcome_;
  TestResults results_;
  std::unique_ptr<TestPlan> plan_;
};

Result<bool> TestCommand::run() {
  announce();
  TRY(probing_.run([this] { return ask_first(); }));
  if (isatty(STDERR_FILENO)) fmt::print(stderr, "\r\x1b[K");
  TRY(outcome_);
  if (!plan_) return Error(url_of(wanted_.request.target) + ": ended before it answered");
  results_ = plan_->results();
  results_.interrupted = probing_.interrupted();
  return std::ranges::any_of(results_.bins, [](const TestBin& bin) { return bin.answered != 0; }) ||
         (results_.download && results_.download->mbps()) ||
         (results_.upload && results_.upload->mbps()) ||
         (results_.responsiveness && results_.responsiveness->loaded.rpm());
}

void TestCommand::announce() const {
  fmt::print(stderr, "GET {}: at most {} requests, {}, about {}\n",
             printable(url_of(wanted_.request.target)), wanted_.budget.requests,
             bytes_text(wanted_.budget.bytes), short_duration(wanted_.budget.duration));
}

// Redirects are followed once; what they lead to is what is tested.
Result<> TestCommand::ask_first() {
  ProbeRequest request = wanted_.request;
  request.limits.body_bytes = std::min(kFirstBytes, wanted_.budget.bytes / kFirstPart + 1);
  probing_.prober_of(request.target.scheme).start(request, [this](Attempt attempt) {
    take_first(std::move(attempt));
  });
  return {};
}

void TestCommand::take_first(Attempt attempt) {
  first_ = std::move(attempt);
  if (!is_answered(first_)) {
    outcome_ = Error(fmt::format("{}: {}: {}", printable(url_of(wanted_.request.target)),
                                 name_of(first_.failure->kind), printable(first_.failure->detail)));
    return probing_.stop();
  }
  if (!first_.hops.empty()) {
    auto target = Target::parse(first_.hops.back().location);
    if (target) {
      if (target.value().authority() != wanted_.request.target.authority())
        drop_credentials(wanted_.request.http);
      wanted_.request.target = std::move(target).value();
    }
  }
  wanted_.request.pinned = first_.address;
  if (wanted_.upload) return find_upload();
  begin();
}

void TestCommand::find_upload() {
  const std::string& host = wanted_.upload->target.host;
  if (const auto literal = parse_address(host)) {
    wanted_.upload->pinned = literal;
    return begin();
  }
  probing_.lookup().find(host, false, [this](const Lookup::Found& found) { take_upload(found); });
}

void TestCommand::take_upload(const Lookup::Found& found) {
  if (found.failure) {
    outcome_ = Error(fmt::format("{}: {}: {}", printable(url_of(wanted_.upload->target)),
                                 name_of(found.failure->kind), printable(found.failure->detail)));
    return probing_.stop();
  }
  wanted_.upload->pinned = found.facts.addresses.front();
  begin();
}

void TestCommand::begin() {
  outcome_ = start_plan();
  if (!outcome_) probing_.stop();
}

Result<> TestCommand::start_plan() {
  const HttpFacts http = first_.http.value_or(HttpFacts{});
  plan_ = TRY(TestPlan::open(
      probing_.loop(), {.request = wanted_.request,
                        .upload = wanted_.upload,
                        .answer_bytes = http.wire_bytes,
                        .answer_is_longer = is_longer(first_),
                        .requests_before = 1 + first_.hops.size(),
                        .bytes_before = http.wire_bytes,
                        .first_took = first_.times.total,
                        .multiplexed = http.version == "2",
                        .concurrency = options_.test.concurrency,
                        .per_second = options_.test.per_second,
                        .budget = wanted_.budget,
                        .stages = wanted_.stages,
                        .icmp = std::make_unique<IcmpProber>(probing_.loop(), probing_.lookup()),
                        .queues = [this] { return queues_.read(); }}));
  return plan_->start([this] { show_progress(); }, [this] { probing_.stop(); });
}

void TestCommand::show_progress() const {
  const auto stage = plan_->stage();
  if (!stage || !isatty(STDERR_FILENO)) return;
  const std::size_t at_once = plan_->concurrency();
  fmt::print(stderr, "\r\x1b[K{}{}: {} requests, {}", name_of(*stage),
             at_once ? fmt::format(", {} at once", at_once) : "", plan_->requests(),
             bytes_text(plan_->received_bytes()));
  std::fflush(stderr);
}

Report TestCommand::report() {
  utsname system = {};
  uname(&system);
  return test_report(results_, {.url = url_of(wanted_.request.target),
                                .first = first_,
                                .program = "netsonde " NETSONDE_VERSION,
                                .kernel = system.release,
                                .to_epoch_ns = realtime_offset_ns()});
}

}  // namespace

Result<int> run_test(const Options& options) {
  Options with = options;
  if (options.json) with.format = "json";
  auto wanted = understand_test(with);
  if (!wanted) return refuse(wanted.error());
  TRY(check_report_file(with));
  ProbingSettings settings = probing_settings(with);
  settings.bpf = false;  // it would cost what is measured
  const auto probing = TRY(Probing::open(settings));
  if (const auto ready = probing->prepare({&wanted.value().request, 1}); !ready)
    return refuse(ready.error());
  TestCommand command(with, std::move(wanted).value(), *probing);
  const bool measured = TRY(command.run());
  TRY(write_report(command.report(), with));
  return measured ? 0 : 1;
}

}  // namespace netsonde
