// SPDX-License-Identifier: Apache-2.0
#include "probes/http_prober.h"

#include <fmt/format.h>
#include <strings.h>

namespace netsonde {

namespace {

bool is_redirect(const Transferred& transferred) {
  const auto& http = transferred.attempt.http;
  return http && http->status && *http->status / 100 == 3 && !transferred.location.empty();
}

Hop hop_of(const ProbeRequest& request, const Attempt& attempt, const std::string& location) {
  return {.url = fmt::format("{}://{}{}", name_of(request.target.scheme),
                             request.target.authority(), request.target.path),
          .address = attempt.address,
          .port = attempt.port,
          .reused = attempt.reused,
          .times = attempt.times,
          .status = attempt.http->status,
          .location = location};
}

// As browsers do it: but for 307 and 308, what follows is asked for, not sent again.
void turn_to_get(HttpOptions& http, int status) {
  if (status == 307 || status == 308 || http.method == "HEAD") return;
  http.method = "GET";
  http.send_bytes = 0;
}

bool same_origin(const Target& a, const Target& b) {
  return a.scheme == b.scheme && a.host == b.host && a.port == b.port;
}

Failure bad_redirect(std::string detail) {
  return {.phase = ProbePhase::Response,
          .kind = FailureKind::HttpRedirects,
          .detail = std::move(detail)};
}

}  // namespace

void drop_credentials(HttpOptions& http) {
  std::erase_if(http.headers, [](const auto& header) {
    const auto is = [&header](const char* name) {
      return strcasecmp(header.first.c_str(), name) == 0;
    };
    return is("Authorization") || is("Proxy-Authorization") || is("Cookie");
  });
}

void HttpProber::start(const ProbeRequest& request, OnAttempt on_attempt) {
  const Id id = next_++;
  Trip& trip = trips_[id];
  trip.request = request;
  trip.on_attempt = std::move(on_attempt);
  trip.limit = request.limits.total;
  trip.attempt.began = kernel_now();
  trip.attempt.target = request.target.text;
  find(id);
}

void HttpProber::find(Id id) {
  Trip& trip = trips_.at(id);
  trip.attempt.port = trip.request.target.port;
  if (trip.request.pinned) return ask(id, *trip.request.pinned);
  if (const auto literal = parse_address(trip.request.target.host)) return ask(id, *literal);
  lookup_.find(trip.request.target.host, trip.request.fresh_lookup,
               [this, id](Lookup::Found found) {
                 Trip& asking = trips_.at(id);
                 asking.attempt.times.dns = found.took;
                 asking.attempt.lookup = std::move(found.facts);
                 asking.attempt.failure = std::move(found.failure);
                 if (!asking.attempt.failure)
                   return ask(id, asking.attempt.lookup->addresses.front());
                 asking.attempt.times.total = kernel_now() - asking.attempt.began;
                 // Perhaps it was found out within start().
                 (void)loop_.after(Nanos(1), [this, id]() -> Result<> {
                   end(id);
                   return {};
                 });
               });
}

void HttpProber::ask(Id id, const Address& address) {
  Trip& trip = trips_.at(id);
  trip.request.limits.total = std::max(trip.limit - (kernel_now() - trip.attempt.began), Nanos(1));
  transfers_.start(trip.request, address,
                   [this, id](Transferred transferred) { take(id, std::move(transferred)); });
}

void HttpProber::take(Id id, Transferred transferred) {
  Trip& trip = trips_.at(id);
  Attempt& all = trip.attempt;
  Attempt& last = transferred.attempt;
  last.times.dns = all.times.dns;
  last.times.total += last.times.dns.value_or(Nanos(0));
  if (follow(trip, transferred)) return find(id);
  last.began = all.began;
  last.target = std::move(all.target);
  last.times.total = kernel_now() - all.began;
  last.lookup = std::move(all.lookup);
  last.hops = std::move(all.hops);
  if (!last.failure) last.failure = std::move(all.failure);
  all = std::move(last);
  end(id);
}

// Whether there is a next hop, which the request then asks for.
bool HttpProber::follow(Trip& trip, const Transferred& transferred) {
  if (transferred.attempt.failure || !is_redirect(transferred)) return false;
  HttpOptions& http = trip.request.http;
  if (http.most_redirects == 0) return false;
  Attempt& all = trip.attempt;
  if (all.hops.size() == http.most_redirects) {
    all.failure = bad_redirect(fmt::format("more than {} redirects", http.most_redirects));
    return false;
  }
  auto next = Target::parse(transferred.location);
  const bool is_http =
      next && (next.value().scheme == Scheme::Http || next.value().scheme == Scheme::Https);
  if (!is_http) {
    all.failure =
        bad_redirect(next ? fmt::format("redirected to '{}', which is neither http nor https",
                                        transferred.location)
                          : "redirected to what is no target: " + next.error().message());
    return false;
  }
  all.hops.push_back(hop_of(trip.request, transferred.attempt, transferred.location));
  turn_to_get(http, *transferred.attempt.http->status);
  if (next.value().host != trip.request.target.host) trip.request.pinned.reset();
  if (!same_origin(next.value(), trip.request.target)) drop_credentials(http);
  trip.request.target = std::move(next).value();
  all.times = {};
  all.lookup.reset();
  return true;
}

void HttpProber::end(Id id) {
  auto ended = trips_.extract(id);
  ended.mapped().on_attempt(std::move(ended.mapped().attempt));
}

}  // namespace netsonde
