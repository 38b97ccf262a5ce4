// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <map>
#include <stdexcept>

#include "tests/bpf/sandbox.h"
#include "tests/bpf/sockets.h"
#include "user/base/loop.h"
#include "user/base/text.h"
#include "user/capture/recording_files.h"
#include "user/replay.h"
#include "user/session.h"
#include "user/sinks/recorder.h"
#include "user/sinks/recording_writer.h"
#include "user/sinks/table.h"

namespace netsonde::test {
namespace {

constexpr std::size_t kClosedInTable = 1 << 16;
constexpr int kTicks = 10;

template <typename T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message());
  return std::move(result).value();
}
void must(const Result<>& result) {
  if (!result) throw std::runtime_error(result.error().message());
}

// What a table in JSON prints of a snapshot.
class Printed {
 public:
  std::string of(const Snapshot& snapshot) {
    char* text = nullptr;
    std::size_t size = 0;
    std::FILE* out = open_memstream(&text, &size);
    const Filter everything;
    TableSettings settings;
    settings.listeners = settings.json = true;
    must(Table(std::move(settings), everything, out).on_snapshot(snapshot));
    std::fclose(out);
    const std::string printed(text, size);
    std::free(text);
    return printed;
  }
};

// The tables of a live session, by their time since the epoch.
class LiveTables : public Sink {
 public:
  Result<> on_snapshot(const Snapshot& snapshot) override {
    tables[snapshot.realtime_ns()] = Printed().of(snapshot);
    return {};
  }
  std::map<std::int64_t, std::string> tables;
};

// A checkpoint with every third tick.
class ManyCheckpoints : public FrameOutput {
 public:
  explicit ManyCheckpoints(FrameOutput& out) : out_(out) {}
  bool offer(std::vector<FrameJob> jobs) override { return out_.offer(std::move(jobs)); }
  bool wants_checkpoint() const override { return ++asked_ % 3 == 0; }
  std::uint64_t dropped() const override { return out_.dropped(); }

 private:
  FrameOutput& out_;
  mutable int asked_ = 0;
};

class RecordingTest : public testing::Test {
 protected:
  ~RecordingTest() override { std::filesystem::remove(path_); }

  // One session that prints a table with every tick and records at the same time.
  std::map<std::int64_t, std::string> record() {
    const Filter everything;
    Session session = must(Session::open({.ring_bytes = 32 << 20,
                                          .interval = std::chrono::milliseconds(100),
                                          .opens = true,
                                          .read_host_every = std::chrono::milliseconds(100),
                                          .closed_limit = kClosedInTable},
                                         everything));
    session.live().want_all_histograms(true);
    recording::Origin origin{.program = "test",
                             .host = session.store().names().host,
                             .kernel = "",
                             .boot = "",
                             .run = "run",
                             .number = 0,
                             .began_ns = 0,
                             .realtime_offset_ns = realtime_offset_ns(),
                             .interval_ns = 100'000'000,
                             .filter = "",
                             .layouts = {}};
    origin.began_ns = kernel_now().time_since_epoch().count() + origin.realtime_offset_ns;
    origin.layouts.assign(recording::own_layouts().begin(), recording::own_layouts().end());
    auto writer = must(RecordingWriter::open({.path = path_, .replace = true}, origin));
    ManyCheckpoints output(*writer);
    Recorder recorder(everything, output);
    recorder.begin(session.store());
    LiveTables live;
    session.add_sink(recorder);
    session.add_sink(live);
    session.after_drain([this]() -> Result<> {
      talk();
      return {};
    });
    must(session.run_ticks(kTicks));
    recorder.finish();
    must(writer->finish(recorder.not_recorded()));
    EXPECT_EQ(recorder.not_recorded(), 0U);
    return live.tables;
  }

  // Something that changes with every tick, and connections that come and go.
  void talk() {
    exchange(kept_.client, kept_.server, 100, 1000);
    Pair pair = connected_pair(listener_);
    exchange(pair.client, pair.server, 10, 10);
    close_in_order(pair);
  }

  Namespace space_ = Namespace::create();
  Inside inside_{space_};
  Socket listener_ = listen_on();
  Pair kept_ = connected_pair(listener_);
  std::string path_ = "/tmp/recording-test-" + std::to_string(getpid()) + ".nsr";
};

TEST_F(RecordingTest, EveryTableOfAReplayIsTheOneThatTheLiveSessionShowed) {
  const auto live = record();
  ASSERT_EQ(live.size(), std::size_t{kTicks});
  int compared = 0;
  for (const auto& [time, table] : live) {
    Replay replay(must(open_recording(path_, false)).recording, {.linger_limit = kClosedInTable});
    const auto at = must(replay.snapshot_before(time));
    ASSERT_TRUE(at) << rfc3339(time);
    EXPECT_EQ(*at, time);
    must(replay.go_to(*at));
    EXPECT_EQ(Printed().of(replay.snapshot()), table) << rfc3339(time);
    EXPECT_NE(table.find("\"rx_bytes_per_s\":"), std::string::npos);
    ++compared;
  }
  EXPECT_EQ(compared, kTicks);
}

TEST_F(RecordingTest, ATimeBetweenTwoTicksShowsTheEarlierOne) {
  const auto live = record();
  const std::int64_t last = live.rbegin()->first, before = std::next(live.rbegin())->first;
  Replay replay(must(open_recording(path_, false)).recording, {.linger_limit = kClosedInTable});
  EXPECT_EQ(must(replay.snapshot_before((last + before) / 2)), before);
}

}  // namespace
}  // namespace netsonde::test
