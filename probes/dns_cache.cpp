// SPDX-License-Identifier: Apache-2.0
#include "probes/dns_cache.h"

#include <algorithm>
#include <cctype>
#include <optional>

namespace netsonde {

namespace {

constexpr std::uint16_t kNoError = 0, kNxdomain = 3;

// Seconds; absent for what may not be kept.
std::optional<std::uint32_t> lifetime_of(const DnsMessage& answer) {
  if (answer.truncated || (answer.rcode != kNoError && answer.rcode != kNxdomain))
    return std::nullopt;
  std::optional<std::uint32_t> least;
  for (const DnsRecord& record : answer.answers)
    least = std::min(least.value_or(record.ttl_s), record.ttl_s);
  const bool negative = answer.rcode == kNxdomain || answer.answers.empty();
  if (!negative) return least;
  if (!answer.negative_ttl_s) return std::nullopt;  // RFC 2308 5: without a SOA, not kept
  return std::min(least.value_or(*answer.negative_ttl_s), *answer.negative_ttl_s);
}

}  // namespace

DnsCache::Key DnsCache::key_of(const std::string& name, DnsType type) {
  std::string lower = name;
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return std::tolower(c); });
  return {std::move(lower), type};
}

void DnsCache::forget(std::list<Entry>::iterator entry) {
  index_.erase(entry->key);
  entries_.erase(entry);
}

const DnsMessage* DnsCache::find(const std::string& name, DnsType type, Time now) {
  const auto found = index_.find(key_of(name, type));
  if (found != index_.end() && found->second->ends <= now) forget(found->second);
  const auto valid = index_.find(key_of(name, type));
  if (valid == index_.end()) {
    ++counts_.misses;
    return nullptr;
  }
  ++counts_.hits;
  entries_.splice(entries_.begin(), entries_, valid->second);
  Entry& entry = entries_.front();
  const auto age = std::chrono::duration_cast<std::chrono::seconds>(now - entry.kept).count();
  entry.aged = entry.answer;
  for (DnsRecord& record : entry.aged.answers)
    record.ttl_s -= static_cast<std::uint32_t>(std::clamp<std::int64_t>(age, 0, record.ttl_s));
  return &entry.aged;
}

void DnsCache::keep(const std::string& name, DnsType type, const DnsMessage& answer, Time now) {
  const auto lifetime = lifetime_of(answer);
  if (!lifetime || *lifetime == 0 || capacity_ == 0) return;
  Key key = key_of(name, type);
  if (const auto old = index_.find(key); old != index_.end()) forget(old->second);
  if (entries_.size() >= capacity_) {
    forget(std::prev(entries_.end()));
    ++counts_.evicted;
  }
  entries_.push_front({.key = key,
                       .answer = answer,
                       .aged = {},
                       .kept = now,
                       .ends = now + std::chrono::seconds(*lifetime)});
  index_.emplace(std::move(key), entries_.begin());
}

}  // namespace netsonde
