// SPDX-License-Identifier: Apache-2.0
#include "probes/dns_prober.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>

#include "probes/socket_address.h"

namespace netsonde {

namespace {

constexpr std::uint16_t kNoError = 0, kServfail = 2, kNxdomain = 3;
// Our own limit ends the waiting; c-ares looks at its own more rarely.
constexpr Nanos kBeyondTheLimit = std::chrono::seconds(1);
constexpr std::size_t kMostServers = 64;  // that are remembered while nobody asks them

Failure failure_of(FailureKind kind, std::string detail) {
  return {.phase = ProbePhase::Dns, .kind = kind, .detail = std::move(detail)};
}

LookupFacts facts_of(const DnsMessage& answer, const Target& target, const std::string& server,
                     bool tcp) {
  LookupFacts facts{.server = server, .tcp = tcp, .rcode = rcode_text(answer.rcode)};
  follow_aliases(answer, target.dns_name, target.dns_type, facts);
  if (answer.answers.empty()) facts.ttl_s = answer.negative_ttl_s;
  return facts;
}

// An answer that is none of what was asked for.
std::optional<Failure> failure_in(const DnsMessage& answer, const LookupFacts& facts, DnsType type,
                                  std::string_view what) {
  const bool address = type == DnsType::A || type == DnsType::AAAA;
  switch (answer.rcode) {
    case kNoError:
      if (!address || !facts.addresses.empty()) return std::nullopt;
      return failure_of(FailureKind::DnsNoAddress,
                        fmt::format("no {} record {}", to_text(type), what));
    case kNxdomain: return failure_of(FailureKind::DnsNxdomain, fmt::format("NXDOMAIN {}", what));
    case kServfail: return failure_of(FailureKind::DnsServfail, fmt::format("SERVFAIL {}", what));
    default:
      return failure_of(FailureKind::DnsRefused,
                        fmt::format("{} {}", rcode_text(answer.rcode), what));
  }
}

}  // namespace

void DnsProber::start(const ProbeRequest& request, OnAttempt on_attempt) {
  const std::uint64_t id = ++last_id_;
  const auto on_end = [this, id, on_attempt = std::move(on_attempt)](Attempt attempt) {
    const auto ended = runs_.find(id);
    if (ended->second.server) --ended->second.server->runs;
    runs_.erase(ended);
    on_attempt(std::move(attempt));
  };
  Run& run = runs_.try_emplace(id, loop_, request, on_end).first->second;
  const auto exists = [this, id] { return runs_.contains(id); };
  run.common.find_address(lookup_, exists,
                          [this, id, &run](const Address& address) { ask_at(id, run, address); });
  if (exists()) run.common.started();
}

Result<DnsProber::Server*> DnsProber::server_at(const Address& address,
                                                const ProbeRequest& request) {
  const ServerKey key = {endpoint_text(address, request.target.port), request.limits.dns};
  if (const auto known = servers_.find(key); known != servers_.end()) return &known->second;
  auto client = TRY(DnsClient::open(loop_, key.first, key.second + kBeyondTheLimit));
  if (servers_.size() >= kMostServers)
    std::erase_if(servers_, [](const auto& server) { return server.second.runs == 0; });
  return &servers_.emplace(key, Server{.client = std::move(client), .runs = 0}).first->second;
}

// The address may come from within c-ares: what is finished here is finished later.
void DnsProber::ask_at(std::uint64_t id, Run& run, const Address& address) {
  const ProbeRequest& request = run.common.request();
  Attempt& attempt = run.common.attempt();
  attempt.address = address;
  attempt.lookup.reset();  // of the server's own name
  attempt.times.dns.reset();
  const auto server = server_at(address, request);
  if (!server)
    return run.common.finish_later(failure_of(FailureKind::ConnectLocal, server.error().message()));
  run.server = server.value();
  ++run.server->runs;
  const auto limited = run.common.within(request.limits.dns, [&run] { give_up(run); });
  if (!limited)
    return run.common.finish_later(
        failure_of(FailureKind::ConnectLocal, limited.error().message()));
  run.asked = kernel_now();
  ask(id, run, false);
}

void DnsProber::give_up(Run& run) {
  run.common.finish(
      failure_of(FailureKind::DnsTimeout,
                 fmt::format("no answer from {} within {}", run.server->client->server(),
                             short_duration(kernel_now() - run.asked))));
}

void DnsProber::ask(std::uint64_t id, Run& run, bool tcp) {
  const Target& target = run.common.request().target;
  run.server->client->ask({.name = target.dns_name, .type = target.dns_type, .tcp = tcp},
                          [this, id, tcp](const DnsReply& reply) { take(id, reply, tcp); });
}

// Called by the client, which must not end within the call; perhaps too late.
void DnsProber::take(std::uint64_t id, const DnsReply& reply, bool tcp) {
  const auto found = runs_.find(id);
  if (found == runs_.end()) return;
  Run& run = found->second;
  const Nanos took = tcp ? kernel_now() - run.asked : reply.took;
  const Target& target = run.common.request().target;
  const std::string& server = run.server->client->server();
  if (!reply.message)
    return run.common.finish_later(failure_of(
        parse_failure_kind(reply.failure).value_or(FailureKind::DnsMalformed),
        fmt::format("{}{}: {}", server, tcp ? " over TCP" : "", printable(reply.detail))));
  if (reply.message->truncated && !tcp) return ask(id, run, true);
  Attempt& attempt = run.common.attempt();
  attempt.times.dns = took;
  attempt.lookup = facts_of(*reply.message, target, server, tcp);
  const std::string what = fmt::format("from {} for {}", server, printable(target.dns_name));
  run.common.finish_later(failure_in(*reply.message, *attempt.lookup, target.dns_type, what));
}

}  // namespace netsonde
