// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <string>
#include <utility>
#include <vector>

#include "user/base/fd.h"
#include "user/base/result.h"

namespace netsonde {

// A command that we started. It does not outlive its owner.
class ChildProcess {
 public:
  // The program is looked for in PATH. Fails when it cannot be executed.
  static Result<ChildProcess> start(const std::vector<std::string>& words);
  // With nothing to read, and with all that it starts: who stays in its process group ends with it.
  // It is also asked to end when we are killed.
  static Result<ChildProcess> start_group(const std::vector<std::string>& words);
  ChildProcess(ChildProcess&& other) noexcept
      : pid_(std::exchange(other.pid_, 0)), is_group_(other.is_group_), fd_(std::move(other.fd_)) {}
  ChildProcess& operator=(ChildProcess&&) = delete;
  ~ChildProcess() {
    if (pid_) end();
  }

  int fd() const { return fd_.get(); }  // readable when it has ended
  // Asks it to end (SIGTERM) unless it has, and waits for that. Its exit status as a shell gives
  // it: 128 and more for a signal.
  int end();

 private:
  ChildProcess(pid_t pid, bool is_group) : pid_(pid), is_group_(is_group) {}
  static Result<ChildProcess> start(const std::vector<std::string>& words, bool in_group);

  pid_t pid_;
  bool is_group_;
  UniqueFd fd_;
};

}  // namespace netsonde
