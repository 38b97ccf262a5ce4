// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace netsonde {

// Values over time as rows of text, top row first, newest value at the right edge. Braille holds
// two values per character and four levels per row; ASCII one value and eight levels. The top of
// the graph is the largest value; whatever is above zero stands out from zero; unknown values (NaN)
// leave a gap.
std::vector<std::string> graph(std::span<const double> values, int width, int height, bool unicode);
std::string sparkline(std::span<const double> values, int width, bool unicode);

// How many values a graph of that width shows.
int graph_capacity(int width, bool unicode);

// The largest of each run of values. The runs begin at multiples of their length, counted from the
// first value ever (first is the number of values[0]), so that the picture moves on instead of
// changing its shape.
std::vector<double> compressed(std::span<const double> values, std::uint64_t first,
                               std::uint64_t run);

}  // namespace netsonde
