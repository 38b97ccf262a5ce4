// SPDX-License-Identifier: Apache-2.0
#include "user/sinks/tui/cells.h"

#include <algorithm>
#include <cmath>

namespace netsonde {

namespace {

std::string endpoint(const TuiColumn& column, const Row& row, NameCache* names) {
  const ev_conn& conn = row.connection.last.conn;
  const bool local = column.field->id == "local_address";
  if (!local && row.connection.is_listener()) {
    if (!column.stands_in) return "-";
    return "on " + endpoint_text(Address::from(conn.local), conn.local_port);
  }
  const Address address = Address::from(local ? conn.local : conn.remote);
  const unsigned port = local ? conn.local_port : conn.remote_port;
  const bool named = names && !local && !address.is_unspecified();
  return endpoint_text(address, port, named ? names->name_of(address) : std::string_view());
}

// A closed connection says how it ended where it said its state, and a listener counts what it had
// to drop where connections count drops.
Value value_of(const Field& field, const Item& item) {
  if (item.rows.size() > 1) return combined(field, item.rows);
  if (field.id == "drops" && item.first().connection.is_listener())
    return std::uint64_t{item.first().connection.last.sk_drops};
  if (field.id == "state" && item.first().connection.is_closed())
    return end_name(item.first().connection.last);
  return field.get(item.first());
}

std::string short_limit(const Value& value) {
  for (const Limit limit : kLimits)
    if (value == Value(limit_name(limit))) return std::string(short_limit_name(limit));
  return human(value, Unit::None);
}

std::string connections_text(const Item& item) {
  return std::to_string(std::count_if(item.rows.begin(), item.rows.end(), [](const Row& row) {
    return !row.connection.is_listener();
  }));
}

double number(const Value& value) {
  if (const auto* count = std::get_if<std::uint64_t>(&value)) return static_cast<double>(*count);
  if (const auto* real = std::get_if<double>(&value)) return *real;
  return 0;
}

Style state_style(const Item& item) {
  const Connection& connection = item.first().connection;
  const bool bad_end = connection.is_closed() && end_name(connection.last) != "fin";
  return item.rows.size() == 1 && bad_end ? Style::Warn : Style::Normal;
}

}  // namespace

std::string cell_text(const TuiColumn& column, int width, const Item& item, GroupBy by,
                      NameCache* names) {
  switch (column.kind) {
    case TuiColumn::Kind::Group: return group_text(by, item.first());
    case TuiColumn::Kind::Connections: return connections_text(item);
    case TuiColumn::Kind::Endpoint: return endpoint(column, item.first(), names);
    case TuiColumn::Kind::Field: break;
  }
  if (column.field->id == "remote_address" && names && !item.first().connection.is_listener()) {
    const Address remote = Address::from(item.first().connection.last.conn.remote);
    const std::string_view name = names->name_of(remote);
    if (!name.empty()) return std::string(name);
  }
  const Connection& first = item.first().connection;
  if (column.field->id == "limited_by" && column.stands_in && first.is_closed())
    return std::string(end_name(first.last));
  const Value value = value_of(*column.field, item);
  if (column.field->id == "limited_by" && width < column.wide) return short_limit(value);
  return human(value, column.field->unit);
}

bool right_aligned(const TuiColumn& column) {
  if (!column.field) return column.kind == TuiColumn::Kind::Connections;
  const std::string_view id = column.field->id;
  return !column.field->is_text() || id == "pid" || id == "uid" || id == "netns" ||
         id == "cookie" || id == "local_port" || id == "remote_port";
}

Style cell_style(const TuiColumn& column, const Item& item) {
  if (!column.field) return Style::Normal;
  const std::string_view id = column.field->id;
  if (id == "state" || id == "end") return state_style(item);
  const bool loss = id == "drops" || id == "listen_overflows";
  if (!loss && id != "retransmits_per_s") return Style::Normal;
  if (number(value_of(*column.field, item)) <= 0) return Style::Normal;
  return loss ? Style::Bad : Style::Warn;
}

bool is_over(const Item& item) {
  return std::all_of(item.rows.begin(), item.rows.end(),
                     [](const Row& row) { return row.connection.is_closed(); });
}

}  // namespace netsonde
