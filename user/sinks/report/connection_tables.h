// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "user/sinks/report/connection_log.h"

namespace netsonde {

ReportTable connections_table(std::vector<ConnectionUse> uses, std::uint64_t active,
                              const Names& names, std::int64_t realtime_offset_ns);
ReportTable processes_table(const GroupLog& groups);
ReportTable remotes_table(const GroupLog& groups);
ReportTable ends_table(const std::map<std::string_view, std::uint64_t>& ends);

// "10.0.0.7:443", "[fe80::1]:22".
std::string endpoint_text(const std::uint8_t (&address)[16], std::uint16_t port);

Cell text_cell(std::string_view text);  // absent when empty
Cell cell_or_absent(std::uint64_t value, bool known);
Cell percent_cell(std::uint64_t part, std::uint64_t whole);

}  // namespace netsonde
