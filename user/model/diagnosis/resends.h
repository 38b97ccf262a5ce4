// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "user/model/diagnosis/group.h"

// What the rules on loss share.
namespace netsonde::rules {

// Segments of data; a SYN has rules of its own.
std::uint32_t resent(const Watched& w);
// Of these: this host had dropped the packet itself.
std::uint64_t dropped_here(const Watched& w);
// Times out again and again and nothing comes back, or was given up for that.
bool is_silent(const Watched& w);
Time first_resend(const Group& group, const Observation& observation);
// Subject, impact and the evidence that every kind of loss has.
Finding on_loss(const Group& group, const Observation& observation, Where where);

}  // namespace netsonde::rules
