// SPDX-License-Identifier: Apache-2.0
#include "probes/answer_headers.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>

#include "probes/retry.h"

namespace netsonde {

namespace {

// How caches and networks in front of a server tell whether they had the answer.
constexpr std::array<std::string_view, 6> kCacheHeaders = {
    "x-cache", "cf-cache-status", "x-cache-status", "cache-status", "x-served-by", "x-proxy-cache"};

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n";
  const std::size_t begin = text.find_first_not_of(kBlank);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlank) - begin + 1);
}

std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return lower;
}

std::optional<std::uint64_t> number_of(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// Headers of one name are one list.
void append(std::string& list, std::string_view value) {
  if (!list.empty()) list += ", ";
  list += value;
}

}  // namespace

void AnswerHeaders::take(std::string_view line) {
  if (line.starts_with("HTTP/")) {
    *this = {};
    return;
  }
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return;
  const std::string name = lower_case(trimmed(line.substr(0, colon)));
  const std::string_view value = trimmed(line.substr(colon + 1));
  if (name == "content-encoding") append(facts_.encoding, value);
  if (name == "content-type") facts_.content_type = value;
  if (name == "age") facts_.age_s = number_of(value);
  if (name == "via") append(facts_.via, value);
  if (name == "server") facts_.server = value;
  if (name == "cache-control") append(facts_.cache_control, value);
  if (name == "date") date_ = value;
  if (name == "retry-after") retry_after_ = value;
  if (std::ranges::find(kCacheHeaders, name) != kCacheHeaders.end())
    append(facts_.cache, name + ": " + std::string(value));
}

void AnswerHeaders::fill(HttpFacts& facts, std::int64_t now_s) const {
  facts.encoding = facts_.encoding;
  facts.content_type = facts_.content_type;
  facts.age_s = facts_.age_s;
  facts.via = facts_.via;
  facts.cache = facts_.cache;
  facts.server = facts_.server;
  facts.cache_control = facts_.cache_control;
  if (!retry_after_.empty()) facts.retry_after_s = parse_retry_after(retry_after_, date_, now_s);
}

}  // namespace netsonde
