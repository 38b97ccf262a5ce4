// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "tests/bpf/capture.h"
#include "tests/bpf/sandbox.h"
#include "tests/bpf/sockets.h"

namespace netsonde::test {

// Two network namespaces and a veth between them: "near" at 10.77.0.1, "far" at 10.77.0.2.
class Path {
 public:
  static constexpr const char* kNear = "10.77.0.1";
  static constexpr const char* kFar = "10.77.0.2";

  Path();

  const Namespace& near() const { return near_; }
  const Namespace& far() const { return far_; }
  Socket listen_far() const;

 private:
  Namespace near_ = Namespace::create();
  Namespace far_ = Namespace::create();
};

// A counter and a verdict for packets that match, in the table "inet test" of the thread's
// namespace, as long as this object lives. The hook is input, output or forward.
class Rule {
 public:
  Rule(const Namespace& space, const std::string& hook, const std::string& match,
       const std::string& verdict = "drop");
  ~Rule();
  Rule(const Rule&) = delete;
  Rule& operator=(const Rule&) = delete;

  std::uint64_t packets() const;

 private:
  const Namespace& space_;
};

// What a rule matches.
std::string packets_to(const Socket& listener);
std::string packets_from(const Socket& listener);

// What ip, nft and tc do elsewhere.
void run_in(const Namespace& space, const std::string& command);
std::uint64_t kernel_counter_in(const Namespace& space, const std::string& name);

// A listener at the far end; the thread is at the near one. Both ends are captured.
class PathTest : public testing::Test {
 protected:
  PathTest() { capture_.also(path_.far()); }

  Pair connected() const { return connected_pair(listener_, Path::kFar); }
  std::uint64_t near(const std::string& counter) const {
    return kernel_counter_in(path_.near(), counter);
  }
  std::uint64_t far(const std::string& counter) const {
    return kernel_counter_in(path_.far(), counter);
  }

  Path path_;
  Inside inside_{path_.near()};
  Capture capture_;
  Socket listener_ = path_.listen_far();
};

}  // namespace netsonde::test
