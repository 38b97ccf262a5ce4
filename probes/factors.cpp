// SPDX-License-Identifier: Apache-2.0
#include "probes/factors.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "probes/arms.h"

namespace netsonde {

namespace {

std::string without_body(const FactorSettings& settings) {
  return settings.request.http.send_bytes ? "" : "is about what is sent: --method PUT --send SIZE";
}

std::string without_batch(const FactorSettings& settings) {
  if (!settings.batch) return "needs the larger request: --batch URL";
  const Target &small = settings.request.target, &large = *settings.batch;
  const bool same = small.scheme == large.scheme && small.authority() == large.authority();
  return same ? "" : "asks one server: --batch must lead to the same";
}

std::string without_servers(const FactorSettings& settings) {
  return settings.servers.empty() ? "needs to know whom to ask: --server ADDRESS" : "";
}

std::string too_many_bytes(const FactorSettings& settings) {
  const bool ok = std::ranges::all_of(
      settings.values, [](std::uint64_t value) { return value >= 1 && value <= 1 << 30; });
  return ok ? "" : "is from 1 byte to 1GiB";
}

std::string no_lowat(const FactorSettings& settings) {
  const std::string missing = without_body(settings);
  return missing.empty() ? too_many_bytes(settings) : missing;
}

std::string no_mark(const FactorSettings& settings) {
  const bool ok =
      std::ranges::all_of(settings.values, [](std::uint64_t value) { return value < 64; });
  return ok ? "" : "is from 0 to 63";
}

struct Row {
  std::string_view name, question;
  std::vector<Arm> (*arms)(const FactorSettings&);
  std::optional<Metric> metric{};                           // beside times
  std::string (*problem)(const FactorSettings&) = nullptr;  // with the settings; empty: none
};

constexpr std::array kFactors = {
    Row{.name = "reuse",
        .question = "a new connection for each request, or one that is kept",
        .arms = reuse_arms},
    Row{.name = "http",
        .question = "the version of HTTP, each request on a new connection",
        .arms = http_arms},
    Row{.name = "multiplex",
        .question = "requests at once, each on a connection of its own or all on one",
        .arms = multiplex_arms},
    Row{.name = "batch",
        .question = "small requests one after the other, or one that is larger",
        .arms = batch_arms,
        .problem = without_batch},
    Row{.name = "encoding",
        .question = "bodies as they are, or compressed",
        .arms = encoding_arms,
        .metric = Metric::WireBytes},
    Row{.name = "dns", .question = "the name asked for each time, or kept", .arms = dns_arms},
    Row{.name = "resolver",
        .question = "who is asked for the name, and the address that it gives",
        .arms = resolver_arms,
        .problem = without_servers},
    Row{.name = "address", .question = "each address of the name", .arms = address_arms},
    Row{.name = "tls",
        .question = "full handshakes, or sessions that are resumed",
        .arms = tls_arms},
    Row{.name = "congestion",
        .question = "the congestion control of what is sent",
        .arms = congestion_arms,
        .metric = Metric::Bandwidth,
        .problem = without_body},
    Row{.name = "rcvbuf",
        .question = "the size of the receive buffer",
        .arms = receive_buffer_arms,
        .metric = Metric::Bandwidth,
        .problem = too_many_bytes},
    Row{.name = "notsent-lowat",
        .question = "how much may wait unsent in the kernel",
        .arms = notsent_lowat_arms,
        .metric = Metric::Bandwidth,
        .problem = no_lowat},
    Row{.name = "dscp",
        .question = "how packets are marked",
        .arms = dscp_arms,
        .problem = no_mark},
    Row{.name = "nodelay",
        .question = "small segments sent at once, or held back (Nagle)",
        .arms = nodelay_arms},
};

}  // namespace

const std::vector<std::string>& factor_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (const Row& row : kFactors) all.emplace_back(row.name);
    return all;
  }();
  return names;
}

bool has_values(std::string_view factor) {
  return factor == "rcvbuf" || factor == "notsent-lowat" || factor == "dscp";
}

Result<Factor> make_factor(std::string_view name, const FactorSettings& settings) {
  const auto* row = std::ranges::find(kFactors, name, &Row::name);
  if (row == kFactors.end())
    return Error(fmt::format("'{}' is no factor; there are {}", printable(name),
                             fmt::join(factor_names(), ", ")));
  if (const std::string problem = row->problem ? row->problem(settings) : ""; !problem.empty())
    return Error(fmt::format("{} {}", name, problem));
  Factor factor{.name = std::string(row->name),
                .question = std::string(row->question),
                .metrics = {Metric::Total, Metric::Ttfb},
                .arms = row->arms(settings)};
  // Of several requests there is no first byte.
  if (std::ranges::any_of(factor.arms, [](const Arm& arm) { return arm.requests > 1; }))
    factor.metrics = {Metric::Total};
  if (row->metric) factor.metrics.push_back(*row->metric);
  return factor;
}

}  // namespace netsonde
