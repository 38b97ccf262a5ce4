// SPDX-License-Identifier: Apache-2.0
#include "tuner/plan_json.h"

#include <fmt/format.h>

#include "tuner/scope_name.h"
#include "tuner/tunable.h"
#include "user/base/json_members.h"
#include "user/base/text.h"
#include "user/model/diagnosis/evidence_json.h"

namespace netsonde {

namespace {

constexpr std::size_t kMostEvidence = 100;

Result<std::vector<Evidence>> evidence_list(const Json& json) {
  std::vector<Evidence> list;
  for (const Json& one : *TRY(array_member(json, "evidence", kMostEvidence)))
    list.push_back(TRY(evidence_from(one)));
  return list;
}

Result<> check(const Proposal& proposal) {
  const Tunable* tunable = find_tunable(proposal.key);
  if (!tunable)
    return Error(printable(proposal.key) + " is not in the catalogue (netsonde tune list --all)");
  TRY(check_value(*tunable, proposal.from));
  TRY(check_value(*tunable, proposal.to));
  if (tunable->scope == proposal.scope.kind) return {};
  return Error(fmt::format("{}: is of a {}, not of a {}", proposal.key, name_of(tunable->scope),
                           name_of(proposal.scope.kind)));
}

// What one of ours never reaches, and what is shown in no time.
constexpr std::size_t kLongestProposal = 32'768;

Result<Plan> checked_plan(const Json& json) {
  if (!json.is_object()) return Error("it is not JSON of a plan");
  const int schema = TRY(integer_member<int>(json, "schema"));
  if (schema != Plan::kSchema)
    return Error(fmt::format("its schema is {}, this netsonde reads {}", schema, Plan::kSchema));
  Plan plan;
  plan.time_ns = TRY(integer_member<std::int64_t>(json, "time_ns"));
  plan.host = TRY(text_member(json, "host"));
  plan.boot = TRY(text_member(json, "boot"));
  plan.goal = TRY(optional_text_member(json, "goal"));
  for (const Json& one : *TRY(array_member(json, "proposals", Plan::kMostProposals))) {
    plan.proposals.push_back(TRY(proposal_from(one)));
    if (one.dump(-1, ' ', true, Json::error_handler_t::replace).size() > kLongestProposal)
      return Error(fmt::format("a proposal is longer than {} bytes", kLongestProposal));
  }
  TRY(check_twice(plan.proposals));
  return plan;
}

}  // namespace

Json to_json(const ChangeScope& scope) {
  Json json = object_of({{"kind", name_of(scope.kind)}, {"name", scope.name}});
  if (scope.netns) json["netns"] = scope.netns;
  if (scope.cookie) json["cookie"] = scope.cookie;
  if (scope.index) json["index"] = scope.index;
  if (!scope.address.empty()) json["address"] = scope.address;
  return json;
}

Result<ChangeScope> scope_from(const Json& json) {
  const std::string kind = TRY(text_member(json, "kind"));
  const auto known = scope_kind_of(kind);
  if (!known) return Error("'" + printable(kind) + "' is no kind of scope");
  ChangeScope scope{.kind = *known};
  scope.name = TRY(text_member(json, "name"));
  if (scope.kind != ScopeKind::Host)
    scope.cookie = TRY(integer_member<std::uint64_t>(json, "cookie"));
  TRY(check_scope_name(scope.kind, scope.name));
  if (scope.kind == ScopeKind::Host || scope.kind == ScopeKind::Namespace) return scope;
  scope.netns = TRY(integer_member<std::uint64_t>(json, "netns"));
  if (scope.kind == ScopeKind::Device && json.contains("index"))
    scope.index = TRY(integer_member<std::uint32_t>(json, "index"));
  scope.address = TRY(optional_text_member(json, "address"));
  return scope;
}

Json to_json(const Proposal& proposal) {
  Json evidence = Json::array();
  for (const Evidence& one : proposal.evidence) evidence.push_back(to_json(one));
  return object_of({{"key", proposal.key},
                    {"scope", to_json(proposal.scope)},
                    {"from", proposal.from},
                    {"to", proposal.to},
                    {"evidence", std::move(evidence)},
                    {"subject", proposal.subject},
                    {"finding", proposal.finding},
                    {"expected", proposal.expected},
                    {"risk", proposal.risk},
                    {"verify", proposal.verify}});
}

Result<Proposal> proposal_from(const Json& json) {
  if (!json.is_object()) return Error("a proposal is no object");
  Proposal proposal;
  proposal.key = TRY(text_member(json, "key"));
  proposal.scope = TRY(scope_from(*TRY(object_member(json, "scope"))));
  const Tunable* tunable = find_tunable(proposal.key);
  const auto value = [&](const char* name) -> Result<std::string> {
    const std::string text = TRY(text_member(json, name));
    return tunable ? normal_value(*tunable, text) : normal_value(text);
  };
  proposal.from = TRY(value("from"));
  proposal.to = TRY(value("to"));
  proposal.evidence = TRY(evidence_list(json));
  proposal.subject = TRY(optional_text_member(json, "subject"));
  proposal.finding = TRY(optional_text_member(json, "finding"));
  proposal.expected = TRY(optional_text_member(json, "expected"));
  proposal.risk = TRY(optional_text_member(json, "risk"));
  proposal.verify = TRY(optional_text_member(json, "verify"));
  TRY(check(proposal));
  return proposal;
}

Json to_json(const Plan& plan) {
  Json proposals = Json::array(), considered = Json::array();
  for (const Proposal& proposal : plan.proposals) proposals.push_back(to_json(proposal));
  for (const Considered& one : plan.considered)
    considered.push_back(object_of({{"key", one.key}, {"why_not", one.why_not}}));
  Json observed;
  if (plan.observed)
    observed = object_of({{"seconds", plan.observed->seconds},
                          {"connections", plan.observed->connections},
                          {"listeners", plan.observed->listeners},
                          {"lost", plan.observed->lost}});
  return object_of({{"schema", Plan::kSchema},
                    {"time", rfc3339(plan.time_ns)},
                    {"time_ns", plan.time_ns},
                    {"host", plan.host},
                    {"boot", plan.boot},
                    {"goal", plan.goal},
                    {"observed", std::move(observed)},
                    {"proposals", std::move(proposals)},
                    {"considered", std::move(considered)}});
}

Result<Plan> plan_from(std::string_view text) {
  return checked_plan(Json::parse(text, nullptr, false));
}

}  // namespace netsonde
