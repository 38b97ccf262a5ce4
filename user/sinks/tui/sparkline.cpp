// SPDX-License-Identifier: Apache-2.0
#include "user/sinks/tui/sparkline.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

namespace netsonde {

namespace {

constexpr int kBrailleLevels = 4;
constexpr std::string_view kRamp = " _.-=+*%#";
constexpr int kRampLevels = static_cast<int>(kRamp.size()) - 1;

int capped(std::size_t size, int limit) {
  return static_cast<int>(std::min<std::size_t>(size, static_cast<std::size_t>(limit)));
}

// 0: unknown, 1: zero, 2..levels: above zero.
int level_of(double value, double top, int levels) {
  if (std::isnan(value)) return 0;
  if (value <= 0 || top <= 0) return 1;
  return std::clamp(1 + static_cast<int>(std::ceil(value / top * (levels - 1))), 2, levels);
}

double largest(std::span<const double> values) {
  double top = 0;
  for (const double value : values)
    if (!std::isnan(value)) top = std::max(top, value);
  return top;
}

// Dots from the bottom up, of the left and the right half of a character.
std::string braille(int left, int right) {
  static constexpr std::array<unsigned, 5> kLeft = {0x00, 0x40, 0x44, 0x46, 0x47};
  static constexpr std::array<unsigned, 5> kRight = {0x00, 0x80, 0xa0, 0xb0, 0xb8};
  const unsigned point =
      0x2800 + (kLeft[static_cast<std::size_t>(left)] | kRight[static_cast<std::size_t>(right)]);
  return {static_cast<char>(0xe0 | point >> 12), static_cast<char>(0x80 | (point >> 6 & 0x3f)),
          static_cast<char>(0x80 | (point & 0x3f))};
}

}  // namespace

int graph_capacity(int width, bool unicode) {
  return std::max(width, 0) * (unicode ? 2 : 1);
}

std::vector<std::string> graph(std::span<const double> values, int width, int height,
                               bool unicode) {
  const int capacity = graph_capacity(width, unicode),
            per_row = unicode ? kBrailleLevels : kRampLevels;
  values = values.last(static_cast<std::size_t>(capped(values.size(), capacity)));
  const double top = largest(values);
  std::vector<int> levels(static_cast<std::size_t>(capacity) - values.size(), 0);
  for (const double value : values) levels.push_back(level_of(value, top, per_row * height));

  std::vector<std::string> rows;
  for (int row = height - 1; row >= 0; --row) {
    std::string text;
    const auto part = [&](std::size_t i) {
      return std::clamp(levels[i] - row * per_row, 0, per_row);
    };
    for (std::size_t i = 0; i < levels.size(); i += unicode ? 2 : 1) {
      if (unicode)
        text += part(i) || part(i + 1) ? braille(part(i), part(i + 1)) : " ";
      else
        text += kRamp[static_cast<std::size_t>(part(i))];
    }
    rows.push_back(std::move(text));
  }
  return rows;
}

std::string sparkline(std::span<const double> values, int width, bool unicode) {
  return graph(values, width, 1, unicode).front();
}

std::vector<double> compressed(std::span<const double> values, std::uint64_t first,
                               std::uint64_t run) {
  std::vector<double> runs;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double value = values[i];
    if (runs.empty() || (first + i) % run == 0)
      runs.push_back(value);
    else if (std::isnan(runs.back()) || value > runs.back())
      runs.back() = value;
  }
  return runs;
}

}  // namespace netsonde
