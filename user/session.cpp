// SPDX-License-Identifier: Apache-2.0
#include "user/session.h"

#include <malloc.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>

#include "probes/name_resolver.h"
#include "user/capture/host_reader.h"
#include "user/feed.h"

namespace netsonde {

namespace {

constexpr Nanos kDrainEvery = std::chrono::milliseconds(50);
constexpr Nanos kRedrawAfter = std::chrono::milliseconds(100);
constexpr Nanos kCompleteEvery = std::chrono::seconds(30);
constexpr Nanos kMeasureFor = std::chrono::milliseconds(100);
constexpr Nanos kMeasureEvery = std::chrono::seconds(10);

std::string host_name() {
  std::array<char, 256> name{};
  gethostname(name.data(), name.size() - 1);
  return name.data();
}

std::uint64_t own_netns() {
  struct stat file = {};
  return stat("/proc/thread-self/ns/net", &file) == 0 ? file.st_ino : 0;
}

}  // namespace

struct Session::State {
  SessionSettings settings;
  Loop loop;
  NameResolver resolver{loop, [this](const Address& address, std::string name) {
                          feed.note(on_name(address, std::move(name)));
                        }};
  Feed feed;
  std::unique_ptr<Live> live;
  std::optional<HostReader> host_reader;
  HostSetup setup;
  Time host_due{};
  std::unique_ptr<Tui> tui;
  std::function<Result<>()> after_drain;
  std::function<Result<>()> when_started;
  Live::Handler handler = [this](const Event& event) { feed.take(event); };
  int tick_timer = -1;
  bool redraw_due = false;
  bool stopped = false;          // perhaps by the first pass, before the loop runs
  std::uint64_t ticks_left = 0;  // 0: no limit
  Time complete_due{};
  std::uint64_t records_lost = 0;
  std::map<std::uint64_t, std::uint32_t> histogram_wants;

  explicit State(const SessionSettings& chosen)
      : settings(chosen),
        feed({.linger_limit = chosen.closed_limit, .realtime_offset_ns = realtime_offset_ns()}) {}

  // Names come in bunches; one redraw shows them.
  Result<> on_name(const Address& address, std::string name) {
    if (!tui) return {};
    tui->on_name(address, std::move(name));
    if (std::exchange(redraw_due, true)) return {};
    return loop.after(kRedrawAfter, [this]() -> Result<> {
      redraw_due = false;
      tui->redraw();
      return {};
    });
  }

  Result<> drain() {
    TRY(live->drain(handler, true));
    if (after_drain) TRY(after_drain());
    return feed.outcome();
  }

  Result<> pass() {
    // Lost records may have left rows behind that a complete pass finds gone.
    const bool lost = feed.store().tick().lost[EV_LOST_RECORDS] != records_lost;
    records_lost = feed.store().tick().lost[EV_LOST_RECORDS];
    const Time now = kernel_now();
    const bool complete = settings.sample_connections && (lost || now >= complete_due);
    if (complete) complete_due = now + kCompleteEvery;
    TRY(live->pass(
        {.connections = settings.sample_connections, .complete = complete, .hurry = true},
        handler));
    TRY(update_wants());
    return feed.outcome();
  }

  // How the host is set up is read with the first look.
  void read_host() {
    const Time now = kernel_now();
    if (!host_reader || now < host_due) return;
    const bool first = host_due == Time{};
    host_due = now + settings.read_host_every - settings.interval / 2;
    std::vector<HostValue> values = host_reader->read();
    if (first) {
      setup = host_reader->read_slow();
      setup.values.push_back({"netns.inode", "", own_netns()});
    }
    values.insert(values.end(), setup.values.begin(), setup.values.end());
    feed.take_host(now, values);
  }

  Result<> update_wants() {
    if (!settings.deep && histogram_wants.empty()) return {};
    std::map<std::uint64_t, std::uint32_t> wants = histogram_wants;
    const Snapshot snapshot = feed.snapshot();
    if (settings.deep)
      for (const Connection* connection : snapshot.select(Snapshot::Connections))
        if (settings.deep->accepts(snapshot.row(*connection)))
          wants[connection->last.conn.cookie] |= EV_WANT_DEEP | EV_WANT_HISTOGRAM;
    return live->want(wants);
  }

  Result<> tick() {
    // A host too busy to keep the beat gets longer intervals, not two ticks in a row.
    const Time now = kernel_now();
    if (now - time_from_ns(feed.store().tick().header.time_ns) < settings.interval / 2) return {};
    TRY(pass());
    read_host();
    feed.give_snapshot();
    TRY(feed.outcome());
    if (ticks_left && --ticks_left == 0) loop.stop();
    return {};
  }

  Result<> set_interval(Nanos interval) {
    settings.interval = interval;
    return tick_timer < 0 ? Result<>() : loop.set_interval(tick_timer, interval);
  }

  Result<> measure() {
    TRY(live->begin_measuring());
    return loop.after(kMeasureFor, [this]() -> Result<> {
      live->end_measuring();
      return loop.after(kMeasureEvery, [this] { return measure(); });
    });
  }

  // Before loading, which takes a while: whoever stops us then gets an orderly end too.
  Result<> take_signals() {
    return loop.take_signals(
        [this]() -> Result<> {
          stopped = true;
          loop.stop();
          return {};
        },
        [this]() -> Result<> { return tui ? tui->on_resize() : Result<>(); });
  }

  Result<> start() {
    TRY(live->start());
    malloc_trim(0);  // loading needed megabytes that running does not
    TRY(loop.watch(live->fd(), [this] { return drain(); }));
    if (after_drain) TRY(loop.every(kDrainEvery, [this] { return drain(); }));
    if (settings.measure_cost) TRY(loop.after(kMeasureFor, [this] { return measure(); }));
    TRY(pass());
    read_host();
    if (settings.duration)
      TRY(loop.after(*settings.duration, [this]() -> Result<> {
        loop.stop();
        return {};
      }));
    if (when_started) TRY(when_started());
    // The first interval begins where that pass ended, however long it took.
    tick_timer = TRY(loop.every(settings.interval, [this] { return tick(); }));
    return {};
  }
};

Session::Session(std::unique_ptr<State> state) : state_(std::move(state)) {}
Session::Session(Session&&) noexcept = default;
Session::~Session() = default;

Result<Session> Session::open(const SessionSettings& settings, const Filter& filter) {
  auto state = std::make_unique<State>(settings);
  state->feed.names().host = host_name();
  state->loop = TRY(Loop::open());
  TRY(state->take_signals());
  LiveSettings live{.ring_bytes = settings.ring_bytes,
                    .opens = settings.opens,
                    .symbols_first = settings.symbols_first,
                    .deep = settings.deep != nullptr};
  const auto cgroups = CgroupRoot::open();
  live.filter = filter.kernel_part(
      [&cgroups](std::string_view path) { return cgroups ? cgroups.value().id_of(path) : 0; });
  state->live = TRY(Live::open(live, state->feed.names()));
  if (settings.read_host_every > Nanos(0)) state->host_reader = TRY(HostReader::open());
  return Session(std::move(state));
}

void Session::add_sink(Sink& sink) {
  state_->feed.add_sink(sink);
}

void Session::after_drain(std::function<Result<>()> function) {
  state_->after_drain = std::move(function);
}

void Session::when_started(std::function<Result<>()> function) {
  state_->when_started = std::move(function);
}

Result<> Session::watch(int fd, std::function<Result<>()> function) {
  return state_->loop.watch(fd, std::move(function));
}

Loop& Session::loop() {
  return state_->loop;
}

Result<> Session::drain() {
  return state_->drain();
}

Result<> Session::show(TuiSettings settings) {
  State* state = state_.get();
  TuiActions actions;
  actions.quit = [state] { state->loop.stop(); };
  actions.set_interval = [state](Nanos interval) { return state->set_interval(interval); };
  actions.want_histograms = [state](const std::vector<std::uint64_t>& cookies) {
    state->histogram_wants.clear();
    for (const std::uint64_t cookie : cookies) state->histogram_wants[cookie] = EV_WANT_HISTOGRAM;
    state->feed.note(state->update_wants());
  };
  actions.resolve = [state](const Address& address) {
    state->feed.note(state->resolver.resolve(address));
  };
  state->tui = TRY(Tui::open(std::move(settings), std::move(actions)));
  state->feed.add_sink(*state->tui);
  return state->loop.watch(STDIN_FILENO, [state] { return state->tui->on_input(); });
}

Result<> Session::run() {
  TRY(state_->start());
  if (state_->tui) TRY(state_->tui->on_snapshot(state_->feed.snapshot()));
  if (!state_->stopped) TRY(state_->loop.run());
  state_->live->detach();  // else a flood would go on while the last of it is told
  TRY(state_->live->drain(state_->handler));
  TRY(state_->pass());
  state_->host_due = Time{} + Nanos(1);
  state_->read_host();
  return {};
}

Result<> Session::run_ticks(std::uint64_t ticks) {
  state_->ticks_left = ticks;
  TRY(state_->start());
  return state_->loop.run();
}

void Session::stop() {
  state_->stopped = true;
  state_->loop.stop();
}
Result<> Session::set_interval(Nanos interval) {
  return state_->set_interval(interval);
}

Live& Session::live() {
  return *state_->live;
}
const Store& Session::store() const {
  return state_->feed.store();
}
Snapshot Session::snapshot() const {
  return state_->feed.snapshot();
}
std::uint64_t Session::host_values_unreadable() const {
  return state_->host_reader ? state_->host_reader->unreadable() : 0;
}

}  // namespace netsonde
