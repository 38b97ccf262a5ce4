// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <string>
#include <utility>

#include "probes/dns_message.h"
#include "user/base/units.h"

namespace netsonde {

// Answers, for as long as their TTLs allow: the smallest of the records', or the negative one of
// "no such name" and "no such record". Failures of a server are not kept. Bounded: the answer that
// was not used for longest goes first.
class DnsCache {
 public:
  struct Counts {
    std::uint64_t hits = 0;
    std::uint64_t misses = 0;
    std::uint64_t evicted = 0;  // for want of room, before their time
  };

  // capacity: answers; 0 keeps none.
  explicit DnsCache(std::size_t capacity) : capacity_(capacity) {}

  // With what is left of each TTL; null when there is none. Counts a hit or a miss.
  const DnsMessage* find(const std::string& name, DnsType type, Time now);
  void keep(const std::string& name, DnsType type, const DnsMessage& answer, Time now);

  std::size_t size() const { return entries_.size(); }
  const Counts& counts() const { return counts_; }

 private:
  using Key = std::pair<std::string, DnsType>;
  struct Entry {
    Key key;
    DnsMessage answer;  // as it came
    DnsMessage aged;    // as it was given out last
    Time kept{};
    Time ends{};
  };

  static Key key_of(const std::string& name, DnsType type);
  void forget(std::list<Entry>::iterator entry);

  std::size_t capacity_;
  std::list<Entry> entries_;  // the one used last first
  std::map<Key, std::list<Entry>::iterator> index_;
  Counts counts_;
};

}  // namespace netsonde
