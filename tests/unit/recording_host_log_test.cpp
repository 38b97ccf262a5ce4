// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "tests/unit/recording_fixture.h"
#include "user/model/recording/format.h"
#include "user/model/recording/host_log.h"

namespace netsonde::recording {
namespace {

using ::testing::ElementsAre;
using Values = std::vector<HostValue>;

class RecordingHostLogTest : public ::testing::Test {
 protected:
  // The record of a reading.
  Decoded write(const Values& values) {
    Batch batch;
    writer_.add(batch, time_from_ns(++now_), values);
    return only(batch);
  }
  Decoded write_all() {
    Batch batch;
    writer_.add_all(batch);
    return only(batch);
  }
  static Decoded only(const Batch& batch) {
    EXPECT_EQ(batch.count(), 1U);
    const Translation same = Translation::of(own_layouts());
    return all_of(Records::decode(batch.encode(), same).value()).at(0);
  }
  std::optional<Values> read(const Decoded& record) {
    const auto reading = reader_.take(record.kind, record.bytes).value();
    if (!reading) return std::nullopt;
    return Values(reading->values.begin(), reading->values.end());
  }

  HostLogWriter writer_;
  HostLogReader reader_;
  std::uint64_t now_ = 0;
  const Values first_ = {{"a", "", 1}, {"b", "eth0", ~0ULL}, {"c", "\xff\n", 300}};
};

TEST_F(RecordingHostLogTest, TheFirstReadingIsWhole) {
  const Decoded record = write(first_);
  EXPECT_EQ(record.kind, kHostAll);
  EXPECT_EQ(read(record), first_);
}

TEST_F(RecordingHostLogTest, TheNextOneTellsWhatChanged) {
  read(write(first_));
  Values next = first_;
  next[1].value = 0;  // past the largest number
  next[2].value = 7;  // and backwards
  const Decoded record = write(next);
  EXPECT_EQ(record.kind, kHostNews);
  EXPECT_EQ(read(record), next);
}

TEST_F(RecordingHostLogTest, WhereNothingChangedTheReadingIsTheSame) {
  read(write(first_));
  EXPECT_EQ(read(write(first_)), first_);
}

TEST_F(RecordingHostLogTest, OtherNamesMakeAWholeReading) {
  read(write(first_));
  Values renamed = first_;
  renamed[1].instance = "eth1";
  const Decoded record = write(renamed);
  EXPECT_EQ(record.kind, kHostAll);
  EXPECT_EQ(read(record), renamed);
}

TEST_F(RecordingHostLogTest, FewerValuesMakeAWholeReading) {
  read(write(first_));
  EXPECT_EQ(read(write({first_[0]})), Values{first_[0]});
}

TEST_F(RecordingHostLogTest, BehindAMissingReadingItWaitsForAWholeOne) {
  read(write(first_));
  Values next = first_;
  next[0].value = 5;
  write(next);
  next[0].value = 6;
  EXPECT_FALSE(read(write(next)));
  EXPECT_EQ(read(write_all()), next);
  next[0].value = 7;
  EXPECT_EQ(read(write(next)), next);
}

TEST_F(RecordingHostLogTest, ACheckpointDoesNotDisturbWhoReadsOn) {
  read(write(first_));
  read(write_all());
  EXPECT_EQ(read(write(first_)), first_);
}

TEST_F(RecordingHostLogTest, TheTimeIsThatOfTheReading) {
  const Decoded record = write(first_);
  EXPECT_EQ(reader_.take(record.kind, record.bytes).value()->time, time_from_ns(1));
}

TEST_F(RecordingHostLogTest, AnEmptyReadingComesBackEmpty) {
  EXPECT_EQ(read(write({})), Values());
}

TEST_F(RecordingHostLogTest, ACutReadingIsAnErrorAndTheNextNewsAreNotBelieved) {
  const Decoded whole = write(first_);
  const Decoded news = write(first_);
  for (std::size_t size = 32; size < whole.bytes.size(); ++size) {
    HostLogReader reader;
    EXPECT_FALSE(reader.take(kHostAll, std::span(whole.bytes).first(size))) << size;
    EXPECT_FALSE(reader.take(kHostNews, news.bytes).value()) << size;
  }
}

}  // namespace
}  // namespace netsonde::recording
