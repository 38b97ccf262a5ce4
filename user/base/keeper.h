// SPDX-License-Identifier: Apache-2.0
#pragma once

// What runs between fork and the command. Nothing here allocates, for another thread of the process
// that forked may have been about to.

namespace netsonde {

// Of waitpid, as a shell gives it: 128 and more for a signal.
int status_of(int status);

// Becomes the command, which is looked for in PATH. Writes errno into the pipe if it cannot.
[[noreturn]] void execute(char* const* arguments, int pipe);

// Starts the command, sees to it that nothing of it is left when it has ended, when SIGTERM comes
// or when the process that forked is gone, and ends with the status of the command. It keeps none
// of the descriptors that it got, whose locks would outlive their owner.
[[noreturn]] void keep(char* const* arguments, int pipe);

}  // namespace netsonde
