// SPDX-License-Identifier: Apache-2.0
#pragma once

#ifdef NETSONDE_HTTP3

#include <ngtcp2/ngtcp2.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "probes/http3_streams.h"
#include "probes/prober.h"
#include "probes/quic_errors.h"
#include "probes/quic_tls.h"
#include "probes/udp_socket.h"
#include "user/base/loop.h"

namespace netsonde {

// A QUIC connection (RFC 9000, version 1) over a socket of its own, on the loop.
class QuicConnection {
 public:
  using OnChange = std::function<void()>;

  struct Times {
    Time began{};                     // the first Initial packet is sent
    std::optional<Time> answered{};   // the first packet came from the server
    std::optional<Time> connected{};  // the handshake is done
    std::optional<Time> requested{};  // the kernel is given the last byte of the request
  };

  // The others outlive it. on_change: after whatever happened, and never within start(); it must
  // not end this object.
  QuicConnection(Loop& loop, TlsClient& tls, Http3Streams& streams, OnChange on_change);
  QuicConnection(const QuicConnection&) = delete;
  QuicConnection& operator=(const QuicConnection&) = delete;
  ~QuicConnection();

  // Once. What fails at once is in end().
  void start(const Address& address, std::uint16_t port, const SocketOptions& options);
  // Tells the peer that it is over, where there is one, and sends nothing more.
  void close();

  const Times& times() const { return times_; }
  // Absent: it goes on.
  const std::optional<QuicEnd>& end() const { return end_; }
  // The last ICMP error that did not end the connection, in words.
  const std::string& trouble() const { return trouble_; }
  std::uint64_t datagrams_sent() const { return datagrams_sent_; }
  // The library's figures and the socket's: see Http3Prober.
  KernelFacts facts() const;

 private:
  struct Free {
    void operator()(ngtcp2_conn* owned) const { ngtcp2_conn_del(owned); }
  };

  Result<> open();
  static ngtcp2_callbacks callbacks();
  ngtcp2_path path();
  void on_readable();
  void on_timer();
  void receive();
  void take_trouble(const UdpSocket::Trouble& trouble, std::size_t datagram_bytes);
  void note_answer(const UdpSocket::Datagram& datagram);
  void write();
  // The bytes of a packet to be sent; 0: nothing more to send for now.
  std::size_t write_packet(std::span<std::uint8_t> packet, Time now);
  void send(std::span<const std::uint8_t> packet);
  void rearm();
  void fail(int error);
  void finish(FailureKind kind, std::string detail);
  QuicEnd end_of_error(int error) const;
  ngtcp2_connection_close_error reason_to_close() const;

  static int on_handshake(ngtcp2_conn* quic, void* self) noexcept;
  static int on_versions(ngtcp2_conn*, const ngtcp2_pkt_hd*, const std::uint32_t* versions,
                         std::size_t count, void* self) noexcept;
  static int on_stream_data(ngtcp2_conn*, std::uint32_t flags, std::int64_t stream, std::uint64_t,
                            const std::uint8_t* bytes, std::size_t count, void* self,
                            void*) noexcept;
  static int on_stream_acknowledged(ngtcp2_conn*, std::int64_t stream, std::uint64_t,
                                    std::uint64_t count, void* self, void*) noexcept;
  static int on_stream_closed(ngtcp2_conn*, std::uint32_t flags, std::int64_t stream,
                              std::uint64_t code, void* self, void*) noexcept;
  static int on_stream_reset(ngtcp2_conn*, std::int64_t stream, std::uint64_t, std::uint64_t code,
                             void* self, void*) noexcept;
  static int on_stream_room(ngtcp2_conn*, std::int64_t stream, std::uint64_t, void* self,
                            void*) noexcept;
  static int on_stateless_reset(ngtcp2_conn*, const ngtcp2_pkt_stateless_reset*,
                                void* self) noexcept;

  Loop& loop_;
  TlsClient& tls_;
  Http3Streams& streams_;
  OnChange on_change_;
  UdpSocket socket_;
  int timer_ = -1;
  Times times_;
  Time now_{};  // of what is being taken
  std::optional<QuicEnd> end_;
  std::string trouble_;
  std::string versions_;  // those that the server speaks, where version 1 is none of them
  std::string congestion_ = "cubic";
  std::optional<Nanos> prober_delay_;
  std::uint64_t datagrams_sent_ = 0;
  bool reset_ = false;  // by a peer that does not know the connection any more
  bool closed_ = false;
  UdpSocket::End local_, remote_;
  int error_ = 0;  // of the library
  std::unique_ptr<ngtcp2_conn, Free> quic_;
};

}  // namespace netsonde

#endif
