// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "user/base/fd.h"
#include "user/base/loop.h"

namespace netsonde {

// What the server below says to a question; every byte of it is written by hand.
struct DnsSays {
  struct Record {
    std::string name;  // empty: that of the question
    unsigned type = 1;
    unsigned ttl_s = 300;
    std::string data;  // as on the wire
  };

  unsigned rcode = 0;
  std::vector<Record> records{};
  std::optional<unsigned> soa_minimum_s{};  // absent: no SOA
  bool truncated = false;
  std::string tail{};  // bytes behind the end, which the counts say are a record
};

// "www.example.test" as on the wire.
std::string dns_wire_name(const std::string& name);
DnsSays::Record a_record(const std::string& address, unsigned ttl_s = 300, std::string name = "");
DnsSays::Record aaaa_record(const std::string& address, unsigned ttl_s = 300,
                            std::string name = "");
DnsSays::Record cname_record(const std::string& target, unsigned ttl_s = 300,
                             std::string name = "");

// A DNS server on the loopback, over UDP and TCP, on the loop that its clients run.
class DnsServerFixture {
 public:
  struct Question {
    std::string name;
    unsigned type = 0;
    bool tcp = false;
  };
  using Answer = std::function<std::optional<DnsSays>(const Question&)>;  // absent: nothing is said

  DnsServerFixture(Loop& loop, Answer answer);
  DnsServerFixture(const DnsServerFixture&) = delete;
  DnsServerFixture& operator=(const DnsServerFixture&) = delete;
  ~DnsServerFixture();

  std::string server() const;  // "127.0.0.1:PORT"
  // "www.example.test A", "www.example.test AAAA over TCP": in their order.
  const std::vector<std::string>& asked() const { return asked_; }
  // From which they came over UDP.
  const std::set<std::uint16_t>& ports() const { return ports_; }

 private:
  std::string reply_to(const std::string& query, bool tcp);
  Result<> on_datagram();
  Result<> on_connection();
  Result<> on_stream(int fd);

  Loop& loop_;
  Answer answer_;
  UniqueFd udp_, tcp_;
  std::map<int, UniqueFd> streams_;
  std::vector<std::string> asked_;
  std::set<std::uint16_t> ports_;
};

}  // namespace netsonde
