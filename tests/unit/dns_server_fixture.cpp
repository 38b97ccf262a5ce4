// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/dns_server_fixture.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstring>

namespace netsonde {

namespace {

constexpr std::size_t kHeader = 12;
constexpr unsigned kSoa = 6;

std::string u16(unsigned value) {
  return {static_cast<char>(value >> 8 & 0xff), static_cast<char>(value & 0xff)};
}

std::string u32(unsigned value) {
  return u16(value >> 16) + u16(value & 0xffff);
}

std::string address_bytes(int family, const std::string& text) {
  std::string bytes(family == AF_INET ? 4 : 16, '\0');
  EXPECT_EQ(inet_pton(family, text.c_str(), bytes.data()), 1) << text;
  return bytes;
}

std::string record_bytes(const DnsSays::Record& record) {
  const std::string name = record.name.empty() ? u16(0xc00c) : dns_wire_name(record.name);
  return name + u16(record.type) + u16(1) + u32(record.ttl_s) +
         u16(static_cast<unsigned>(record.data.size())) + record.data;
}

std::string soa_bytes(unsigned minimum_s) {
  const std::string data = dns_wire_name("ns.test") + dns_wire_name("root.test") +
                           std::string(16, '\0') + u32(minimum_s);
  return record_bytes({.name = "test", .type = kSoa, .ttl_s = minimum_s, .data = data});
}

// The end of the question that begins behind the header.
std::size_t end_of_question(const std::string& query) {
  std::size_t at = kHeader;
  while (at < query.size() && query[at] != '\0') at += static_cast<unsigned char>(query[at]) + 1U;
  return at + 5;
}

std::string name_in(const std::string& query) {
  std::string name;
  for (std::size_t at = kHeader; query[at] != '\0';
       at += static_cast<unsigned char>(query[at]) + 1U)
    name += (name.empty() ? "" : ".") + query.substr(at + 1, static_cast<unsigned char>(query[at]));
  return name;
}

std::string type_name(unsigned type) {
  return type == 1 ? "A" : type == 28 ? "AAAA" : fmt::format("TYPE{}", type);
}

sockaddr_in loopback(unsigned port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  return address;
}

unsigned port_of(int fd) {
  sockaddr_in address = {};
  socklen_t size = sizeof(address);
  EXPECT_EQ(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size), 0);
  return ntohs(address.sin_port);
}

UniqueFd bound(int type, unsigned port) {
  UniqueFd fd(socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const sockaddr_in address = loopback(port);
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address))) fd.reset();
  return fd;
}

}  // namespace

std::string dns_wire_name(const std::string& name) {
  std::string wire;
  for (std::size_t at = 0; at < name.size();) {
    const std::size_t end = std::min(name.find('.', at), name.size());
    wire += static_cast<char>(end - at) + name.substr(at, end - at);
    at = end + 1;
  }
  return wire + '\0';
}

DnsSays::Record a_record(const std::string& address, unsigned ttl_s, std::string name) {
  return {
      .name = std::move(name), .type = 1, .ttl_s = ttl_s, .data = address_bytes(AF_INET, address)};
}

DnsSays::Record aaaa_record(const std::string& address, unsigned ttl_s, std::string name) {
  return {.name = std::move(name),
          .type = 28,
          .ttl_s = ttl_s,
          .data = address_bytes(AF_INET6, address)};
}

DnsSays::Record cname_record(const std::string& target, unsigned ttl_s, std::string name) {
  return {.name = std::move(name), .type = 5, .ttl_s = ttl_s, .data = dns_wire_name(target)};
}

DnsServerFixture::DnsServerFixture(Loop& loop, Answer answer)
    : loop_(loop), answer_(std::move(answer)) {
  for (int i = 0; i < 100 && !tcp_; ++i) {  // somebody may have the port of the other kind
    udp_ = bound(SOCK_DGRAM, 0);
    tcp_ = bound(SOCK_STREAM, port_of(udp_.get()));
  }
  EXPECT_EQ(listen(tcp_.get(), 16), 0);
  EXPECT_TRUE(loop_.watch(udp_.get(), [this] { return on_datagram(); }));
  EXPECT_TRUE(loop_.watch(tcp_.get(), [this] { return on_connection(); }));
}

DnsServerFixture::~DnsServerFixture() {
  loop_.forget(udp_.get());
  loop_.forget(tcp_.get());
  for (const auto& [fd, owner] : streams_) loop_.forget(fd);
}

std::string DnsServerFixture::server() const {
  return fmt::format("127.0.0.1:{}", port_of(udp_.get()));
}

std::string DnsServerFixture::reply_to(const std::string& query, bool tcp) {
  const std::size_t end = end_of_question(query);
  if (query.size() < end) return {};
  const auto type = static_cast<unsigned char>(query[end - 3]);  // all here are below 256
  const Question question{.name = name_in(query), .type = type, .tcp = tcp};
  asked_.push_back(fmt::format("{} {}{}", question.name, type_name(type), tcp ? " over TCP" : ""));
  const std::optional<DnsSays> says = answer_(question);
  if (!says) return {};
  const auto records = static_cast<unsigned>(says->records.size() + !says->tail.empty());
  std::string reply = query.substr(0, 2) +
                      u16(0x8180 | (says->truncated ? 0x0200U : 0U) | says->rcode) + u16(1) +
                      u16(records) + u16(says->soa_minimum_s ? 1 : 0) + u16(0) +
                      query.substr(kHeader, end - kHeader);
  for (const DnsSays::Record& record : says->records) reply += record_bytes(record);
  reply += says->tail;
  if (says->soa_minimum_s) reply += soa_bytes(*says->soa_minimum_s);
  return reply;
}

Result<> DnsServerFixture::on_datagram() {
  std::array<char, 1024> query;
  sockaddr_in from = {};
  socklen_t size = sizeof(from);
  const auto got = recvfrom(udp_.get(), query.data(), query.size(), 0,
                            reinterpret_cast<sockaddr*>(&from), &size);
  if (got <= 0) return {};
  ports_.insert(ntohs(from.sin_port));
  const std::string reply = reply_to({query.data(), static_cast<std::size_t>(got)}, false);
  if (!reply.empty())
    (void)sendto(udp_.get(), reply.data(), reply.size(), 0,
                 reinterpret_cast<const sockaddr*>(&from), size);
  return {};
}

Result<> DnsServerFixture::on_connection() {
  UniqueFd stream(accept4(tcp_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!stream) return {};
  const int fd = stream.get();
  streams_[fd] = std::move(stream);
  return loop_.watch(fd, [this, fd] { return on_stream(fd); });
}

// A query of a client on the loopback comes in one piece, or in two: its length and the rest.
Result<> DnsServerFixture::on_stream(int fd) {
  std::array<char, 1024> bytes;
  const auto peeked = recv(fd, bytes.data(), bytes.size(), MSG_PEEK);
  if (peeked <= 0) {
    loop_.forget(fd);
    streams_.erase(fd);
    return {};
  }
  if (peeked < 2) return {};
  const std::size_t length =
      static_cast<unsigned char>(bytes[0]) * 256U + static_cast<unsigned char>(bytes[1]);
  if (static_cast<std::size_t>(peeked) < length + 2) return {};
  (void)recv(fd, bytes.data(), length + 2, 0);
  const std::string reply = reply_to({bytes.data() + 2, length}, true);
  const std::string framed = u16(static_cast<unsigned>(reply.size())) + reply;
  if (!reply.empty()) (void)send(fd, framed.data(), framed.size(), MSG_NOSIGNAL);
  return {};
}

}  // namespace netsonde
