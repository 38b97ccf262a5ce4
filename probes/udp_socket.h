// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "probes/prober.h"
#include "user/base/fd.h"
#include "user/base/text.h"

namespace netsonde {

// A UDP socket connected to one peer; it never blocks, and its datagrams are never fragmented here.
class UdpSocket {
 public:
  // Why datagrams do not get there: an errno, and who said so by ICMP (absent: this host).
  struct Trouble {
    int error = 0;
    std::optional<Address> from{};
  };
  struct Datagram {
    std::span<const std::uint8_t> bytes;
    // Since the epoch, by the kernel; absent where it began to note arrivals later.
    std::optional<std::int64_t> arrived_ns{};
  };

  // Of the options: receive_buffer and dscp. Once.
  std::optional<Trouble> connect(const Address& address, std::uint16_t port,
                                 const SocketOptions& options);

  int fd() const { return fd_.get(); }
  std::uint64_t cookie() const;
  std::optional<std::uint32_t> receive_buffer_bytes() const;
  std::optional<int> dscp() const;
  // Both ends, as getsockname and getpeername have them; size 0: not connected.
  struct End {
    sockaddr_storage address = {};
    socklen_t size = 0;
  };
  End local_end() const;
  End remote_end() const;

  // What finds no room in the kernel is lost, as anywhere on the way.
  std::optional<Trouble> send(std::span<const std::uint8_t> bytes) const;
  // The next one, into the buffer; what does not fit into it is thrown away. Nothing: none is
  // there, or trouble().
  std::optional<Datagram> receive(std::span<std::uint8_t> buffer) const;
  // The oldest that was not told yet.
  std::optional<Trouble> trouble() const;

 private:
  UniqueFd fd_;
  bool ipv4_ = false;
};

// "Connection refused (ICMP from 192.0.2.1)", "Network is unreachable".
std::string to_text(const UdpSocket::Trouble& trouble);
// Before there was any answer: ConnectRefused, ConnectUnreachable or ConnectLocal.
FailureKind failure_kind_of(const UdpSocket::Trouble& trouble);

}  // namespace netsonde
