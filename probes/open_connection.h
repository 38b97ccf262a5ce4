// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <curl/curl.h>

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>

namespace netsonde {

struct EndEasy {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
using EasyHandle = std::unique_ptr<CURL, EndEasy>;

// A connection of libcurl's, with its TLS, on which its owner speaks for himself. Closed with this
// object, which the Transfers that made it outlive.
class OpenConnection {
 public:
  OpenConnection(CURLM* multi, EasyHandle easy);
  OpenConnection(const OpenConnection&) = delete;
  OpenConnection& operator=(const OpenConnection&) = delete;
  ~OpenConnection();

  int socket() const;

  // CURLE_AGAIN: not now. count: bytes that were taken, or came; none of these at the end.
  CURLcode send(std::string_view bytes, std::size_t& count);
  CURLcode receive(std::span<char> buffer, std::size_t& count);
  // errno of the last of these that failed.
  int error() const;

 private:
  CURLM* multi_;
  EasyHandle easy_;
};

}  // namespace netsonde
