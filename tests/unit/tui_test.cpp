// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <set>

#include "user/sinks/tui/columns.h"
#include "user/sinks/tui/keys.h"
#include "user/sinks/tui/line_edit.h"
#include "user/sinks/tui/rows.h"
#include "user/sinks/tui/verdict.h"

namespace netsonde {
namespace {

TEST(KeysTest, NoKeyDoesTwoThings) {
  for (const bool recording : {false, true}) {
    std::set<char32_t> keys;
    for (const KeyBinding& binding : key_bindings())
      for (const char32_t key : binding.keys) {
        if (key && binding.applies(recording)) {
          EXPECT_TRUE(keys.insert(key).second) << binding.names;
        }
      }
  }
}

TEST(KeysTest, EveryActionHasAKeyANameAndAHelp) {
  std::set<Action> actions;
  for (const KeyBinding& binding : key_bindings()) {
    EXPECT_TRUE(actions.insert(binding.action).second) << binding.names;
    EXPECT_NE(binding.keys[0], U'\0');
    EXPECT_FALSE(binding.names.empty());
    EXPECT_FALSE(binding.help.empty());
    EXPECT_EQ(action_of(binding.keys[0], binding.scope == Scope::Recording), binding.action);
    EXPECT_EQ(&binding_of(binding.action), &binding);
  }
  EXPECT_EQ(actions.size(), static_cast<std::size_t>(Action::Quit) + 1);
}

std::vector<std::string_view> titles(const std::vector<PlacedColumn>& placed) {
  std::vector<std::string_view> result;
  for (const PlacedColumn& p : placed) result.push_back(p.column.title);
  return result;
}

int end_of(const std::vector<PlacedColumn>& placed) {
  return placed.back().x + placed.back().width;
}

TEST(ColumnsTest, FitEveryWidth) {
  const auto columns = columns_for({}, Show::All);
  for (int width = 1; width < 300; ++width) {
    const auto placed = place(columns, width, nullptr);
    ASSERT_FALSE(placed.empty());
    EXPECT_LE(end_of(placed), width);
    for (std::size_t i = 1; i < placed.size(); ++i)
      EXPECT_EQ(placed[i].x, placed[i - 1].x + placed[i - 1].width + 1);
  }
}

TEST(ColumnsTest, KeepTheMostUsefulOnEightyCharacters) {
  const auto placed = place(columns_for({}, Show::All), 80, nullptr);
  EXPECT_EQ(titles(placed),
            (std::vector<std::string_view>{"COMMAND", "REMOTE", "RTT", "TX/s", "RX/s", "RETR/s",
                                           "DROPS", "LIMITED BY"}));
  EXPECT_EQ(place(columns_for({}, Show::All), 250, nullptr).size(),
            default_column_ids(Show::All).size());
}

TEST(ColumnsTest, KeepTheOneThatIsSortedBy) {
  const Field* cwnd = find_field("cwnd");
  const auto placed = place(columns_for({}, Show::All), 40, cwnd);
  EXPECT_TRUE(
      std::any_of(placed.begin(), placed.end(), [&](auto& p) { return p.column.field == cwnd; }));
}

TEST(ColumnsTest, ScrollBehindThoseThatNameTheRow) {
  const auto placed = place(columns_for({}, Show::All), 80, nullptr, 5);
  EXPECT_EQ(placed[0].column.title, "COMMAND");
  EXPECT_EQ(placed[1].column.title, "REMOTE");
  EXPECT_EQ(placed[2].column.title, "MINRTT");
}

TEST(ColumnsTest, OfListenersKeepWhereTheyListen) {
  const auto shown = titles(place(columns_for({}, Show::Listeners), 60, nullptr));
  EXPECT_NE(std::find(shown.begin(), shown.end(), "LOCAL"), shown.end());
}

TEST(ColumnsTest, OfGroupsAreThoseThatAddUp) {
  const auto columns = grouped(GroupBy::Process, columns_for({}, Show::All));
  EXPECT_EQ(columns[0].kind, TuiColumn::Kind::Group);
  EXPECT_EQ(columns[1].kind, TuiColumn::Kind::Connections);
  for (std::size_t i = 2; i < columns.size(); ++i)
    EXPECT_NE(columns[i].field->combine, Combine::Same);
}

TEST(ColumnsTest, BracketIPv6Endpoints) {
  EXPECT_EQ(endpoint_text(*parse_address("10.0.0.1"), 443), "10.0.0.1:443");
  EXPECT_EQ(endpoint_text(*parse_address("2001:db8::1"), 443), "[2001:db8::1]:443");
  EXPECT_EQ(endpoint_text(*parse_address("::"), 443), "*:443");
  EXPECT_EQ(endpoint_text(*parse_address("10.0.0.1"), 443, "db"), "db:443");
}

// Connections of two ticks, one second apart.
class RowsTest : public ::testing::Test {
 protected:
  void add(std::uint64_t cookie, std::uint32_t pid, std::string_view remote,
           std::uint32_t retransmitted, std::uint32_t drops, std::uint64_t tx) {
    ev_sample sample{};
    sample.header = {.time_ns = 1, .kind = EV_SAMPLE, .size = sizeof(sample), .cpu = 0};
    sample.conn.cookie = cookie;
    sample.conn.pid = pid;
    sample.conn.owner = EV_OWNER_EXACT;
    sample.conn.direction = EV_OUT;
    sample.conn.state = 1;
    sample.conn.remote_port = 443;
    const Address address = *parse_address(remote);
    std::copy(address.bytes.begin(), address.bytes.end(), sample.conn.remote);
    first_.push_back(sample);
    sample.header.time_ns += 1'000'000'000;
    sample.retransmitted = retransmitted;
    sample.segs_out = 100;
    sample.drops = drops;
    sample.tx_bytes = tx;
    second_.push_back(sample);
  }

  Snapshot snapshot() {
    for (const auto* pass : {&first_, &second_}) {
      for (const ev_sample& sample : *pass) store_.apply(sample);
      ev_tick tick{};
      tick.header = {.time_ns = pass->front().header.time_ns + 1000,
                     .kind = EV_TICK,
                     .size = sizeof(tick),
                     .cpu = 0};
      store_.apply(tick);
    }
    return Snapshot(store_);
  }

  static std::vector<std::uint64_t> ids(std::span<const Item> items) {
    std::vector<std::uint64_t> result;
    for (const Item& item : items) result.push_back(item.id);
    return result;
  }

  Names names_;
  Store store_{&names_};
  std::vector<ev_sample> first_, second_;
};

TEST_F(RowsTest, TheWorstComesFirst) {
  add(1, 10, "10.0.0.1", 0, 0, 100);
  add(2, 10, "10.0.0.1", 0, 0, 9000);
  add(3, 10, "10.0.0.1", 0, 5, 1);
  add(4, 10, "10.0.0.1", 3, 0, 1);
  add(5, 10, "10.0.0.1", 0, 0, 100);
  Items items(snapshot(), View());
  EXPECT_EQ(ids(items.window(0, 10)), (std::vector<std::uint64_t>{4, 3, 2, 1, 5}));
}

TEST_F(RowsTest, AnyWindowIsAPartOfTheWholeOrder) {
  for (std::uint64_t i = 1; i <= 200; ++i) add(i, 10, "10.0.0.1", i * 7919 % 13, 0, i * 31 % 17);
  const Snapshot now = snapshot();
  const auto whole = ids(Items(now, View()).window(0, 200));
  for (std::size_t top = 0; top < 200; top += 17) {
    Items items(now, View());
    EXPECT_EQ(items.position_of(whole[top]), top);
    const auto part = ids(items.window(top, 20));
    EXPECT_TRUE(
        std::equal(part.begin(), part.end(), whole.begin() + static_cast<std::ptrdiff_t>(top)));
  }
}

TEST_F(RowsTest, GroupsSumUp) {
  add(1, 10, "10.0.0.1", 0, 0, 100);
  add(2, 20, "10.0.0.2", 0, 0, 50);
  add(3, 10, "10.0.1.1", 0, 0, 200);
  const Snapshot now = snapshot();
  View view;
  view.group = GroupBy::Process;
  Items by_process(now, view);
  ASSERT_EQ(by_process.size(), 2u);
  const auto groups = by_process.window(0, 2);
  EXPECT_EQ(groups[0].rows.size(), 2u);
  EXPECT_EQ(std::get<std::uint64_t>(combined(*find_field("tx_bytes"), groups[0].rows)), 300u);
  view.group = GroupBy::RemoteSubnet;
  Items by_subnet(now, view);
  const Row& first = by_subnet.window(0, 2)[0].first();
  EXPECT_EQ(group_text(GroupBy::RemoteSubnet, first), "10.0.1.0/24");
}

TEST_F(RowsTest, AnOpenGroupShowsOnlyItsConnections) {
  add(1, 10, "10.0.0.1", 0, 0, 100);
  add(2, 20, "10.0.0.2", 0, 0, 50);
  View view;
  view.open_group =
      OpenGroup{.by = GroupBy::Process, .key = {.number = 20, .address = {}}, .text = "x"};
  Items items(snapshot(), view);
  EXPECT_EQ(ids(items.window(0, 5)), std::vector<std::uint64_t>{2});
  EXPECT_EQ(items.available(), 2u);
}

TEST_F(RowsTest, FaultsOnlyLeavesTheHealthyOut) {
  add(1, 10, "10.0.0.1", 0, 0, 100);
  add(2, 10, "10.0.0.1", 1, 0, 100);
  add(3, 10, "10.0.0.1", 0, 1, 100);
  View view;
  view.faults_only = true;
  Items items(snapshot(), view);
  EXPECT_EQ(ids(items.window(0, 5)), (std::vector<std::uint64_t>{2, 3}));
}

TEST_F(RowsTest, TheVerdictNamesTheWorst) {
  add(1, 10, "10.0.0.1", 0, 0, 100);
  add(2, 20, "10.0.0.2", 5, 0, 50);
  const TuiVerdict verdict = judge(snapshot(), {});
  EXPECT_EQ(verdict.figures, "2.5% of segments retransmitted");
  EXPECT_EQ(verdict.worst,
            "worst: [20] -> 10.0.0.2:443, 5.0 retransmits/s, limited by application");
  EXPECT_EQ(verdict.style, Style::Warn);
}

TEST_F(RowsTest, TheVerdictOfAHealthyHostNamesTheBusiest) {
  add(1, 10, "10.0.0.1", 0, 0, 100);
  const TuiVerdict verdict = judge(snapshot(), {});
  EXPECT_EQ(verdict.figures,
            "OK: no retransmissions, no drops, no listen overflows, no resets in the last second");
  EXPECT_EQ(verdict.worst, "busiest: [10] -> 10.0.0.1:443, 100B/s sent, 0B/s received");
}

TEST(LineEditTest, EditsWholeCharacters) {
  LineEdit line("aé");
  EXPECT_TRUE(line.on_key(kBackspace));
  EXPECT_EQ(line.text(), "a");
  EXPECT_TRUE(line.on_key(U'漢'));
  EXPECT_TRUE(line.on_key(kLeft));
  EXPECT_EQ(line.before_cursor(), "a");
  EXPECT_TRUE(line.on_key(kDelete));
  EXPECT_EQ(line.text(), "a");
  EXPECT_FALSE(line.on_key(kF1));
  EXPECT_FALSE(line.on_key(0x1b));
}

TEST(LineEditTest, CompletesAsFarAsAllWordsAgree) {
  LineEdit line("state = x and remote_");
  EXPECT_EQ(line.complete({"remote_address", "remote_port", "state"}).size(), 2u);
  EXPECT_TRUE(line.on_key(U'p'));
  EXPECT_EQ(line.complete({"remote_address", "remote_port", "state"}).size(), 1u);
  EXPECT_EQ(line.text(), "state = x and remote_port");
}

}  // namespace
}  // namespace netsonde
