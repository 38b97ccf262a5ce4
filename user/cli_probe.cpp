// SPDX-License-Identifier: Apache-2.0
#include "user/cli_probe.h"

#include <charconv>

#include "probes/factors.h"
#include "user/cli_values.h"

namespace netsonde {

namespace {

constexpr std::uint64_t kMostAtOnce = 65536;

// Absent unless given.
CLI::Validator optional_into(std::optional<int>& target, int low, int high) {
  return CLI::Validator(
      [&target, low, high](std::string& text) -> std::string {
        const auto parsed = parse_bytes(text);
        const bool fits = parsed && parsed.value() >= static_cast<std::uint64_t>(low) &&
                          parsed.value() <= static_cast<std::uint64_t>(high);
        if (!fits) return fmt::format("'{}' is not from {} to {}", printable(text), low, high);
        target = static_cast<int>(parsed.value());
        return {};
      },
      "NUMBER");
}

template <typename Number>
CLI::Validator count_between(Number& target, std::uint64_t low, std::uint64_t high) {
  return CLI::Validator(
      [&target, low, high](std::string& text) -> std::string {
        std::uint64_t value = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
        const bool fits = error == std::errc() && end == text.data() + text.size();
        if (!fits || value < low || value > high)
          return fmt::format("'{}' is not from {} to {}", printable(text), low, high);
        target = static_cast<Number>(value);
        return {};
      },
      "NUMBER");
}

}  // namespace

void ProbeArguments::add_limits(CLI::App* sub, Options& options) {
  ProbeLimits& limits = options.probe.limits;
  const auto add = [&](const char* name, const char* help, Nanos& target) {
    sub->add_option(name, text(), help)->option_text("TIME")->check(duration_into(target));
  };
  add("--timeout", "A whole attempt may take so long (10s)", limits.total);
  add("--dns-timeout", "An answer of one DNS server (2s)", limits.dns);
  add("--connect-timeout", "The TCP handshake (3s)", limits.connect);
  add("--tls-timeout", "The TLS handshake (5s)", limits.tls);
  add("--response-timeout", "From the request to the first byte of the answer (10s)",
      limits.response);
  sub->add_option("--max-body", text(), "A longer answer is a failure (64MiB)")
      ->option_text("SIZE")
      ->check(bytes_into(limits.body_bytes, 0, 1ULL << 40));
}

void ProbeArguments::add_pacing(CLI::App* sub, Options& options) {
  ProbeOptions& probe = options.probe;
  const auto count = [&](const char* name, const char* help, auto& target) {
    sub->add_option(name, text(), help)->option_text("N")->check(count_into(target));
  };
  count("--count", "Measure every target so often; 0: until interrupted (1)", options.count);
  sub->add_option("--interval", text(), "From one measurement of a target to the next (1s)")
      ->option_text("TIME")
      ->check(duration_into(options.interval));
  sub->add_option("--parallel", text(), "At most so many attempts at once (64)")
      ->option_text("N")
      ->check(count_between(probe.parallel, 1, kMostAtOnce));
  sub->add_option("--per-host", text(), "Of these, to one host (16)")
      ->option_text("N")
      ->check(count_between(probe.per_host, 1, kMostAtOnce));
  count("--pool", "Connections that are kept open, of all hosts (1000)", probe.pool);
  count("--retries", "Try again what failed and may go well (0)", probe.retries);
  sub->add_option("--backoff", text(), "Wait up to so long before the first retry (200ms)")
      ->option_text("TIME")
      ->check(duration_into(probe.backoff));
  count("--breaker", "Leave a target alone after so many failures in a row; 0: never (5)",
        probe.breaker);
  count("--dns-cache", "Keep so many answers of DNS for as long as they are valid (4096)",
        probe.dns_cache);
  sub->add_option("--server", options.servers,
                  "Ask these for names: ADDRESS or ADDRESS:PORT (those of /etc/resolv.conf)")
      ->option_text("SERVER ...");
}

void ProbeArguments::add_request(CLI::App* sub, Options& options) {
  ProbeOptions& probe = options.probe;
  sub->add_option("--method", probe.method, "HTTP method (GET)")->option_text("METHOD");
  sub->add_option("--header", probe.headers, "A header of the request; several are allowed")
      ->option_text("'NAME: VALUE'")
      ->allow_extra_args(false);
  sub->add_option("--send", text(), "Send so many bytes, with --method PUT or POST (0)")
      ->option_text("SIZE")
      ->check(bytes_into(probe.send_bytes, 0, 1ULL << 40));
  sub->add_option("--ca", probe.ca_file, "Trust this file of certificates (the system's)")
      ->option_text("FILE")
      ->check(CLI::ExistingFile);
  sub->add_flag("--insecure", probe.insecure, "Accept any certificate");
}

void ProbeArguments::add_http(CLI::App* sub, Options& options) {
  ProbeOptions& probe = options.probe;
  sub->add_option("--http", probe.http_version, "Only this version of HTTP (the best)")
      ->option_text("1.1|2|3")
      ->check(CLI::IsMember({"1.1", "2", "3"}));
  sub->add_option("--accept-encoding", probe.encoding, "Ask for this encoding: gzip, br, zstd")
      ->option_text("ENCODING");
  sub->add_option("--redirects", text(), "Follow at most so many redirects (5)")
      ->option_text("N")
      ->check(count_into(probe.redirects));
  sub->add_flag("--keep-alive", probe.keep_alive, "Use connections again (each attempt a new one)");
  add_request(sub, options);
}

void ProbeArguments::add_sockets(CLI::App* sub, Options& options) {
  SocketOptions& socket = options.probe.socket;
  sub->add_option("--congestion", socket.congestion, "Congestion control of what we send")
      ->option_text("NAME");
  sub->add_option("--receive-buffer", text(), "SO_RCVBUF of the sockets (the kernel's)")
      ->option_text("SIZE")
      ->check(optional_into(socket.receive_buffer, 1, 1 << 30));
  sub->add_option("--dscp", text(), "Mark what we send (0)")
      ->option_text("0-63")
      ->check(optional_into(socket.dscp, 0, 63));
}

void ProbeArguments::add_probe(CLI::App* sub, Options& options) {
  ProbeOptions& probe = options.probe;
  options.count = 1;
  sub->add_option("targets", options.words,
                  "https://..., http://..., h3://..., ws://..., wss://..., tcp://host:port, "
                  "dns://server/name?type=AAAA, icmp://host")
      ->option_text("TARGET ...");
  sub->add_option("--file", probe.file,
                  "Targets, one a line; # begins a comment; -: standard input")
      ->option_text("FILE");
  sub->add_flag("--all-addresses", probe.all_addresses, "Every address of each name, ranked");
  sub->add_option("--expect", probe.expect,
                  "Exit with 4 unless that holds: 'ttfb_p95 < 200ms and failures = 0'")
      ->option_text("EXPR")
      ->check([](const std::string& text) {
        return std::string(text.empty() ? "it expects nothing" : "");
      });
  sub->add_flag("--no-bpf", probe.no_bpf, "Do without what our BPF programs would see");
  sub->add_flag("--json", options.json, "JSON instead of text, one object per attempt");
  add_pacing(sub, options);
  add_limits(sub, options);
  add_http(sub, options);
  add_sockets(sub, options);
}

void ProbeArguments::add_experiment(CLI::App* sub, Options& options) {
  ExperimentOptions& experiment = options.experiment;
  sub->add_option("url", options.words, "https://... or http://...")
      ->option_text("URL")
      ->required()
      ->expected(1);
  sub->add_option("--compare", experiment.factors,
                  "What is done in different ways (reuse,http,encoding)")
      ->option_text("FACTOR,...")
      ->delimiter(',');
  const auto count = [&](const char* name, const char* help, auto& target, std::uint64_t low,
                         std::uint64_t high) {
    sub->add_option(name, text(), help)->option_text("N")->check(count_between(target, low, high));
  };
  count("--blocks", "Measure every way in so many blocks (30)", experiment.blocks, 6, 10'000);
  count("--units", "So often in each block (5)", experiment.units, 3, 1000);
  sub->add_option("--seed", text(), "Of the order (by chance)")
      ->option_text("N")
      ->check(count_between(experiment.seed, 0, ~0ULL));
  count("--requests", "multiplex, batch: so many requests (10)", experiment.requests, 2, 100);
  sub->add_option("--batch", experiment.batch, "batch: one request for what these give together")
      ->option_text("URL");
  sub->add_option("--values", experiment.values,
                  "rcvbuf, notsent-lowat, dscp: compare these with the default")
      ->option_text("VALUE,...")
      ->delimiter(',');
  sub->add_option("--server", options.servers,
                  "Ask these for names; resolver: compare them (/etc/resolv.conf)")
      ->option_text("SERVER ...");
  sub->add_flag("--json", options.json, "JSON instead of text, one object per comparison");
  add_request(sub, options);
  add_limits(sub, options);
  sub->footer(fmt::format("\nFactors: {}", fmt::join(factor_names(), ", ")));
}

}  // namespace netsonde
