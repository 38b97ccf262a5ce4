// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <string>
#include <vector>

#include "user/model/diagnosis/observation.h"
#include "user/sinks/report/connection_log.h"
#include "user/sinks/report/distribution.h"
#include "user/sinks/report/fault_log.h"
#include "user/sinks/report/finding_log.h"
#include "user/sinks/report/host_faults.h"
#include "user/sinks/report/report.h"
#include "user/sinks/report/timeline_log.h"

namespace netsonde {

struct ReportSettings {
  Nanos window = std::chrono::seconds(10);  // findings are looked for in so long at a time
  std::size_t most_watched = 20'000;        // sockets in a window
};

// Gathers a report from the stream, in bounded memory whatever its length. It begins with the
// first event after the first tick.
class ReportBuilder : public Sink {
 public:
  // The filter chooses findings, connections, processes, remote ends and listeners; the timeline
  // and the totals are the host's. It outlives the builder.
  ReportBuilder(const ReportSettings& settings, const Filter& filter);

  void before_event(const Event& event, const Store& store) override;
  Result<> on_event(const Event& event, const Store& store) override;
  Result<> on_host(Time now, std::span<const HostValue> values) override;
  Result<> on_snapshot(const Snapshot& snapshot) override;

  // For what has a place in the report and was found out beside the stream.
  void add_section(ReportSection section) { sections_.push_back(std::move(section)); }
  void add_mark(TimelineMark mark) { marks_.push_back(std::move(mark)); }

  // The last snapshot may have been given already, or be that of an interval cut short. Nothing
  // may follow.
  Report finish(const Snapshot& last, ReportOrigin origin);

 private:
  void begin(const Store& store);
  void look(const Snapshot& snapshot, bool cut_short);
  void diagnose_window(const Snapshot& snapshot);
  void add_figures(Report& report) const;
  void add_connection_figures(Report& report) const;
  void add_traffic_figures(Report& report) const;
  void add_trouble_figures(Report& report) const;
  Cell total(std::string_view series) const;
  void add_tables(Report& report, const Snapshot& last);
  void add_losses(Report& report, const Snapshot& last) const;
  std::vector<std::string> limits(const Snapshot& last) const;

  ReportSettings settings_;
  const Filter& filter_;
  bool begun_ = false;
  Time began_, looked_;
  ev_tick first_tick_{};
  std::uint64_t vanished_before_ = 0;
  std::uint32_t most_connections_ = 0;
  Observer observer_;
  FindingLog findings_;
  TimelineLog timeline_;
  ConnectionLog connections_;
  FaultLog faults_;
  HostFaults host_;
  RttLog rtt_;
  std::map<std::string_view, std::uint64_t> events_;
  std::vector<ReportSection> sections_;
  std::vector<TimelineMark> marks_;
};

}  // namespace netsonde
