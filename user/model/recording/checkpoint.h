// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <vector>

#include "user/model/recording/codec.h"
#include "user/model/store.h"

namespace netsonde::recording {

// The names from that one on.
void add_names(Batch& batch, const Names& names, std::size_t from, std::uint64_t time_ns);

// Everything that whoever begins to read here must know, but the host's counters: the store right
// after a tick, without the connections that the filter refuses, and all names. In parts that fit
// into a frame each.
using Keep = std::function<bool(const Connection&)>;
std::vector<Batch> checkpoint_of(const Store& store, const Keep& keep);

// Takes up one record of a checkpoint, or a name wherever it stands; others are left alone. The
// record is at least as long as its kind.
void restore(std::uint16_t kind, std::span<const std::byte> record, Names& names, Store& store);

}  // namespace netsonde::recording
