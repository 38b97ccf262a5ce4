// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "user/model/snapshot.h"
#include "user/sinks/tui/findings.h"
#include "user/sinks/tui/name_cache.h"
#include "user/sinks/tui/screen.h"
#include "user/sinks/tui/track.h"

namespace netsonde {

// One connection: who it is, what holds it back, how it fared, and what happened to it.
class Detail {
 public:
  Detail(std::uint64_t cookie, const Names& names, const History& history) : track_(cookie, names) {
    track_.load(history);
  }

  std::uint64_t cookie() const { return track_.cookie(); }
  void on_event(const Event& event) { track_.on_event(event); }
  // Of the list of what happened, which shows the newest unless it was scrolled.
  void scroll(int lines) { scrolled_ += lines; }

  // In the lines from y to the one before the last. names: null shows addresses as numbers.
  // findings: null where the past is shown.
  void draw(Screen& screen, int y, const Snapshot& snapshot, NameCache* names,
            const LiveFindings* findings);

 private:
  struct Area {
    int y, x, height, width;
  };

  int draw_facts(Screen& screen, Area area, const Row& row, NameCache* names) const;
  int draw_findings(Screen& screen, Area area, const LiveFindings* findings) const;
  int draw_graphs(Screen& screen, Area area, Time until, int graph_height) const;
  void draw_timeline(Screen& screen, Area area, const Snapshot& snapshot);

  Track track_;
  int scrolled_ = 0;
};

}  // namespace netsonde
