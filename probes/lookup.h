// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "probes/dns_cache.h"
#include "probes/dns_client.h"
#include "user/base/loop.h"
#include "user/model/attempt.h"

namespace netsonde {

struct LookupSettings {
  std::vector<std::string> servers{};            // empty: those of /etc/resolv.conf
  Nanos timeout = std::chrono::seconds(2);       // of one question to one server
  std::size_t cache_answers = 4096;              // 0: every name is asked for every time
  std::string hosts_file = "/etc/hosts";         // missing or empty: none
  std::string resolv_file = "/etc/resolv.conf";  // for its search list and ndots
};

// Addresses of names: literal ones, then the hosts file, then our cache, then the servers, one
// after the other until one answers. A and AAAA are asked for at once; an answer cut over UDP is
// asked for over TCP. On the loop, and shorter-lived than it.
class Lookup {
 public:
  // Either addresses, or why there are none. took: from the question to the last answer.
  struct Found {
    LookupFacts facts{};
    std::optional<Failure> failure{};
    Nanos took{};
  };
  using OnFound = std::function<void(Found)>;

  static Result<std::unique_ptr<Lookup>> open(Loop& loop, const LookupSettings& settings);
  Lookup(const Lookup&) = delete;
  Lookup& operator=(const Lookup&) = delete;
  ~Lookup();

  // Calls back once, at once or later, unless the lookup ends before. IPv6 addresses come first
  // (RFC 6724) where this host has a route for them, then IPv4, each in the order of the answer.
  // fresh: the cache is not asked, and keeps what comes.
  void find(const std::string& name, bool fresh, OnFound on_found);

  const DnsCache::Counts& cache_counts() const;
};

}  // namespace netsonde
