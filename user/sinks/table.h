// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdio>
#include <string>
#include <vector>

#include "user/model/fields.h"
#include "user/model/filter.h"
#include "user/model/snapshot.h"

namespace netsonde {

struct TableSettings {
  std::vector<const Field*> columns;  // empty: the default set, or in JSON all fields
  const Field* sort = nullptr;        // empty: worst first
  std::size_t limit = 0;              // rows; 0: all
  bool listeners = false;             // also listeners
  bool json = false;
};

// Orders rows: by the field, greatest first for numbers and alphabetically for text; without a
// field the worst first: retransmissions, drops, then bytes per second, then cookie.
// Keeps the first `limit` (0: all).
void sort_rows(std::vector<Row>& rows, const Field* field, std::size_t limit = 0);

std::span<const Field* const> default_columns();

// The same table as the live view, as text or as one JSON object, once per snapshot.
class Table : public Sink {
 public:
  Table(TableSettings settings, const Filter& filter, std::FILE* out)
      : settings_(std::move(settings)), filter_(filter), out_(out) {}

  Result<> on_snapshot(const Snapshot& snapshot) override;

 private:
  void print_text(const Snapshot& snapshot, std::span<const Row> rows) const;
  void print_json(const Snapshot& snapshot, std::span<const Row> rows) const;

  TableSettings settings_;
  const Filter& filter_;
  std::FILE* out_;
};

// Two lines on the host in the last interval, for people.
std::string summary_text(const Snapshot& snapshot);
// "3 records, 12 samples" or empty.
std::string losses_text(const ev_tick& tick);

}  // namespace netsonde
