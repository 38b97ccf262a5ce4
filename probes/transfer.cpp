// SPDX-License-Identifier: Apache-2.0
#include "probes/transfer.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

namespace netsonde {

namespace {

constexpr Nanos kSweepEvery = std::chrono::milliseconds(20);  // how late a deadline may be seen
constexpr int kRoundsInARow = 64;                             // before others get their turn
constexpr std::size_t kSpare = 1024;

std::uint16_t local_port_of(int socket) {
  sockaddr_in6 own = {};  // the port of IPv4's is at the same place
  socklen_t size = sizeof(own);
  return getsockname(socket, reinterpret_cast<sockaddr*>(&own), &size) ? 0 : ntohs(own.sin6_port);
}

// What must be the same for a session to be resumed: also who was to be trusted.
std::string server_of(const Exchange& exchange) {
  const ProbeRequest& request = exchange.request;
  return fmt::format("{} {} {} {}", request.target.authority(), to_text(exchange.address),
                     request.http.verify, request.http.ca_file);
}

}  // namespace

Result<std::unique_ptr<Transfers>> Transfers::open(Loop& loop, const TransferSettings& settings) {
  std::unique_ptr<Transfers> transfers(new Transfers(loop));
  TRY(transfers->set_up(settings));
  return transfers;
}

Result<> Transfers::set_up(const TransferSettings& settings) {
  allows_ = settings.allows;
  if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) return Error("set up libcurl: no memory");
  multi_.reset(curl_multi_init());
  if (!multi_) return Error("set up libcurl: no memory");
  CURLM* multi = multi_.get();
  const auto most = [](std::size_t count) {
    return static_cast<long>(std::min<std::size_t>(count, 1'000'000));
  };
  curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
  curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, this);
  curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer);
  curl_multi_setopt(multi, CURLMOPT_TIMERDATA, this);
  curl_multi_setopt(multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, most(settings.connections));
  curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, most(settings.connections));
  curl_multi_setopt(multi, CURLMOPT_MAX_HOST_CONNECTIONS, most(settings.connections_per_host));
  timer_ = TRY(loop_.every(Nanos(0), [this] { return on_ring(); }));
  sweeper_ = TRY(loop_.every(Nanos(0), [this]() -> Result<> {
    sweep();
    return {};
  }));
  return {};
}

Transfers::~Transfers() {
  for (const auto& [easy, exchange] : exchanges_) curl_multi_remove_handle(multi_.get(), easy);
  for (auto& [fd, socket] : sockets_) socket.users.clear();
  exchanges_.clear();
  spare_.clear();
  multi_.reset();
  if (timer_ >= 0) loop_.forget(timer_);
  if (sweeper_ >= 0) loop_.forget(sweeper_);
}

void Transfers::start(const ProbeRequest& request, const Address& address, OnEnd on_end) {
  std::unique_ptr<Exchange> exchange = exchange_for(request, address);
  exchange->begin(request.limits, kernel_now());
  exchange->on_end = std::move(on_end);
  CURL* easy = exchange->easy.get();
  if (exchanges_.empty()) (void)loop_.set_interval(sweeper_, kSweepEvery);
  exchanges_.emplace(easy, std::move(exchange));
  curl_multi_add_handle(multi_.get(), easy);
}

// Requests of a kind often follow each other: then there is nothing to prepare.
std::unique_ptr<Exchange> Transfers::exchange_for(const ProbeRequest& request,
                                                  const Address& address) {
  std::unique_ptr<Exchange> exchange;
  if (!spare_.empty()) {
    exchange = std::move(spare_.back());
    spare_.pop_back();
    if (exchange->fits(request, address)) return exchange;
    curl_easy_reset(exchange->easy.get());
  } else {
    exchange = std::make_unique<Exchange>();
    exchange->easy.reset(curl_easy_init());
    exchange->owner = this;
  }
  exchange->request = request;
  exchange->address = address;
  exchange->prepare();
  follow_connections(*exchange);
  return exchange;
}

std::vector<SocketCounters> Transfers::connections() const {
  std::vector<SocketCounters> connections;
  for (const auto& [socket, connection] : sockets_)
    if (connection.connected)
      if (const auto counters = read_counters(socket)) connections.push_back(*counters);
  return connections;
}

void Transfers::follow_connections(Exchange& exchange) {
  CURL* easy = exchange.easy.get();
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open);
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, &exchange);
  // It may be called when the exchange is long gone.
  curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, on_close);
  curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, this);
  curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_ready);
  curl_easy_setopt(easy, CURLOPT_PREREQDATA, &exchange);
  curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, on_tls);
  curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, &exchange);
}

// What ends lets others begin, which libcurl wants to do at once.
void Transfers::act(curl_socket_t socket, int events) {
  int running = 0;
  acting_ = true;
  due_ = false;
  curl_multi_socket_action(multi_.get(), socket, events, &running);
  collect();
  for (int i = 0; due_ && i < kRoundsInARow; ++i) {
    due_ = false;
    curl_multi_socket_action(multi_.get(), CURL_SOCKET_TIMEOUT, 0, &running);
    collect();
  }
  acting_ = false;
  if (!due_) return;
  act_at_ = kernel_now();
  (void)arm_timer();
}

void Transfers::collect() {
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_.get(), &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    const CURLcode code = message->data.result;
    const auto found = exchanges_.find(message->easy_handle);
    if (found != exchanges_.end()) end(*found->second, code);
  }
}

void Transfers::sweep() {
  const Time now = kernel_now();
  std::vector<CURL*> late;
  for (const auto& [easy, exchange] : exchanges_)
    if (exchange->is_late(now)) late.push_back(easy);
  for (CURL* easy : late) {
    const auto found = exchanges_.find(easy);
    if (found == exchanges_.end()) continue;
    found->second->late = true;
    end(*found->second, CURLE_OPERATION_TIMEDOUT);
  }
}

void Transfers::leave_socket(Exchange& exchange) {
  const auto found = sockets_.find(exchange.socket);
  if (found == sockets_.end()) return;
  std::erase(found->second.users, &exchange);
  exchange.leave(found->second);
}

// libcurl tells of a kept connection what its ends are, but not yet its socket.
void Transfers::join(Exchange& exchange, std::uint16_t local_port) {
  for (auto& [socket, connection] : sockets_) {
    if (connection.local_port != local_port || connection.remote != exchange.address) continue;
    exchange.socket = socket;
    exchange.before = read_counters(socket);
    connection.users.push_back(&exchange);
    return;
  }
}

void Transfers::retire(std::unique_ptr<Exchange> exchange) {
  curl_multi_remove_handle(multi_.get(), exchange->easy.get());
  if (spare_.size() < kSpare) spare_.push_back(std::move(exchange));
}

void Transfers::end(Exchange& exchange, CURLcode code) {
  CURL* easy = exchange.easy.get();
  auto owner = exchanges_.extract(easy);
  const Time now = kernel_now();
  leave_socket(exchange);
  exchange.finish(code, now);
  const OnEnd on_end = std::move(exchange.on_end);
  if (exchange.only_connects() && code == CURLE_OK)
    exchange.result.connection =
        std::make_unique<OpenConnection>(multi_.get(), std::move(exchange.easy));
  Transferred result = std::move(exchange.result);
  if (exchange.easy) retire(std::move(owner.mapped()));
  if (exchanges_.empty()) (void)loop_.set_interval(sweeper_, Nanos(0));
  on_end(std::move(result));
}

int Transfers::on_socket(CURL*, curl_socket_t socket, int what, void* self, void*) noexcept {
  auto* transfers = static_cast<Transfers*>(self);
  const auto found = transfers->sockets_.find(socket);
  if (found == transfers->sockets_.end()) return what == CURL_POLL_REMOVE ? 0 : -1;
  CurlConnection& connection = found->second;
  // Most are wanted again at once, for the same.
  connection.idle = what == CURL_POLL_REMOVE;
  if (connection.idle) return 0;
  const std::uint32_t events =
      (what != CURL_POLL_OUT ? EPOLLIN : 0U) | (what != CURL_POLL_IN ? EPOLLOUT : 0U);
  if (std::exchange(connection.watched, events) == events) return 0;
  const auto watched = transfers->loop_.watch(
      socket,
      [transfers, socket]() -> Result<> {
        transfers->on_event(socket);
        return {};
      },
      events);
  return watched ? 0 : -1;
}

void Transfers::on_event(curl_socket_t socket) {
  CurlConnection& connection = sockets_.at(socket);
  if (connection.idle) {  // closed by the server, most likely: libcurl sees that by itself
    loop_.forget(socket);
    connection.watched = 0;
    return;
  }
  note_connected(socket, connection, true);
  // With both wanted libcurl looks for itself which it is.
  const bool in = connection.watched & EPOLLIN, out = connection.watched & EPOLLOUT;
  act(socket, in && out ? 0 : in ? CURL_CSELECT_IN : CURL_CSELECT_OUT);
}

int Transfers::on_timer(CURLM*, long timeout_ms, void* self) noexcept {
  auto* transfers = static_cast<Transfers*>(self);
  if (timeout_ms == 0 && transfers->acting_) {
    transfers->due_ = true;
    return 0;
  }
  transfers->act_at_.reset();
  if (timeout_ms >= 0)
    transfers->act_at_ = kernel_now() + Nanos(std::chrono::milliseconds(timeout_ms));
  return transfers->arm_timer() ? 0 : -1;
}

// What is wanted later is looked at when the timer rings: libcurl changes its mind all the time.
Result<> Transfers::arm_timer() {
  if (!act_at_ || (rings_at_ && *rings_at_ <= *act_at_)) return {};
  rings_at_ = act_at_;
  return loop_.set_interval(timer_, std::max(*act_at_ - kernel_now(), Nanos(1)));
}

Result<> Transfers::on_ring() {
  rings_at_.reset();
  TRY(loop_.set_interval(timer_, Nanos(0)));
  if (!act_at_ || *act_at_ > kernel_now()) return arm_timer();
  act_at_.reset();
  act(CURL_SOCKET_TIMEOUT, 0);
  return {};
}

curl_socket_t Transfers::on_open(void* opened, curlsocktype, curl_sockaddr* where) noexcept {
  auto* exchange = static_cast<Exchange*>(opened);
  Transfers* self = exchange->owner;
  // A request that a new connection did not take is not sent again unseen.
  if (exchange->opened_at && exchange->ready_at) {
    exchange->problem = "the server refused the request on a new connection";
    return CURL_SOCKET_BAD;
  }
  self->leave_socket(*exchange);  // of a kept connection that turned out to be dead
  UniqueFd fd(
      socket(where->family, where->socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, where->protocol));
  if (!fd) {
    exchange->problem = Error::from_errno("open a socket").message();
    return CURL_SOCKET_BAD;
  }
  if (auto applied = apply(fd.get(), exchange->request.socket); !applied) {
    exchange->problem = applied.error().message();
    return CURL_SOCKET_BAD;
  }
  const Time now = kernel_now();
  exchange->result.attempt.reused = false;
  exchange->before.reset();
  exchange->opened_at = now;
  exchange->socket = fd.get();
  exchange->enter(ProbePhase::Connect, now);
  self->sockets_[fd.get()] = {.remote = exchange->address, .users = {exchange}};
  return fd.release();
}

int Transfers::on_close(void* self, curl_socket_t socket) noexcept {
  auto* transfers = static_cast<Transfers*>(self);
  const auto found = transfers->sockets_.find(socket);
  if (found != transfers->sockets_.end()) {
    for (Exchange* user : found->second.users) user->leave(found->second);
    transfers->sockets_.erase(found);
  }
  transfers->loop_.forget(socket);
  return close(socket);
}

void Transfers::note_connected(curl_socket_t socket, bool noticed) {
  const auto found = sockets_.find(socket);
  if (found != sockets_.end()) note_connected(socket, found->second, noticed);
}

void Transfers::note_connected(curl_socket_t socket, CurlConnection& connection, bool noticed) {
  if (connection.connected) return;
  const auto counters = read_counters(socket);
  if (!counters || counters->state == TCP_SYN_SENT || counters->state == TCP_CLOSE) return;
  connection.connected = counters;
  connection.local_port = local_port_of(socket);
  connection.connected_at = kernel_now();
  connection.noticed = noticed;
}

Result<> Transfers::trust(const HttpOptions& http) {
  (void)TRY(trusted_by(http));
  return {};
}

Result<X509_STORE*> Transfers::trusted_by(const HttpOptions& http) {
  if (!http.verify) return nullptr;
  TrustedCertificates& trusted = trusted_[http.ca_file];
  if (!trusted) trusted = TRY(read_certificates(http.ca_file));
  return trusted.get();
}

CURLcode Transfers::on_tls(CURL*, void* context, void* shaking) noexcept {
  auto* exchange = static_cast<Exchange*>(shaking);
  exchange->owner->note_connected(exchange->socket, false);
  exchange->enter(ProbePhase::Tls, kernel_now());
  const auto trusted = exchange->owner->trusted_by(exchange->request.http);
  if (!trusted) {
    exchange->problem = trusted.error().message();
    return CURLE_SSL_CACERT_BADFILE;
  }
  prepare_tls(
      static_cast<SSL_CTX*>(context),
      {.trusted = trusted.value(),
       .sessions = exchange->request.http.resume_tls ? &exchange->owner->sessions_ : nullptr,
       .server = server_of(*exchange),
       .problem = &exchange->problem});
  return CURLE_OK;
}

int Transfers::on_ready(void* ready, char*, char*, int, int local_port) noexcept {
  auto* exchange = static_cast<Exchange*>(ready);
  Transfers* self = exchange->owner;
  CURL* easy = exchange->easy.get();
  if (exchange->socket == CURL_SOCKET_BAD) {
    exchange->result.attempt.reused = true;
    if (!exchange->is_brief()) self->join(*exchange, static_cast<std::uint16_t>(local_port));
  } else {
    self->note_connected(exchange->socket, false);
  }
  const auto* session = exchange->is_brief()
                            ? nullptr
                            : asked<const curl_tlssessioninfo*>(easy, CURLINFO_TLS_SSL_PTR);
  if (session && session->backend == CURLSSLBACKEND_OPENSSL && session->internals) {
    auto* connection = static_cast<SSL*>(session->internals);
    exchange->result.attempt.tls = tls_facts_of(connection, wall_clock_s());
    forget_problem(connection);
  }
  const Time now = kernel_now();
  exchange->ready_at = now;
  const bool sends = exchange->request.http.send_bytes != 0;
  if (!sends) exchange->sent_at = now;
  exchange->enter(sends ? ProbePhase::Request : ProbePhase::Response, now);
  return CURL_PREREQFUNC_OK;
}

}  // namespace netsonde
