// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "user/base/fd.h"

namespace netsonde::test {

// Ends the test with the reason when a step that it builds on failed.
void must(bool ok, std::string_view step);

// A network namespace that lives as long as this object or a process inside it.
class Namespace {
 public:
  // A new one with its loopback up; the thread stays where it was.
  static Namespace create();
  static Namespace current();

  std::uint32_t inode() const { return inode_; }
  int fd() const { return fd_.get(); }
  // For the programs we start: "/proc/PID/fd/N".
  std::string path() const;

 private:
  UniqueFd fd_;
  std::uint32_t inode_ = 0;
};

// The thread is inside the namespace as long as this object lives.
class Inside {
 public:
  explicit Inside(const Namespace& space);
  ~Inside();
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;

 private:
  Namespace before_;
};

// Runs a program (its full path and its words, no quoting) in the thread's namespace.
void run(const std::string& command);
std::string output_of(const std::string& command);

// net.ipv4 settings of the thread's namespace.
void set_ipv4(const std::string& key, const std::string& value);

// Counters of the thread's namespace from /proc/net/snmp and netstat: "TcpRetransSegs",
// "TcpExtTCPLossProbes".
std::map<std::string, std::uint64_t> kernel_counters();
std::uint64_t kernel_counter(const std::string& name);

// Whether this machine is emulated and so ten times slower.
bool is_slow_machine();

}  // namespace netsonde::test
