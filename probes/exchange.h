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
  std::uint16_t local_port = 0;  // 0: not known yet
  std::optional<Time> connected_at{};
  std::optional<SocketCounters> connected{};  // as they were then
  bool noticed = false;                       // by the loop, as soon as it was connected
  std::vector<Exchange*> users{};
};

// One request while it runs: a handle of libcurl's, what it is told and what is learnt from it.
struct Exchange {
  std::function<void(Transferred)> on_end{};
  EasyHandle easy{};
  ProbeRequest request{};
  Address address{};
  Transferred result{};
  Transfers* owner = nullptr;

  curl_socket_t socket = CURL_SOCKET_BAD;
  std::string problem{};  // with the certificate, or of this host
  bool late = false;
  ProbePhase phase = ProbePhase::Connect;
  Time since{};                            // of the phase
  std::optional<Time> opened_at{};         // of a connection of our own
  std::optional<SocketCounters> before{};  // of one that was there
  std::optional<Time> ready_at{}, sent_at{};

  // Whether a connection is all that is wanted.
  bool only_connects() const;
  // The handle does what the request says; its callbacks about connections are the caller's.
  void prepare();
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

  AnswerHeaders answer_{};
  List headers_{}, connect_to_{};
  std::array<char, CURL_ERROR_SIZE> words_{};
  bool too_large_ = false;
  std::optional<Time> connected_at_{};
  std::optional<KernelFacts> kernel_{};       // as we left the connection
  std::optional<SocketCounters> counters_{};  // likewise
  std::optional<Time> first_at_{}, last_at_{};
  std::uint64_t first_wire_ = 0;  // of the body, here with the first byte
  bool first_body_ = true;
  std::uint64_t body_bytes_ = 0, sent_bytes_ = 0;
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
