// SPDX-License-Identifier: Apache-2.0
#include "probes/ws_prober.h"

#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/random.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "probes/answer_headers.h"
#include "probes/socket_facts.h"

namespace netsonde {

namespace {

constexpr std::size_t kLongestHead = 65'536;
constexpr int kSwitching = 101;
constexpr std::string_view kEndOfHead = "\r\n\r\n";
constexpr std::string_view kNormalClose = "\x03\xe8";  // status 1000

Failure failure_of(FailureKind kind, std::string detail) {
  return {.phase = ProbePhase::Response, .kind = kind, .detail = std::move(detail)};
}

std::string new_ping() {
  std::string bytes(8, '\0');
  (void)!getrandom(bytes.data(), bytes.size(), 0);  // never short for so few (random(4))
  return bytes;
}

HttpFacts http_facts_of(const UpgradeAnswer& answer, std::size_t head_bytes) {
  AnswerHeaders headers;
  for (const std::string& line : answer.lines) headers.take(line);
  HttpFacts facts;
  headers.fill(facts, wall_clock_s());
  facts.version = answer.version;
  facts.status = answer.status;
  facts.header_bytes = head_bytes;
  return facts;
}

// Why the answer makes no WebSocket of the connection, if so.
std::optional<Failure> failure_in(const UpgradeAnswer& answer, std::string_view key) {
  if (answer.status != kSwitching)
    return failure_of(FailureKind::WsRefused,
                      fmt::format("status {} instead of 101", answer.status));
  if (!answer.upgrades)
    return failure_of(FailureKind::HttpMalformed, "status 101, but not to a WebSocket");
  if (answer.accept != websocket_accept(key))
    return failure_of(FailureKind::HttpMalformed,
                      fmt::format("Sec-WebSocket-Accept '{}' does not belong to our key",
                                  printable(answer.accept)));
  return std::nullopt;
}

}  // namespace

void WsProber::start(const ProbeRequest& request, OnAttempt on_attempt) {
  const std::uint64_t id = ++last_id_;
  const auto on_end = [this, id, on_attempt = std::move(on_attempt)](Attempt attempt) {
    runs_.erase(id);
    on_attempt(std::move(attempt));
  };
  Run& run = runs_.try_emplace(id, loop_, request, on_end).first->second;
  const auto exists = [this, id] { return runs_.contains(id); };
  run.common.find_address(
      lookup_, exists, [this, &run, id](const Address& address) { connect_to(run, id, address); });
  if (exists()) run.common.started();
}

void WsProber::connect_to(Run& run, std::uint64_t id, const Address& address) {
  run.common.attempt().address = address;
  ProbeRequest request = run.common.request();
  request.limits.total = run.common.left();
  transfers_.start(request, address, [this, id](Transferred transferred) {
    const auto found = runs_.find(id);
    if (found != runs_.end()) take_connection(found->second, std::move(transferred));
  });
}

void WsProber::take_connection(Run& run, Transferred transferred) {
  Attempt& attempt = run.common.attempt();
  Attempt& connected = transferred.attempt;
  attempt.times.connect = connected.times.connect;
  attempt.times.tls = connected.times.tls;
  attempt.tls = std::move(connected.tls);
  attempt.kernel = std::move(connected.kernel);
  if (connected.failure) return finish(run, std::move(connected.failure));
  run.connection = std::move(transferred.connection);
  const ProbeRequest& request = run.common.request();
  const auto bytes = upgrade_request(request.target, run.key, request.http.headers);
  if (auto failure = ask(run, bytes)) finish(run, std::move(failure));
}

void WsProber::give_up(Run& run) {
  const std::string waited = short_duration(kernel_now() - run.asked);
  finish(run, run.ping.empty() ? failure_of(FailureKind::HttpTimeout,
                                            fmt::format("no answer {} after the request", waited))
                               : failure_of(FailureKind::EchoTimeout,
                                            fmt::format("no pong {} after the ping", waited)));
}

void WsProber::on_ready(Run& run) {
  const Time now = kernel_now();
  auto failure = send(run, {});
  if (!failure) failure = receive(run, now);
  if (failure || run.common.attempt().echo) finish(run, std::move(failure));
}

// Sends what wants an answer.
std::optional<Failure> WsProber::ask(Run& run, std::string_view bytes) {
  const Nanos limit = run.common.request().limits.response;
  const auto limited = run.common.within(limit, [this, &run] { give_up(run); });
  if (!limited) return failure_of(FailureKind::ConnectLocal, limited.error().message());
  run.asked = kernel_now();
  return send(run, bytes);
}

// After what was sent before; what finds no room is sent when there is some.
std::optional<Failure> WsProber::send(Run& run, std::string_view bytes) {
  run.out += bytes;
  while (!run.out.empty()) {
    std::size_t count = 0;
    const CURLcode code = run.connection->send(run.out, count);
    if (code == CURLE_AGAIN) break;
    if (code != CURLE_OK) return ended(run);
    run.out.erase(0, count);
  }
  const std::uint32_t events = EPOLLIN | (run.out.empty() ? 0U : EPOLLOUT);
  if (events == run.events) return std::nullopt;
  const auto ready = [this, &run]() -> Result<> {
    on_ready(run);
    return {};
  };
  const auto watched = loop_.watch(run.connection->socket(), ready, events);
  if (!watched) return failure_of(FailureKind::ConnectLocal, watched.error().message());
  run.events = events;
  return std::nullopt;
}

// To the end of what came: what libcurl has decrypted the loop does not see.
std::optional<Failure> WsProber::receive(Run& run, Time now) {
  std::array<char, 16'384> buffer;
  const std::uint64_t most = run.common.request().limits.body_bytes;
  for (bool first = true;; first = false) {
    std::size_t count = 0;
    const CURLcode code = run.connection->receive(buffer, count);
    if (code == CURLE_AGAIN) return std::nullopt;
    if (!first) now = kernel_now();
    if (code != CURLE_OK || count == 0) return ended(run);
    run.received += count;
    if (run.received > most)
      return failure_of(FailureKind::TooLarge, fmt::format("more than {}B before the pong",
                                                           short_bytes(static_cast<double>(most))));
    run.in.append(buffer.data(), count);
    auto failure = run.ping.empty() ? take_answer(run, now) : take_frames(run, now);
    if (failure || run.common.attempt().echo) return failure;
  }
}

// By the peer.
Failure WsProber::ended(const Run& run) {
  const int error = run.connection->error();
  const bool reset = error == ECONNRESET || error == EPIPE;
  return failure_of(reset ? FailureKind::Reset : FailureKind::Closed,
                    fmt::format("{} by peer after the {}", reset ? "reset" : "closed",
                                run.ping.empty() ? "request" : "ping"));
}

// The first bytes are those of the answer.
std::optional<Failure> WsProber::take_answer(Run& run, Time now) {
  Attempt& attempt = run.common.attempt();
  if (!attempt.times.ttfb) attempt.times.ttfb = now - run.asked;
  const std::size_t end = run.in.find(kEndOfHead);
  if (end == std::string::npos) {
    if (run.in.size() <= kLongestHead) return std::nullopt;
    return failure_of(FailureKind::HttpMalformed, "the head of the answer does not end");
  }
  const auto answer = parse_upgrade(std::string_view(run.in).substr(0, end));
  if (!answer) return failure_of(FailureKind::HttpMalformed, answer.error().message());
  attempt.http = http_facts_of(answer.value(), end + kEndOfHead.size());
  if (auto failure = failure_in(answer.value(), run.key)) return failure;
  run.in.erase(0, end + kEndOfHead.size());
  run.ping = new_ping();
  if (auto failure = ask(run, control_frame(WebSocketOp::Ping, run.ping))) return failure;
  return take_frames(run, now);  // the server may have begun already
}

std::optional<Failure> WsProber::take_frames(Run& run, Time now) {
  while (true) {
    const auto skipped = std::min<std::uint64_t>(run.skip, run.in.size());
    run.in.erase(0, skipped);
    run.skip -= skipped;
    const auto parsed = parse_frame_header(run.in);
    if (!parsed) return failure_of(FailureKind::HttpMalformed, parsed.error().message());
    if (!parsed.value()) return std::nullopt;
    const FrameHeader& header = *parsed.value();
    if (header.op < WebSocketOp::Close) {
      run.in.erase(0, header.header_bytes);
      run.skip = header.payload_bytes;
      continue;
    }
    const std::size_t size = header.header_bytes + header.payload_bytes;
    if (run.in.size() < size) return std::nullopt;
    const std::string payload = run.in.substr(header.header_bytes, header.payload_bytes);
    run.in.erase(0, size);
    auto failure = take_control(run, header.op, payload, now);
    if (failure || run.common.attempt().echo) return failure;
  }
}

std::optional<Failure> WsProber::take_control(Run& run, WebSocketOp op, std::string_view payload,
                                              Time now) {
  if (op == WebSocketOp::Ping) return send(run, control_frame(WebSocketOp::Pong, payload));
  if (op == WebSocketOp::Close)
    return failure_of(FailureKind::Closed,
                      fmt::format("closed with status {} before the pong", close_status(payload)));
  if (payload == run.ping) run.common.attempt().echo = now - run.asked;
  return std::nullopt;
}

// Of the kernel's facts only those of the handshake are not newer now.
void WsProber::finish(Run& run, std::optional<Failure> failure) {
  Attempt& attempt = run.common.attempt();
  if (run.connection) {
    if (attempt.echo) (void)send(run, control_frame(WebSocketOp::Close, kNormalClose));
    const int fd = run.connection->socket();
    const auto counters = read_counters(fd);
    if (counters && attempt.kernel) {
      const KernelFacts before = std::move(*attempt.kernel);
      attempt.kernel = facts_of(fd, *counters);
      attempt.kernel->syn_rtt = before.syn_rtt;
      attempt.kernel->syn_retransmits = before.syn_retransmits;
      attempt.kernel->prober_delay = before.prober_delay;
    }
    run.connection.reset();
  }
  run.common.finish(std::move(failure));
}

}  // namespace netsonde
