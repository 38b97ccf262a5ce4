// SPDX-License-Identifier: Apache-2.0
#include "probes/http3_attempt.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "probes/http3.h"

namespace netsonde {

namespace {

Attempt begun(const ProbeRequest& request) {
  Attempt attempt;
  attempt.began = kernel_now();
  attempt.target = request.target.text;
  attempt.port = request.target.port;
  return attempt;
}

}  // namespace

Http3Attempt::~Http3Attempt() {
  if (timer_ >= 0) loop_.forget(timer_);
}

Attempt Http3Attempt::unstarted(const Error& error) {
  attempt_.failure = Failure{
      .phase = ProbePhase::Connect, .kind = FailureKind::ConnectLocal, .detail = error.message()};
  return std::move(attempt_);
}

#ifdef NETSONDE_HTTP3

Http3Attempt::Http3Attempt(Loop& loop, const ProbeRequest& request)
    : loop_(loop), request_(request), attempt_(begun(request)), streams_(request_) {}

Result<> Http3Attempt::begin(OnEnd on_end) {
  on_end_ = std::move(on_end);
  timer_ = TRY(loop_.every(request_.limits.total, [this]() -> Result<> {
    on_timer();
    return {};
  }));
  arm();
  return {};
}

std::optional<Address> Http3Attempt::take_address(Lookup::Found found) {
  if (ended_) return std::nullopt;
  attempt_.times.dns = found.took;
  attempt_.lookup = std::move(found.facts);
  if (!found.failure && attempt_.lookup->addresses.empty())
    found.failure = Failure{.phase = ProbePhase::Dns,
                            .kind = FailureKind::DnsNoAddress,
                            .detail = "the name has no address"};
  if (!found.failure) return attempt_.lookup->addresses.front();
  finish(std::move(found.failure));
  return std::nullopt;
}

void Http3Attempt::connect(const Address& address, Result<const TlsCredentials*> credentials,
                           const std::string& kept) {
  attempt_.address = address;
  if (!credentials)
    return finish(Failure{.phase = ProbePhase::Tls,
                          .kind = FailureKind::TlsCertificate,
                          .detail = credentials.error().message()});
  auto tls = TlsClient::open(*credentials.value(), request_.target.host);
  if (!tls)
    return finish(Failure{.phase = ProbePhase::Tls,
                          .kind = FailureKind::TlsProtocol,
                          .detail = tls.error().message()});
  tls_ = std::move(tls).value();
  if (!kept.empty()) tls_->resume(kept);
  connection_.emplace(loop_, *tls_, streams_, [this] { tick(); });
  connection_->start(address, request_.target.port, request_.socket);
  tick();
}

ProbePhase Http3Attempt::phase() const {
  if (!connection_) return ProbePhase::Dns;
  const QuicConnection::Times& times = connection_->times();
  if (!times.answered) return ProbePhase::Connect;
  if (!times.connected) return ProbePhase::Tls;
  if (streams_.first_byte()) return ProbePhase::Transfer;
  return times.requested ? ProbePhase::Response : ProbePhase::Request;
}

Time Http3Attempt::since(ProbePhase phase) const {
  switch (phase) {
    case ProbePhase::Dns: return attempt_.began;
    case ProbePhase::Connect: return connection_->times().began;
    case ProbePhase::Tls: return *connection_->times().answered;
    case ProbePhase::Request: return *connection_->times().connected;
    case ProbePhase::Response: return *connection_->times().requested;
    case ProbePhase::Transfer: return *streams_.first_byte();
  }
  return attempt_.began;
}

Nanos Http3Attempt::limit_of(ProbePhase phase) const {
  const ProbeLimits& limits = request_.limits;
  switch (phase) {
    case ProbePhase::Dns: return limits.dns;
    case ProbePhase::Connect: return limits.connect;
    case ProbePhase::Tls: return limits.tls;
    case ProbePhase::Response: return limits.response;
    default: return limits.total;
  }
}

void Http3Attempt::arm() {
  const ProbePhase now_in = phase();
  if (armed_for_ == now_in) return;
  armed_for_ = now_in;
  const Time until =
      std::min(attempt_.began + request_.limits.total, since(now_in) + limit_of(now_in));
  (void)loop_.set_interval(timer_, std::max(until - kernel_now(), Nanos(1)));
}

void Http3Attempt::on_timer() {
  if (!ended_) return finish(late(phase()));
  loop_.forget(std::exchange(timer_, -1));
  const OnEnd call = std::move(on_end_);
  call(std::move(attempt_));
}

void Http3Attempt::tick() {
  if (ended_) return;
  if (const auto& end = connection_->end()) return finish(failure_of(*end));
  if (streams_.response().ended()) return finish(streams_.response().fault());
  arm();
}

Failure Http3Attempt::failure_of(const QuicEnd& end) const {
  if (streams_.failure()) return *streams_.failure();
  const bool begun = streams_.response().has_status();
  const bool cut = begun && end.kind == FailureKind::Closed;
  return {.phase = phase(),
          .kind = cut ? FailureKind::HttpTruncated : end.kind,
          .detail = begun ? fmt::format("{}, after {}", end.detail, streams_.response().progress())
                          : end.detail};
}

Failure Http3Attempt::late(ProbePhase phase) const {
  const std::string span = short_duration(kernel_now() - since(phase));
  std::string detail;
  FailureKind kind = FailureKind::HttpTimeout;
  switch (phase) {
    case ProbePhase::Dns:
      kind = FailureKind::DnsTimeout;
      detail = fmt::format("no address within {}", span);
      break;
    case ProbePhase::Connect:
      kind = FailureKind::ConnectTimeout;
      detail =
          fmt::format("no answer to {} Initial packet{} within {}", connection_->datagrams_sent(),
                      connection_->datagrams_sent() == 1 ? "" : "s", span);
      break;
    case ProbePhase::Tls:
      kind = FailureKind::TlsTimeout;
      detail = fmt::format("handshake unfinished {} after the first answer", span);
      break;
    case ProbePhase::Request:
      detail = fmt::format("the request could not be sent within {}", span);
      break;
    case ProbePhase::Response: detail = fmt::format("no answer {} after the request", span); break;
    case ProbePhase::Transfer:
      detail = fmt::format("the answer was not complete {} after its first byte: {}", span,
                           streams_.response().progress());
      break;
  }
  if (connection_ && !connection_->trouble().empty()) detail += "; " + connection_->trouble();
  return {.phase = phase, .kind = kind, .detail = std::move(detail)};
}

void Http3Attempt::finish(std::optional<Failure> failure) {
  if (ended_) return;
  ended_ = true;
  fill_times(kernel_now());
  attempt_.failure = std::move(failure);
  if (connection_) {
    attempt_.kernel = connection_->facts();
    const bool connected = connection_->times().connected.has_value();
    TlsFacts facts = tls_->facts(connected);
    if (connected || !facts.chain.empty()) attempt_.tls = std::move(facts);
    if (connected && request_.http.resume_tls) session_to_keep_ = tls_->session_to_keep();
    if (streams_.response().has_status()) fill_http();
    connection_->close();
  }
  (void)loop_.set_interval(timer_, Nanos(1));
}

void Http3Attempt::fill_times(Time now) {
  PhaseTimes& times = attempt_.times;
  times.total = now - attempt_.began;
  if (!connection_) return;
  const QuicConnection::Times& at = connection_->times();
  if (at.connected) times.tls = *at.connected - at.began;
  if (at.connected && at.requested) times.request = *at.requested - *at.connected;
  const auto first = streams_.first_byte();
  if (at.requested && first) times.ttfb = std::max(*first - *at.requested, Nanos(0));
  if (first && streams_.response().ended()) times.transfer = *streams_.last_byte() - *first;
}

void Http3Attempt::fill_http() {
  const std::int64_t now_ns = attempt_.began.time_since_epoch().count() + realtime_offset_ns();
  attempt_.http = streams_.response().facts(now_ns / 1'000'000'000);
  attempt_.http->sent_bytes = streams_.sent_body_bytes();
  // What came with the first byte came before the phase.
  const auto transfer = attempt_.times.transfer;
  const std::uint64_t bytes = streams_.later_body_bytes();
  if (transfer && *transfer > Nanos(0) && bytes > 0)
    attempt_.http->bandwidth_mbps =
        static_cast<double>(bytes) * 8e3 / static_cast<double>(transfer->count());
}

#else

Http3Attempt::Http3Attempt(Loop& loop, const ProbeRequest& request)
    : loop_(loop), attempt_(begun(request)) {}

Result<> Http3Attempt::begin(OnEnd on_end) {
  on_end_ = std::move(on_end);
  timer_ = TRY(loop_.every(Nanos(1), [this]() -> Result<> {
    end();
    return {};
  }));
  return {};
}

void Http3Attempt::end() {
  attempt_.times.total = kernel_now() - attempt_.began;
  attempt_.failure = Failure{.phase = ProbePhase::Connect,
                             .kind = FailureKind::Unsupported,
                             .detail = Http3Prober::missing()};
  loop_.forget(std::exchange(timer_, -1));
  const OnEnd call = std::move(on_end_);
  call(std::move(attempt_));
}

#endif

}  // namespace netsonde
