// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <curl/curl.h>

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "probes/answer_headers.h"
#include "probes/open_connection.h"
#include "probes/prober.h"
#include "probes/socket_facts.h"

namespace netsonde {

// One HTTP request and its answer; its attempt knows nothing of names and redirects.
struct Transferred {
  Attempt attempt{};
  std::string location{};  // where a redirect points to, absolute; empty: nowhere
  std::unique_ptr<OpenConnection> connection{};  // of ws and wss, which ask for nothing else
};

class Transfers;
struct Exchange;

// A connection of libcurl's.
struct CurlConnection {
  Address remote{};
  std::uint32_t watched = 0;     // the events that the loop looks out for
  bool idle = false;             // libcurl has no use for them now
  std::uint16_t local_port = 0;  // 0: not known yet
  std::optional<Time> connected_at{};
  std::optional<SocketCounters> connected{};  // as they were then
  bool noticed = false;                       // by the loop, as soon as it was connected
  std::vector<Exchange*> users{};
};

// What is learnt from one request while it runs.
struct ExchangeRun {
  std::function<void(Transferred)> on_end{};
  Transferred result{};
  curl_socket_t socket = CURL_SOCKET_BAD;
  std::string problem{};  // with the certificate, or of this host
  bool late = false;
  ProbePhase phase = ProbePhase::Connect;
  Time since{};                            // of the phase
  std::optional<Time> opened_at{};         // of a connection of our own
  std::optional<SocketCounters> before{};  // of one that was there
  std::optional<Time> ready_at{}, sent_at{};

  AnswerHeaders answer{};
  bool too_large = false;
  std::uint64_t header_bytes = 0;
  bool interim = false;  // the headers that come are of an answer 1xx
  std::optional<Time> connected_at{};
  std::optional<KernelFacts> kernel{};       // as we left the connection
  std::optional<SocketCounters> counters{};  // likewise
  std::optional<Time> first_at{}, last_at{};
  std::uint64_t first_wire = 0;  // of the body, here with the first byte
  bool first_body = true;
  std::uint64_t body_bytes = 0, sent_bytes = 0;
};

// A request while it runs: a handle of libcurl's, what it is told and what is learnt from it. The
// next request of the same kind takes it over as it is.
struct Exchange : ExchangeRun {
  EasyHandle easy{};
  ProbeRequest request{};
  Address address{};
  Transfers* owner = nullptr;

  // Whether the handle does what the request says already.
  bool fits(const ProbeRequest& wanted, const Address& where) const;
  // Whether a connection is all that is wanted.
  bool only_connects() const;
  // The handle does what the request says; its callbacks about connections are the caller's.
  void prepare();
  // What is left out of a lean request.
  bool is_brief() const { return request.lean && result.attempt.reused; }
  // Nothing is known yet of the request that begins now.
  void begin(const ProbeLimits& limits, Time now);
  void enter(ProbePhase next, Time now);
  bool is_late(Time now) const;
  // The connection goes on without us, or is about to be closed.
  void leave(const CurlConnection& connection);
  // What came of it, into result.
  void finish(CURLcode code, Time now);

 private:
  struct EndList {
    void operator()(curl_slist* list) const { curl_slist_free_all(list); }
  };
  using List = std::unique_ptr<curl_slist, EndList>;
  struct EndUrl {
    void operator()(CURLU* url) const { curl_url_cleanup(url); }
  };

  void prepare_method();
  void prepare_tls();
  void fill_times(Time now);
  void fill_http();
  std::optional<Failure> failure(CURLcode code, Time now) const;
  static std::size_t on_header(char* line, std::size_t size, std::size_t count,
                               void* exchange) noexcept;
  static std::size_t on_body(char* bytes, std::size_t size, std::size_t count,
                             void* exchange) noexcept;
  static std::size_t on_send(char* buffer, std::size_t size, std::size_t count,
                             void* exchange) noexcept;

  std::unique_ptr<CURLU, EndUrl> url_{};  // parsed once
  List headers_{}, connect_to_{};
  std::array<char, CURL_ERROR_SIZE> words_{};
};

// Of a handle; a default where it has none.
template <typename T>
T asked(CURL* easy, CURLINFO what) {
  T value{};
  curl_easy_getinfo(easy, what, &value);
  return value;
}

// Since the epoch.
std::int64_t wall_clock_s();

}  // namespace netsonde
