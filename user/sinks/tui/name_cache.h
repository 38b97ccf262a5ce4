// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <string>

#include "user/base/text.h"

namespace netsonde {

// The names of addresses, as far as they are known; the one that was asked for first is forgotten
// first.
class NameCache {
 public:
  explicit NameCache(std::function<void(const Address&)> resolve) : resolve_(std::move(resolve)) {}

  // Empty while there is none; asks for it once.
  std::string_view name_of(const Address& address) {
    const auto [entry, is_new] = names_.try_emplace(address);
    if (!is_new) return entry->second;
    order_.push_back(address);
    if (order_.size() > kLimit) {
      names_.erase(order_.front());
      order_.pop_front();
    }
    if (resolve_) resolve_(address);
    return {};
  }

  void learn(const Address& address, std::string name) {
    const auto found = names_.find(address);
    if (found != names_.end()) found->second = std::move(name);
  }

 private:
  static constexpr std::size_t kLimit = 4096;

  std::function<void(const Address&)> resolve_;
  std::map<Address, std::string> names_;
  std::deque<Address> order_;
};

}  // namespace netsonde
