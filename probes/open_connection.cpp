// SPDX-License-Identifier: Apache-2.0
#include "probes/open_connection.h"

#include <utility>

namespace netsonde {

// What the handle was told to write to and to read from has gone.
OpenConnection::OpenConnection(CURLM* multi, EasyHandle easy)
    : multi_(multi), easy_(std::move(easy)) {
  curl_easy_setopt(easy_.get(), CURLOPT_ERRORBUFFER, nullptr);
  curl_easy_setopt(easy_.get(), CURLOPT_HTTPHEADER, nullptr);
  curl_easy_setopt(easy_.get(), CURLOPT_CONNECT_TO, nullptr);
}

OpenConnection::~OpenConnection() {
  curl_multi_remove_handle(multi_, easy_.get());
}

int OpenConnection::socket() const {
  curl_socket_t socket = CURL_SOCKET_BAD;
  curl_easy_getinfo(easy_.get(), CURLINFO_ACTIVESOCKET, &socket);
  return socket;
}

CURLcode OpenConnection::send(std::string_view bytes, std::size_t& count) {
  count = 0;
  return curl_easy_send(easy_.get(), bytes.data(), bytes.size(), &count);
}

CURLcode OpenConnection::receive(std::span<char> buffer, std::size_t& count) {
  count = 0;
  return curl_easy_recv(easy_.get(), buffer.data(), buffer.size(), &count);
}

int OpenConnection::error() const {
  long error = 0;
  curl_easy_getinfo(easy_.get(), CURLINFO_OS_ERRNO, &error);
  return static_cast<int>(error);
}

}  // namespace netsonde
