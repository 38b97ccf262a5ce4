// SPDX-License-Identifier: Apache-2.0
#include "probes/http3_response.h"

#include <fmt/format.h>

#include <charconv>

#include "user/base/text.h"

namespace netsonde {

namespace {

constexpr std::uint64_t kFieldOverhead = 32;  // RFC 9114 4.2.2
constexpr std::uint64_t kLineOverhead = 4;    // ": " and CR LF

template <typename T>
std::optional<T> number_of(std::string_view text) {
  T value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

Failure failed(ProbePhase phase, FailureKind kind, std::string detail) {
  return {.phase = phase, .kind = kind, .detail = std::move(detail)};
}

}  // namespace

void Http3Response::begin_headers() {
  headers_ = {};
  status_.reset();
  announced_.reset();
  block_bytes_ = 0;
  block_headers_ = 0;
}

std::optional<Failure> Http3Response::add_header(std::string_view name, std::string_view value) {
  block_bytes_ += name.size() + value.size() + kFieldOverhead;
  header_bytes_ += name.size() + value.size() + kLineOverhead;
  if (block_bytes_ > kMostHeaderBytes || ++block_headers_ > kMostHeaders)
    return failed(ProbePhase::Response, FailureKind::TooLarge,
                  fmt::format("more than {} fields or {} KiB of headers", kMostHeaders,
                              kMostHeaderBytes >> 10));
  if (name == ":status") status_ = number_of<int>(value);
  if (name == "content-length") announced_ = number_of<std::uint64_t>(value);
  if (!name.starts_with(':')) headers_.take(fmt::format("{}: {}", name, value));
  return std::nullopt;
}

std::optional<Failure> Http3Response::add_body(std::uint64_t bytes) {
  body_bytes_ += bytes;
  if (body_bytes_ <= most_body_bytes_) return std::nullopt;
  return failed(ProbePhase::Transfer, FailureKind::TooLarge,
                fmt::format("the answer is longer than {}B",
                            short_bytes(static_cast<double>(most_body_bytes_))));
}

std::string Http3Response::progress() const {
  return announced_ ? fmt::format("{} of {} bytes", body_bytes_, *announced_)
                    : fmt::format("{} bytes", body_bytes_);
}

std::optional<Failure> Http3Response::fault() const {
  if (!has_status()) return failed(ProbePhase::Response, FailureKind::HttpMalformed, "no status");
  if (*status_ < 400) return std::nullopt;
  return failed(ProbePhase::Response, FailureKind::HttpStatus, fmt::format("status {}", *status_));
}

HttpFacts Http3Response::facts(std::int64_t now_s) const {
  HttpFacts facts{.version = "3",
                  .status = status_,
                  .header_bytes = header_bytes_,
                  .wire_bytes = body_bytes_,
                  .body_bytes = body_bytes_};
  headers_.fill(facts, now_s);
  return facts;
}

}  // namespace netsonde
