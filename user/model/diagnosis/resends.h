// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "user/model/diagnosis/group.h"

// What the rules on loss share.
namespace netsonde::rules {

// Segments of data; a SYN has rules of its own.
std::uint32_t resent(const Watched& w);
// Of these: this host had dropped the packet itself.
std::uint64_t dropped_here(const Watched& w);
// This host's own doing; a packet that was stale or not acceptable is not.
bool is_ours(const Observation& observation, const Dropped& drop);
// Packets of the connection that this host dropped.
std::uint64_t dropped_by_host(const Watched& w, const Observation& observation);
// Times out again and again and nothing comes back, or was given up for that.
bool is_silent(const Watched& w);
Time first_resend(const Group& group, const Observation& observation);
// Subject, impact and the evidence that every kind of loss has.
Finding on_loss(const Group& group, const Observation& observation, Where where);

}  // namespace netsonde::rules
