// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "user/model/fields.h"
#include "user/model/recording/checkpoint.h"
#include "user/model/recording/format.h"
#include "user/model/recording/host_log.h"
#include "user/model/snapshot.h"

namespace netsonde {

// Does with records what a replay does, and looks at all that came of them.
class RecordReader {
 public:
  void take(bool state, const recording::Records::Record& record) {
    using namespace recording;
    if (record.kind == kHostAll || record.kind == kHostNews)
      (void)host_.take(record.kind, record.bytes);
    else if (state || record.kind == kName)
      restore(record.kind, record.bytes, names_, store_);
    else if (const auto event = decode(record.bytes))
      apply(event.value());
  }

  void look() const {
    const Snapshot snapshot(store_);
    const unsigned all = Snapshot::Connections | Snapshot::Listeners | Snapshot::Closed;
    for (const Connection* connection : snapshot.select(all))
      for (const Field& field : fields())
        (void)human(field.get(snapshot.row(*connection)), field.unit);
  }

 private:
  void apply(const Event& event) {
    store_.apply(event);
    store_.take_derived();
  }

  Names names_;
  Store store_{&names_, {.linger_limit = 4}};
  recording::HostLogReader host_;
};

}  // namespace netsonde
