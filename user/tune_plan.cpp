// SPDX-License-Identifier: Apache-2.0
#include "user/tune_plan.h"

#include <fmt/format.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "tuner/plan_json.h"
#include "tuner/policy.h"
#include "tuner/profile.h"
#include "tuner/qdisc_kind.h"
#include "user/base/new_file.h"
#include "user/base/text.h"
#include "user/capture/host.h"
#include "user/capture/recording_files.h"
#include "user/explain.h"
#include "user/request.h"
#include "user/sinks/explain.h"
#include "user/tune_output.h"
#include "user/tune_place.h"

namespace netsonde {

namespace {

constexpr const char* kProfileFolder = "/etc/netsonde/profiles";

std::uint64_t memory_of_host() {
  struct sysinfo info = {};
  if (sysinfo(&info)) return 0;
  return std::uint64_t{info.totalram} * info.mem_unit;
}

// Of the fastest device that is up, as the kernel has it.
std::uint64_t fastest_link() {
  std::int64_t fastest = 0;
  std::error_code error;
  for (const auto& device : std::filesystem::directory_iterator("/sys/class/net", error)) {
    std::ifstream file(device.path() / "speed");
    std::int64_t megabits = 0;
    if (file >> megabits) fastest = std::max(fastest, megabits);
  }
  return static_cast<std::uint64_t>(fastest) * 1'000'000;
}

std::optional<std::string> value_there(SettingsOfHost& host, const ChangeScope& scope,
                                       std::string_view key) {
  auto value = host.settings().read(scope, key);
  if (!value || !value.value()) return std::nullopt;
  const auto can = host.settings().can_be_written(scope, key);
  if (find_tunable(key) && can && !can.value()) return std::nullopt;
  return std::move(value).value();
}

// What somebody else has set is not proposed.
Result<> leave_alone(Plan& plan) {
  if (geteuid() != 0) return {};  // nobody else can read the journal
  const Ledger ledger = TRY(Journal::look(kTunerDirectory));
  std::erase_if(plan.proposals, [&](const Proposal& proposal) {
    const bool foreign = ledger.is_foreign(proposal.key, proposal.scope, plan.boot);
    if (foreign)
      plan.considered.push_back(
          {.key = proposal.key,
           .why_not = "somebody else has set it: netsonde tune hand-back " + proposal.key});
    return foreign;
  });
  return {};
}

// As a recording has it only of the namespace that its counters are of, and only of this host.
Result<> check_recorded_host(const Options& options) {
  if (options.from.empty()) return {};
  const OpenedRecording opened = TRY(open_recording(options.from, options.salvage));
  const std::string& host = opened.recording.origin().host;
  if (host == host_name()) return {};
  return Error(
      fmt::format("{} is of {}, this is {}: settings are those of the host that they are of",
                  printable(options.from), printable(host), printable(host_name())));
}

// On a terminal: that it looks, and for how long.
class Looking {
 public:
  explicit Looking(const Options& options)
      : shown_(options.from.empty() && isatty(STDERR_FILENO) != 0) {
    if (!shown_) return;
    fmt::print(stderr, "looking for {}", short_duration(*options.duration));
    (void)std::fflush(stderr);
  }
  Looking(const Looking&) = delete;
  Looking& operator=(const Looking&) = delete;
  ~Looking() {
    if (shown_) (void)std::fputs("\r\033[K", stderr);
  }

 private:
  bool shown_;
};

Result<Plan> plan_of_findings(const Options& options, SettingsOfHost& host) {
  TRY(check_recorded_host(options));
  Plan plan;
  const auto use = [&](const Diagnosis& diagnosis, const Observation& observation) -> Result<> {
    const HostCounters* counters = observation.host;
    plan = TRY(netsonde::plan_of_findings(
        diagnosis.findings, options.tune, false, host,
        counters ? counters->value("netns.inode").value_or(0) : std::uint64_t{0}));
    plan.observed = {.seconds = seconds(observation.span()),
                     .connections = observation.connections.size(),
                     .listeners = observation.listeners.size(),
                     .lost = observation.lost};
    return {};
  };
  if (options.from.empty()) TRY(check_privilege());
  const Looking looking(options);
  const Filter everything;
  TRY(options.from.empty() ? diagnose_live(options, everything, use)
                           : diagnose_recorded(options, everything, use));
  return plan;
}

Result<> check_settings(const std::vector<std::string>& settings, std::string_view option) {
  for (const std::string& text : settings)
    if (auto named = named_setting(text); !named)
      return option.empty() ? std::move(named).error()
                            : std::move(named).error().while_doing(std::string(option));
  return {};
}

Result<> write_plan(const Plan& plan, const Options& options) {
  const std::string json = to_json(plan).dump(1, ' ', true, Json::error_handler_t::replace) + "\n";
  if (!options.output.empty() && options.output != "-") {
    TRY(write_new_file(options.output, json, options.force));
    if (options.json) return {};
    fmt::print("{}", plan_text(plan));
    if (!plan.proposals.empty())
      fmt::print("To apply it: netsonde tune apply {}\n", printable(options.output));
    return {};
  }
  fmt::print("{}", options.json ? json : plan_text(plan));
  return {};
}

// Why the file of that name could not be used; null: there is no such file, or it could.
const std::string* problem_of(const Profiles& known, const std::string& name) {
  const auto found = std::ranges::find_if(known.not_read, [&name](const std::string& problem) {
    return problem.find("/" + name + ".toml") != std::string::npos;
  });
  return found == known.not_read.end() ? nullptr : &*found;
}

Result<Profile> profile_named(const std::string& name) {
  Profiles known = read_profiles(kProfileFolder);
  for (Profile& profile : known.profiles)
    if (profile.name == name) return profile;
  const std::string* problem = problem_of(known, name);
  return Error(problem ? *problem : "there is no profile '" + printable(name) + "'");
}

std::string conditions_of(const ProfileSetting& setting) {
  std::string text = setting.may_lower ? "" : "  at least";
  if (setting.memory_at_least)
    text += fmt::format("  with {}B of memory",
                        short_bytes(static_cast<double>(setting.memory_at_least)));
  if (setting.link_at_least)
    text += fmt::format("  with a link of {}bit/s",
                        short_count(static_cast<double>(setting.link_at_least)));
  return text;
}

Json to_json(const Profile& profile) {
  return object_of({{"name", profile.name},
                    {"description", profile.summary},
                    {"file", profile.file.empty() ? Json() : Json(profile.file)},
                    {"settings", profile.settings.size()}});
}

Json to_json(const ProfileSetting& setting) {
  const auto or_null = [](std::uint64_t least) { return least ? Json(least) : Json(); };
  return object_of({{"key", setting.key},
                    {"value", setting.value},
                    {"may_lower", setting.may_lower},
                    {"memory_at_least", or_null(setting.memory_at_least)},
                    {"link_at_least", or_null(setting.link_at_least)},
                    {"why", setting.why}});
}

Result<int> print_json_of(const Profile& profile) {
  Json json = to_json(profile);
  json["settings"] = Json::array();
  for (const ProfileSetting& setting : profile.settings)
    json["settings"].push_back(to_json(setting));
  auto host = TRY(SettingsOfHost::open());
  json["plan"] = to_json(TRY(plan_of_profile(profile.name, *host)));
  fmt::print("{}\n", to_line(json));
  return 0;
}

// What is left out is said; why others would not be proposed nobody asked.
void leave_out_and_consider(Plan& plan, const TuneOptions& options) {
  if (!options.only.empty())
    std::erase_if(plan.considered, [&](const Considered& one) {
      return std::ranges::none_of(options.only, [&one](const std::string& text) {
        const auto named = named_setting(text);
        return named && named.value().tunable->key == one.key;
      });
    });
  std::vector<Considered> left = leave_out(plan, options);
  std::ranges::move(left, std::back_inserter(plan.considered));
}

}  // namespace

std::vector<Considered> leave_out(Plan& plan, const TuneOptions& options) {
  std::vector<Considered> left;
  std::erase_if(plan.proposals, [&](const Proposal& proposal) {
    const bool excepted = names_any(options.except, proposal);
    const bool wanted = (options.only.empty() || names_any(options.only, proposal)) && !excepted;
    if (!wanted && std::ranges::find(left, proposal.key, &Considered::key) == left.end())
      left.push_back({.key = proposal.key,
                      .why_not = excepted ? "left out: --except" : "left out: --only others"});
    return !wanted;
  });
  return left;
}

Goal goal_of(const TuneOptions& options) {
  for (const Goal goal : {Goal::Throughput, Goal::Latency})
    if (options.goal == name_of(goal)) return goal;
  return Goal::Balanced;
}

Result<Plan> plan_of_findings(std::span<const Finding> findings, const TuneOptions& options,
                              bool tries, SettingsOfHost& host, std::uint64_t counted_in) {
  // Unknown, where it is gone meanwhile, or only root may look.
  const ChangeScope own = counted_in ? host.namespaces().find(counted_in).value_or(ChangeScope())
                                     : host.namespaces().own();
  Policy policy = propose(
      {.findings = findings,
       .scope_of = [&host](std::uint64_t inode) { return host.namespaces().find(inode); },
       .own = own,
       .value = [&host](const auto& scope, auto key) { return value_there(host, scope, key); },
       .route_to = [&host](const auto& scope,
                           const auto& remote) { return host.route_to(scope, remote); },
       .device =
           [&own](const std::string& name) {
             return ChangeScope{.kind = ScopeKind::Device,
                                .name = name,
                                .cookie = own.cookie,
                                .netns = std::strtoull(own.name.c_str(), nullptr, 10)};
           },
       .has_qdisc =
           [](std::string_view kind) {
             const std::vector<std::string> there = available_qdiscs();
             return std::ranges::find(there, kind) != there.end();
           },
       .words = subject_text,
       .memory_bytes = memory_of_host(),
       .page_bytes = static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE)),
       .goal = goal_of(options),
       .tries = tries});
  Plan plan = TRY(empty_plan(options.goal));
  plan.proposals = std::move(policy.proposals);
  plan.considered = std::move(policy.considered);
  TRY(leave_alone(plan));
  leave_out_and_consider(plan, options);
  return plan;
}

Result<> check_settings(const TuneOptions& options) {
  TRY(check_settings(options.settings, ""));
  TRY(check_settings(options.only, "--only"));
  return check_settings(options.except, "--except");
}

Result<> check_profile(const std::string& name) {
  const Profiles known = read_profiles(kProfileFolder);
  if (std::ranges::find(known.profiles, name, &Profile::name) != known.profiles.end() ||
      problem_of(known, name))
    return {};
  std::string names;
  for (const Profile& profile : known.profiles) names += (names.empty() ? "" : ", ") + profile.name;
  return Error(fmt::format("there is no profile '{}'; there are {}", printable(name), names));
}

Result<Plan> plan_of_profile(const std::string& name, SettingsOfHost& host) {
  const Profile profile = TRY(profile_named(name));
  Plan made = plan_of(
      profile,
      {.host = {.memory_bytes = memory_of_host(), .link_bits_per_s = fastest_link()},
       .own = host.namespaces().own(),
       .value = [&host](const auto& scope, auto key) { return value_there(host, scope, key); }});
  Plan plan = TRY(empty_plan(made.goal));
  plan.proposals = std::move(made.proposals);
  plan.considered = std::move(made.considered);
  TRY(leave_alone(plan));
  return plan;
}

Result<int> run_tune_plan(const Options& options) {
  if (!options.output.empty() && options.output != "-")
    TRY(check_new_file(options.output, options.force));
  auto host = TRY(SettingsOfHost::open());
  Plan plan = TRY(options.tune.profile.empty() ? plan_of_findings(options, *host)
                                               : plan_of_profile(options.tune.profile, *host));
  if (!options.tune.profile.empty()) leave_out_and_consider(plan, options.tune);
  TRY(write_plan(plan, options));
  if (std::fflush(stdout)) return Error::from_errno("write the plan");
  return 0;
}

Result<int> list_profiles(const Options& options) {
  const Profiles known = read_profiles(kProfileFolder);
  for (const Profile& profile : known.profiles) {
    if (options.json)
      fmt::print("{}\n", to_line(to_json(profile)));
    else
      fmt::print("{}",
                 hanging(fmt::format("{:<12} ", profile.name),
                         printable(profile.summary) +
                             (profile.file.empty() ? "" : " (" + printable(profile.file) + ")"),
                         13));
  }
  for (const std::string& problem : known.not_read)
    fmt::print(stderr, "netsonde: not read: {}\n", printable(problem));
  return 0;
}

Result<int> show_profile(const Options& options) {
  const Profile profile = TRY(profile_named(options.tune.profile));
  if (options.json) return print_json_of(profile);
  fmt::print("{}", hanging(profile.name + ": ", printable(profile.summary), 4));
  for (const ProfileSetting& setting : profile.settings)
    fmt::print("{}{}",
               hanging("  ",
                       fmt::format("{} = {}{}", setting.key, printable(setting.value),
                                   conditions_of(setting)),
                       6),
               hanging("      ", printable(setting.why), 6));
  auto host = TRY(SettingsOfHost::open());
  fmt::print("\nHere it would change:\n{}", plan_text(TRY(plan_of_profile(profile.name, *host))));
  return 0;
}

}  // namespace netsonde
