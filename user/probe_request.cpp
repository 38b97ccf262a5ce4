// SPDX-License-Identifier: Apache-2.0
#include "user/probe_request.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <iostream>
#include <limits>

namespace netsonde {

namespace {

constexpr std::size_t kMostTargets = 100'000;

Result<HttpOptions> http_options(const ProbeOptions& probe) {
  HttpOptions http{.method = probe.method,
                   .encoding = probe.encoding,
                   .send_bytes = probe.send_bytes,
                   .most_redirects = probe.redirects,
                   .fresh = !probe.keep_alive,
                   .resume_tls = probe.keep_alive,
                   .verify = !probe.insecure,
                   .ca_file = probe.ca_file};
  if (probe.http_version == "1.1") http.version = HttpVersion::Http1;
  if (probe.http_version == "2") http.version = HttpVersion::Http2;
  if (probe.http_version == "3") http.version = HttpVersion::Http3;
  for (const std::string& header : probe.headers) {
    const std::size_t colon = header.find(':');
    if (colon == 0 || colon == std::string::npos || printable(header) != header)
      return Error(fmt::format("--header: '{}' is not NAME: VALUE", printable(header)));
    const std::size_t value = header.find_first_not_of(' ', colon + 1);
    http.headers.emplace_back(header.substr(0, colon),
                              value == std::string::npos ? "" : header.substr(value));
  }
  const bool known = std::all_of(http.method.begin(), http.method.end(),
                                 [](char c) { return c >= 'A' && c <= 'Z'; });
  if (http.method.empty() || !known)
    return Error(
        fmt::format("--method: '{}' is no method; GET, HEAD, PUT, ...", printable(http.method)));
  if (http.send_bytes && (http.method == "GET" || http.method == "HEAD"))
    return Error("--send needs a method that sends: --method PUT or POST");
  return http;
}

Result<Target> target_of(const std::string& text, const ProbeOptions& probe) {
  Target target = TRY(Target::parse(text));
  if (target.scheme == Scheme::Http3 && !probe.http_version.empty() && probe.http_version != "3")
    return Error(fmt::format("--http {} is not for '{}', which is HTTP/3", probe.http_version,
                             printable(text)));
  if (probe.http_version != "3") return target;
  if (target.scheme != Scheme::Https && target.scheme != Scheme::Http3)
    return Error(fmt::format("--http 3 is for https, not for '{}'", printable(text)));
  target.scheme = Scheme::Http3;
  return target;
}

std::string_view without_comment(std::string_view line) {
  if (const std::size_t comment = line.find('#');
      comment == 0 || (comment != std::string_view::npos && line[comment - 1] == ' '))
    line = line.substr(0, comment);
  const std::size_t begin = line.find_first_not_of(" \t\r");
  if (begin == std::string_view::npos) return {};
  return line.substr(begin, line.find_last_not_of(" \t\r") - begin + 1);
}

Result<std::vector<Target>> targets_of_file(const ProbeOptions& probe) {
  std::ifstream file;
  if (probe.file != "-") file.open(probe.file);
  std::istream& lines = probe.file == "-" ? std::cin : file;
  if (!lines) return Error::from_errno("read " + printable(probe.file));
  std::vector<Target> targets;
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    const std::string_view text = without_comment(line);
    if (text.empty()) continue;
    auto target = target_of(std::string(text), probe);
    if (!target)
      return std::move(target).error().while_doing(
          fmt::format("{}:{}", printable(probe.file), number));
    targets.push_back(std::move(target).value());
    if (targets.size() > kMostTargets)
      return Error(fmt::format("{}: more than {} targets", printable(probe.file), kMostTargets));
  }
  if (lines.bad()) return Error::from_errno("read " + printable(probe.file));
  return targets;
}

}  // namespace

Result<std::vector<ProbeRequest>> probe_requests(const Options& options) {
  const ProbeOptions& probe = options.probe;
  std::vector<Target> targets;
  for (const std::string& text : options.words) targets.push_back(TRY(target_of(text, probe)));
  if (!probe.file.empty()) {
    auto more = TRY(targets_of_file(probe));
    targets.insert(targets.end(), std::make_move_iterator(more.begin()),
                   std::make_move_iterator(more.end()));
  }
  if (targets.empty()) return Error("no target; https://example.com, tcp://host:port, --file ...");
  const HttpOptions http = TRY(http_options(probe));
  std::vector<ProbeRequest> requests;
  for (Target& target : targets)
    requests.push_back({.target = std::move(target),
                        .limits = probe.limits,
                        .socket = probe.socket,
                        .http = http});
  return requests;
}

ProbeRunSettings run_settings(const Options& options, std::vector<ProbeRequest> requests) {
  const ProbeOptions& probe = options.probe;
  return {.requests = std::move(requests),
          .rounds = options.count,
          .interval = options.interval,
          .parallel = probe.parallel,
          .per_host = std::max<std::size_t>(probe.per_host, 1),
          .retries = probe.retries,
          .backoff = {.base = probe.backoff},
          .breaker = {.failures =
                          probe.breaker ? probe.breaker : std::numeric_limits<unsigned>::max()}};
}

ProbingSettings probing_settings(const Options& options) {
  const ProbeOptions& probe = options.probe;
  return {.lookup = {.servers = options.servers,
                     .timeout = probe.limits.dns,
                     .cache_answers = probe.dns_cache},
          .transfer = {.connections = std::max(probe.pool, probe.parallel),
                       .connections_per_host = std::max<std::size_t>(probe.per_host, 1)},
          .bpf = !probe.no_bpf,
          .everybody = probe.all_addresses};
}

}  // namespace netsonde
