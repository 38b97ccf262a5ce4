// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/mman.h>
#include <sys/types.h>

#include <functional>
#include <new>

#include "user/base/fd.h"

namespace netsonde::test {

// A process that runs the function and ends: with 0, or with 1 when it threw. It dies with us, and
// at the latest with this object.
class Child {
 public:
  explicit Child(const std::function<void()>& body);
  Child(Child&& other) noexcept : pid_(std::exchange(other.pid_, -1)) {}
  Child& operator=(Child&&) = delete;
  ~Child();

  pid_t pid() const { return pid_; }
  // Waits for its end; whether it was a good one.
  bool join();
  void kill();

 private:
  pid_t pid_ = -1;
};

// Something that one process says once and another waits for. Works across fork().
class Signal {
 public:
  Signal();
  void raise() const;
  void wait() const;  // to the deadline

 private:
  UniqueFd event_;
};

// Hands a descriptor to whoever reads the other end of the UNIX socket.
void send_descriptor(int socket, int descriptor);
UniqueFd receive_descriptor(int socket);

// One T in memory that processes made later share with us.
template <typename T>
class Shared {
 public:
  Shared()
      : memory_(new (mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                          -1, 0)) T()) {}
  ~Shared() { munmap(memory_, sizeof(T)); }
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;

  T* operator->() const { return memory_; }
  T& operator*() const { return *memory_; }

 private:
  T* memory_;
};

}  // namespace netsonde::test
