// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/bpf/capture.h"
#include "tests/bpf/process.h"
#include "tests/bpf/sockets.h"
#include "user/base/text.h"

namespace netsonde::test {
namespace {

class OwnerTest : public testing::Test {
 protected:
  OwnerTest() { EXPECT_EQ(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends_.data()), 0); }
  ~OwnerTest() override {
    for (const int end : ends_) ::close(end);
  }

  ev_conn at_close(std::uint64_t cookie) { return capture_.close(cookie).conn; }
  static std::uint32_t id(pid_t pid) { return static_cast<std::uint32_t>(pid); }

  Namespace space_ = Namespace::create();
  Inside inside_{space_};
  Socket listener_ = listen_on();
  Capture capture_;
  Shared<std::uint64_t> cookie_;
  std::array<int, 2> ends_{};
};

TEST_F(OwnerTest, OfAClientIsWhoConnected) {
  Child client([&] {
    const Socket socket = connect_to({.port = listener_.port()});
    *cookie_ = socket.cookie();
  });
  const pid_t pid = client.pid();
  listener_.accept().wait_for_end();
  EXPECT_TRUE(client.join());
  EXPECT_EQ(at_close(*cookie_).pid, id(pid));
  EXPECT_EQ(at_close(*cookie_).owner, EV_OWNER_EXACT);
}

TEST_F(OwnerTest, OfAnAcceptedConnectionIsWhoAcceptedAndUsedIt) {
  const Socket client = Socket::make();
  Child server([&] {
    const Socket socket = listener_.accept();
    *cookie_ = socket.cookie();
    socket.receive(1);
  });
  const pid_t pid = server.pid();
  client.connect_to({.port = listener_.port()});
  client.send("x");
  EXPECT_TRUE(server.join());
  client.wait_for_end();
  EXPECT_EQ(at_close(*cookie_).pid, id(pid));
  EXPECT_EQ(at_close(*cookie_).owner, EV_OWNER_EXACT);
}

TEST_F(OwnerTest, OfAServerThatSpeaksFirstIsWhoSpoke) {
  const Socket client = Socket::make();
  Child server([&] {
    const Socket socket = listener_.accept();
    *cookie_ = socket.cookie();
    socket.send("x");
  });
  const pid_t pid = server.pid();
  client.connect_to({.port = listener_.port()});
  client.receive(1);
  EXPECT_TRUE(server.join());
  EXPECT_EQ(at_close(*cookie_).pid, id(pid));
}

TEST_F(OwnerTest, OfAConnectionAcceptedForAForkedChildIsTheChild) {
  Pair pair = connected_pair(listener_);
  const std::uint64_t cookie = pair.server.cookie();
  Child worker([&] { pair.server.receive(1); });
  const pid_t pid = worker.pid();
  pair.client.send("x");
  EXPECT_TRUE(worker.join());
  close_in_order(pair);
  EXPECT_EQ(at_close(cookie).pid, id(capture_.accept_tells() ? getpid() : pid));
  EXPECT_EQ(at_close(cookie).owner, EV_OWNER_EXACT);
}

TEST_F(OwnerTest, OfAnInheritedConnectionStaysWhoConnected) {
  Pair pair = connected_pair(listener_);
  const std::uint64_t cookie = pair.client.cookie();
  Child heir([&] { pair.client.receive(1); });
  pair.server.send("x");
  EXPECT_TRUE(heir.join());
  close_in_order(pair);
  EXPECT_EQ(at_close(cookie).pid, id(getpid()));
}

TEST_F(OwnerTest, OfAConnectionHandedOverUnusedIsWhoUsesIt) {
  Pair pair = connected_pair(listener_);
  const std::uint64_t cookie = pair.server.cookie();
  Child receiver([&] { Socket(receive_descriptor(ends_[1])).receive(1); });
  const pid_t pid = receiver.pid();
  send_descriptor(ends_[0], pair.server.fd());
  pair.client.send("x");
  EXPECT_TRUE(receiver.join());
  close_in_order(pair);
  EXPECT_EQ(at_close(cookie).pid, id(capture_.accept_tells() ? getpid() : pid));
}

TEST_F(OwnerTest, OfAConnectionHandedOverAfterUseStaysWhoUsedItFirst) {
  Pair pair = connected_pair(listener_);
  const std::uint64_t cookie = pair.server.cookie();
  exchange(pair.client, pair.server, 1, 1);
  Child receiver([&] { Socket(receive_descriptor(ends_[1])).receive(1); });
  send_descriptor(ends_[0], pair.server.fd());
  pair.client.send("x");
  EXPECT_TRUE(receiver.join());
  close_in_order(pair);
  EXPECT_EQ(at_close(cookie).pid, id(getpid()));
}

TEST_F(OwnerTest, OfAConnectionThatNobodyReadIsWhoListens) {
  Pair pair = connected_pair(listener_);
  const std::uint64_t cookie = pair.server.cookie();
  close_in_order(pair);
  EXPECT_EQ(at_close(cookie).pid, id(getpid()));
  EXPECT_EQ(capture_.all<ev_open>(EV_ACCEPT, cookie).size(), 1U);
}

TEST_F(OwnerTest, OfAConnectionThatNobodyAcceptedIsWhoListensWithoutAnAccept) {
  Socket client = connect_to({.port = listener_.port()});
  const std::uint16_t port = client.port();
  listener_.close();
  EXPECT_EQ(client.wait_for_end(), ECONNRESET);
  ASSERT_TRUE(capture_.wait_for(EV_CLOSE, 0, 2));
  for (const ev_sample& close : capture_.all<ev_sample>(EV_CLOSE)) {
    if (close.conn.remote_port != port) continue;
    EXPECT_EQ(close.conn.owner, EV_OWNER_LISTENER);
    EXPECT_EQ(close.conn.pid, id(getpid()));
  }
  EXPECT_TRUE(capture_.all<ev_open>(EV_ACCEPT).empty());
}

// As the live view has it: without a hook at every read and send.
class OwnerInViewTest : public OwnerTest {
 protected:
  OwnerInViewTest() {
    client_.connect_to({.port = listener_.port()});
    ready_.wait();
  }

  Socket client_ = Socket::make();
  Signal ready_, done_;
  Shared<bool> pass_on_;
  Capture view_{{.ring_bytes = 64 << 20}};
  Child server_{[&] {
    client_.close();
    const Socket socket = listener_.accept();
    *cookie_ = socket.cookie();
    ready_.raise();
    done_.wait();
    if (*pass_on_) send_descriptor(ends_[0], socket.fd());
  }};
};

TEST_F(OwnerInViewTest, OfAnAcceptedConnectionIsFoundAmongTheOpenFiles) {
  EXPECT_TRUE(wait_until([&] { return view_.sample(*cookie_).conn.pid == id(server_.pid()); }));
  EXPECT_EQ(view_.sample(*cookie_).conn.owner,
            view_.accept_tells() ? EV_OWNER_EXACT : EV_OWNER_FILE);
  done_.raise();
}

TEST_F(OwnerInViewTest, OfAConnectionThatWasPassedOnIsWhoHoldsItNow) {
  const pid_t first = server_.pid();
  ASSERT_TRUE(wait_until([&] { return view_.sample(*cookie_).conn.pid == id(first); }));
  *pass_on_ = true;
  done_.raise();
  Signal received, over;
  Child heir([&] {
    const Socket socket(receive_descriptor(ends_[1]));
    received.raise();
    over.wait();
  });
  received.wait();
  const pid_t holder = view_.accept_tells() ? first : heir.pid();
  EXPECT_TRUE(wait_until([&] { return view_.sample(*cookie_).conn.pid == id(holder); }));
  over.raise();
}

TEST_F(OwnerInViewTest, OfAnAcceptedConnectionIsWhoClosesIt) {
  done_.raise();
  EXPECT_EQ(view_.close(*cookie_).conn.pid, id(server_.pid()));
  EXPECT_EQ(view_.close(*cookie_).conn.owner, EV_OWNER_EXACT);
}

TEST_F(OwnerInViewTest, OfAConnectionThatIsResetBeforeAnybodyLookedIsWhoListens) {
  client_.reset();
  const bool told = view_.accept_tells();
  EXPECT_EQ(view_.close(*cookie_).conn.pid, id(told ? server_.pid() : getpid()));
  EXPECT_EQ(view_.close(*cookie_).conn.owner, told ? EV_OWNER_EXACT : EV_OWNER_LISTENER);
  done_.raise();
}

TEST_F(OwnerTest, OfEachMemberOfAReuseportGroupIsItsOwn) {
  Socket first = Socket::make();
  first.set(SOL_SOCKET, SO_REUSEPORT, 1);
  first.bind_to({});
  ASSERT_EQ(listen(first.fd(), 64), 0);
  const std::uint16_t port = first.port();
  Signal ready, done;
  Child other([&] {
    const Socket second = Socket::make();
    second.set(SOL_SOCKET, SO_REUSEPORT, 1);
    second.bind_to({.port = port});
    must(listen(second.fd(), 64) == 0, "listen");
    *cookie_ = second.cookie();
    ready.raise();
    done.wait();
  });
  ready.wait();
  ASSERT_TRUE(capture_.wait_for(EV_LISTEN, *cookie_));
  EXPECT_EQ(capture_.only<ev_open>(EV_LISTEN, *cookie_).conn.pid, id(other.pid()));
  EXPECT_EQ(capture_.only<ev_open>(EV_LISTEN, first.cookie()).conn.pid, id(getpid()));
  for (int i = 0; i < 30; ++i) connect_to({.port = port}).reset();
  done.raise();
  EXPECT_TRUE(capture_.wait_for(EV_ESTABLISHED, 0, 60));
  std::size_t ours = 0, theirs = 0;
  for (const auto& open : capture_.all<ev_open>(EV_ESTABLISHED)) {
    if (open.conn.direction != EV_IN) continue;
    ours += open.conn.pid == id(getpid());
    theirs += open.conn.pid == id(other.pid());
  }
  EXPECT_GT(ours, 0U);
  EXPECT_GT(theirs, 0U);
  EXPECT_EQ(ours + theirs, 30U);
}

TEST_F(OwnerTest, HasTheNameOfTheProcessAndNotOfTheThread) {
  Child client([&] {
    prctl(PR_SET_NAME, "the-process");
    std::thread([&] {
      prctl(PR_SET_NAME, "a-thread");
      *cookie_ = connect_to({.port = listener_.port()}).cookie();
    }).join();
  });
  EXPECT_TRUE(client.join());
  ASSERT_TRUE(capture_.wait_for(EV_CONNECT, *cookie_));
  EXPECT_EQ(fixed_string(capture_.only<ev_open>(EV_CONNECT, *cookie_).conn.comm), "the-process");
}

TEST_F(OwnerTest, HasItsNameByteByByte) {
  constexpr char kName[EV_COMM_SIZE] = "\x1b[31m\n\"\\\xff\x01<&,";
  Child client([&] {
    prctl(PR_SET_NAME, kName);
    *cookie_ = connect_to({.port = listener_.port()}).cookie();
  });
  EXPECT_TRUE(client.join());
  ASSERT_TRUE(capture_.wait_for(EV_CONNECT, *cookie_));
  const ev_conn conn = capture_.only<ev_open>(EV_CONNECT, *cookie_).conn;
  EXPECT_EQ(fixed_string(conn.comm), std::string_view(kName));
}

TEST_F(OwnerTest, OfAnOlderSocketHasItsNameByteByByte) {
  constexpr char kName[EV_COMM_SIZE] = "\x1b[0m\r\t\x7f\xc3(";
  Signal ready, done;
  Child holder([&] {
    prctl(PR_SET_NAME, kName);
    const Socket client = connect_to({.port = listener_.port()});
    *cookie_ = client.cookie();
    ready.raise();
    done.wait();
  });
  ready.wait();
  Capture later(all_events());
  EXPECT_EQ(fixed_string(later.sample(*cookie_).conn.comm), std::string_view(kName));
  done.raise();
}

// A cgroup of our own, removed by a process that outlives us by a moment if need be.
class TestCgroup {
 public:
  TestCgroup() : name_("netsonde-test-" + std::to_string(getpid())) {
    std::ifstream mounts("/proc/mounts");
    std::string device, folder, type, rest;
    while (mounts >> device >> folder >> type && std::getline(mounts, rest))
      if (type == "cgroup2") path_ = folder + "/" + name_;
    if (path_.empty() || mkdir(path_.c_str(), 0755)) path_.clear();
    if (!path_.empty()) start_keeper();
  }
  ~TestCgroup() { rmdir(path_.c_str()); }

  bool exists() const { return !path_.empty(); }
  const std::string& name() const { return name_; }
  std::uint64_t id() const {
    struct stat status = {};
    must(stat(path_.c_str(), &status) == 0, "stat a cgroup");
    return status.st_ino;
  }
  void enter() const {
    std::ofstream file(path_ + "/cgroup.procs");
    file << getpid() << std::flush;
    must(file.good(), "enter a cgroup");
  }

 private:
  void start_keeper() {
    std::array<int, 2> ends{};
    must(pipe2(ends.data(), O_CLOEXEC) == 0, "make a pipe");
    alive_ = UniqueFd(ends[1]);
    if (fork() == 0) {
      close_range(0, static_cast<unsigned>(ends[0]) - 1, 0);
      close_range(static_cast<unsigned>(ends[0]) + 1, ~0U, 0);
      char nothing = 0;
      while (read(ends[0], &nothing, 1) < 0 && errno == EINTR) continue;
      rmdir(path_.c_str());
      _exit(0);
    }
    ::close(ends[0]);
  }

  std::string name_, path_;
  UniqueFd alive_;  // closed when this process ends, in whatever way
};

TEST_F(OwnerTest, HasItsCgroup) {
  const TestCgroup cgroup;
  if (!cgroup.exists()) GTEST_SKIP() << "no cgroup2 mounted, or read-only";
  Child client([&] {
    cgroup.enter();
    *cookie_ = connect_to({.port = listener_.port()}).cookie();
  });
  ASSERT_TRUE(client.join());
  ASSERT_TRUE(capture_.wait_for(EV_CONNECT, *cookie_));
  const ev_conn conn = capture_.only<ev_open>(EV_CONNECT, *cookie_).conn;
  EXPECT_EQ(conn.cgroup, cgroup.id());
  EXPECT_EQ(capture_.names().cgroup(conn.cgroup), "/" + cgroup.name());
}

}  // namespace
}  // namespace netsonde::test
