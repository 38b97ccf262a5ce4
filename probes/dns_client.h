// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ares.h>

#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "probes/dns_message.h"
#include "user/base/loop.h"

namespace netsonde {

struct DnsQuestion {
  std::string name;
  DnsType type = DnsType::A;
  bool tcp = false;
  bool edns = true;
};

struct DnsReply {
  std::optional<DnsMessage> message;
  // Why there is none: "dns-timeout", "dns-unreachable", "dns-malformed", "dns-name"; with the
  // words of who said so.
  std::string failure, detail;
  Nanos took{};  // from the question to the answer, or to the end of waiting
  std::size_t bytes = 0;
};

// Asks one server, which is never asked by anybody else on our behalf: no retry, no search list and
// no turning to TCP that would not be seen. On the loop, and shorter-lived than it.
class DnsClient {
 public:
  using OnReply = std::function<void(DnsReply)>;
  using Datagram = std::vector<std::byte>;

  // server: an address, or "ADDRESS:PORT", "[ADDRESS]:PORT".
  static Result<std::unique_ptr<DnsClient>> open(Loop& loop, const std::string& server,
                                                 Nanos timeout);
  DnsClient(const DnsClient&) = delete;
  DnsClient& operator=(const DnsClient&) = delete;
  ~DnsClient();

  // Calls back once, later or at once.
  void ask(const DnsQuestion& question, OnReply on_reply);

  const std::string& server() const { return server_; }

 private:
  struct Destroy {
    void operator()(ares_channel channel) const { ares_destroy(channel); }
  };
  using Channel = std::unique_ptr<ares_channeldata, Destroy>;
  struct Waiting {
    DnsClient* client;
    OnReply on_reply;
    Time asked;
  };

  DnsClient(Loop& loop, std::string server) : loop_(loop), server_(std::move(server)) {}
  Result<Channel> open_channel(bool tcp, Nanos timeout);
  void process(ares_socket_t readable, ares_socket_t writable);
  std::span<const std::byte> whole(std::span<const std::byte> bytes) const;
  static void on_socket(void* client, ares_socket_t socket, int readable, int writable) noexcept;
  static void on_answer(void* waiting, int status, int timeouts, unsigned char* bytes,
                        int size) noexcept;

  Loop& loop_;
  std::string server_;
  int timer_ = -1;
  std::list<Waiting> waiting_;
  Datagram datagram_;  // the last that came
  Channel udp_, tcp_;  // last: their end still answers what waits
};

// The servers of /etc/resolv.conf, in its order, as open() takes them.
Result<std::vector<std::string>> system_dns_servers();

}  // namespace netsonde
