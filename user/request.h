// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <set>
#include <vector>

#include "user/cli.h"
#include "user/model/fields.h"
#include "user/model/filter.h"
#include "user/sinks/export/output.h"

namespace netsonde {

// What the arguments mean, once checked.
struct Request {
  Filter filter;
  Filter deep;
  std::vector<const Field*> fields;
  const Field* by = nullptr;
  std::set<std::uint16_t> events;
  ExportTable table = ExportTable::Connections;
};

Result<Request> understand(const Options& options);

// What a diagnosis is about: the filter's, and of these the process or connection named.
Result<Filter> explained(const Options& options);

// Fails where this process may not watch the kernel.
Result<> check_privilege();

// Columns that text for standard output may take.
int terminal_width();

// A table shows each closed connection once, however many end in one interval, up to here.
inline constexpr std::size_t kClosedInTable = 1 << 16;

}  // namespace netsonde
