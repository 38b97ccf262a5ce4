// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <string>

#include "user/base/text.h"
#include "user/cli.h"

namespace netsonde {

// CLI11 wants text to check; the value is stored on the way.
// Into Nanos, or an optional of it.
template <typename Target>
CLI::Validator duration_into(Target& target) {
  return CLI::Validator(
      [&target](std::string& text) -> std::string {
        auto parsed = parse_duration(text);
        if (!parsed) return parsed.error().message();
        if (parsed.value() < std::chrono::milliseconds(10))
          return "'" + printable(text) + "' is shorter than 10ms";
        target = parsed.value();
        return {};
      },
      "TIME");
}

// A bound: rounded it would be a value that is refused.
inline std::string exact_size(std::uint64_t bytes) {
  if (bytes % 1024) return fmt::format("{} bytes", bytes);
  return short_bytes(static_cast<double>(bytes)) + "B";
}

template <typename Size>
CLI::Validator bytes_into(Size& target, std::uint64_t low, std::uint64_t high) {
  return CLI::Validator(
      [&target, low, high](std::string& text) -> std::string {
        auto parsed = parse_bytes(text);
        if (!parsed) return parsed.error().message();
        if (parsed.value() < low || parsed.value() > high)
          return fmt::format("'{}' is not between {} and {}", printable(text), exact_size(low),
                             exact_size(high));
        target = static_cast<Size>(parsed.value());
        return {};
      },
      "SIZE");
}

template <typename Number>
CLI::Validator count_into(Number& target) {
  return CLI::Validator(
      [&target](std::string& text) -> std::string {
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), target);
        if (error == std::errc() && end == text.data() + text.size()) return {};
        return "'" + printable(text) + "' is no whole number";
      },
      "NUMBER");
}

// A recording, and which part of it.
inline void add_from(CLI::App* sub, Options& options,
                     const char* help = "A recording, instead of the running kernel") {
  sub->add_option("--from", options.from, help)->option_text("FILE|DIR");
  sub->add_option("--since", options.since,
                  "With --from: from then on (its begin); 03:12, 15m before end, +30s")
      ->option_text("WHEN");
  sub->add_option("--until", options.until, "With --from: up to then (its end)")
      ->option_text("WHEN");
  sub->add_option("--at", options.at, "With --from: as it was then")->option_text("WHEN");
  sub->add_flag("--salvage", options.salvage, "With --from: pass over what is damaged");
}

}  // namespace netsonde
