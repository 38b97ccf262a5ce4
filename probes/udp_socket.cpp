// SPDX-License-Identifier: Apache-2.0
#include "probes/udp_socket.h"

#include <fmt/format.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>

namespace netsonde {

namespace {

UdpSocket::End end_at(const Address& address, std::uint16_t port) {
  UdpSocket::End made;
  if (address.is_ipv4()) {
    sockaddr_in in = {};
    in.sin_family = AF_INET;
    in.sin_port = htons(port);
    std::memcpy(&in.sin_addr, address.bytes.data() + 12, sizeof(in.sin_addr));
    std::memcpy(&made.address, &in, made.size = sizeof(in));
  } else {
    sockaddr_in6 in = {};
    in.sin6_family = AF_INET6;
    in.sin6_port = htons(port);
    std::memcpy(&in.sin6_addr, address.bytes.data(), sizeof(in.sin6_addr));
    std::memcpy(&made.address, &in, made.size = sizeof(in));
  }
  return made;
}

void set(int fd, int level, int name, int value) {
  setsockopt(fd, level, name, &value, sizeof(value));
}

std::optional<int> option(int fd, int level, int name) {
  int value = 0;
  socklen_t size = sizeof(value);
  if (getsockopt(fd, level, name, &value, &size)) return std::nullopt;
  return value;
}

// The kernel hands over ICMP errors only with these, and with who sent them.
void want_icmp(int fd, bool ipv4) {
  if (ipv4) {
    set(fd, IPPROTO_IP, IP_RECVERR, 1);
    set(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO);
  } else {
    set(fd, IPPROTO_IPV6, IPV6_RECVERR, 1);
    set(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DO);
  }
}

std::optional<Address> address_of(const sockaddr_in6& said) {
  Address address;
  if (said.sin6_family == AF_INET6) {
    std::memcpy(address.bytes.data(), &said.sin6_addr, sizeof(said.sin6_addr));
    return address;
  }
  if (said.sin6_family != AF_INET) return std::nullopt;
  sockaddr_in in = {};
  std::memcpy(&in, &said, sizeof(in));
  address.bytes[10] = address.bytes[11] = 0xff;
  std::memcpy(address.bytes.data() + 12, &in.sin_addr, sizeof(in.sin_addr));
  return address;
}

// struct sock_extended_err, and behind it who sent the ICMP message.
UdpSocket::Trouble trouble_of(const cmsghdr& message) {
  sock_extended_err error = {};
  std::memcpy(&error, CMSG_DATA(&message), sizeof(error));
  UdpSocket::Trouble trouble = {.error = static_cast<int>(error.ee_errno)};
  if (error.ee_origin != SO_EE_ORIGIN_ICMP && error.ee_origin != SO_EE_ORIGIN_ICMP6) return trouble;
  sockaddr_in6 from = {};
  const std::size_t room = message.cmsg_len - CMSG_LEN(sizeof(error));
  std::memcpy(&from, CMSG_DATA(&message) + sizeof(error), std::min(room, sizeof(from)));
  trouble.from = address_of(from);
  return trouble;
}

std::int64_t nanoseconds_of(const timespec& time) {
  return time.tv_sec * 1'000'000'000LL + time.tv_nsec;
}

// A kernel that has just begun to note arrivals gives the time of reading for those before: not
// before it was read.
std::optional<std::int64_t> arrival_of(msghdr& header, const timespec& reading) {
  for (cmsghdr* at = CMSG_FIRSTHDR(&header); at; at = CMSG_NXTHDR(&header, at)) {
    if (at->cmsg_level != SOL_SOCKET || at->cmsg_type != SO_TIMESTAMPNS) continue;
    timespec time = {};
    std::memcpy(&time, CMSG_DATA(at), sizeof(time));
    if (nanoseconds_of(time) < nanoseconds_of(reading)) return nanoseconds_of(time);
  }
  return std::nullopt;
}

}  // namespace

std::optional<UdpSocket::Trouble> UdpSocket::connect(const Address& address, std::uint16_t port,
                                                     const SocketOptions& options) {
  ipv4_ = address.is_ipv4();
  fd_ = UniqueFd(socket(ipv4_ ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd_) return Trouble{.error = errno};
  want_icmp(fd(), ipv4_);
  set(fd(), SOL_SOCKET, SO_TIMESTAMPNS, 1);
  if (options.receive_buffer) set(fd(), SOL_SOCKET, SO_RCVBUF, *options.receive_buffer);
  if (options.dscp && ipv4_) set(fd(), IPPROTO_IP, IP_TOS, *options.dscp << 2);
  if (options.dscp && !ipv4_) set(fd(), IPPROTO_IPV6, IPV6_TCLASS, *options.dscp << 2);
  const End peer = end_at(address, port);
  if (::connect(fd(), reinterpret_cast<const sockaddr*>(&peer.address), peer.size))
    return Trouble{.error = errno};
  return std::nullopt;
}

std::uint64_t UdpSocket::cookie() const {
  std::uint64_t cookie = 0;
  socklen_t size = sizeof(cookie);
  getsockopt(fd(), SOL_SOCKET, SO_COOKIE, &cookie, &size);
  return cookie;
}

std::optional<std::uint32_t> UdpSocket::receive_buffer_bytes() const {
  return option(fd(), SOL_SOCKET, SO_RCVBUF);
}

std::optional<int> UdpSocket::dscp() const {
  const auto tos =
      ipv4_ ? option(fd(), IPPROTO_IP, IP_TOS) : option(fd(), IPPROTO_IPV6, IPV6_TCLASS);
  if (!tos) return std::nullopt;
  return *tos >> 2;
}

UdpSocket::End UdpSocket::local_end() const {
  End end = {.size = sizeof(end.address)};
  return getsockname(fd(), reinterpret_cast<sockaddr*>(&end.address), &end.size) ? End() : end;
}

UdpSocket::End UdpSocket::remote_end() const {
  End end = {.size = sizeof(end.address)};
  return getpeername(fd(), reinterpret_cast<sockaddr*>(&end.address), &end.size) ? End() : end;
}

std::optional<UdpSocket::Trouble> UdpSocket::send(std::span<const std::uint8_t> bytes) const {
  if (::send(fd(), bytes.data(), bytes.size(), 0) >= 0) return std::nullopt;
  const int error = errno;
  if (error == EAGAIN || error == ENOBUFS || error == EINTR) return std::nullopt;
  // An ICMP error that came before is told to whoever sends next.
  const auto told = trouble();
  return told ? told : Trouble{.error = error};
}

std::optional<UdpSocket::Datagram> UdpSocket::receive(std::span<std::uint8_t> buffer) const {
  iovec part = {.iov_base = buffer.data(), .iov_len = buffer.size()};
  alignas(cmsghdr) std::array<char, 128> control = {};
  msghdr header = {};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = control.data();
  header.msg_controllen = control.size();
  timespec reading = {};
  clock_gettime(CLOCK_REALTIME, &reading);
  const ssize_t size = recvmsg(fd(), &header, 0);
  if (size < 0) return std::nullopt;
  const bool cut = header.msg_flags & MSG_TRUNC;
  return Datagram{.bytes = buffer.first(cut ? 0 : static_cast<std::size_t>(size)),
                  .arrived_ns = arrival_of(header, reading)};
}

std::optional<UdpSocket::Trouble> UdpSocket::trouble() const {
  alignas(cmsghdr) std::array<char, 512> control = {};
  msghdr header = {};
  header.msg_control = control.data();
  header.msg_controllen = control.size();
  if (recvmsg(fd(), &header, MSG_ERRQUEUE) < 0) return std::nullopt;
  for (cmsghdr* at = CMSG_FIRSTHDR(&header); at; at = CMSG_NXTHDR(&header, at)) {
    const bool error = (at->cmsg_level == IPPROTO_IP && at->cmsg_type == IP_RECVERR) ||
                       (at->cmsg_level == IPPROTO_IPV6 && at->cmsg_type == IPV6_RECVERR);
    if (error && at->cmsg_len >= CMSG_LEN(sizeof(sock_extended_err))) return trouble_of(*at);
  }
  return Trouble{.error = EIO};
}

std::string to_text(const UdpSocket::Trouble& trouble) {
  const std::string text = std::generic_category().message(trouble.error);
  return trouble.from ? fmt::format("{} (ICMP from {})", text, to_text(*trouble.from)) : text;
}

FailureKind failure_kind_of(const UdpSocket::Trouble& trouble) {
  switch (trouble.error) {
    case ECONNREFUSED: return FailureKind::ConnectRefused;
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EHOSTDOWN:
    case ENONET:
    case ENOPROTOOPT: return FailureKind::ConnectUnreachable;
    default: return trouble.from ? FailureKind::ConnectUnreachable : FailureKind::ConnectLocal;
  }
}

}  // namespace netsonde
