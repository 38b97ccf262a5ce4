// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <curl/curl.h>

#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "probes/exchange.h"
#include "probes/tls.h"
#include "user/base/loop.h"

namespace netsonde {

struct TransferSettings {
  // Open at once, and kept for later requests; what exceeds them waits.
  std::size_t connections = 1000;
  std::size_t connections_per_host = 100;
  // Whether so much more of bodies may be read; else its request ends as too large. Empty: yes.
  std::function<bool(std::uint64_t)> allows{};
};

// HTTP requests over libcurl on our loop. All times are ours, taken as the loop sees a socket
// ready; what the kernel says of the socket stands beside them. Connections are kept for later
// requests unless a request wants a fresh one.
class Transfers {
 public:
  using OnEnd = std::function<void(Transferred)>;

  static Result<std::unique_ptr<Transfers>> open(Loop& loop, const TransferSettings& settings);
  Transfers(const Transfers&) = delete;
  Transfers& operator=(const Transfers&) = delete;
  ~Transfers();

  // Reads the certificates that such requests trust, which takes tens of milliseconds and would
  // else be done within the first handshake. Fails where there are none.
  Result<> trust(const HttpOptions& http);

  // To the address, whatever the target's name says; to one of ws and wss a new connection alone.
  // Calls back once, later, unless we end before.
  void start(const ProbeRequest& request, const Address& address, OnEnd on_end);

  // Of bodies, of all requests so far, those that run included.
  std::uint64_t received_bytes() const { return received_; }
  std::uint64_t sent_bytes() const { return sent_; }
  // Whether it may go on.
  bool note_received(std::uint64_t bytes) {
    received_ += bytes;
    return !allows_ || allows_(bytes);
  }
  void note_sent(std::uint64_t bytes) { sent_ += bytes; }
  // What the kernel says now of each connection that is open.
  std::vector<SocketCounters> connections() const;

 private:
  struct EndMulti {
    void operator()(CURLM* multi) const { curl_multi_cleanup(multi); }
  };

  explicit Transfers(Loop& loop) : loop_(loop) {}
  Result<> set_up(const TransferSettings& settings);
  std::unique_ptr<Exchange> exchange_for(const ProbeRequest& request, const Address& address);
  void follow_connections(Exchange& exchange);
  void act(curl_socket_t socket, int events);
  void collect();
  void sweep();
  void note_connected(curl_socket_t socket, bool noticed);
  void note_connected(curl_socket_t socket, CurlConnection& connection, bool noticed);
  void on_event(curl_socket_t socket);
  Result<> arm_timer();
  Result<> on_ring();
  void retire(std::unique_ptr<Exchange> exchange);
  void end(Exchange& exchange, CURLcode code);
  void join(Exchange& exchange, std::uint16_t local_port);
  void leave_socket(Exchange& exchange);

  static int on_socket(CURL* easy, curl_socket_t socket, int what, void* self,
                       void* unused) noexcept;
  static int on_timer(CURLM* multi, long timeout_ms, void* self) noexcept;
  static curl_socket_t on_open(void* exchange, curlsocktype purpose,
                               curl_sockaddr* address) noexcept;
  static int on_close(void* self, curl_socket_t socket) noexcept;
  static int on_ready(void* exchange, char*, char*, int, int local_port) noexcept;
  static CURLcode on_tls(CURL* easy, void* context, void* exchange) noexcept;

  Result<X509_STORE*> trusted_by(const HttpOptions& http);

  Loop& loop_;
  int timer_ = -1, sweeper_ = -1;
  std::optional<Time> act_at_{};    // when libcurl wants to
  std::optional<Time> rings_at_{};  // the timer, which may be earlier
  bool acting_ = false, due_ = false;
  std::function<bool(std::uint64_t)> allows_;
  std::uint64_t received_ = 0, sent_ = 0;
  std::map<curl_socket_t, CurlConnection> sockets_;
  std::map<std::string, TrustedCertificates> trusted_;  // by file
  TlsSessions sessions_;
  std::map<CURL*, std::unique_ptr<Exchange>> exchanges_;
  std::vector<std::unique_ptr<Exchange>> spare_;
  std::unique_ptr<CURLM, EndMulti> multi_;  // last: its end still closes sockets
};

}  // namespace netsonde
