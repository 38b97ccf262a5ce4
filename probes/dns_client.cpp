// SPDX-License-Identifier: Apache-2.0
#include "probes/dns_client.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>

#include "probes/ares_socket.h"

namespace netsonde {

namespace {

constexpr int kEdnsBytes = 1232;  // fits into any path: DNS flag day 2020
constexpr Nanos kCheckTimeouts = std::chrono::milliseconds(20);

std::string_view failure_of(int status) {
  switch (status) {
    case ARES_ETIMEOUT: return "dns-timeout";
    case ARES_ECONNREFUSED: return "dns-unreachable";
    case ARES_EBADNAME: return "dns-name";
    default: return "dns-malformed";
  }
}

// As c-ares takes them: at least one, and at most 24 days.
int milliseconds_of(Nanos timeout) {
  const auto count = std::chrono::ceil<std::chrono::milliseconds>(timeout).count();
  return static_cast<int>(std::clamp<std::int64_t>(count, 1, std::numeric_limits<int>::max()));
}

DnsReply failed(std::string_view kind, std::string_view detail) {
  DnsReply reply;
  reply.failure = kind;
  reply.detail = detail;
  return reply;
}

DnsReply reply_of(std::span<const std::byte> bytes) {
  auto message = parse_dns(bytes);
  if (!message) return failed("dns-malformed", message.error().message());
  if (!message.value().response) return failed("dns-malformed", "what came is no answer");
  DnsReply reply;
  reply.message = std::move(message).value();
  reply.bytes = bytes.size();
  return reply;
}

std::uint16_t random_id() {
  std::uint16_t id = 0;
  if (getrandom(&id, sizeof(id), 0) != sizeof(id)) id = 0;
  return id;
}

// The sockets of UDP as c-ares would have them, but for one thing: what this host refuses, it
// refuses at once, and the next question would be told so instead of being sent. Sent again it
// meets its own refusal, for which c-ares reads, and which ends all that wait. And each datagram is
// kept: of answers above 512 bytes c-ares hands over no more than that.
constexpr ares_socket_functions kDatagrams = {
    .asocket = [](int family, int type, int protocol, void*) noexcept -> ares_socket_t {
      return socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
    },
    .aclose = [](ares_socket_t socket, void*) noexcept { return close(socket); },
    .aconnect = [](ares_socket_t socket, const sockaddr* address, ares_socklen_t size,
                   void*) noexcept { return connect(socket, address, size); },
    .arecvfrom = [](ares_socket_t socket, void* bytes, std::size_t size, int flags, sockaddr* from,
                    ares_socklen_t* from_size, void* kept) noexcept -> ares_ssize_t {
      const ssize_t received = recvfrom(socket, bytes, size, flags, from, from_size);
      const auto* begin = static_cast<const std::byte*>(bytes);
      if (received > 0) static_cast<DnsClient::Datagram*>(kept)->assign(begin, begin + received);
      return received;
    },
    .asendv = [](ares_socket_t socket, const iovec* parts, int count,
                 void*) noexcept -> ares_ssize_t {
      const ssize_t sent = writev(socket, parts, count);
      return sent < 0 && errno == ECONNREFUSED ? writev(socket, parts, count) : sent;
    }};

std::string text_of(const ares_addr_port_node& server) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  inet_ntop(server.family, &server.addr, text.data(), text.size());
  const int port = server.udp_port ? server.udp_port : 53;
  return server.family == AF_INET6 ? fmt::format("[{}]:{}", text.data(), port)
                                   : fmt::format("{}:{}", text.data(), port);
}

}  // namespace

Result<DnsClient::Channel> DnsClient::open_channel(bool tcp, Nanos timeout) {
  ares_options options = {};
  options.timeout = milliseconds_of(timeout);
  options.tries = 1;
  options.flags = ARES_FLAG_NOCHECKRESP | ARES_FLAG_STAYOPEN | ARES_FLAG_NOSEARCH |
                  (tcp ? ARES_FLAG_USEVC : ARES_FLAG_IGNTC);
  options.sock_state_cb = on_socket;
  options.sock_state_cb_data = this;
  ares_channel raw = nullptr;
  const int status = ares_init_options(
      &raw, &options,
      ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_FLAGS | ARES_OPT_SOCK_STATE_CB);
  if (status != ARES_SUCCESS)
    return Error(fmt::format("set up DNS queries: {}", ares_strerror(status)));
  Channel channel(raw);
  if (ares_set_servers_ports_csv(raw, server_.c_str()) != ARES_SUCCESS)
    return Error(fmt::format("'{}' is no DNS server; give its address, or ADDRESS:PORT",
                             printable(server_)));
  if (!tcp) ares_set_socket_functions(raw, &kDatagrams, &datagram_);
  return channel;
}

Result<std::unique_ptr<DnsClient>> DnsClient::open(Loop& loop, const std::string& server,
                                                   Nanos timeout) {
  std::unique_ptr<DnsClient> client(new DnsClient(loop, server));
  client->udp_ = TRY(client->open_channel(false, timeout));
  client->tcp_ = TRY(client->open_channel(true, timeout));
  client->timer_ = TRY(loop.every(Nanos(0), [self = client.get()]() -> Result<> {
    self->process(ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    return {};
  }));
  return client;
}

DnsClient::~DnsClient() {
  if (timer_ >= 0) loop_.forget(timer_);
}

void DnsClient::process(ares_socket_t readable, ares_socket_t writable) {
  ares_process_fd(udp_.get(), readable, writable);
  ares_process_fd(tcp_.get(), readable, writable);
}

void DnsClient::on_socket(void* client, ares_socket_t socket, int readable, int writable) noexcept {
  auto* self = static_cast<DnsClient*>(client);
  follow_socket(self->loop_, socket, readable, writable,
                [self](ares_socket_t in, ares_socket_t out) { self->process(in, out); });
}

// The datagram of which these are the first bytes; else these.
std::span<const std::byte> DnsClient::whole(std::span<const std::byte> bytes) const {
  const bool is_begin =
      datagram_.size() > bytes.size() && std::equal(bytes.begin(), bytes.end(), datagram_.begin());
  return is_begin ? std::span(datagram_) : bytes;
}

void DnsClient::on_answer(void* waiting, int status, int, unsigned char* bytes, int size) noexcept {
  auto* answered = static_cast<Waiting*>(waiting);
  DnsClient* self = answered->client;
  const Nanos took = kernel_now() - answered->asked;
  const OnReply on_reply = std::move(answered->on_reply);
  self->waiting_.remove_if([answered](const Waiting& w) { return &w == answered; });
  if (self->waiting_.empty()) (void)self->loop_.set_interval(self->timer_, Nanos(0));
  if (status == ARES_EDESTRUCTION) return;
  DnsReply reply =
      status == ARES_SUCCESS
          ? reply_of(self->whole(std::as_bytes(std::span(bytes, static_cast<std::size_t>(size)))))
          : failed(failure_of(status), ares_strerror(status));
  reply.took = took;
  on_reply(std::move(reply));
}

void DnsClient::ask(const DnsQuestion& question, OnReply on_reply) {
  unsigned char* query = nullptr;
  int size = 0;
  const int status =
      ares_create_query(question.name.c_str(), 1 /* IN */, static_cast<int>(question.type),
                        random_id(), 1, &query, &size, question.edns ? kEdnsBytes : 0);
  if (status != ARES_SUCCESS) return on_reply(failed(failure_of(status), ares_strerror(status)));
  const std::unique_ptr<unsigned char, void (*)(void*)> owner(query, ares_free_string);
  if (waiting_.empty()) (void)loop_.set_interval(timer_, kCheckTimeouts);
  Waiting& waiting = waiting_.emplace_back(
      Waiting{.client = this, .on_reply = std::move(on_reply), .asked = kernel_now()});
  ares_send(question.tcp ? tcp_.get() : udp_.get(), query, size, on_answer, &waiting);
}

Result<std::vector<std::string>> system_dns_servers() {
  ares_channel raw = nullptr;
  const int status = ares_init(&raw);
  if (status != ARES_SUCCESS)
    return Error(fmt::format("read /etc/resolv.conf: {}", ares_strerror(status)));
  ares_addr_port_node* list = nullptr;
  const int got = ares_get_servers_ports(raw, &list);
  std::vector<std::string> servers;
  for (const ares_addr_port_node* node = list; node; node = node->next)
    servers.push_back(text_of(*node));
  if (list) ares_free_data(list);
  ares_destroy(raw);
  if (got != ARES_SUCCESS || servers.empty())
    return Error("no DNS server in /etc/resolv.conf; name one with --server");
  return servers;
}

}  // namespace netsonde
