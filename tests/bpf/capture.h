// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tests/bpf/sandbox.h"
#include "user/capture/live.h"
#include "user/model/snapshot.h"

namespace netsonde::test {

// The settings that most tests want: every event there is.
LiveSettings all_events();

// The running kernel's events of chosen network namespaces, and what the model makes of them. The
// programs are global, and other processes make traffic meanwhile: what is theirs is left out.
class Capture {
 public:
  // With all_events(), of the thread's namespace alone. Programs that an earlier test started may
  // go on in this one, since loading takes longer than most tests.
  Capture();
  // Starts programs of its own, which take up the sockets that are open now.
  explicit Capture(const LiveSettings& settings);
  ~Capture();
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;

  void also(const Namespace& space) { namespaces_.insert(space.inode()); }

  // What follows goes to the sink too, which outlives this object.
  void tell(Sink& sink) { sink_ = &sink; }

  // Takes what is there.
  void drain();
  // Reads all sockets, or those alone to which something happened since their last sample.
  void pass(bool complete = true);
  // Drains until the condition holds; false at the deadline.
  bool wait(const std::function<bool()>& condition);
  // Drains until so many events of the kind belong to the cookie (0: to any).
  bool wait_for(ev_kind kind, std::uint64_t cookie = 0, std::size_t count = 1);

  const std::vector<Event>& events() const { return events_; }
  // All events of T, in their order, of one kind and cookie (0: of any).
  template <typename T>
  std::vector<T> all(ev_kind kind, std::uint64_t cookie = 0) const;
  // The only such event; ends the test when there are others or none.
  template <typename T>
  T only(ev_kind kind, std::uint64_t cookie = 0) const;
  // The names of the events of a cookie in their order, without samples: "connect established".
  std::string story(std::uint64_t cookie) const;
  // The newest sample of a live socket, after a pass().
  ev_sample sample(std::uint64_t cookie);
  // The close of a socket, once it came; without one the test ends with what is known instead.
  ev_sample close(std::uint64_t cookie);

  // Whether accept() itself tells the owner here, not the first use of what it gave.
  bool accept_tells() const;

  const Store& store() const { return store_; }
  const Names& names() const { return running_->names; }
  Live& live() { return *running_->live; }
  // Since the start, by cause; of the whole host. As of the last pass().
  const ev_tick& tick() const { return store_.tick(); }

 private:
  struct Running {
    Names names;
    std::unique_ptr<Live> live;
  };

  static std::unique_ptr<Running> start(const LiveSettings& settings);
  // What the next test may go on with.
  static std::unique_ptr<Running>& idle();

  void take(const Event& event);
  bool is_ours(const Event& event) const;
  std::string why_unclosed(std::uint64_t cookie);

  std::unique_ptr<Running> running_;
  bool reusable_ = false;
  Store store_{&running_->names};
  std::set<std::uint32_t> namespaces_;
  std::set<std::uint64_t> cookies_;  // ours; histograms carry nothing else
  Live::Handler handler_ = [this](const Event& event) { take(event); };
  std::vector<Event> events_;
  Sink* sink_ = nullptr;
};

bool is_of(const Event& event, ev_kind kind, std::uint64_t cookie);

template <typename T>
std::vector<T> Capture::all(ev_kind kind, std::uint64_t cookie) const {
  std::vector<T> found;
  for (const Event& event : events_)
    if (is_of(event, kind, cookie)) found.push_back(std::get<T>(event));
  return found;
}

template <typename T>
T Capture::only(ev_kind kind, std::uint64_t cookie) const {
  const std::vector<T> found = all<T>(kind, cookie);
  errno = ENOENT;
  must(found.size() == 1, "exactly one event \"" + std::string(name_of(kind)) + "\", not " +
                              std::to_string(found.size()));
  return found[0];
}

}  // namespace netsonde::test
