// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <list>
#include <random>
#include <unordered_map>

#include "tests/bpf/capture.h"
#include "tests/bpf/process.h"
#include "tests/bpf/sockets.h"
#include "user/base/loop.h"

namespace netsonde::test {
namespace {

constexpr std::size_t kMost = 20'000;
constexpr int kClients = 4;
constexpr int kWorkers = 3;

// What one end of a connection says of itself.
struct Truth {
  std::uint64_t cookie;
  std::uint64_t sent, received;
  pid_t pid;
  bool is_client;
};

struct Book {
  std::atomic<std::size_t> begun{0}, written{0};
  std::array<Truth, 2 * kMost> rows{};
};

struct Request {
  std::uint32_t more;   // bytes that follow
  std::uint32_t reply;  // bytes that are wanted back
};

void write_down(Book& book, const Socket& socket, std::uint64_t sent, std::uint64_t received,
                bool is_client) {
  book.rows[book.written++] = {.cookie = socket.cookie(),
                               .sent = sent,
                               .received = received,
                               .pid = getpid(),
                               .is_client = is_client};
}

void serve(Book& book, const Socket& listener) {
  while (true) {
    const Socket client = listener.accept();
    Request request = {};
    std::memcpy(&request, client.receive(sizeof(request)).data(), sizeof(request));
    client.receive(request.more);
    client.send(std::string(request.reply, 'a'));
    write_down(book, client, request.reply, sizeof(request) + request.more, false);
  }
}

void ask(Book& book, std::uint16_t port, std::size_t connections) {
  std::minstd_rand random(static_cast<unsigned>(getpid()));
  std::uniform_int_distribution<std::uint32_t> size(1, 4000);
  while (book.begun++ < connections) {
    const Socket server = connect_to({.port = port});
    const Request request = {.more = size(random), .reply = size(random)};
    std::string bytes(sizeof(request) + request.more, 'q');
    std::memcpy(bytes.data(), &request, sizeof(request));
    server.send(bytes);
    server.receive(request.reply);
    write_down(book, server, bytes.size(), request.reply, true);
  }
}

std::size_t connections_to_make() {
  const char* wanted = std::getenv("NETSONDE_TEST_CONNECTIONS");
  const std::size_t usual = is_slow_machine() ? 3000 : kMost;
  return wanted ? std::min<std::size_t>(std::strtoul(wanted, nullptr, 10), kMost) : usual;
}

// Many short connections between several processes, once for all tests of this suite.
class CompletenessTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    space_ = new Namespace(Namespace::create());
    const Inside inside(*space_);
    book_ = new Shared<Book>();
    connections_ = connections_to_make();
    const Socket listener = listen_on({}, 4096);
    std::list<Child> workers, clients;
    for (int i = 0; i < kWorkers; ++i) workers.emplace_back([&] { serve(**book_, listener); });
    LiveSettings settings;       // as the live view has it: closes, no opens
    settings.filter.any = true;  // the rest of the host may be busier than we can follow
    settings.filter.conditions.netns = space_->inode();
    settings.ring_bytes = 64 << 20;  // this is about what is seen, not about how fast we read
    capture_ = new Capture(settings);
    settings.opens = true;
    tracing_ = new Capture(settings);
    const Time begin = kernel_now();
    for (int i = 0; i < kClients; ++i)
      clients.emplace_back([&] { ask(**book_, listener.port(), connections_); });
    capture_->wait([] { return (*book_)->written >= 2 * connections_; });
    seconds_ = seconds(kernel_now() - begin);
    for (Child& client : clients) EXPECT_TRUE(client.join());
    capture_->wait([] { return count_closes(*capture_) >= 2 * connections_; });
    tracing_->wait([] { return count_closes(*tracing_) >= 2 * connections_; });
    opens_ = kernel_counter("TcpActiveOpens");
    accepts_ = kernel_counter("TcpPassiveOpens");
    workers.clear();
    capture_->pass();
    by_cookie_ = closes_of(*capture_);
  }

  static void TearDownTestSuite() {
    delete capture_;
    delete tracing_;
    delete book_;
    delete space_;
  }

  using Closes = std::unordered_multimap<std::uint64_t, ev_sample>;

  static std::size_t count_closes(Capture& capture) {
    return static_cast<std::size_t>(std::ranges::count_if(
        capture.events(), [](const Event& e) { return is_of(e, EV_CLOSE, 0); }));
  }

  static Closes closes_of(Capture& capture) {
    Closes closes;
    for (const ev_sample& close : capture.all<ev_sample>(EV_CLOSE))
      closes.emplace(close.conn.cookie, close);
    return closes;
  }

  // Of one side: how many connections its own book shows, and how many of these our record puts
  // down to the same process.
  static std::pair<std::size_t, std::size_t> attributed(bool client_side, const Closes& closes) {
    std::size_t all = 0, right = 0;
    for (const Truth& truth : rows()) {
      if (truth.is_client != client_side) continue;
      ++all;
      const auto found = closes.find(truth.cookie);
      right +=
          found != closes.end() && found->second.conn.pid == static_cast<std::uint32_t>(truth.pid);
    }
    return {right, all};
  }

  static std::span<const Truth> rows() {
    return std::span(std::as_const((*book_)->rows)).first((*book_)->written);
  }

  static inline Namespace* space_ = nullptr;
  static inline Shared<Book>* book_ = nullptr;
  static inline Capture* capture_ = nullptr;  // as the live view has it
  static inline Capture* tracing_ = nullptr;  // with accept(), and so other hooks for the owner
  static inline std::size_t connections_ = 0;
  static inline std::uint64_t opens_ = 0, accepts_ = 0;
  static inline double seconds_ = 0;
  static inline Closes by_cookie_;
};

TEST_F(CompletenessTest, EveryEndOfEveryConnectionClosesExactlyOnce) {
  std::cout << "  " << connections_ << " connections in " << seconds_ << " s, " << by_cookie_.size()
            << " close records\n";
  EXPECT_EQ(opens_, connections_);
  EXPECT_GE(accepts_, connections_);  // two processors may make the same one; one is thrown away
  EXPECT_EQ(rows().size(), 2 * connections_);
  EXPECT_EQ(by_cookie_.size(), 2 * connections_);
  std::size_t missing = 0, twice = 0;
  for (const Truth& truth : rows()) {
    missing += by_cookie_.count(truth.cookie) == 0;
    twice += by_cookie_.count(truth.cookie) > 1;
  }
  EXPECT_EQ(missing, 0U);
  EXPECT_EQ(twice, 0U);
}

TEST_F(CompletenessTest, EveryCloseHasTheBytesThatTheProcessesCounted) {
  std::size_t wrong = 0;
  for (const Truth& truth : rows()) {
    const auto found = by_cookie_.find(truth.cookie);
    if (found == by_cookie_.end()) continue;
    wrong += found->second.tx_bytes != truth.sent || found->second.rx_bytes != truth.received;
  }
  std::cout << "  " << rows().size() - wrong << " of " << rows().size()
            << " with the right bytes\n";
  EXPECT_EQ(wrong, 0U);
}

TEST_F(CompletenessTest, EveryClientHasItsProcess) {
  const auto [right, all] = attributed(true, by_cookie_);
  std::cout << "  " << right << " of " << all << " clients with the right process\n";
  EXPECT_EQ(right, all);
}

TEST_F(CompletenessTest, AServersConnectionHasTheWorkerThatTookIt) {
  const auto [right, all] = attributed(false, by_cookie_);
  std::cout << "  " << right << " of " << all << " servers with the right process\n";
  EXPECT_GE(right * 1000, all * 999);
}

TEST_F(CompletenessTest, ATraceKnowsTheWorkerToo) {
  const auto [right, all] = attributed(false, closes_of(*tracing_));
  std::cout << "  " << right << " of " << all << " servers with the right process in a trace\n";
  EXPECT_GE(right * 1000, all * 999);
}

TEST_F(CompletenessTest, NothingIsCountedAsLost) {
  for (int cause = 0; cause < EV_LOSSES; ++cause)
    if (cause != EV_LOST_RATE && cause != EV_LOST_MISSED) {  // may be others', on this host
      EXPECT_EQ(capture_->tick().lost[cause], 0U) << "cause " << cause;
    }
}

}  // namespace
}  // namespace netsonde::test
