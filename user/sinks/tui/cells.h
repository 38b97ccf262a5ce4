// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "user/sinks/tui/columns.h"
#include "user/sinks/tui/name_cache.h"
#include "user/sinks/tui/rows.h"
#include "user/sinks/tui/screen.h"

namespace netsonde {

// What a column says about a line. Not yet safe to print. names: null shows addresses as numbers.
// width: of the cell; where it is too narrow for the word, some fields have a shorter one.
std::string cell_text(const TuiColumn& column, int width, const Item& item, GroupBy by,
                      NameCache* names);
// Numbers stand to the right.
bool right_aligned(const TuiColumn& column);
// Faults stand out, in the column that tells of them.
Style cell_style(const TuiColumn& column, const Item& item);
// Of a line as a whole: faint when all of it is closed.
bool is_over(const Item& item);

}  // namespace netsonde
