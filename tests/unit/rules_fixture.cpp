// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/rules_fixture.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <iterator>

namespace netsonde {

namespace {

constexpr std::uint8_t kLastAck = 9;

void set_address(std::uint8_t (&address)[16], std::uint8_t last) {
  address[10] = address[11] = 0xff;
  address[12] = 10;
  address[15] = last;
}

}  // namespace

std::uint64_t at(double seconds) {
  return static_cast<std::uint64_t>((100 + seconds) * static_cast<double>(kSecond));
}

ev_sample connection(std::uint64_t cookie) {
  auto s = event<ev_sample>(EV_SAMPLE, 0);
  s.conn.cookie = cookie;
  set_address(s.conn.local, 1);
  set_address(s.conn.remote, 2);
  s.conn.local_port = static_cast<std::uint16_t>(50'000 + cookie);
  s.conn.remote_port = 443;
  s.conn.netns = 1;
  s.conn.start_ns = at(-50);
  s.conn.pid = 7;
  s.conn.owner = EV_OWNER_EXACT;
  s.conn.direction = EV_OUT;
  s.conn.state = s.old_state = kEstablished;
  std::strcpy(s.conn.comm, "client");
  std::strcpy(s.congestion, "cubic");
  s.established_ns = at(-49);
  s.pacing_rate = ~0ULL;
  s.min_rtt_us = 1000;
  s.srtt_us = 1000;
  s.mss = s.rcv_mss = s.advmss = kMss;
  s.cwnd = 10;
  s.ssthresh = 0x7fffffff;
  s.snd_wnd = s.rcv_wnd = 1 << 20;
  s.options = EV_OPT_TIMESTAMPS | EV_OPT_SACK | EV_OPT_WINDOW_SCALE;
  return s;
}

ev_sample opened(double seconds, std::uint64_t cookie) {
  ev_sample s = connection(cookie);
  s.conn.start_ns = at(seconds);
  s.established_ns = at(seconds) + kSecond / 1000;
  return s;
}

ev_sample closed(ev_sample s, double seconds, std::uint16_t error, std::uint8_t end) {
  s.header.kind = EV_CLOSE;
  s.header.time_ns = at(seconds);
  s.old_state = error || end ? kEstablished : kLastAck;
  s.conn.state = kClose;
  s.error = error;
  s.end = end;
  return s;
}

ev_sample other_end_of(const ev_sample& s, std::uint64_t cookie) {
  ev_sample other = connection(cookie);
  other.conn = s.conn;
  std::swap(other.conn.local, other.conn.remote);
  std::swap(other.conn.local_port, other.conn.remote_port);
  other.conn.cookie = cookie;
  other.conn.direction = EV_IN;
  other.conn.netns = 2;
  return other;
}

ev_sample listener(std::uint64_t cookie) {
  ev_sample s = connection(cookie);
  s.conn.direction = EV_LISTENER;
  s.conn.state = kListen;
  s.conn.local_port = 443;
  s.conn.remote_port = 0;
  std::fill(std::begin(s.conn.remote), std::end(s.conn.remote), std::uint8_t{0});
  std::strcpy(s.conn.comm, "server");
  s.backlog = 4;
  return s;
}

void World::know(const std::vector<ev_sample>& samples) {
  EXPECT_FALSE(begun_) << "the observation would begin anew";
  for (ev_sample s : samples) {
    s.header.kind = EV_SAMPLE;
    store_.apply(s);
  }
  auto tick = event<ev_tick>(EV_TICK, 0);
  tick.sampled = true;
  store_.apply(tick);
  observer_.begin(time_from_ns(at(0)), store_);
}

void World::happen(const Event& event) {
  begun_ = true;
  observer_.before_event(event, store_);
  store_.apply(event);
  ASSERT_TRUE(observer_.on_event(event, store_));
}

void World::look(double seconds) {
  auto tick = event<ev_tick>(EV_TICK, seconds);
  tick.sampled = true;
  happen(tick);
  ASSERT_TRUE(observer_.on_snapshot(Snapshot(store_)));
}

void World::step(ev_sample s, double seconds) {
  s.header.time_ns = at(seconds);
  s.segs_in += static_cast<std::uint32_t>(seconds * 100);
  happen(s);
  look(seconds);
}

void World::run(const std::vector<ev_sample>& ends, int looks) {
  std::vector<ev_sample> bases;
  for (const ev_sample& end : ends) {
    if (end.conn.start_ns >= at(0) || store_.find(end.conn.cookie)) continue;
    bases.push_back(connection(end.conn.cookie));
    bases.back().conn = end.conn;
  }
  if (!bases.empty()) know(bases);
  for (int second = 1; second <= looks; ++second) {
    for (ev_sample s : ends) {
      s.header.time_ns = at(second);
      s.segs_in += static_cast<std::uint32_t>(second);
      happen(s);
    }
    look(second);
  }
}

ev_conn World::conn_of(std::uint64_t cookie) const {
  const Connection* known = store_.find(cookie);
  return known ? known->last.conn : connection(cookie).conn;
}

void World::resend(double seconds, std::uint32_t sequence, std::uint32_t bytes, std::uint8_t kind,
                   std::uint64_t cookie) {
  auto resend = event<ev_retransmit>(EV_RETRANSMIT, seconds);
  resend.conn = conn_of(cookie);
  resend.segments = 1;
  resend.bytes = bytes;
  resend.sequence = sequence;
  resend.kind = kind;
  happen(resend);
}

void World::drop(double seconds, std::uint32_t reason, std::uint32_t sequence,
                 std::uint64_t location, std::uint64_t cookie) {
  auto drop = event<ev_drop>(EV_DROP, seconds);
  drop.conn = conn_of(cookie);
  drop.reason = reason;
  drop.location = location;
  drop.sequence = sequence;
  drop.length = kMss + 52;
  happen(drop);
}

void World::state(double seconds, const ev_congestion_state& change, std::uint64_t cookie) {
  ev_congestion_state state = change;
  state.header = event<ev_congestion_state>(EV_CONGESTION_STATE, seconds).header;
  state.conn = conn_of(cookie);
  happen(state);
}

std::vector<Finding> World::all() {
  const Snapshot snapshot(store_);
  Observation observation = observer_.observe(snapshot, Filter());
  if (has_host) observation.host = &host;
  return diagnose(observation).findings;
}

std::vector<Finding> World::found(std::string_view id) {
  std::vector<Finding> findings = all();
  std::erase_if(findings, [id](const Finding& finding) { return finding.id != id; });
  return findings;
}

Finding World::only(std::string_view id) {
  std::vector<Finding> findings = found(id);
  EXPECT_EQ(findings.size(), 1U) << id;
  if (findings.empty()) return {};
  EXPECT_FALSE(findings.front().text.empty()) << id;
  EXPECT_FALSE(findings.front().advice.empty()) << id;
  return findings.front();
}

std::string verdict(const Finding& finding) {
  return fmt::format("{} {} {}", name_of(finding.severity), name_of(finding.where),
                     name_of(finding.confidence));
}

std::string cost(const Finding& finding) {
  const Impact& impact = finding.impact;
  std::string text = fmt::format("connections={}", impact.connections);
  if (impact.bytes) text += fmt::format(" bytes={}", *impact.bytes);
  if (impact.segments) text += fmt::format(" segments={}", *impact.segments);
  if (impact.attempts) text += fmt::format(" attempts={}", *impact.attempts);
  if (impact.time) text += fmt::format(" ms={}", seconds(*impact.time * 1000));
  return text;
}

std::string tunables(const Finding& finding) {
  std::string text;
  for (const std::string_view tunable : finding.tunables) {
    if (!text.empty()) text += ", ";
    text += tunable.starts_with("net.") ? tunable.substr(4) : tunable;
  }
  return text;
}

std::string figures(const Finding& finding) {
  std::string text;
  for (const Evidence& figure : finding.evidence) {
    if (!text.empty()) text += ", ";
    std::visit([&](const auto& value) { text += fmt::format("{}={}", figure.field, value); },
               figure.value);
    if (figure.unit != Unit::None) text += fmt::format(" {}", unit_name(figure.unit));
  }
  return text;
}

void expect(std::string_view id, const ev_sample& from, std::initializer_list<Case> cases,
            int looks) {
  for (const Case& c : cases) {
    ev_sample s = from;
    c.change(s);
    World world;
    world.run({s}, looks);
    EXPECT_EQ(world.found(id).size(), c.findings) << id << ": " << c.is;
  }
}

}  // namespace netsonde
