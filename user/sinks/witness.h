// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>

#include "user/model/attempt.h"
#include "user/model/snapshot.h"
#include "user/model/store.h"

namespace netsonde {

// What happened to single connections, gathered until somebody asks for it.
class Witness : public Sink {
 public:
  Result<> on_event(const Event& event, const Store& store) override;

  // Of the connection with that cookie, since it began or was last asked for; absent where no
  // event told of it.
  std::optional<WitnessFacts> take(std::uint64_t cookie);

 private:
  struct Gathered {
    WitnessFacts facts{};
    std::optional<Time> connect{};
    std::uint64_t lost_before = 0;
  };

  std::map<std::uint64_t, Gathered> gathered_;  // by cookie
  std::uint64_t lost_ = 0;
};

}  // namespace netsonde
