// SPDX-License-Identifier: Apache-2.0
#include "tests/bpf/long_path.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <queue>
#include <random>
#include <string>
#include <vector>

#include "user/base/loop.h"

namespace netsonde::test {

namespace {

UniqueFd open_device(const Namespace& space, const std::string& address, const std::string& peer) {
  const Inside inside(space);
  set_ipv4("../ipv6/conf/default/disable_ipv6", "1");  // no packets but the tests' own
  UniqueFd device(open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC));
  must(static_cast<bool>(device), "open /dev/net/tun");
  ifreq request = {};
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  std::strcpy(request.ifr_name, "path");
  must(ioctl(device.get(), TUNSETIFF, &request) == 0, "make a TUN device");
  run("/sbin/ip address add " + address + " peer " + peer + " dev path");
  run("/sbin/ip link set path up txqueuelen 10000");
  return device;
}

struct Packet {
  std::int64_t release_ns;
  std::uint64_t number;
  std::vector<std::uint8_t> bytes;
  bool operator>(const Packet& other) const {
    return release_ns != other.release_ns ? release_ns > other.release_ns : number > other.number;
  }
};

std::int64_t now_ns() {
  return kernel_now().time_since_epoch().count();
}

// The internet checksum's change when one 16-bit word changes (RFC 1624).
void replace_word(std::uint8_t* checksum, std::uint16_t before, std::uint16_t after) {
  std::uint32_t sum = static_cast<std::uint16_t>(~(checksum[0] << 8 | checksum[1]));
  sum += static_cast<std::uint16_t>(~before) + std::uint32_t{after};
  sum = (sum & 0xffff) + (sum >> 16);
  sum = static_cast<std::uint16_t>(~((sum & 0xffff) + (sum >> 16)));
  checksum[0] = static_cast<std::uint8_t>(sum >> 8);
  checksum[1] = static_cast<std::uint8_t>(sum);
}

void set_byte(std::vector<std::uint8_t>& packet, std::size_t at, std::uint8_t value,
              std::size_t word_base, std::size_t checksum) {
  const std::size_t word = at - (at - word_base) % 2;
  const auto before = static_cast<std::uint16_t>(packet[word] << 8 | packet[word + 1]);
  packet[at] = value;
  const auto after = static_cast<std::uint16_t>(packet[word] << 8 | packet[word + 1]);
  replace_word(&packet[checksum], before, after);
}

// Window scaling and timestamps become padding.
void strip_options(std::vector<std::uint8_t>& packet) {
  constexpr std::uint8_t kSyn = 2, kEnd = 0, kNop = 1, kScale = 3, kTimestamps = 8;
  const std::size_t tcp = std::size_t{4} * (packet[0] & 15);
  if (packet[9] != 6 || packet.size() < tcp + 20 || !(packet[tcp + 13] & kSyn)) return;
  const std::size_t end = std::min(tcp + std::size_t{4} * (packet[tcp + 12] >> 4), packet.size());
  for (std::size_t at = tcp + 20; at < end && packet[at] != kEnd;) {
    const std::size_t length = packet[at] == kNop ? 1 : std::max<std::size_t>(packet[at + 1], 2);
    if (packet[at] == kScale || packet[at] == kTimestamps)
      for (std::size_t i = at; i < std::min(at + length, end); ++i)
        set_byte(packet, i, kNop, tcp, tcp + 16);
    at += length;
  }
}

// One direction: a bottleneck with a queue that drops at its end, then the way.
class Direction {
 public:
  Direction(int from, int to, const PathShape& shape, bool lossy)
      : from_(from), to_(to), shape_(shape), lossy_(lossy), random_(from) {}

  // The time when the next packet is due; 0: none waits.
  std::int64_t move() {
    take();
    while (!waiting_.empty() && waiting_.top().release_ns <= now_ns()) {
      const auto& bytes = waiting_.top().bytes;
      (void)!write(to_, bytes.data(), bytes.size());
      waiting_.pop();
    }
    return waiting_.empty() ? 0 : waiting_.top().release_ns;
  }

 private:
  void take() {
    std::array<std::uint8_t, 65'536> buffer;
    for (ssize_t size; (size = read(from_, buffer.data(), buffer.size())) > 0;)
      if (buffer[0] >> 4 == 4) admit({buffer.begin(), buffer.begin() + size});
  }

  std::uint32_t chance(std::uint32_t below) {
    return std::uniform_int_distribution<std::uint32_t>(0, below - 1)(random_);
  }

  void admit(std::vector<std::uint8_t> bytes) {
    if (bytes.size() > shape_.largest || (lossy_ && chance(1000) < shape_.lost_per_mille)) return;
    if (shape_.clears_ecn && (bytes[1] & 3)) set_byte(bytes, 1, bytes[1] & 0xfc, 0, 10);
    if (shape_.strips_options) strip_options(bytes);
    const std::int64_t now = now_ns();
    std::int64_t leaves = now;
    if (const std::uint64_t rate = shape_.bits_per_second) {
      free_ns_ = std::max(free_ns_, now);
      const auto queued = static_cast<double>(free_ns_ - now) * static_cast<double>(rate) / 8e9;
      if (queued > shape_.queue_bytes) return;
      free_ns_ += static_cast<std::int64_t>(static_cast<double>(bytes.size()) * 8e9 /
                                            static_cast<double>(rate));
      leaves = free_ns_;
    }
    leaves += std::int64_t{shape_.delay_us} * 1000;
    if (const std::uint32_t jitter = shape_.jitter_us)
      leaves += std::int64_t{chance(jitter)} * 1000;
    waiting_.push({leaves, ++number_, std::move(bytes)});
  }

  int from_, to_;
  const PathShape& shape_;
  bool lossy_;
  std::minstd_rand random_;
  std::int64_t free_ns_ = 0;
  std::uint64_t number_ = 0;
  std::priority_queue<Packet, std::vector<Packet>, std::greater<>> waiting_;
};

[[noreturn]] void move_packets(int near, int far, const PathShape& shape) {
  const sched_param priority = {.sched_priority = 10};
  sched_setscheduler(0, SCHED_FIFO, &priority);  // where allowed: what is late looks like delay
  Direction there(near, far, shape, true), back(far, near, shape, false);
  for (;;) {
    std::int64_t due = 0;
    for (Direction* direction : {&there, &back})
      if (const std::int64_t next = direction->move(); next && (!due || next < due)) due = next;
    const std::int64_t wait = due ? std::max<std::int64_t>(due - now_ns(), 0) : 1'000'000'000;
    const timespec timeout = {.tv_sec = wait / 1'000'000'000, .tv_nsec = wait % 1'000'000'000};
    std::array<pollfd, 2> polled = {pollfd{near, POLLIN, 0}, pollfd{far, POLLIN, 0}};
    ppoll(polled.data(), polled.size(), &timeout, nullptr);
  }
}

}  // namespace

LongPath::LongPath()
    : near_device_(open_device(near_, kNear, kFar)),
      far_device_(open_device(far_, kFar, kNear)),
      mover_([this] { move_packets(near_device_.get(), far_device_.get(), *shape_); }) {}

Socket LongPath::listen_far(int backlog) const {
  const Inside inside(far_);
  return listen_on({.address = kFar}, backlog);
}

}  // namespace netsonde::test
