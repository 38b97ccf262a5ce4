// SPDX-License-Identifier: Apache-2.0
// path NETNS NETNS DELAY_MS MBIT LOSS_PERCENT QUEUE_KB [SEED]   A path between two network
// namespaces (files below /run/netns): 10.8.0.1 at the first, 10.8.0.2 at the other, each on a
// device path0. Each way: a queue of so many bytes that drops at its tail, a rate, random loss, a
// delay. Prints "up" when it carries; ends on SIGTERM with one line of counts.
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <deque>
#include <random>
#include <string>
#include <vector>

namespace {

using Nanoseconds = long long;
constexpr std::size_t kLargest = 2048;
constexpr int kAtOnce = 64;

[[noreturn]] void fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

Nanoseconds now() {
  timespec time = {};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1'000'000'000LL + time.tv_nsec;
}

// In a namespace, with an address, up.
int device_in(const std::string& space, const std::string& address) {
  const int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  const int there = open(("/run/netns/" + space).c_str(), O_RDONLY | O_CLOEXEC);
  if (home < 0 || there < 0 || setns(there, CLONE_NEWNET)) fail(space.c_str());
  const int device = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  ifreq request = {};
  std::strcpy(request.ifr_name, "path0");
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  if (device < 0 || ioctl(device, TUNSETIFF, &request)) fail("make a device");
  const std::string set_up = "ip address add " + address +
                             "/24 dev path0 && "
                             "ip link set path0 up mtu 1500 txqueuelen 2000";
  if (std::system(set_up.c_str())) std::exit(1);
  if (setns(home, CLONE_NEWNET)) fail("return");
  close(there);
  close(home);
  return device;
}

struct Shape {
  Nanoseconds delay = 0;
  double bits_per_ns = 0, loss = 0, queue_bytes = 0;
};

struct Packet {
  Nanoseconds due = 0;
  std::vector<char> bytes;
};

// One direction: what comes in here goes out there.
class Way {
 public:
  Way(int in, int out, const Shape& shape, unsigned seed)
      : in_(in), out_(out), shape_(shape), random_(seed) {}

  int in() const { return in_; }

  void take() {
    std::array<char, kLargest> buffer{};
    for (int i = 0; i < kAtOnce; ++i) {
      const ssize_t length = read(in_, buffer.data(), buffer.size());
      if (length <= 0) return;
      enqueue({buffer.data(), buffer.data() + length});
    }
  }

  // When the next one is due; absent: never.
  Nanoseconds deliver() {
    while (!packets_.empty() && packets_.front().due <= now()) {
      const std::vector<char>& bytes = packets_.front().bytes;
      delivered_ += write(out_, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size());
      packets_.pop_front();
    }
    return packets_.empty() ? -1 : packets_.front().due;
  }

  std::string counts() const {
    return "delivered " + std::to_string(delivered_) + " lost " + std::to_string(lost_) +
           " queue_full " + std::to_string(full_);
  }

 private:
  void enqueue(std::vector<char> bytes) {
    if (std::uniform_real_distribution<double>(0, 1)(random_) < shape_.loss) {
      ++lost_;
      return;
    }
    const Nanoseconds time = now(), start = std::max(time, busy_until_);
    const auto size = static_cast<double>(bytes.size());
    const double waiting = static_cast<double>(start - time) * shape_.bits_per_ns / 8;
    if (waiting + size > shape_.queue_bytes) {
      ++full_;
      return;
    }
    busy_until_ = start + static_cast<Nanoseconds>(size * 8 / shape_.bits_per_ns);
    packets_.push_back({busy_until_ + shape_.delay, std::move(bytes)});
  }

  int in_, out_;
  Shape shape_;
  std::mt19937_64 random_;
  Nanoseconds busy_until_ = 0;
  std::deque<Packet> packets_;
  long delivered_ = 0, lost_ = 0, full_ = 0;
};

// Punctual, whatever else this host does.
void be_punctual() {
  mlockall(MCL_CURRENT | MCL_FUTURE);
  const sched_param priority{.sched_priority = 10};
  if (sched_setscheduler(0, SCHED_FIFO, &priority)) std::perror("path: not punctual");
}

int request_to_end() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT}) sigaddset(&signals, signal);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  return signalfd(-1, &signals, SFD_CLOEXEC);
}

void carry(std::array<Way, 2>& ways, int end) {
  for (;;) {
    for (Way& way : ways) way.take();
    Nanoseconds next = now() + 1'000'000'000;
    for (Way& way : ways)
      if (const Nanoseconds due = way.deliver(); due >= 0) next = std::min(next, due);
    const Nanoseconds wait = std::max(next - now(), 0LL);
    const timespec time{.tv_sec = wait / 1'000'000'000, .tv_nsec = wait % 1'000'000'000};
    std::array<pollfd, 3> fds{
        {{ways[0].in(), POLLIN, 0}, {ways[1].in(), POLLIN, 0}, {end, POLLIN, 0}}};
    if (ppoll(fds.data(), fds.size(), &time, nullptr) < 0 && errno != EINTR) fail("wait");
    if (fds[2].revents) return;
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 7) {
    std::fprintf(stderr, "usage: path NETNS NETNS DELAY_MS MBIT LOSS_PERCENT QUEUE_KB [SEED]\n");
    return 2;
  }
  const Shape shape{.delay = static_cast<Nanoseconds>(std::atof(argv[3]) * 1e6),
                    .bits_per_ns = std::atof(argv[4]) / 1e3,
                    .loss = std::atof(argv[5]) / 100,
                    .queue_bytes = std::atof(argv[6]) * 1024};
  const auto seed = static_cast<unsigned>(argc > 7 ? std::atoi(argv[7]) : 1);
  const int first = device_in(argv[1], "10.8.0.1"), second = device_in(argv[2], "10.8.0.2");
  std::array<Way, 2> ways{Way(first, second, shape, seed), Way(second, first, shape, seed + 1)};
  const int end = request_to_end();
  be_punctual();
  std::puts("up");
  std::fflush(stdout);
  carry(ways, end);
  std::printf("%s; %s\n", ways[0].counts().c_str(), ways[1].counts().c_str());
  return 0;
}
