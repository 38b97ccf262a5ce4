// SPDX-License-Identifier: Apache-2.0
#include "tests/bpf/capture.h"

#include <algorithm>
#include <stdexcept>

#include "tests/bpf/sockets.h"
#include "user/sinks/table.h"

namespace netsonde::test {

namespace {

void must(const Result<>& result) {
  if (!result) throw std::runtime_error(result.error().message());
}

}  // namespace

LiveSettings all_events() {
  LiveSettings settings;
  settings.opens = true;
  settings.ring_bytes = 64 << 20;  // the rest of the host may be busy while a test does not drain
  return settings;
}

bool is_of(const Event& event, ev_kind kind, std::uint64_t cookie) {
  return header_of(event).kind == kind && (cookie == 0 || cookie_of(event) == cookie);
}

std::unique_ptr<Capture::Running>& Capture::idle() {
  static std::unique_ptr<Running> running;
  return running;
}

std::unique_ptr<Capture::Running> Capture::start(const LiveSettings& settings) {
  auto running = std::make_unique<Running>();
  auto live = Live::open(settings, running->names);
  if (!live) throw std::runtime_error(live.error().message());
  running->live = std::move(live).value();
  must(running->live->start());
  return running;
}

Capture::Capture() : running_(idle() ? std::move(idle()) : start(all_events())), reusable_(true) {
  must(live().drain([](const Event&) {}));
  namespaces_.insert(Namespace::current().inode());
}

Capture::Capture(const LiveSettings& settings) : running_(start(settings)) {
  namespaces_.insert(Namespace::current().inode());
}

Capture::~Capture() {
  if (reusable_) idle() = std::move(running_);
}

bool Capture::is_ours(const Event& event) const {
  if (const auto* count = std::get_if<ev_drop_count>(&event))
    return namespaces_.contains(count->key.netns);
  if (const auto* histogram = std::get_if<ev_histogram>(&event))
    return cookies_.contains(histogram->cookie);
  const ev_conn* conn = connection_of(event);
  // The model knows no connections but ours.
  return !conn || namespaces_.contains(conn->netns) || (conn->netns == 0 && store_.find(*conn));
}

void Capture::take(const Event& event) {
  if (!is_ours(event)) return;
  if (const ev_conn* conn = connection_of(event)) cookies_.insert(conn->cookie);
  events_.push_back(event);
  if (sink_) sink_->before_event(event, store_);
  store_.apply(event);
  if (sink_) must(sink_->on_event(event, store_));
  if (sink_ && std::holds_alternative<ev_tick>(event)) must(sink_->on_snapshot(Snapshot(store_)));
  for (const Event& derived : store_.take_derived()) events_.push_back(derived);
}

bool Capture::accept_tells() const {
  const auto is_accept = [](const std::string& name) { return name.starts_with("on_accept"); };
  return std::ranges::any_of(running_->live->outcomes(), [&](const HookOutcome& hook) {
    return std::ranges::any_of(hook.programs, is_accept);
  });
}

void Capture::drain() {
  must(live().drain(handler_));
}

void Capture::pass(bool complete) {
  must(live().pass({.connections = true, .complete = complete}, handler_));
}

bool Capture::wait(const std::function<bool()>& condition) {
  return wait_until([&] {
    drain();
    return condition();
  });
}

bool Capture::wait_for(ev_kind kind, std::uint64_t cookie, std::size_t count) {
  return wait([&] {
    std::size_t found = 0;
    for (const Event& event : events_) found += is_of(event, kind, cookie);
    return found >= count;
  });
}

std::string Capture::story(std::uint64_t cookie) const {
  std::string story;
  for (const Event& event : events_) {
    const auto kind = static_cast<ev_kind>(header_of(event).kind);
    if (cookie_of(event) != cookie || kind == EV_SAMPLE || kind == EV_HISTOGRAM) continue;
    story += (story.empty() ? "" : " ") + std::string(name_of(kind));
  }
  return story;
}

ev_sample Capture::sample(std::uint64_t cookie) {
  const std::size_t before = all<ev_sample>(EV_SAMPLE, cookie).size();
  std::vector<ev_sample> samples;
  errno = ETIMEDOUT;
  test::must(wait_until([&] {  // a pass gives up early when others fill the ring meanwhile
               pass();
               samples = all<ev_sample>(EV_SAMPLE, cookie);
               return samples.size() > before;
             }),
             "wait for a sample of the socket");
  return samples.back();
}

ev_sample Capture::close(std::uint64_t cookie) {
  if (!wait_for(EV_CLOSE, cookie)) throw std::runtime_error(why_unclosed(cookie));
  return only<ev_sample>(EV_CLOSE, cookie);
}

// A pass tells a socket that lives from one whose end was lost.
std::string Capture::why_unclosed(std::uint64_t cookie) {
  const std::string told = story(cookie);
  const std::size_t samples = all<ev_sample>(EV_SAMPLE, cookie).size();
  pass();
  const auto now = all<ev_sample>(EV_SAMPLE, cookie);
  const bool lives = now.size() > samples;
  const std::string lost = losses_text(tick());
  return "no close after \"" + told + "\": the socket " +
         (lives ? "is in " + std::string(state_name(now.back().conn.state)) : "is closed or gone") +
         "; lost: " + (lost.empty() ? "none" : lost);
}

}  // namespace netsonde::test
