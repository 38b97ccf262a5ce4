// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "probes/answer_headers.h"
#include "user/model/attempt.h"

namespace netsonde {

// What is known of a response while it comes. The peer is not trusted: what goes beyond the limits
// is a failure, and nothing of the body is kept.
class Http3Response {
 public:
  // Of one block of fields, counted as RFC 9114 4.2.2 does.
  static constexpr std::uint64_t kMostHeaderBytes = 64 << 10;
  static constexpr std::size_t kMostHeaders = 256;

  explicit Http3Response(std::uint64_t most_body_bytes) : most_body_bytes_(most_body_bytes) {}

  // A block of fields begins: what an interim response (1xx) said is forgotten.
  void begin_headers();
  std::optional<Failure> add_header(std::string_view name, std::string_view value);
  std::optional<Failure> add_body(std::uint64_t bytes);
  void end() { ended_ = true; }

  // The status is there, and not an interim one.
  bool has_status() const { return status_ && *status_ >= 200; }
  bool ended() const { return ended_; }
  std::uint64_t body_bytes() const { return body_bytes_; }
  // Fewer bytes of the body came than were announced.
  bool is_short() const { return announced_ && body_bytes_ < *announced_; }
  // "1000 of 20000 bytes".
  std::string progress() const;
  // Why a response that came to its end is none, or not a good one; absent: it is.
  std::optional<Failure> fault() const;

  // now_s: since the epoch. Header bytes are those of names and values as HTTP/1.1 would send them.
  // Bodies are counted and never decoded: body_bytes is wire_bytes, whatever the encoding.
  HttpFacts facts(std::int64_t now_s) const;

 private:
  std::uint64_t most_body_bytes_;
  AnswerHeaders headers_;
  std::optional<int> status_;
  std::optional<std::uint64_t> announced_;  // Content-Length
  std::uint64_t header_bytes_ = 0, body_bytes_ = 0;
  std::uint64_t block_bytes_ = 0;
  std::size_t block_headers_ = 0;
  bool ended_ = false;
};

}  // namespace netsonde
