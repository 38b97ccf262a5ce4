// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <ctime>

#include "user/sinks/attempts.h"

namespace netsonde {

namespace {

Json microseconds(const std::optional<Nanos>& span) {
  return span ? Json(static_cast<double>(span->count()) / 1e3) : Json();
}

template <typename T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json();
}

Json or_null(const std::string& text) {
  return text.empty() ? Json() : Json(text);
}

// Zero is no port, no cookie.
Json nonzero(std::uint64_t number) {
  return number ? Json(number) : Json();
}

Json address_of(const std::optional<Address>& address) {
  return address ? Json(to_text(*address)) : Json();
}

// A part of an attempt that is there or not.
template <typename T>
Json part(const std::optional<T>& facts, Json (*to_json)(const T&)) {
  return facts ? to_json(*facts) : Json();
}

// RFC 3339 in UTC. Certificates reach beyond what nanoseconds can say.
Json date(const std::optional<std::int64_t>& seconds_since_epoch) {
  std::tm utc = {};
  const std::time_t second = seconds_since_epoch.value_or(0);
  if (!seconds_since_epoch || !gmtime_r(&second, &utc)) return {};
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", utc.tm_year + std::int64_t{1900},
                     utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec);
}

Json hop_to_json(const Hop& hop) {
  return object_of({{"url", hop.url},
                    {"address", address_of(hop.address)},
                    {"port", nonzero(hop.port)},
                    {"reused", hop.reused},
                    {"status", or_null(hop.status)},
                    {"location", or_null(hop.location)},
                    {"connect_us", microseconds(hop.times.connect)},
                    {"tls_us", microseconds(hop.times.tls)},
                    {"ttfb_us", microseconds(hop.times.ttfb)},
                    {"total_us", microseconds(hop.times.total)}});
}

Json tls_to_json(const TlsFacts& tls) {
  Json chain = Json::array();
  for (const CertificateFacts& certificate : tls.chain)
    chain.push_back({{"subject", certificate.subject},
                     {"issuer", certificate.issuer},
                     {"not_after", date(certificate.not_after_s)}});
  return object_of({{"version", or_null(tls.version)},
                    {"cipher", or_null(tls.cipher)},
                    {"alpn", or_null(tls.alpn)},
                    {"resumed", or_null(tls.resumed)},
                    {"days_left", or_null(tls.days_left)},
                    {"chain", std::move(chain)}});
}

Json kernel_to_json(const KernelFacts& kernel) {
  return object_of({{"cookie", nonzero(kernel.cookie)},
                    {"syn_rtt_us", microseconds(kernel.syn_rtt)},
                    {"min_rtt_us", microseconds(kernel.min_rtt)},
                    {"srtt_us", microseconds(kernel.srtt)},
                    {"segments_sent", or_null(kernel.segments_sent)},
                    {"retransmitted_segments", or_null(kernel.retransmitted_segments)},
                    {"loss_percent", or_null(kernel.loss_percent())},
                    {"congestion_control", or_null(kernel.congestion_control)},
                    {"cwnd_segments", or_null(kernel.cwnd_segments)},
                    {"delivery_bytes_per_s", or_null(kernel.delivery_bytes_per_s)},
                    {"prober_delay_us", microseconds(kernel.prober_delay)},
                    {"syn_retransmits", or_null(kernel.syn_retransmits)},
                    {"receive_buffer_bytes", or_null(kernel.receive_buffer_bytes)},
                    {"dscp", or_null(kernel.dscp)}});
}

Json failure_to_json(const Failure& failure) {
  return object_of({{"phase", name_of(failure.phase)},
                    {"kind", name_of(failure.kind)},
                    {"detail", failure.detail}});
}

Json lookup_to_json(const LookupFacts& lookup) {
  Json addresses = Json::array();
  for (const Address& address : lookup.addresses) addresses.push_back(to_text(address));
  return object_of({{"server", or_null(lookup.server)},
                    {"tcp", lookup.tcp},
                    {"rcode", or_null(lookup.rcode)},
                    {"ttl_s", or_null(lookup.ttl_s)},
                    {"cnames", lookup.cnames},
                    {"addresses", std::move(addresses)},
                    {"records", lookup.records}});
}

Json http_to_json(const HttpFacts& http) {
  return object_of({{"content_type", or_null(http.content_type)},
                    {"header_bytes", http.header_bytes},
                    {"sent_bytes", http.sent_bytes},
                    {"age_s", or_null(http.age_s)},
                    {"via", or_null(http.via)},
                    {"cache", or_null(http.cache)},
                    {"server", or_null(http.server)},
                    {"cache_control", or_null(http.cache_control)},
                    {"retry_after_s", or_null(http.retry_after_s)}});
}

Json witness_to_json(const WitnessFacts& witness) {
  return object_of({{"handshake_us", microseconds(witness.handshake)},
                    {"retransmits", witness.retransmits},
                    {"drops", witness.drops},
                    {"resets", witness.resets},
                    {"lost_events", witness.lost_events}});
}

Json measures_to_json(const AttemptSummary& summary) {
  Json measures = Json::object();
  for (std::size_t i = 0; i < kMeasures; ++i) {
    const auto measure = static_cast<Measure>(i);
    const Statistics& values = summary.of(measure);
    if (values.count() == 0) continue;
    Json& json = measures[std::string(id_of(measure))];
    json["count"] = values.count();
    for (std::size_t s = 1; s < kStatistics; ++s) {
      const auto statistic = static_cast<Statistic>(s);
      json[std::string(name_of(statistic))] = or_null(value_of(values, statistic));
    }
  }
  return measures;
}

Json success_to_json(const AttemptSummary& summary) {
  const auto interval = summary.success_percent_interval();
  return {{"value", or_null(summary.success_percent())},
          {"low", interval ? Json(interval->low) : Json()},
          {"high", interval ? Json(interval->high) : Json()}};
}

}  // namespace

Json to_json(const Attempt& attempt, std::int64_t realtime_offset_ns) {
  const PhaseTimes& times = attempt.times;
  const HttpFacts* http = attempt.http ? &*attempt.http : nullptr;
  Json hops = Json::array();
  for (const Hop& hop : attempt.hops) hops.push_back(hop_to_json(hop));
  return object_of({
      {"time", rfc3339(attempt.began.time_since_epoch().count() + realtime_offset_ns)},
      {"target", attempt.target},
      {"address", address_of(attempt.address)},
      {"port", nonzero(attempt.port)},
      {"attempt", attempt.attempt},
      {"reused", attempt.reused},
      {"dns_us", microseconds(times.dns)},
      {"dns_cached", attempt.lookup ? Json(attempt.lookup->cached) : Json()},
      {"connect_us", microseconds(times.connect)},
      {"tls_us", microseconds(times.tls)},
      {"ttfb_us", microseconds(times.ttfb)},
      {"transfer_us", microseconds(times.transfer)},
      {"total_us", microseconds(times.total)},
      {"hops", std::move(hops)},
      // What came back stands beside the phases, the rest of HTTP in its own object.
      {"http_version", http ? or_null(http->version) : Json()},
      {"status", http ? or_null(http->status) : Json()},
      {"encoding", http ? or_null(http->encoding) : Json()},
      {"wire_bytes", http ? Json(http->wire_bytes) : Json()},
      {"body_bytes", http ? Json(http->body_bytes) : Json()},
      {"bandwidth_mbps", http ? or_null(http->bandwidth_mbps) : Json()},
      {"tls", part(attempt.tls, tls_to_json)},
      {"kernel", part(attempt.kernel, kernel_to_json)},
      {"failure", part(attempt.failure, failure_to_json)},
      {"round", attempt.round},
      {"retried", attempt.retried},
      {"request_us", microseconds(times.request)},
      {"echo_us", microseconds(attempt.echo)},
      {"lookup", part(attempt.lookup, lookup_to_json)},
      {"http", part(attempt.http, http_to_json)},
      {"witness", part(attempt.witness, witness_to_json)},
  });
}

Json to_json(const AttemptSummary& summary, const Expectation* expectation, bool interrupted) {
  Json by_kind = Json::object();
  for (const auto& [kind, count] : summary.failures_by_kind())
    by_kind[std::string(name_of(kind))] = count;
  Json expected;
  if (expectation)
    expected = {{"text", expectation->text()},
                {"holds", expectation->holds(summary)},
                {"found", expectation->found(summary)}};
  return {{"summary",
           {{"attempts", summary.attempts()},
            {"failures", summary.failures()},
            {"success_percent", success_to_json(summary)},
            {"failures_by_kind", std::move(by_kind)},
            {"measures", measures_to_json(summary)},
            {"segments_sent", or_null(summary.segments_sent())},
            {"retransmitted_segments", or_null(summary.retransmitted_segments())},
            {"loss_percent", or_null(summary.loss_percent())},
            {"retries", summary.retries()},
            {"expectation", std::move(expected)},
            {"interrupted", interrupted}}}};
}

}  // namespace netsonde
