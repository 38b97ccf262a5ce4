// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>
#include <vector>

namespace netsonde {

// Keeps of any number of items those that are among the `most` greatest by at least one of several
// criteria; items of weight 0 are none. Between equals the id decides.
template <typename Item, std::size_t kCriteria>
class TopList {
 public:
  using Criterion = double (*)(const Item&);

  TopList(const std::array<Criterion, kCriteria>& criteria, std::size_t most)
      : criteria_(criteria), most_(most) {}

  void add(std::uint64_t id, Item item) {
    entries_.push_back({id, std::move(item)});
    ++added_;
    if (entries_.size() >= 8 * kCriteria * most_) prune();
  }

  std::uint64_t added() const { return added_; }
  std::vector<Item> take() {
    prune();
    std::vector<Item> items;
    for (Entry& entry : entries_) items.push_back(std::move(entry.item));
    entries_.clear();
    return items;
  }

 private:
  struct Entry {
    std::uint64_t id = 0;
    Item item;
    bool keep = false;
  };

  void prune() {
    std::vector<Entry*> order;
    for (const Criterion weight : criteria_) {
      order.clear();
      for (Entry& entry : entries_)
        if (weight(entry.item) > 0) order.push_back(&entry);
      const auto greater = [weight](const Entry* a, const Entry* b) {
        const double left = weight(a->item), right = weight(b->item);
        return left != right ? left > right : a->id < b->id;
      };
      const std::size_t kept = std::min(most_, order.size());
      std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(kept),
                        order.end(), greater);
      for (std::size_t i = 0; i < kept; ++i) order[i]->keep = true;
    }
    std::erase_if(entries_, [](Entry& entry) { return !std::exchange(entry.keep, false); });
  }

  std::array<Criterion, kCriteria> criteria_;
  std::size_t most_;
  std::vector<Entry> entries_;
  std::uint64_t added_ = 0;
};

}  // namespace netsonde
