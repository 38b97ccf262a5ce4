// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "probes/dns_cache.h"
#include "probes/dns_servers.h"
#include "probes/hosts_file.h"
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
  // Either addresses, or why there are none. took: from the question to the last answer, without
  // how long the question waited for others to be answered before it was sent.
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
  // fresh: the cache is not asked, and keeps what comes. Who asks for a name that is being looked
  // up shares the answer. The lookup must not end within the call back.
  void find(const std::string& name, bool fresh, OnFound on_found);

  const DnsCache::Counts& cache_counts() const { return cache_.counts(); }

 private:
  struct Half;
  struct Search;
  using Key = std::pair<std::string, bool>;  // the name in lower case, and whether fresh

  explicit Lookup(const LookupSettings& settings);
  std::vector<Address> known(const std::string& name) const;
  void next_candidate(Search& search);
  void ask(Search& search, Half& half);
  void send(Search& search, Half& half);
  void take(Search& search, Half& half, const DnsReply& reply);
  void ask_next_server(Search& search, Half& half, Failure failure);
  void take_answer(Search& search, Half& half, const DnsMessage& answer, const std::string& server);
  void end_half(Search& search, Half& half, std::optional<Failure> failure = std::nullopt);
  static Found failure_of_both(const Half& a, const Half& aaaa);
  void end_candidate(Search& search);
  void finish(Search& search, const Found& found);

  Nanos timeout_;
  HostsFile hosts_;
  SearchList search_list_;
  DnsCache cache_;
  std::map<Key, std::unique_ptr<Search>> searches_;  // under way
  std::unique_ptr<DnsServers> servers_;              // last: their end still answers
};

// Takes over into the facts the CNAMEs of the name and the records to which they lead; no other
// record of an answer counts, whatever it is of. Returns where they lead.
std::string follow_aliases(const DnsMessage& answer, std::string name, DnsType type,
                           LookupFacts& facts);

}  // namespace netsonde
