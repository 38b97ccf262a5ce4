// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "probes/target.h"
#include "user/base/units.h"
#include "user/model/attempt.h"

namespace netsonde {

// How long each phase may take, and all of them together.
struct ProbeLimits {
  Nanos total = std::chrono::seconds(10);
  Nanos dns = std::chrono::seconds(2);
  Nanos connect = std::chrono::seconds(3);
  Nanos tls = std::chrono::seconds(5);
  Nanos response = std::chrono::seconds(10);  // to the first byte of the answer
  std::uint64_t body_bytes = 64 << 20;        // a longer answer is a failure
};

// What is set on the socket; the kernel's own where absent. Read back into KernelFacts.
struct SocketOptions {
  std::string congestion{};
  std::optional<int> receive_buffer{}, notsent_lowat{}, dscp{};
  std::optional<int> hops{};  // that a packet may take
  bool delay = false;         // TCP_NODELAY off

  bool operator==(const SocketOptions&) const = default;
};

enum class HttpVersion : std::uint8_t { Any, Http1, Http2, Http3 };

struct HttpOptions {
  HttpVersion version = HttpVersion::Any;
  std::string method = "GET";
  std::vector<std::pair<std::string, std::string>> headers{};
  std::string encoding{};        // Accept-Encoding; empty: none is asked for
  std::uint64_t send_bytes = 0;  // of a body, for methods that have one
  unsigned most_redirects = 5;   // 0: none is followed
  bool fresh = true;             // a new connection, closed afterwards
  bool resume_tls = false;
  bool verify = true;
  std::string ca_file{};  // empty: the system's

  bool operator==(const HttpOptions&) const = default;
};

// One thing to be measured once.
struct ProbeRequest {
  Target target{};
  std::optional<Address> pinned{};  // instead of what its name says
  bool fresh_lookup = false;        // whatever our own cache knows
  ProbeLimits limits{};
  SocketOptions socket{};
  HttpOptions http{};
  // Of a request on a connection that is there, nothing is learnt but times, status and bytes:
  // what headers, TLS and the kernel say costs as much as the request.
  bool lean = false;
};

// Measures targets of some scheme, on a loop that outlives it.
class Prober {
 public:
  using OnAttempt = std::function<void(Attempt)>;

  virtual ~Prober() = default;
  // Calls back once, later, with began, target, address, port, times and whatever else was
  // measured; never fails otherwise. Several may run at once. What still runs when the prober ends
  // is not called back.
  virtual void start(const ProbeRequest& request, OnAttempt on_attempt) = 0;
};

}  // namespace netsonde
