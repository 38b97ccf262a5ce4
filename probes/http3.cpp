// SPDX-License-Identifier: Apache-2.0
#include "probes/http3.h"

#include <fmt/format.h>

#include <utility>

#include "probes/http3_attempt.h"

namespace netsonde {

Http3Prober::Http3Prober(Loop& loop, Lookup& lookup) : loop_(loop), lookup_(lookup) {}

Http3Prober::~Http3Prober() = default;

void Http3Prober::start(const ProbeRequest& request, OnAttempt on_attempt) {
  const std::uint64_t id = ++last_id_;
  auto made = std::make_unique<Http3Attempt>(loop_, request);
  const auto begun = made->begin([this, id, request, on_attempt](Attempt attempt) {
    const auto ended = running_.extract(id);
    keep_session(request, *ended.mapped());
    on_attempt(std::move(attempt));
  });
  // Without a timer there is no later.
  if (!begun) return on_attempt(made->unstarted(begun.error()));
  running_[id] = std::move(made);
  proceed(id, request);
}

#ifdef NETSONDE_HTTP3

namespace {

// A session is good for whoever would have trusted its certificate.
std::string session_key(const ProbeRequest& request) {
  return fmt::format("{} {} {}", request.target.authority(), request.http.verify,
                     request.http.ca_file);
}

}  // namespace

std::string Http3Prober::missing() {
  return {};
}

Result<const TlsCredentials*> Http3Prober::credentials(const HttpOptions& options) {
  auto& kept = credentials_[{options.verify, options.ca_file}];
  if (!kept) kept = TRY(TlsCredentials::open(options.verify, options.ca_file));
  return kept.get();
}

void Http3Prober::connect(Http3Attempt& attempt, const Address& address,
                          const ProbeRequest& request) {
  attempt.connect(address, credentials(request.http),
                  request.http.resume_tls ? sessions_[session_key(request)] : std::string());
}

void Http3Prober::keep_session(const ProbeRequest& request, const Http3Attempt& ended) {
  if (!ended.session_to_keep().empty()) sessions_[session_key(request)] = ended.session_to_keep();
}

void Http3Prober::proceed(std::uint64_t id, const ProbeRequest& request) {
  if (request.pinned) return connect(*running_[id], *request.pinned, request);
  if (const auto literal = parse_address(request.target.host))
    return connect(*running_[id], *literal, request);
  lookup_.find(request.target.host, request.fresh_lookup, [this, id, request](Lookup::Found found) {
    const auto running = running_.find(id);
    if (running == running_.end()) return;  // it took too long
    if (const auto address = running->second->take_address(std::move(found)))
      connect(*running->second, *address, request);
  });
}

#else

std::string Http3Prober::missing() {
  return "built without HTTP/3: needs libngtcp2 0.12 with its GnuTLS part, libnghttp3 and "
         "libgnutls, "
         "and their headers, when netsonde is built";
}

void Http3Prober::proceed(std::uint64_t, const ProbeRequest&) {}

void Http3Prober::keep_session(const ProbeRequest&, const Http3Attempt&) {}

#endif

}  // namespace netsonde
