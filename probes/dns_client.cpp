// SPDX-License-Identifier: Apache-2.0
#include "probes/dns_client.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/random.h>

#include <algorithm>
#include <array>

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

std::uint16_t random_id() {
  std::uint16_t id = 0;
  if (getrandom(&id, sizeof(id), 0) != sizeof(id)) id = 0;
  return id;
}

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
  options.timeout = static_cast<int>(
      std::max<std::int64_t>(1, std::chrono::ceil<std::chrono::milliseconds>(timeout).count()));
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
  return channel;
}

Result<std::unique_ptr<DnsClient>> DnsClient::open(Loop& loop, const std::string& server,
                                                   Nanos timeout) {
  std::unique_ptr<DnsClient> client(new DnsClient(loop, server));
  client->udp_ = TRY(client->open_channel(false, timeout));
  client->tcp_ = TRY(client->open_channel(true, timeout));
  client->timer_ = TRY(loop.every(kCheckTimeouts, [self = client.get()]() -> Result<> {
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
  if (!readable && !writable) return self->loop_.forget(socket);
  const ares_socket_t for_reading = readable ? socket : ARES_SOCKET_BAD;
  const ares_socket_t for_writing = writable ? socket : ARES_SOCKET_BAD;
  const std::uint32_t events = (readable ? EPOLLIN : 0U) | (writable ? EPOLLOUT : 0U);
  // A socket that cannot be watched answers nothing: its questions run into their timeout.
  (void)self->loop_.watch(
      socket,
      [self, for_reading, for_writing]() -> Result<> {
        self->process(for_reading, for_writing);
        return {};
      },
      events);
}

void DnsClient::on_answer(void* waiting, int status, int, unsigned char* bytes, int size) noexcept {
  auto* answered = static_cast<Waiting*>(waiting);
  DnsClient* self = answered->client;
  DnsReply reply;
  reply.took = kernel_now() - answered->asked;
  const OnReply on_reply = std::move(answered->on_reply);
  self->waiting_.remove_if([answered](const Waiting& w) { return &w == answered; });
  if (status == ARES_EDESTRUCTION) return;
  if (status == ARES_SUCCESS) {
    reply.bytes = static_cast<std::size_t>(size);
    auto message = parse_dns(std::as_bytes(std::span(bytes, reply.bytes)));
    if (message) {
      reply.message = std::move(message).value();
    } else {
      reply.failure = "dns-malformed";
      reply.detail = message.error().message();
    }
  } else {
    reply.failure = failure_of(status);
    reply.detail = ares_strerror(status);
  }
  on_reply(std::move(reply));
}

void DnsClient::ask(const DnsQuestion& question, OnReply on_reply) {
  unsigned char* query = nullptr;
  int size = 0;
  const int status =
      ares_create_query(question.name.c_str(), 1 /* IN */, static_cast<int>(question.type),
                        random_id(), 1, &query, &size, question.edns ? kEdnsBytes : 0);
  if (status != ARES_SUCCESS) {
    DnsReply reply;
    reply.failure = failure_of(status);
    reply.detail = ares_strerror(status);
    return on_reply(std::move(reply));
  }
  const std::unique_ptr<unsigned char, void (*)(void*)> owner(query, ares_free_string);
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
