// SPDX-License-Identifier: Apache-2.0
#include <bpf/bpf.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>

#include "tests/bpf/capture.h"
#include "tests/bpf/process.h"
#include "tests/bpf/sockets.h"

namespace netsonde::test {
namespace {

// The kernel's ids of the objects of one sort ("prog_id", "map_id", "link_id") that a process
// holds.
std::set<__u32> held_by(pid_t pid, const std::string& sort) {
  std::set<__u32> ids;
  const std::string folder = "/proc/" + std::to_string(pid) + "/fdinfo";
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    std::ifstream file(entry.path());
    std::string line;
    while (std::getline(file, line))
      if (line.starts_with(sort + ":")) ids.insert(std::stoul(line.substr(sort.size() + 1)));
  }
  return ids;
}

// What a process holds and this one does not (or did not, when the ids were taken).
std::set<__u32> without(std::set<__u32> ids, const std::set<__u32>& others) {
  std::erase_if(ids, [&](__u32 id) { return others.contains(id); });
  return ids;
}

bool is_loaded(__u32 program) {
  return static_cast<bool>(UniqueFd(bpf_prog_get_fd_by_id(program)));
}
bool is_attached(__u32 link) {
  return static_cast<bool>(UniqueFd(bpf_link_get_fd_by_id(link)));
}

class DetachTest : public testing::Test {
 protected:
  void expect_gone(const std::set<__u32>& programs, const std::set<__u32>& links) {
    ASSERT_GE(programs.size(), 10U);
    ASSERT_GE(links.size(), 8U);
    EXPECT_TRUE(wait_until([&] { return std::ranges::none_of(links, is_attached); }));
    EXPECT_TRUE(wait_until([&] { return std::ranges::none_of(programs, is_loaded); }));
  }

  Namespace space_ = Namespace::create();
  Inside inside_{space_};
};

TEST_F(DetachTest, NothingStaysLoadedAfterAnOrderlyEnd) {
  const auto programs_before = held_by(getpid(), "prog_id");
  const auto links_before = held_by(getpid(), "link_id");
  auto capture = std::make_unique<Capture>(all_events());
  const auto programs = without(held_by(getpid(), "prog_id"), programs_before);
  const auto links = without(held_by(getpid(), "link_id"), links_before);
  capture.reset();
  expect_gone(programs, links);
}

TEST_F(DetachTest, NothingStaysLoadedAfterSigkill) {
  Signal ready;
  Child child([&] {
    const Capture capture(all_events());
    ready.raise();
    pause();
  });
  ready.wait();
  const auto programs = without(held_by(child.pid(), "prog_id"), held_by(getpid(), "prog_id"));
  const auto links = without(held_by(child.pid(), "link_id"), held_by(getpid(), "link_id"));
  child.kill();
  expect_gone(programs, links);
}

TEST_F(DetachTest, NothingIsPinned) {
  const auto pinned = [] {
    std::set<std::string> paths;
    std::error_code error;
    for (const auto& entry : std::filesystem::recursive_directory_iterator("/sys/fs/bpf", error))
      paths.insert(entry.path());
    return paths;
  };
  const auto before = pinned();
  const Capture capture(all_events());
  EXPECT_EQ(pinned(), before);
}

// As where the kernel ran no program when the connection ended.
TEST_F(DetachTest, AConnectionWhoseEndNobodyToldOfIsCountedAsVanished) {
  const Socket listener = listen_on();
  Capture capture(all_events());
  Pair pair = connected_pair(listener);
  capture.pass();
  capture.live().detach();
  pair.server.reset();
  EXPECT_EQ(pair.client.wait_for_end(), ECONNRESET);  // its file stays open
  capture.pass();
  EXPECT_EQ(capture.story(pair.client.cookie()), "connect established");
  EXPECT_EQ(capture.store().totals().vanished, 2U);
  EXPECT_EQ(capture.store().find(pair.client.cookie()), nullptr);
}

}  // namespace
}  // namespace netsonde::test
