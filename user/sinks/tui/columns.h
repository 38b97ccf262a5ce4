// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "user/model/fields.h"
#include "user/sinks/tui/view.h"

namespace netsonde {

// A column of the table: a field, or in a grouped table also the group and the number of its
// connections.
struct TuiColumn {
  enum class Kind : std::uint8_t { Field, Endpoint, Group, Connections };
  Kind kind = Kind::Field;
  const Field* field =
      nullptr;  // null: Group, Connections. Endpoint: the address; its port is shown too.
  std::string_view title;
  int narrow = 0, wide = 0;  // shown with at least and at most so many characters
  int rank = 0;              // 0 goes last when the screen is narrow
  // Tells what the column made for it, which is not shown, would: of an address where a listener
  // listens, of what held a sender back how a connection ended.
  bool stands_in = false;
};

struct PlacedColumn {
  TuiColumn column;
  int x = 0, width = 0;
};

std::span<const std::string_view> default_column_ids(Show show);
// Of a table of connections; an empty choice means the default.
std::vector<TuiColumn> columns_for(std::span<const Field* const> chosen, Show show);
// Needs the histogram of the connection.
bool is_quantile(const Field* field);
// Of a grouped table: the group, how many, and those of the columns that can be summed up.
std::vector<TuiColumn> grouped(GroupBy by, std::span<const TuiColumn> columns);

// Those that fit, in their order. The first scrolled columns behind the one that names the row are
// left out; the column that is sorted by stays when it can.
std::vector<PlacedColumn> place(std::span<const TuiColumn> columns, int width,
                                const Field* sorted_by, int scrolled = 0);

// The word for an endpoint: "10.0.0.1:443", "[2001:db8::1]:443", "*:443".
std::string endpoint_text(const Address& address, unsigned port, std::string_view name = {});

}  // namespace netsonde
