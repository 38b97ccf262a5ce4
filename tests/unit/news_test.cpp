// SPDX-License-Identifier: Apache-2.0
#include "user/model/diagnosis/news.h"

#include <gtest/gtest.h>

#include <vector>

namespace netsonde {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

Finding finding(std::string_view id, std::uint64_t cookie, std::uint16_t port = 443,
                Severity severity = Severity::Warning) {
  Finding finding;
  finding.id = id;
  finding.severity = severity;
  ev_conn conn{};
  conn.cookie = cookie;
  conn.direction = EV_OUT;
  conn.local_port = static_cast<std::uint16_t>(cookie);
  conn.remote_port = port;
  finding.subject.connection = conn;
  return finding;
}

TEST(FindingNewsTest, AFindingIsNewOnce) {
  FindingNews news;
  const std::vector findings = {finding("zero-window", 1)};
  EXPECT_EQ(news.add(0, findings), &findings[0]);
  for (int i = 1; i < 100; ++i) EXPECT_EQ(news.add(i * kSecond, findings), nullptr);
}

TEST(FindingNewsTest, ANewOneBehindAnOldOneIsFound) {
  FindingNews news;
  news.add(0, std::vector{finding("zero-window", 1)});
  const std::vector findings = {finding("zero-window", 1), finding("loss", 1)};
  EXPECT_EQ(news.add(kSecond, findings), &findings[1]);
}

TEST(FindingNewsTest, AnotherConnectionToTheSameServiceIsNoNews) {
  FindingNews news;
  news.add(0, std::vector{finding("loss", 1)});
  EXPECT_EQ(news.add(kSecond, std::vector{finding("loss", 2)}), nullptr);
  EXPECT_NE(news.add(2 * kSecond, std::vector{finding("loss", 2, 80)}), nullptr);
}

TEST(FindingNewsTest, OneThatReturnsIsNewsAfterAWhile) {
  FindingNews news;
  const std::vector findings = {finding("loss", 1)};
  news.add(0, findings);
  EXPECT_EQ(news.add(5 * kSecond, findings), nullptr);
  EXPECT_EQ(news.add(5 * kSecond + FindingNews::kForgetNs - 1, findings), nullptr);
  EXPECT_NE(news.add(5 * kSecond + 2 * FindingNews::kForgetNs, findings), nullptr);
}

TEST(FindingNewsTest, NotesAreNoNews) {
  FindingNews news;
  EXPECT_EQ(news.add(0, std::vector{finding("note", 1, 443, Severity::Info)}), nullptr);
}

}  // namespace
}  // namespace netsonde
