// SPDX-License-Identifier: Apache-2.0
#include "user/probe.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

#include "probes/run.h"
#include "user/model/address_ranking.h"
#include "user/model/expectation.h"
#include "user/probe_request.h"
#include "user/probing.h"
#include "user/sinks/attempts.h"
#include "user/sinks/ranked_addresses.h"

namespace netsonde {

namespace {

int refuse(const Error& error) {
  std::fprintf(stderr, "netsonde: %s\n", error.message().c_str());
  return 2;
}

// What the command was asked to do, understood.
struct Wanted {
  std::vector<ProbeRequest> requests{};
  std::optional<Expectation> expectation{};
};

Result<Wanted> understand_probe(const Options& options) {
  Wanted wanted{.requests = TRY(probe_requests(options))};
  if (!options.probe.expect.empty())
    wanted.expectation = TRY(Expectation::parse(options.probe.expect));
  return wanted;
}

class ProbeCommand {
 public:
  ProbeCommand(const Options& options, Wanted wanted, Probing& probing)
      : options_(options), wanted_(std::move(wanted)), probing_(probing) {}

  Result<int> run() {
    TRY(probing_.run([this]() -> Result<> {
      if (options_.probe.all_addresses) return find_addresses();
      return begin(std::move(wanted_.requests));
    }));
    TRY(outcome_);
    finish();
    if (wanted_.expectation) return is_as_expected() ? 0 : 4;
    return failed_ || all_.attempts() == 0 ? 1 : 0;
  }

 private:
  // Of each name, then of all of them a request each.
  Result<> find_addresses() {
    asked_ = wanted_.requests.size();
    for (const ProbeRequest& request : wanted_.requests) {
      if (const auto literal = parse_address(request.target.host)) {
        take_addresses(request, {*literal});
        continue;
      }
      probing_.lookup().find(request.target.host, false,
                             [this, &request](const Lookup::Found& found) {
                               // Without an address the attempt fails, and says why.
                               take_addresses(request, found.facts.addresses);
                             });
    }
    return {};
  }

  void take_addresses(const ProbeRequest& request, const std::vector<Address>& addresses) {
    if (addresses.empty()) pinned_.push_back(request);
    for (const Address& address : addresses) {
      pinned_.push_back(request);
      pinned_.back().pinned = address;
    }
    if (--asked_ == 0) outcome_ = begin(std::move(pinned_));
  }

  Result<> begin(std::vector<ProbeRequest> requests) {
    single_ = requests.size() == 1 && options_.count == 1;
    for (const ProbeRequest& request : requests) columns_.make_room(request.target.text);
    columns_.echo = std::any_of(requests.begin(), requests.end(), [](const ProbeRequest& request) {
      return request.target.scheme == Scheme::Icmp || request.target.scheme == Scheme::Ws ||
             request.target.scheme == Scheme::Wss;
    });
    if (!options_.json && !single_) fmt::print("{}", attempt_head(columns_));
    run_ = TRY(ProbeRun::open(
        probing_.loop(), [this](Scheme scheme) -> Prober& { return probing_.prober_of(scheme); },
        run_settings(options_, std::move(requests))));
    run_->start([this](const ProbeRequest& request, Attempt attempt) { take(request, attempt); },
                [this] { probing_.stop(); });
    return {};
  }

  void take(const ProbeRequest& request, Attempt& attempt) {
    if (outcome_) outcome_ = probing_.add_witness(attempt);
    all_.add(attempt);
    failed_ |= attempt.failure && !attempt.retried;
    summary_of(request.target.text).add(attempt);
    if (request.pinned) ranked_of(request, *request.pinned).summary.add(attempt);
    const std::int64_t offset = realtime_offset_ns();
    if (options_.json)
      fmt::print("{}\n", to_line(to_json(attempt, offset)));
    else if (single_)
      fmt::print("{}", to_text(attempt));
    else
      print_line(attempt, offset);
    std::fflush(stdout);
    if (!outcome_) probing_.stop();
  }

  void print_line(const Attempt& attempt, std::int64_t offset) {
    columns_.make_room(attempt);
    fmt::print("{}", attempt_line(attempt, offset, columns_));
  }

  AttemptSummary& summary_of(const std::string& target) {
    const auto [found, added] = by_target_.try_emplace(target, targets_.size());
    if (added) targets_.push_back({.target = target});
    return targets_[found->second].summary;
  }

  RankedAddress& ranked_of(const ProbeRequest& request, const Address& address) {
    std::vector<RankedAddress>& ranked = ranked_[request.target.text];
    for (RankedAddress& known : ranked)
      if (known.address == address) return known;
    return ranked.emplace_back(RankedAddress{
        .target = request.target.text, .address = address, .port = request.target.port});
  }

  void finish_ranking() {
    for (auto& [target, ranked] : ranked_) {
      for (RankedAddress& address : ranked)
        if (probing_.session())
          address.use = use_of(probing_.session()->snapshot(), address.address, address.port,
                               static_cast<std::uint32_t>(getpid()));
      rank(ranked);
    }
  }

  // Of nothing, nothing is as expected.
  bool is_as_expected() const { return all_.attempts() != 0 && wanted_.expectation->holds(all_); }

  // When it was interrupted.
  std::size_t under_way() const { return run_ && probing_.interrupted() ? run_->running() : 0; }

  void finish() {
    finish_ranking();
    const Expectation* expectation = wanted_.expectation ? &*wanted_.expectation : nullptr;
    if (options_.json) return finish_json(expectation);
    if (!single_) fmt::print("\n{}", summary_table(targets_));
    for (const auto& [target, ranked] : ranked_) fmt::print("\n{}", to_text(ranked));
    if (!probing_.without_bpf().empty())
      fmt::print("not seen: what BPF programs would tell of the connections ({})\n",
                 probing_.without_bpf());
    if (under_way() != 0) fmt::print("interrupted: {} under way, not counted\n", under_way());
    if (expectation)
      fmt::print("{}: {} ({})\n", is_as_expected() ? "as expected" : "NOT AS EXPECTED",
                 expectation->text(), expectation->found(all_));
  }

  void finish_json(const Expectation* expectation) {
    Json last = to_json(all_, expectation, probing_.interrupted());
    if (expectation) last["summary"]["expectation"]["holds"] = is_as_expected();
    last["summary"]["under_way"] = under_way();
    Json addresses = Json::array();
    for (const auto& [target, ranked] : ranked_)
      for (Json& address : to_json(ranked)) addresses.push_back(std::move(address));
    if (!ranked_.empty()) last["summary"]["addresses"] = std::move(addresses);
    if (!probing_.without_bpf().empty()) last["summary"]["without_bpf"] = probing_.without_bpf();
    fmt::print("{}\n", to_line(last));
  }

  const Options& options_;
  Wanted wanted_;
  Probing& probing_;
  Result<> outcome_;
  std::size_t asked_ = 0;
  std::vector<ProbeRequest> pinned_;
  std::unique_ptr<ProbeRun> run_;
  bool failed_ = false;  // some target, in spite of retries
  bool single_ = false;  // one attempt, told at length
  AttemptColumns columns_;
  AttemptSummary all_;
  std::vector<TargetSummary> targets_;  // in the order in which they answered first
  std::map<std::string, std::size_t> by_target_;
  std::map<std::string, std::vector<RankedAddress>> ranked_;  // by target
};

}  // namespace

Result<int> run_probe(const Options& options) {
  auto wanted = understand_probe(options);
  if (!wanted) return refuse(wanted.error());
  const auto probing = TRY(Probing::open(probing_settings(options)));
  if (const auto ready = probing->prepare(wanted.value().requests); !ready)
    return refuse(ready.error());
  return ProbeCommand(options, std::move(wanted).value(), *probing).run();
}

}  // namespace netsonde
