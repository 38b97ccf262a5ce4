// SPDX-License-Identifier: Apache-2.0
#include "user/doctor.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/utsname.h>

#include <chrono>
#include <optional>
#include <thread>

#include "user/base/json.h"
#include "user/base/text.h"
#include "user/capture/host.h"
#include "user/capture/live.h"
#include "user/doctor_host.h"

namespace netsonde {

namespace {

constexpr auto kMeasureFor = std::chrono::seconds(1);

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text.empty() ? "-" : text;
}

struct Report {
  std::string release;
  std::string problem;  // why the live view cannot run; empty: it can
  std::vector<std::string> missing;
  std::vector<HookOutcome> outcomes;
  std::vector<ProgramCost> costs;
  std::vector<std::string> congestion_controls;
  std::vector<std::string> qdiscs;
  std::optional<bool> cgroup2{};  // absent where nothing could be tried
  std::optional<std::size_t> namespaces{};
  std::size_t unreachable = 0;
  std::vector<Advice> advice;
  std::optional<HostSetup> setup{};
};

// Loads and attaches everything for a second, as the live view would.
Result<> try_capture(Report& report) {
  Names names;
  const auto live = TRY(Live::open({.opens = true, .deep = true, .thorough = true}, names));
  auto started = live->start();
  report.outcomes = live->outcomes();
  report.cgroup2 = live->cgroups() != nullptr;
  TRY(std::move(started));
  report.namespaces = live->namespaces();
  report.unreachable = live->namespaces_unreachable();
  const Live::Handler ignore = [](const Event&) {};
  TRY(live->begin_measuring());
  const auto until = std::chrono::steady_clock::now() + kMeasureFor;
  while (std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    TRY(live->drain(ignore));
  }
  TRY(live->pass({.connections = true, .complete = true}, ignore));
  report.costs = live->end_measuring();
  return {};
}

Report examine() {
  Report report;
  utsname name = {};
  uname(&name);
  report.release = name.release;
  report.missing = missing_capabilities();
  report.congestion_controls = congestion_controls();
  report.qdiscs = available_qdiscs();
  report.advice = host_advice();
  if (auto setup = examine_devices()) report.setup = std::move(setup).value();
  if (!report.missing.empty()) {
    report.problem = "lacks " + joined(report.missing) + ": run it as root";
    return report;
  }
  if (auto captured = try_capture(report); !captured) report.problem = captured.error().message();
  return report;
}

std::uint64_t ns_per_run(const ProgramCost& cost) {
  return cost.runs ? cost.ns / cost.runs : 0;
}

Json to_json(const Report& report) {
  Json json;
  json["release"] = report.release;
  json["can_run"] = report.problem.empty();
  json["problem"] = report.problem.empty() ? Json(nullptr) : Json(report.problem);
  json["missing_capabilities"] = report.missing;
  json["cgroup2"] = report.cgroup2 ? Json(*report.cgroup2) : Json(nullptr);
  json["network_namespaces"] = report.namespaces ? Json(*report.namespaces) : Json(nullptr);
  json["network_namespaces_unreachable"] = report.unreachable;
  json["sees"] = Json::array();
  for (const HookOutcome& hook : report.outcomes)
    json["sees"].push_back(
        {{"what", hook.sees}, {"programs", hook.programs}, {"rejected", hook.rejected}});
  json["costs"] = Json::array();
  for (const ProgramCost& cost : report.costs)
    json["costs"].push_back({{"program", cost.name},
                             {"runs_per_s", cost.runs},
                             {"ns_per_run", cost.runs ? Json(ns_per_run(cost)) : Json(nullptr)}});
  json["congestion_controls"] = report.congestion_controls;
  json["qdiscs"] = report.qdiscs;
  json["setup"] = report.setup ? to_json(*report.setup) : Json(nullptr);
  json["advice"] = Json::array();
  for (const Advice& advice : report.advice)
    json["advice"].push_back(
        {{"setting", advice.setting}, {"value", advice.value}, {"text", advice.text}});
  return json;
}

void print(const Report& report) {
  fmt::print("kernel               {}\n", report.release);
  fmt::print("capabilities         {}\n",
             report.missing.empty() ? "all" : "missing " + joined(report.missing));
  fmt::print("cgroup2              {}\n", !report.cgroup2 ? "-" : *report.cgroup2 ? "yes" : "no");
  fmt::print(
      "network namespaces   {}{}\n", report.namespaces ? std::to_string(*report.namespaces) : "-",
      report.unreachable ? fmt::format(" ({} could not be entered)", report.unreachable) : "");
  fmt::print("congestion controls  {}\n", joined(report.congestion_controls));
  fmt::print("qdiscs               {}\n\n", joined(report.qdiscs));
  if (!report.outcomes.empty())
    fmt::print("{:<40} {:<28} {}\n", "WHAT IS SEEN", "BY", "NOT USABLE HERE");
  for (const HookOutcome& hook : report.outcomes)
    fmt::print("{}\n", fmt::format("{:<40} {:<28} {}", hook.sees,
                                   hook.programs.empty() ? "not seen here" : joined(hook.programs),
                                   hook.rejected.empty() ? "" : joined(hook.rejected)));
  if (!report.costs.empty()) fmt::print("\n{:<40} {:>12} {:>12}\n", "PROGRAM", "RUNS/s", "ns/RUN");
  for (const ProgramCost& cost : report.costs)
    fmt::print("{:<40} {:>12} {:>12}\n", cost.name, cost.runs,
               cost.runs ? std::to_string(ns_per_run(cost)) : "-");
  if (report.setup) fmt::print("\n{}", to_text(*report.setup));
  for (const Advice& advice : report.advice)
    fmt::print("\n{} = {}: {}\n", advice.setting, advice.value, advice.text);
  fmt::print("\n{}\n", report.problem.empty() ? "netsonde top can run here."
                                              : "netsonde top cannot run here: " + report.problem);
}

}  // namespace

Result<int> run_doctor(bool json) {
  const Report report = examine();
  if (json)
    fmt::print("{}\n", to_line(to_json(report)));
  else
    print(report);
  return report.problem.empty() ? 0 : 1;
}

}  // namespace netsonde
