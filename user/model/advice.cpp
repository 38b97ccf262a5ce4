// SPDX-License-Identifier: Apache-2.0
#include "user/model/advice.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>

namespace netsonde {

namespace {

constexpr double kFewest = 20;            // probes and connections that a share is taken of
constexpr std::uint64_t kFailingRow = 5;  // attempts in a row
constexpr double kUnevenRtt = 1.5;        // the worst address to the best
constexpr double kNearEdge = 0.5;         // RTT to an edge, of the time to the first byte

struct Case {
  const ProbedEndpoint& endpoint;
  const std::optional<EndpointUse>& use;
  std::vector<Recommendation>& advice;
};

std::string time_text(double us) {
  return short_duration(Nanos(static_cast<std::int64_t>(us * 1e3)));
}

std::string evidence_of(const MeasuredArm& c) {
  const bool time = c.metric.ends_with("_us");
  const auto value = [time](double v) { return time ? time_text(v) : fmt::format("{:.4g}", v); };
  return fmt::format("{}: {} {} against {} {}, ratio {:.3f} [{:.3f}..{:.3f}] in {} blocks",
                     c.factor, c.arm, value(c.arm_value), c.baseline, value(c.baseline_value),
                     c.ratio, c.interval.low, c.interval.high, c.blocks);
}

const MeasuredArm* better(const ProbedEndpoint& endpoint, std::string_view factor,
                          std::string_view arm, std::string_view metric) {
  const MeasuredArm* best = nullptr;
  for (const MeasuredArm& c : endpoint.comparisons) {
    const bool meant = c.factor == factor && (arm.empty() || c.arm == arm) && c.metric == metric;
    if (!meant || c.verdict != Verdict::Better) continue;
    if (!best || c.ratio < best->ratio) best = &c;
  }
  return best;
}

// Of the interval of the ratio, applied to the baseline's median.
Interval saved(const MeasuredArm& c) {
  return {.low = c.baseline_value * (1 - c.interval.high),
          .high = c.baseline_value * (1 - c.interval.low)};
}

std::optional<double> opened_per_minute(const Case& c) {
  if (!c.use || c.use->seconds <= 0 || c.use->opened == 0) return std::nullopt;
  return static_cast<double>(c.use->opened) * 60 / c.use->seconds;
}

std::string use_text(const EndpointUse& use) {
  return fmt::format("this host: {} new connections there in {:.0f} s, of {} in use", use.opened,
                     use.seconds, use.connections);
}

struct FromComparison {
  std::string_view rule, factor, arm, metric;
  std::string_view what;  // {} is what is saved
  std::string_view how;
  bool per_connection = true;  // what is saved is saved with each new connection
};

constexpr std::array kRules = {
    FromComparison{
        .rule = "keep-alive",
        .factor = "reuse",
        .arm = {},
        .metric = "total_us",
        .what = "A kept connection saves {} per request.",
        .how = "Let the client keep a pool of connections to it (HTTP keep-alive), at least as "
               "many as it has requests at once, and keep them for longer than it pauses."},
    FromComparison{.rule = "http2",
                   .factor = "http",
                   .arm = "2",
                   .metric = "total_us",
                   .what = "HTTP/2 saves {} per request.",
                   .how = "Let the client offer HTTP/2 (ALPN h2), and share a connection."},
    FromComparison{.rule = "http3",
                   .factor = "http",
                   .arm = "3",
                   .metric = "total_us",
                   .what = "HTTP/3 saves {} per request.",
                   .how = "Let the client use HTTP/3 (QUIC), and let UDP port 443 through."},
    FromComparison{.rule = "multiplexing",
                   .factor = "multiplex",
                   .arm = {},
                   .metric = "total_us",
                   .what = "Requests at once on one HTTP/2 connection save {} for all of them.",
                   .how = "Send what is asked for together as streams of one connection."},
    FromComparison{.rule = "batching",
                   .factor = "batch",
                   .arm = {},
                   .metric = "total_us",
                   .what = "One larger request instead of many small ones saves {}.",
                   .how = "Ask for many things with one request, where the service offers that."},
    FromComparison{.rule = "dns-cache",
                   .factor = "dns",
                   .arm = {},
                   .metric = "total_us",
                   .what = "A cached name saves {} per connection.",
                   .how = "Run a caching resolver on this host (systemd-resolved, unbound), or "
                          "let the client keep answers for as long as their TTLs allow."},
    FromComparison{.rule = "resolver",
                   .factor = "resolver",
                   .arm = {},
                   .metric = "total_us",
                   .what = "Another resolver saves {} per lookup that no cache answers.",
                   .how = "Put it first in /etc/resolv.conf, or forward to it."},
    FromComparison{.rule = "tls-resumption",
                   .factor = "tls",
                   .arm = {},
                   .metric = "total_us",
                   .what = "A resumed TLS session saves {} per new connection.",
                   .how = "Let the client keep TLS sessions (one context for all connections)."},
    FromComparison{.rule = "qos-dscp",
                   .factor = "dscp",
                   .arm = {},
                   .metric = "total_us",
                   .what = "Marked packets save {} per request: the path honours DSCP.",
                   .how = "Mark this traffic: IP_TOS in the program, or nftables "
                          "'ip dscp set' on this host."},
    FromComparison{.rule = "nodelay",
                   .factor = "nodelay",
                   .arm = {},
                   .metric = "total_us",
                   .what = "TCP_NODELAY saves {} per request.",
                   .how = "Set TCP_NODELAY on the client's sockets."},
};

void from_comparisons(Case& c) {
  for (const FromComparison& rule : kRules) {
    const MeasuredArm* found = better(c.endpoint, rule.factor, rule.arm, rule.metric);
    if (!found) continue;
    const Interval per_request = saved(*found);
    Recommendation advice{.rule = rule.rule,
                          .target = c.endpoint.target,
                          .what = fmt::format(fmt::runtime(rule.what),
                                              fmt::format("{} to {}", time_text(per_request.low),
                                                          time_text(per_request.high))),
                          .evidence = {evidence_of(*found)},
                          .saves_us = per_request,
                          .saves_us_per_minute = {},
                          .how = std::string(rule.how)};
    if (c.use) advice.evidence.push_back(use_text(*c.use));
    if (const auto opened = opened_per_minute(c); opened && rule.per_connection)
      advice.saves_us_per_minute =
          Interval{.low = per_request.low * *opened, .high = per_request.high * *opened};
    c.advice.push_back(std::move(advice));
  }
}

// Fewer bytes are no gain where compressing takes longer than they would have.
void compression(Case& c) {
  const MeasuredArm* bytes = better(c.endpoint, "encoding", {}, "wire_bytes");
  if (!bytes) return;
  const auto slower =
      std::ranges::find_if(c.endpoint.comparisons, [bytes](const MeasuredArm& other) {
        return other.factor == "encoding" && other.arm == bytes->arm &&
               other.metric == "total_us" && other.verdict == Verdict::Worse;
      });
  if (slower != c.endpoint.comparisons.end()) return;
  Recommendation advice{
      .rule = "compression",
      .target = c.endpoint.target,
      .what = fmt::format("With {} this answer takes {:.0f} instead of {:.0f} bytes.", bytes->arm,
                          bytes->arm_value, bytes->baseline_value),
      .evidence = {evidence_of(*bytes)},
      .saves_us = {},
      .saves_us_per_minute = {},
      .how = fmt::format("Let the client send Accept-Encoding: {}.", bytes->arm)};
  if (const MeasuredArm* time = better(c.endpoint, "encoding", bytes->arm, "total_us")) {
    advice.evidence.push_back(evidence_of(*time));
    advice.saves_us = saved(*time);
  }
  c.advice.push_back(std::move(advice));
}

void cdn(Case& c) {
  const ProbedEndpoint& e = c.endpoint;
  if (e.cdn_signs.empty() || e.answers < kFewest || e.cache_told < kFewest) return;
  const auto misses = share_interval(e.cache_told - e.cache_hits, e.cache_told);
  if (!misses || misses->low < 0.2) return;
  c.advice.push_back(
      {.rule = "cdn-misses",
       .target = e.target,
       .what = fmt::format("A cache stands in front, and {} of {} answers did not come out of it.",
                           e.cache_told - e.cache_hits, e.cache_told),
       .evidence = {fmt::format("signs: {}", fmt::join(e.cdn_signs, "; ")),
                    fmt::format("share of misses {:.0f}% to {:.0f}%", misses->low * 100,
                                misses->high * 100)},
       .saves_us = {},
       .saves_us_per_minute = {},
       .how = "Let the origin allow caching (Cache-Control, no Vary or cookies that split it), or "
              "lengthen its lifetime."});
}

void far_edge(Case& c) {
  const ProbedEndpoint& e = c.endpoint;
  if (e.cdn_signs.empty() || e.cache_hits < kFewest) return;
  for (const ProbedAddress& a : e.addresses) {
    if (!a.syn_rtt_us || !a.ttfb_us || a.attempts < kFewest) continue;
    if (*a.syn_rtt_us < kNearEdge * *a.ttfb_us || *a.syn_rtt_us < 20e3) continue;
    c.advice.push_back(
        {.rule = "cdn-far-edge",
         .target = e.target,
         .what = fmt::format("The edge that answers is {} away, most of the {} to the first byte.",
                             time_text(*a.syn_rtt_us), time_text(*a.ttfb_us)),
         .evidence = {fmt::format("{}: median SYN round trip {}, median time to first byte {}, {} "
                                  "attempts",
                                  to_text(a.address), time_text(*a.syn_rtt_us),
                                  time_text(*a.ttfb_us), a.attempts)},
         .saves_us = {},
         .saves_us_per_minute = {},
         .how = "Ask the CDN why this network is sent there; a resolver far from this host is a "
                "common cause (compare with netsonde dns --server)."});
  }
}

// What each address should get so that all answer equally fast, if time grows with load.
std::string weights_of(const std::vector<const ProbedAddress*>& addresses) {
  double sum = 0;
  for (const ProbedAddress* a : addresses) sum += 1 / *a->ttfb_us;
  std::vector<std::string> parts;
  for (const ProbedAddress* a : addresses)
    parts.push_back(fmt::format("{} {:.0f}%", to_text(a->address), 100 / *a->ttfb_us / sum));
  return fmt::format("{}", fmt::join(parts, ", "));
}

void balance(Case& c) {
  std::vector<const ProbedAddress*> known;
  for (const ProbedAddress& a : c.endpoint.addresses)
    if (a.ttfb_us && *a.ttfb_us > 0 && a.attempts >= kFewest) known.push_back(&a);
  if (known.size() < 2) return;
  const auto [best, worst] =
      std::ranges::minmax_element(known, {}, [](const ProbedAddress* a) { return *a->ttfb_us; });
  if (*(*worst)->ttfb_us < kUnevenRtt * *(*best)->ttfb_us) return;
  Recommendation advice{
      .rule = "load-balancing",
      .target = c.endpoint.target,
      .what = fmt::format("{} answers {:.1f} times as slowly as {}.", to_text((*worst)->address),
                          *(*worst)->ttfb_us / *(*best)->ttfb_us, to_text((*best)->address)),
      .evidence = {},
      .saves_us = {},
      .saves_us_per_minute = {},
      .how = fmt::format("Weigh the addresses by how fast they answer: {}.", weights_of(known))};
  for (const ProbedAddress* a : known)
    advice.evidence.push_back(fmt::format("{}: median time to first byte {}, {} of {} failed",
                                          to_text(a->address), time_text(*a->ttfb_us), a->failures,
                                          a->attempts));
  if (const MeasuredArm* measured = better(c.endpoint, "address", {}, "total_us")) {
    advice.evidence.push_back(evidence_of(*measured));
    advice.saves_us = saved(*measured);
  }
  c.advice.push_back(std::move(advice));
}

void breaker(Case& c) {
  const ProbedEndpoint& e = c.endpoint;
  const auto failing = share_interval(e.failures, e.attempts);
  if (!failing || e.longest_failing < kFailingRow) return;
  std::vector<std::string> kinds;
  for (const auto& [kind, count] : e.failures_by_kind)
    kinds.push_back(fmt::format("{} {}", kind, count));
  c.advice.push_back(
      {.rule = "circuit-breaker",
       .target = e.target,
       .what = fmt::format("It failed {} times in a row.", e.longest_failing),
       .evidence = {fmt::format("{} of {} attempts failed ({:.0f}% to {:.0f}%): {}", e.failures,
                                e.attempts, failing->low * 100, failing->high * 100,
                                fmt::join(kinds, ", "))},
       .saves_us = {},
       .saves_us_per_minute = {},
       .how = "Let the client stop asking after a few failures in a row and try again after a "
              "while (circuit breaker), with exponential back-off and jitter between."});
}

}  // namespace

std::vector<Recommendation> advise(const ProbedEndpoint& endpoint,
                                   const std::optional<EndpointUse>& use) {
  std::vector<Recommendation> advice;
  Case c{.endpoint = endpoint, .use = use, .advice = advice};
  from_comparisons(c);
  compression(c);
  cdn(c);
  far_edge(c);
  balance(c);
  breaker(c);
  // What saves most first.
  std::ranges::stable_sort(advice, std::greater(), [](const Recommendation& a) {
    if (a.saves_us_per_minute) return a.saves_us_per_minute->low;
    return a.saves_us ? a.saves_us->low / 1e6 : -1.0;
  });
  return advice;
}

std::vector<Recommendation> advise_listeners(const std::vector<ListenerUse>& listeners) {
  std::map<std::uint16_t, std::vector<const ListenerUse*>> ports;
  for (const ListenerUse& listener : listeners) ports[listener.port].push_back(&listener);
  std::vector<Recommendation> advice;
  for (const auto& [port, sharing] : ports) {
    if (sharing.size() < 2) continue;
    std::uint64_t all = 0;
    for (const ListenerUse* listener : sharing) all += listener->accepted;
    const auto most = std::ranges::max_element(sharing, {}, &ListenerUse::accepted);
    const double even = 1.0 / static_cast<double>(sharing.size());
    const auto share = share_interval((*most)->accepted, all);
    if (all < kFewest * static_cast<double>(sharing.size()) || !share || share->low < 1.5 * even)
      continue;
    Recommendation uneven{
        .rule = "listener-imbalance",
        .target = fmt::format("port {}", port),
        .what = fmt::format("One of {} listeners gets {} of {} connections.", sharing.size(),
                            (*most)->accepted, all),
        .evidence = {},
        .saves_us = {},
        .saves_us_per_minute = {},
        .how =
            "Spread them: SO_REUSEPORT sockets of equal weight, one for each worker; "
            "long connections need a limit of requests each."};
    for (const ListenerUse* listener : sharing)
      uneven.evidence.push_back(fmt::format("{}: {} accepted", listener->name, listener->accepted));
    advice.push_back(std::move(uneven));
  }
  return advice;
}

}  // namespace netsonde
