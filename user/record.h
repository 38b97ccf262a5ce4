// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "user/request.h"

namespace netsonde {

// netsonde record: everything that a session sees, into a file or a rolling directory, until the
// duration, the command or a signal ends it. The exit status is that of the command.
Result<int> run_record(const Options& options, const Request& request);

// netsonde snapshot: a part of a recording as a file of its own, also while it is recorded.
Result<int> run_snapshot(const Options& options);

}  // namespace netsonde
