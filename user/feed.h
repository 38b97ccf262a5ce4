// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "user/model/snapshot.h"

namespace netsonde {

// The store and whoever looks at it: what one source, live or a recording, is poured into. The
// same calls give the same states.
class Feed {
 public:
  explicit Feed(const StoreSettings& settings) : settings_(settings) {}
  Feed(const Feed&) = delete;
  Feed& operator=(const Feed&) = delete;

  void add_sink(Sink& sink) { sinks_.push_back(&sink); }  // outlives the feed

  // A sink's error is kept for outcome().
  void take(const Event& event);
  void take_host(Time now, std::span<const HostValue> values);
  void give_snapshot();
  // The first error since the last call.
  Result<> outcome();
  void note(Result<> result);

  // While it is, sinks are told nothing.
  void set_quiet(bool quiet) { quiet_ = quiet; }
  // Forgets everything but the sinks.
  void reset();

  Names& names() { return names_; }
  Store& store() { return store_; }
  const Store& store() const { return store_; }
  // As of the last tick; its host() is null where nobody has told of it.
  Snapshot snapshot() const { return Snapshot(store_, knows_host_ ? &host_ : nullptr); }

 private:
  StoreSettings settings_;
  Names names_;
  Store store_{&names_, settings_};
  HostCounters host_;
  bool knows_host_ = false;
  bool quiet_ = false;
  std::vector<Sink*> sinks_;
  std::optional<Error> failed_;
};

}  // namespace netsonde
