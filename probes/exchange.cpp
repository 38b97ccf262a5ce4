// SPDX-License-Identifier: Apache-2.0
#include "probes/exchange.h"

#include <fmt/format.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <random>
#include <utility>

#include "probes/transfer.h"
#include "probes/transfer_failure.h"
#include "user/base/loop.h"

namespace netsonde {

namespace {

constexpr std::uint64_t kMostHeaders = 1 << 20;

using Body = std::array<char, 65536>;

// What we send: no network and no server makes it smaller.
const Body& random_body() {
  static const Body bytes = [] {
    Body made{};
    std::mt19937_64 generator(1);
    for (char& byte : made) byte = static_cast<char>(generator());
    return made;
  }();
  return bytes;
}

std::string bracketed(const Address& address) {
  return address.is_ipv4() ? to_text(address) : "[" + to_text(address) + "]";
}

bool is_websocket(const Target& target) {
  return target.scheme == Scheme::Ws || target.scheme == Scheme::Wss;
}

bool has_tls(const Target& target) {
  return target.scheme == Scheme::Https || target.scheme == Scheme::Wss;
}

long version_of(const ProbeRequest& request) {
  if (request.http.version == HttpVersion::Http1 || is_websocket(request.target))
    return CURL_HTTP_VERSION_1_1;
  if (request.http.version == HttpVersion::Http2 && request.target.scheme == Scheme::Http)
    return CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE;
  return CURL_HTTP_VERSION_2TLS;
}

std::string_view version_text(long version) {
  switch (version) {
    case CURL_HTTP_VERSION_1_0: return "1.0";
    case CURL_HTTP_VERSION_1_1: return "1.1";
    case CURL_HTTP_VERSION_2_0: return "2";
    default: return "";
  }
}

template <typename Value>
void set(const EasyHandle& easy, CURLoption option, Value value) {
  curl_easy_setopt(easy.get(), option, value);
}

std::uint64_t bytes_of(const EasyHandle& easy, CURLINFO what) {
  return static_cast<std::uint64_t>(std::max<curl_off_t>(asked<curl_off_t>(easy.get(), what), 0));
}

// "HTTP/1.1 103 Early Hints".
bool is_interim(std::string_view status_line) {
  const std::size_t space = status_line.find(' ');
  return space != std::string_view::npos && status_line.substr(space + 1).starts_with('1');
}

// In the socket's receive buffer.
std::uint64_t waiting_bytes(int socket) {
  int bytes = 0;
  return ioctl(socket, FIONREAD, &bytes) || bytes < 0 ? 0 : static_cast<std::uint64_t>(bytes);
}

}  // namespace

std::int64_t wall_clock_s() {
  return (kernel_now().time_since_epoch().count() + realtime_offset_ns()) / 1'000'000'000;
}

bool Exchange::fits(const ProbeRequest& wanted, const Address& where) const {
  return easy && address == where && request.lean == wanted.lean && request.http == wanted.http &&
         request.target == wanted.target && request.socket == wanted.socket;
}

void Exchange::begin(const ProbeLimits& limits, Time now) {
  static_cast<ExchangeRun&>(*this) = {};
  words_[0] = 0;
  request.limits = limits;
  Attempt& attempt = result.attempt;
  attempt.began = now;
  attempt.target = request.target.text;
  attempt.address = address;
  attempt.port = request.target.port;
  enter(ProbePhase::Connect, now);
}

void Exchange::prepare() {
  const HttpOptions& http = request.http;
  const std::string url = fmt::format("{}://{}{}", has_tls(request.target) ? "https" : "http",
                                      request.target.authority(), request.target.path);
  const std::string connect_to = fmt::format("::{}:{}", bracketed(address), request.target.port);
  connect_to_.reset(curl_slist_append(nullptr, connect_to.c_str()));
  url_.reset(curl_url());
  curl_url_set(url_.get(), CURLUPART_URL, url.c_str(), 0);
  set(easy, CURLOPT_CURLU, url_.get());
  set(easy, CURLOPT_CONNECT_TO, connect_to_.get());
  set(easy, CURLOPT_NOSIGNAL, 1L);
  set(easy, CURLOPT_PROXY, "");  // a proxy of the environment would be what is measured
  set(easy, CURLOPT_NOPROXY, "*");
  set(easy, CURLOPT_HTTP_VERSION, version_of(request));
  set(easy, CURLOPT_USERAGENT, "netsonde/" NETSONDE_VERSION);
  set(easy, CURLOPT_ERRORBUFFER, words_.data());
  set(easy, CURLOPT_FRESH_CONNECT, http.fresh ? 1L : 0L);
  set(easy, CURLOPT_FORBID_REUSE, http.fresh ? 1L : 0L);
  set(easy, CURLOPT_PIPEWAIT, http.fresh ? 0L : 1L);
  set(easy, CURLOPT_TCP_NODELAY, request.socket.delay ? 0L : 1L);
  set(easy, CURLOPT_CONNECTTIMEOUT_MS, 86'400'000L);  // the deadlines are ours
  set(easy, CURLOPT_BUFFERSIZE, 65536L);
  set(easy, CURLOPT_HEADERFUNCTION, on_header);
  set(easy, CURLOPT_HEADERDATA, this);
  set(easy, CURLOPT_WRITEFUNCTION, on_body);
  set(easy, CURLOPT_WRITEDATA, this);
  if (!http.encoding.empty()) set(easy, CURLOPT_ACCEPT_ENCODING, http.encoding.c_str());
  curl_slist* headers = curl_slist_append(nullptr, "Expect:");
  for (const auto& [name, value] : http.headers)
    headers = curl_slist_append(headers, fmt::format("{}: {}", name, value).c_str());
  headers_.reset(headers);
  set(easy, CURLOPT_HTTPHEADER, headers);
  prepare_method();
  if (has_tls(request.target)) prepare_tls();
  if (!only_connects()) return;
  set(easy, CURLOPT_CONNECT_ONLY, 1L);
  set(easy, CURLOPT_FRESH_CONNECT, 1L);
  set(easy, CURLOPT_FORBID_REUSE, 0L);  // would close it at once
}

bool Exchange::only_connects() const {
  return is_websocket(request.target);
}

void Exchange::prepare_method() {
  const HttpOptions& http = request.http;
  if (http.method == "HEAD") return set(easy, CURLOPT_NOBODY, 1L);
  if (http.send_bytes) {
    set(easy, CURLOPT_UPLOAD, 1L);
    set(easy, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(http.send_bytes));
    set(easy, CURLOPT_UPLOAD_BUFFERSIZE, 65536L);
    set(easy, CURLOPT_READFUNCTION, on_send);
    set(easy, CURLOPT_READDATA, this);
  }
  if (http.method != "GET") set(easy, CURLOPT_CUSTOMREQUEST, http.method.c_str());
}

void Exchange::prepare_tls() {
  const HttpOptions& http = request.http;
  // What is trusted is ours, read once: libcurl would parse it within a handshake.
  set(easy, CURLOPT_CAPATH, static_cast<const char*>(nullptr));
  set(easy, CURLOPT_CAINFO, static_cast<const char*>(nullptr));
  set(easy, CURLOPT_SSL_VERIFYPEER, http.verify ? 1L : 0L);
  set(easy, CURLOPT_SSL_VERIFYHOST, http.verify ? 2L : 0L);
  set(easy, CURLOPT_SSL_SESSIONID_CACHE, http.resume_tls ? 1L : 0L);
}

void Exchange::enter(ProbePhase next, Time now) {
  phase = next;
  since = now;
}

bool Exchange::is_late(Time now) const {
  const ProbeLimits& limits = request.limits;
  if (now - result.attempt.began > limits.total) return true;
  switch (phase) {
    case ProbePhase::Connect: return now - since > limits.connect;
    case ProbePhase::Tls: return now - since > limits.tls;
    case ProbePhase::Response: return now - since > limits.response;
    default: return false;
  }
}

void Exchange::leave(const CurlConnection& connection) {
  counters = read_counters(socket);
  if (counters) kernel = facts_of(socket, *counters, before);
  socket = CURL_SOCKET_BAD;
  if (!opened_at || !connection.connected) return;
  connected_at = connection.connected_at;
  const auto since_connect =
      connection.noticed ? std::optional(*connected_at - *opened_at) : std::nullopt;
  if (kernel) note_handshake(*kernel, *connection.connected, since_connect);
}

void Exchange::finish(CURLcode code, Time now) {
  fill_times(now);
  Attempt& attempt = result.attempt;
  attempt.kernel = kernel;
  if (asked<long>(easy.get(), CURLINFO_RESPONSE_CODE) != 0) fill_http();
  attempt.failure = failure(code, now);
  if (const char* location = asked<const char*>(easy.get(), CURLINFO_REDIRECT_URL))
    result.location = location;
}

void Exchange::fill_times(Time now) {
  PhaseTimes& times = result.attempt.times;
  times.total = now - result.attempt.began;
  if (opened_at && connected_at) times.connect = *connected_at - *opened_at;
  if (opened_at && connected_at && ready_at && result.attempt.tls)
    times.tls = *ready_at - *connected_at;
  if (ready_at && sent_at && request.http.send_bytes) times.request = *sent_at - *ready_at;
  if (sent_at && first_at && *first_at >= *sent_at) times.ttfb = *first_at - *sent_at;
  if (first_at && last_at) times.transfer = *last_at - *first_at;
}

void Exchange::fill_http() {
  HttpFacts& http = result.attempt.http.emplace();
  if (!is_brief()) answer.fill(http, wall_clock_s());
  http.version = version_text(asked<long>(easy.get(), CURLINFO_HTTP_VERSION));
  http.status = static_cast<int>(asked<long>(easy.get(), CURLINFO_RESPONSE_CODE));
  http.header_bytes = static_cast<std::uint64_t>(asked<long>(easy.get(), CURLINFO_HEADER_SIZE));
  http.wire_bytes = bytes_of(easy, CURLINFO_SIZE_DOWNLOAD_T);
  http.sent_bytes = bytes_of(easy, CURLINFO_SIZE_UPLOAD_T);
  http.body_bytes = body_bytes;
  // What came with the first byte came before the phase.
  const auto transfer = result.attempt.times.transfer;
  if (!is_brief() && transfer && *transfer > Nanos(0) && http.wire_bytes > first_wire)
    http.bandwidth_mbps = static_cast<double>(http.wire_bytes - first_wire) * 8e3 /
                          static_cast<double>(transfer->count());
}

std::optional<Failure> Exchange::failure(CURLcode code, Time now) const {
  if (code != CURLE_OK) {
    const auto error = static_cast<int>(asked<long>(easy.get(), CURLINFO_OS_ERRNO));
    return transfer_failure(
        {.code = code,
         .phase = phase,
         .connect = {.error = late ? ETIMEDOUT : error,
                     .address = address,
                     .port = request.target.port,
                     .after = now - opened_at.value_or(since),
                     .counters = counters},
         .words = words_[0] ? words_.data() : curl_easy_strerror(code),
         .problem = problem,
         .too_large = too_large,
         .limit_bytes = header_bytes > kMostHeaders ? kMostHeaders : request.limits.body_bytes,
         .waited = now - since});
  }
  const auto failed = [](FailureKind kind, std::string detail) {
    return Failure{.phase = ProbePhase::Response, .kind = kind, .detail = std::move(detail)};
  };
  if (only_connects()) return std::nullopt;
  if (!result.attempt.http) return failed(FailureKind::HttpMalformed, "no status");
  const HttpFacts& http = *result.attempt.http;
  if (request.http.version == HttpVersion::Http2 && http.version != "2")
    return failed(FailureKind::HttpVersion, fmt::format("HTTP/{} instead of 2", http.version));
  if (http.status >= 400)
    return failed(FailureKind::HttpStatus, fmt::format("status {}", *http.status));
  return std::nullopt;
}

std::size_t Exchange::on_header(char* line, std::size_t size, std::size_t count,
                                void* exchange) noexcept {
  auto* self = static_cast<Exchange*>(exchange);
  const std::string_view text(line, size * count);
  self->header_bytes += text.size();
  self->too_large = self->header_bytes > kMostHeaders;
  if (self->too_large) return 0;
  const bool brief = self->is_brief();
  if (brief && self->first_at) return text.size();
  if (text.starts_with("HTTP/")) self->interim = is_interim(text);
  if (self->interim) return text.size();  // the answer is still to come
  const Time now = kernel_now();
  if (!self->first_at) {
    self->first_at = now;
    if (!brief) self->first_wire = waiting_bytes(self->socket);
    self->enter(ProbePhase::Transfer, now);
  }
  self->last_at = now;
  if (!brief) self->answer.take(text);
  return text.size();
}

std::size_t Exchange::on_body(char*, std::size_t size, std::size_t count, void* exchange) noexcept {
  auto* self = static_cast<Exchange*>(exchange);
  self->last_at = kernel_now();
  self->body_bytes += size * count;
  const bool allowed = self->owner->note_received(size * count);
  self->too_large = !allowed || self->body_bytes > self->request.limits.body_bytes;
  if (self->too_large) return 0;
  if (std::exchange(self->first_body, false))
    self->first_wire += bytes_of(self->easy, CURLINFO_SIZE_DOWNLOAD_T);
  return size * count;
}

std::size_t Exchange::on_send(char* buffer, std::size_t size, std::size_t count,
                              void* exchange) noexcept {
  auto* self = static_cast<Exchange*>(exchange);
  const Body& body = random_body();
  const std::uint64_t left = self->request.http.send_bytes - self->sent_bytes;
  const std::size_t bytes = std::min<std::uint64_t>({size * count, body.size(), left});
  std::memcpy(buffer, body.data(), bytes);
  self->sent_bytes += bytes;
  self->owner->note_sent(bytes);
  if (bytes == left && !self->sent_at) {
    self->sent_at = kernel_now();
    if (self->phase == ProbePhase::Request) self->enter(ProbePhase::Response, *self->sent_at);
  }
  return bytes;
}

}  // namespace netsonde
