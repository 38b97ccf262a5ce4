// SPDX-License-Identifier: Apache-2.0
#include "user/request.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>

#include "user/capture/live.h"
#include "user/sinks/export/csv.h"
#include "user/sinks/trace.h"

namespace netsonde {

Result<Request> understand(const Options& options) {
  Request request;
  if (!options.filter.empty()) request.filter = TRY(Filter::parse(options.filter));
  if (!options.deep.empty()) request.deep = TRY(Filter::parse(options.deep));
  if (!options.fields.empty()) request.fields = TRY(parse_fields(options.fields));
  if (!options.events.empty()) request.events = TRY(parse_event_kinds(options.events));
  if (!options.table.empty()) request.table = TRY(parse_export_table(options.table));
  if (!options.by.empty()) request.by = TRY(parse_fields(options.by))[0];
  return request;
}

Result<Filter> explained(const Options& options) {
  std::string expression = options.filter.empty() ? "" : "(" + options.filter + ")";
  const auto add = [&expression](std::string_view field,
                                 const std::optional<std::uint64_t>& value) {
    if (!value) return;
    expression += fmt::format("{}{} = {}", expression.empty() ? "" : " and ", field, *value);
  };
  add("pid", options.pid);
  add("cookie", options.connection);
  return Filter::parse(expression);
}

int terminal_width() {
  winsize size = {};
  const bool known = isatty(STDOUT_FILENO) && !ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
  return known && size.ws_col >= 40 ? std::min<int>(size.ws_col, 120) : 100;
}

Result<> check_privilege() {
  const std::vector<std::string> missing = missing_capabilities();
  if (missing.empty()) return {};
  std::string names;
  for (const std::string& name : missing) names += (names.empty() ? "" : ", ") + name;
  return Error("watching the kernel needs " + names + ": run netsonde as root (sudo netsonde ...)");
}

}  // namespace netsonde
