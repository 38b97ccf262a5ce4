// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <curl/curl.h>

#include <string>

#include "probes/socket_facts.h"

namespace netsonde {

// How a transfer of libcurl's ended that did not succeed.
struct FailedTransfer {
  CURLcode code = CURLE_OK;
  ProbePhase phase = ProbePhase::Connect;
  FailedConnect connect{};  // with errno, of whatever phase
  std::string words{};      // libcurl's
  std::string problem{};    // with the server's certificate, or of this host
  bool too_large = false;
  std::uint64_t limit_bytes = 0;
  Nanos waited{};  // in that phase
};

Failure transfer_failure(const FailedTransfer& failed);

}  // namespace netsonde
