// SPDX-License-Identifier: Apache-2.0
#include "user/tune_connection.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <map>
#include <set>

#include "tuner/catalogue_connection.h"
#include "tuner/plan_json.h"
#include "user/base/text.h"
#include "user/guarded_change.h"
#include "user/model/filter.h"
#include "user/request.h"
#include "user/session.h"
#include "user/tune_apply.h"
#include "user/tune_place.h"

namespace netsonde {

namespace {

struct WantedOption {
  const Tunable* tunable = nullptr;
  std::string value{};
};

// A connection that the filter accepts.
struct Match {
  std::uint64_t netns = 0;
  std::vector<Evidence> ends{};  // whose it is, too
};
using Matches = std::map<std::uint64_t, Match>;  // by cookie

Result<std::vector<WantedOption>> wanted_options(const TuneOptions& options) {
  std::vector<WantedOption> wanted;
  const auto add = [&wanted](std::string_view key, std::string value) {
    wanted.push_back({.tunable = find_tunable(key), .value = std::move(value)});
  };
  if (!options.congestion.empty()) add(kConnectionCongestion, options.congestion);
  if (options.max_pacing_rate) add(kConnectionPacing, fmt::to_string(options.max_pacing_rate));
  if (options.window_clamp) add(kConnectionClamp, fmt::to_string(options.window_clamp));
  if (wanted.empty())
    return Error("connection wants one of --congestion, --max-pacing-rate and --window-clamp");
  for (const WantedOption& one : wanted) TRY(check_value(*one.tunable, one.value));
  return wanted;
}

std::string end_text(const std::uint8_t (&raw)[16], std::uint16_t port) {
  const Address address = Address::from(raw);
  const std::string text = to_text(address);
  return address.is_ipv4() ? fmt::format("{}:{}", text, port) : fmt::format("[{}]:{}", text, port);
}

Match match_of(const ev_conn& conn) {
  Match match{.netns = conn.netns};
  match.ends = {{.field = "local", .value = end_text(conn.local, conn.local_port)},
                {.field = "remote", .value = end_text(conn.remote, conn.remote_port)}};
  if (conn.direction == EV_IN) match.ends.push_back({.field = "direction", .value = "in"});
  if (conn.owner)
    match.ends.push_back(
        {.field = "process", .value = fmt::format("{}[{}]", fixed_string(conn.comm), conn.pid)});
  return match;
}

// What the filter accepts at the first tick.
class Looker : public Sink {
 public:
  explicit Looker(const Filter& filter) : filter_(filter) {}

  Result<> on_snapshot(const Snapshot& snapshot) override {
    for (const Connection* one : snapshot.select(Snapshot::Connections))
      if (filter_.accepts(snapshot.row(*one)))
        matches.emplace(one->last.conn.cookie, match_of(one->last.conn));
    has_looked = true;
    return {};
  }

  Matches matches;
  bool has_looked = false;

 private:
  const Filter& filter_;
};

// What signals did before is what they do afterwards: the loop that took them is gone then.
class KeptSignals {
 public:
  KeptSignals() {
    for (std::size_t i = 0; i < kNumbers.size(); ++i) sigaction(kNumbers[i], nullptr, &before_[i]);
  }
  KeptSignals(const KeptSignals&) = delete;
  KeptSignals& operator=(const KeptSignals&) = delete;
  ~KeptSignals() {
    for (std::size_t i = 0; i < kNumbers.size(); ++i) sigaction(kNumbers[i], &before_[i], nullptr);
  }

 private:
  static constexpr std::array kNumbers = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
  std::array<struct sigaction, kNumbers.size()> before_{};
};

// Rates are over one interval; who connects to whom is known without one.
Result<Matches> matches_of(const Filter& filter, const Options& options) {
  using namespace std::chrono_literals;
  const Nanos interval = filter.only_identity() ? Nanos(100ms) : Nanos(1s);
  const KeptSignals kept;
  Session session =
      TRY(Session::open({.ring_bytes = options.ring_bytes, .interval = interval}, filter));
  Looker looker(filter);
  session.add_sink(looker);
  TRY(session.run_ticks(1));
  if (!looker.has_looked) return Error("it was interrupted");
  if (looker.matches.empty()) return Error("no connection matches");
  return std::move(looker.matches);
}

class Planner {
 public:
  Planner(SettingsOfHost& host, const std::vector<WantedOption>& wanted)
      : host_(host), wanted_(wanted) {}

  Result<Plan> plan(const Matches& matches) {
    plan_ = TRY(empty_plan("asked for"));
    std::set<std::uint64_t> spaces;
    for (const auto& [cookie, match] : matches) spaces.insert(match.netns);
    for (const std::uint64_t inode : spaces) TRY(plan_in(inode, matches));
    if (plan_.proposals.size() > Plan::kMostProposals)
      return Error(
          fmt::format("{} connections match, {} changes; at most {} are made at once: "
                      "narrow --where",
                      matches.size(), plan_.proposals.size(), Plan::kMostProposals));
    tell(matches.size());
    return std::move(plan_);
  }

 private:
  Result<> plan_in(std::uint64_t inode, const Matches& matches) {
    const auto space = host_.namespaces().find(inode);
    if (!space)
      return Error(fmt::format("netns {}, of a connection that matches, cannot be entered", inode));
    for (const WantedOption& one : wanted_)
      if (one.tunable->key == kConnectionCongestion)
        TRY(check_congestion(one.value, *space, host_));
    // In this order they are visited fastest.
    for (const opt_values& values : TRY(host_.connections().list(*space))) {
      const auto match = matches.find(values.cookie);
      if (match == matches.end() || match->second.netns != inode) continue;
      ++there_;
      for (const WantedOption& one : wanted_) TRY(propose(one, values, match->second, *space));
    }
    return {};
  }

  Result<> propose(const WantedOption& wanted, const opt_values& values, const Match& match,
                   const ChangeScope& space) {
    Proposal proposal{.key = std::string(wanted.tunable->key),
                      .scope = {.kind = ScopeKind::Connection,
                                .name = fmt::to_string(values.cookie),
                                .cookie = space.cookie,
                                .netns = match.netns},
                      .to = wanted.value,
                      .evidence = match.ends,
                      .finding = std::string(kAskedFor),
                      .risk = std::string(wanted.tunable->risk),
                      .verify = "read back"};
    proposal.from = TRY(value_of(wanted.tunable->key, values));
    if (proposal.from == proposal.to) {
      ++already_[wanted.tunable->key];
      return {};
    }
    if (auto restorable = check_value(*wanted.tunable, proposal.from); !restorable)
      return Error(fmt::format("{}: what is there could not be written back: {}",
                               where_text(proposal), restorable.error().message()));
    plan_.proposals.push_back(std::move(proposal));
    return {};
  }

  void tell(std::size_t matches) const {
    for (const auto& [key, count] : already_)
      fmt::print(stderr, "netsonde: {} of {} connections have this {} already\n", count, there_,
                 key);
    if (there_ < matches)
      fmt::print(stderr, "netsonde: {} of {} connections have closed meanwhile\n", matches - there_,
                 matches);
  }

  SettingsOfHost& host_;
  const std::vector<WantedOption>& wanted_;
  Plan plan_;
  std::map<std::string_view, std::size_t> already_;
  std::size_t there_ = 0;
};

// What a filter that accepts everything would change nobody has looked at.
Result<Filter> filter_of(const std::string& where) {
  Filter filter = TRY(Filter::parse(where));
  if (filter.empty()) return Error("--where wants a filter, such as 'remote in 10.1.0.0/16'");
  return filter;
}

Result<Plan> plan_of(const Filter& filter, const std::vector<WantedOption>& wanted,
                     const Options& options) {
  const Matches matches = TRY(matches_of(filter, options));
  auto host = TRY(SettingsOfHost::open());
  return Planner(*host, wanted).plan(matches);
}

}  // namespace

Result<int> change_connections(const Options& options) {
  const auto filter = filter_of(options.tune.where);
  const auto wanted = wanted_options(options.tune);
  if (!filter || !wanted) {
    fmt::print(stderr, "netsonde: {}\n", (filter ? wanted.error() : filter.error()).message());
    return 2;
  }
  TRY(check_privilege());
  if (!options.json) TRY(undo_interrupted());
  const Plan plan = TRY(plan_of(filter.value(), wanted.value(), options));
  if (!options.json) return apply_if_wanted(plan, options);
  fmt::print("{}\n", to_json(plan).dump(1, ' ', true, Json::error_handler_t::replace));
  if (std::fflush(stdout)) return Error::from_errno("write the plan");
  return 0;
}

}  // namespace netsonde
