// SPDX-License-Identifier: Apache-2.0
#include "tuner/qdisc_kind.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace netsonde {

namespace {

struct RateUnit {
  std::string_view name{};
  std::uint64_t bits = 1;
};

constexpr std::array kRateUnits = {
    RateUnit{.name = "Gbit", .bits = 1'000'000'000}, RateUnit{.name = "Mbit", .bits = 1'000'000},
    RateUnit{.name = "kbit", .bits = 1'000}, RateUnit{.name = "bit", .bits = 1}};

constexpr std::uint64_t kLargestPacket = 1'514;

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

std::optional<std::uint64_t> bits_of_unit(std::string_view name) {
  const auto found = std::ranges::find_if(kRateUnits, [name](const RateUnit& unit) {
    return std::ranges::equal(unit.name, name, {}, lower, lower);
  });
  if (found == kRateUnits.end()) return std::nullopt;
  return found->bits;
}

const QdiscKind* find(std::string_view name) {
  const auto* const found = std::ranges::find(kQdiscKinds, name, &QdiscKind::name);
  return found == kQdiscKinds.end() ? nullptr : found;
}

const QdiscKind* shaper_named_in(std::string_view value) {
  const std::size_t colon = value.find(':');
  const QdiscKind* const kind = colon == value.npos ? nullptr : find(value.substr(0, colon));
  return kind && kind->shapes ? kind : nullptr;
}

}  // namespace

std::optional<std::uint32_t> handle_of_qdisc(std::string_view name) {
  const QdiscKind* const kind = find(name);
  if (!kind) return std::nullopt;
  return kind->handle;
}

bool names_shaper(std::string_view value) {
  return shaper_named_in(value) != nullptr;
}

std::optional<Shaper> shaper_in(std::string_view value) {
  const QdiscKind* const kind = shaper_named_in(value);
  if (!kind) return std::nullopt;
  value.remove_prefix(kind->name.size() + 1);
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  const auto unit = bits_of_unit(value.substr(static_cast<std::size_t>(end - value.data())));
  if (error != std::errc() || !unit || number > 8 * kFastestShaper / *unit) return std::nullopt;
  const std::uint64_t rate = number * *unit / 8;
  if (rate < kSlowestShaper) return std::nullopt;
  return Shaper{.kind = kind->name, .bytes_per_s = rate};
}

std::string to_text(const Shaper& shaper) {
  const std::uint64_t bits = 8 * shaper.bytes_per_s;
  const auto* const unit = std::ranges::find_if(
      kRateUnits, [bits](const RateUnit& one) { return bits % one.bits == 0; });
  return fmt::format("{}:{}{}", shaper.kind, bits / unit->bits, unit->name);
}

ShaperQueue shaper_queue(std::uint64_t bytes_per_s) {
  const auto at_least_packets = [](std::uint64_t bytes) {
    return static_cast<std::uint32_t>(
        std::clamp<std::uint64_t>(bytes, 10 * kLargestPacket, 1U << 30));
  };
  return {.burst = at_least_packets(bytes_per_s / 200),
          .limit = at_least_packets(bytes_per_s / 20)};
}

}  // namespace netsonde
