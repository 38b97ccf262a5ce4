// SPDX-License-Identifier: Apache-2.0
// What a hostile DNS server answers. Names of what is read are safe to print, and the cache takes
// it.
#include <cstdint>
#include <span>

#include "probes/dns_cache.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace netsonde;
  const auto message = parse_dns(std::as_bytes(std::span(data, size)));
  if (!message) return 0;
  for (const DnsRecord& record : message.value().answers) {
    if (printable(record.name) != record.name || printable(record.data) != record.data)
      __builtin_trap();
    if (record.ttl_s > 0x7fffffff) __builtin_trap();
  }
  DnsCache cache(2);
  const Time now = time_from_ns(1'000'000'000);
  cache.keep("a", DnsType::A, message.value(), now);
  (void)cache.find("a", DnsType::A, now + std::chrono::seconds(1));
  return 0;
}
