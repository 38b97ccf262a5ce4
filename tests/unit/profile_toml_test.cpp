// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "tuner/profile.h"
#include "tuning_profiles.h"

namespace netsonde {
namespace {

using namespace std::string_literals;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr const char* kFile = "/etc/x.toml";
constexpr const char* kHead = "summary = \"for tests\"\n";

Result<Profile> read(const std::string& text) {
  return profile_from(text, "x", kFile);
}

// Empty when nothing is wrong.
std::string wrong(const std::string& text) {
  const Result<Profile> profile = read(text);
  return profile ? "" : profile.error().message();
}

// The table of a setting stands in line 2, its members begin in line 3.
std::string setting(const std::string& members) {
  return kHead + "[[setting]]\n"s + members + "\n";
}

std::string somaxconn(const std::string& members) {
  return setting("key = \"net.core.somaxconn\"\nwhy = \"w\"\n" + members);
}

std::string value_of(const std::string& key, const std::string& value) {
  const auto profile =
      read(setting("key = \"" + key + "\"\nwhy = \"w\"\nmay_lower = true\nvalue = " + value));
  return profile ? profile.value().settings[0].value : profile.error().message();
}

TEST(ProfileTomlTest, ItHasNoSettingsOfDevicesAndRoutes) {
  EXPECT_EQ(wrong(setting("key = \"device.txqueuelen\"\nwhy = \"w\"\nvalue = 2000")),
            "/etc/x.toml:3: device.txqueuelen is of a device: a profile has only sysctls");
  EXPECT_THAT(wrong(setting("key = \"route.initcwnd\"\nwhy = \"w\"\nvalue = 20")),
              HasSubstr("is of a route"));
}

TEST(ProfileTomlTest, EveryMemberIsRead) {
  const auto profile = read(setting(R"(key = "net.ipv4.tcp_rmem"
value = [4096, 131072, 33554432]
why = "it grows"
may_lower = true
memory_at_least = "4GiB"
link_at_least = "2.5Gbit")"));
  ASSERT_TRUE(profile) << profile.error().message();
  EXPECT_EQ(profile.value().name, "x");
  EXPECT_EQ(profile.value().file, kFile);
  EXPECT_EQ(profile.value().summary, "for tests");
  ASSERT_EQ(profile.value().settings.size(), 1U);
  const ProfileSetting& setting = profile.value().settings[0];
  EXPECT_EQ(setting.key, "net.ipv4.tcp_rmem");
  EXPECT_EQ(setting.value, "4096 131072 33554432");
  EXPECT_EQ(setting.why, "it grows");
  EXPECT_TRUE(setting.may_lower);
  EXPECT_EQ(setting.memory_at_least, 4ULL << 30);
  EXPECT_EQ(setting.link_at_least, 2'500'000'000U);
}

TEST(ProfileTomlTest, WhatIsLeftOutAsksForNothing) {
  const auto profile = read(somaxconn("value = 8192"));
  ASSERT_TRUE(profile) << profile.error().message();
  const ProfileSetting& setting = profile.value().settings[0];
  EXPECT_FALSE(setting.may_lower);
  EXPECT_EQ(setting.memory_at_least, 0U);
  EXPECT_EQ(setting.link_at_least, 0U);
}

TEST(ProfileTomlTest, SettingsKeepTheirOrder) {
  const auto profile = read(somaxconn("value = 8192") +
                            "[[setting]]\nkey = \"net.core.busy_poll\"\nvalue = 1\nwhy = \"w\"\n");
  ASSERT_TRUE(profile) << profile.error().message();
  ASSERT_EQ(profile.value().settings.size(), 2U);
  EXPECT_EQ(profile.value().settings[0].key, "net.core.somaxconn");
  EXPECT_EQ(profile.value().settings[1].key, "net.core.busy_poll");
}

TEST(ProfileTomlTest, AValueIsTextAnIntegerOrAListOfThem) {
  EXPECT_EQ(value_of("net.core.somaxconn", "\"8192\""), "8192");
  EXPECT_EQ(value_of("net.core.somaxconn", "8_192"), "8192");
  EXPECT_EQ(value_of("net.core.somaxconn", "[8192]"), "8192");
  EXPECT_EQ(value_of("net.ipv4.tcp_rmem", "' 4096\t8192   16384 '"), "4096 8192 16384");
  EXPECT_EQ(value_of("net.ipv4.tcp_adv_win_scale", "-2"), "-2");
  EXPECT_EQ(value_of("net.ipv4.tcp_congestion_control", "'bbr'"), "bbr");
}

TEST(ProfileTomlTest, AnotherTypeOfValueIsNamedWithItsLine) {
  for (const char* value : {"true", "1.5", "1979-05-27", "{a = 1}"})
    EXPECT_EQ(wrong(somaxconn("value = "s + value)),
              "/etc/x.toml:5: value is no text, no integer and no list of integers");
  for (const char* value : {"[8192, '8192']", "[[8192]]", "[8192.0]"})
    EXPECT_EQ(wrong(somaxconn("value = "s + value)),
              "/etc/x.toml:5: value has something else than integers in its list");
}

TEST(ProfileTomlTest, WhatTheCatalogueRefusesIsNamedWithItsLine) {
  EXPECT_EQ(wrong(setting("key = \"net.core.rmem\"\nvalue = 1\nwhy = \"w\"")),
            "/etc/x.toml:3: net.core.rmem is not in the catalogue (netsonde tune list --all)");
  EXPECT_EQ(wrong(somaxconn("\nvalue = 70000")),
            "/etc/x.toml:6: net.core.somaxconn: 70000 is above 65535");
  EXPECT_EQ(wrong(somaxconn("value = []")),
            "/etc/x.toml:5: net.core.somaxconn: '' is not one number");
  EXPECT_EQ(wrong(somaxconn("value = '''\n8192\n'''")),
            "/etc/x.toml:5: net.core.somaxconn: 8192\\x0a has control characters");
  EXPECT_EQ(wrong(somaxconn("value = 9223372036854775808")).substr(0, 14), "/etc/x.toml:5:");
}

TEST(ProfileTomlTest, UnknownMembersAreNamedWithTheirLine) {
  EXPECT_EQ(wrong(somaxconn("value = 8192\nmaylower = true")),
            "/etc/x.toml:6: 'maylower' is not known here");
  EXPECT_EQ(wrong("name = 'y'\n" + somaxconn("value = 8192")),
            "/etc/x.toml:1: 'name' is not known here");
  EXPECT_EQ(wrong(somaxconn("value = 8192") + "[setting.more]\n"),
            "/etc/x.toml:6: 'more' is not known here");
  EXPECT_EQ(wrong(somaxconn("value = 8192\n\"a\\u001b[2J\\u202e\" = 1")),
            "/etc/x.toml:6: 'a\\x1b[2J\\xe2\\x80\\xae' is not known here");
}

TEST(ProfileTomlTest, MissingMembersAreNamedWithTheLineOfTheirTable) {
  EXPECT_EQ(wrong(setting("value = 8192\nwhy = \"w\"")), "/etc/x.toml:2: key is missing");
  EXPECT_EQ(wrong(somaxconn("")), "/etc/x.toml:2: value is missing");
  EXPECT_EQ(wrong(setting("key = \"net.core.somaxconn\"\nvalue = 8192")),
            "/etc/x.toml:2: why is missing");
  EXPECT_EQ(wrong(kHead), "/etc/x.toml:1: setting is missing");
  EXPECT_EQ(wrong("[[setting]]\n"), "/etc/x.toml:1: summary is missing");
  EXPECT_EQ(wrong(""), "/etc/x.toml:1: summary is missing");
}

TEST(ProfileTomlTest, MembersOfAnotherTypeAreNamedWithTheirLine) {
  EXPECT_EQ(wrong(setting("key = 1")), "/etc/x.toml:3: key is no text");
  EXPECT_EQ(wrong(setting("key = \"net.core.somaxconn\"\nvalue = 8192\nwhy = ['w']")),
            "/etc/x.toml:5: why is no text");
  EXPECT_EQ(wrong("summary = 1\n[[setting]]"), "/etc/x.toml:1: summary is no text");
  for (const char* flag : {"1", "'true'"})
    EXPECT_EQ(wrong(somaxconn("value = 8192\nmay_lower = "s + flag)),
              "/etc/x.toml:6: may_lower is neither true nor false");
  for (const char* member : {"memory_at_least", "link_at_least"})
    EXPECT_EQ(wrong(somaxconn("value = 8192\n"s + member + " = 1")),
              "/etc/x.toml:6: "s + member + " is no text");
  EXPECT_EQ(wrong(kHead + "[setting]\nkey = 1"s),
            "/etc/x.toml:2: setting is no list of tables: write [[setting]]");
  EXPECT_EQ(wrong(kHead + "setting = []"s), "/etc/x.toml:2: setting is empty");
  EXPECT_EQ(wrong(kHead + "setting = [1]"s),
            "/etc/x.toml:2: setting has something else than tables in its list");
}

TEST(ProfileTomlTest, TextIsOneShortLine) {
  EXPECT_EQ(wrong("summary = ''\n[[setting]]"), "/etc/x.toml:1: summary is empty");
  EXPECT_EQ(wrong("summary = '" + std::string(501, 'a') + "'\n[[setting]]"),
            "/etc/x.toml:1: summary is longer than 500 bytes");
  for (const char* text : {"'''a\nb'''", R"("\u001b[2J")", R"("\u202e")", R"("\u0000")", "'a\tb'"})
    EXPECT_EQ(wrong("summary = "s + text + "\n[[setting]]"),
              "/etc/x.toml:1: summary has control characters");
  EXPECT_EQ(wrong("summary = \"f\\u00fcr " + std::string(490, 'a') + "\"\n" +
                  somaxconn("value = 8192").substr(std::string(kHead).size())),
            "");
}

TEST(ProfileTomlTest, AConditionIsASize) {
  const auto memory = [](const std::string& text) {
    return wrong(somaxconn("value = 8192\nmemory_at_least = '" + text + "'"));
  };
  EXPECT_EQ(memory("512MiB"), "");
  EXPECT_THAT(memory("4 GiB"), StartsWith("/etc/x.toml:6: memory_at_least: ' GiB' is no unit"));
  EXPECT_EQ(memory("-1"), "/etc/x.toml:6: memory_at_least: '-1' does not begin with a number");
  EXPECT_EQ(memory("0GiB"), "/etc/x.toml:6: memory_at_least of nothing is no condition");
}

TEST(ProfileTomlTest, AConditionIsASpeed) {
  const auto link = [](const std::string& text) -> std::string {
    const auto profile = read(somaxconn("value = 8192\nlink_at_least = '" + text + "'"));
    return profile ? std::to_string(profile.value().settings[0].link_at_least)
                   : profile.error().message();
  };
  EXPECT_EQ(link("10Gbit"), "10000000000");
  EXPECT_EQ(link("100Mbit"), "100000000");
  EXPECT_EQ(link("64kbit"), "64000");
  EXPECT_EQ(link("9600bit"), "9600");
  for (const char* text : {"10G", "10", "bit", "Gbit", "10Gibit", "10GBbit", "-1Gbit", "1e3bit",
                           "10 Gbit", "10Gbits", "10kGbit", "infbit", "it"})
    EXPECT_EQ(link(text), "/etc/x.toml:6: link_at_least: '"s + text +
                              "' is no speed of a link, such as 10Gbit");
}

TEST(ProfileTomlTest, AKeyIsThereOnce) {
  const std::string one = "[[setting]]\nkey = \"net.core.somaxconn\"\nvalue = 8192\nwhy = \"w\"\n";
  EXPECT_EQ(wrong(kHead + one + one), "/etc/x.toml:7: net.core.somaxconn is there twice");
}

TEST(ProfileTomlTest, NamesAndMasksCannotBeRaised) {
  EXPECT_EQ(wrong(setting("key = \"net.ipv4.tcp_congestion_control\"\nvalue = 'bbr'\nwhy = 'w'")),
            "/etc/x.toml:2: net.ipv4.tcp_congestion_control: only numbers can be raised: "
            "it needs may_lower = true");
  EXPECT_THAT(wrong(setting("key = \"net.core.flow_limit_cpu_bitmap\"\nvalue = 'f'\nwhy = 'w'")),
              HasSubstr("only numbers can be raised"));
}

TEST(ProfileTomlTest, WhatIsNoTomlIsNamedWithItsLine) {
  EXPECT_THAT(wrong(kHead + "[[setting]\n"s), StartsWith("/etc/x.toml:2: "));
  EXPECT_THAT(wrong(kHead + "a = 1\na = 2\n"s), StartsWith("/etc/x.toml:3: "));
  const std::string why = wrong("[\"a\tb\"]\n[\"a\tb\"]");
  EXPECT_THAT(why, StartsWith("/etc/x.toml:2: "));
  EXPECT_THAT(why, HasSubstr("a\\x09b"));
}

TEST(ProfileTomlTest, OtherCharactersAreEscaped) {
  for (const char* line :
       {"# f\xc3\xbcr", "x = \xc3\xa9", "summ\xef\xbb\xa4", "\xff", "\xef\xbb\xbf"})
    EXPECT_EQ(wrong("\n"s + line),
              "/etc/x.toml:2: only ASCII is read; text may have other characters as \"\\u00e9\"");
}

// Assertions of toml++ do not hold for these.
TEST(ProfileTomlTest, WhatTomlDoesNotExpectIsAnError) {
  for (const char* line : {"[[[1]]]", "[[=", "[ =", "a = [}", "a = 1979-05-27Tx:1"})
    EXPECT_THAT(wrong("\n"s + line), StartsWith("/etc/x.toml:2: ")) << line;
}

TEST(ProfileTomlTest, TheNameOfTheFileIsEscaped) {
  EXPECT_EQ(profile_from("", "x", "/etc/\x1b.toml").error().message(),
            "/etc/\\x1b.toml:1: summary is missing");
}

TEST(ProfileTomlTest, ANameIsOfLettersDigitsAndTwoSigns) {
  const std::string good = somaxconn("value = 8192");
  for (const std::string& name : {"a"s, "Big-Host_2"s, std::string(64, 'x')})
    EXPECT_TRUE(profile_from(good, name, kFile)) << name;
  for (const std::string& name :
       {""s, "a b"s, "a.b"s, "../x"s, "\xc3\xa4"s, "a\n"s, "a\0"s, std::string(65, 'x')})
    EXPECT_FALSE(profile_from(good, name, kFile)) << name;
  EXPECT_EQ(profile_from(good, "a\x1b", "").error().message(),
            "a\\x1b.toml: a profile is named by letters, digits, '-' and '_', at most 64");
}

std::string repeated(const std::string& text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += text;
  return all;
}

TEST(ProfileTomlTest, DeepNestingIsRefused) {
  EXPECT_THAT(wrong("a = " + std::string(100'000, '[')), HasSubstr("depth"));
  EXPECT_THAT(wrong("a = " + std::string(100'000, '[') + std::string(100'000, ']')),
              HasSubstr("depth"));
  EXPECT_THAT(wrong("a = " + repeated("{a=", 80'000)), HasSubstr("depth"));
  EXPECT_THAT(wrong("a = " + repeated("{a=[\n", 40'000)), HasSubstr("depth"));
}

TEST(ProfileTomlTest, DottedKeysAreNoWayToNestDeeper) {
  const std::string dots = repeated(".a", 100'000);
  for (const std::string& line : {"a" + dots + " = 1", "[a" + dots + "]", "[[a" + dots + "]]",
                                  "a = {a" + dots + " = 1}", "a" + repeated(" . a", 60'000)})
    EXPECT_EQ(wrong("\n" + line), "/etc/x.toml:2: more than 64 dots in one line");
}

TEST(ProfileTomlTest, TheDeepestThatIsTakenDoesNoHarm) {
  const std::string part = "{a" + repeated(".a", 64) + "=[\n";
  const std::string deepest = "a=" + repeated(part, 120) + repeated("]}", 120) + "\n";
  EXPECT_EQ(wrong(deepest), "/etc/x.toml:1: 'a' is not known here");
  EXPECT_NE(wrong("[a" + repeated(".a", 64) + "]\na" + repeated(".a", 62) + deepest), "");
}

TEST(ProfileTomlTest, NoPartOfAProfileCrashesIt) {
  for (const ProfileText& whole : kProfileTexts) {
    const std::size_t step = whole.name == "classic" ? 1 : 17;
    for (std::size_t length = 0; length < whole.text.size(); length += step) {
      const std::string why = wrong(std::string(whole.text.substr(0, length)));
      ASSERT_TRUE(why.empty() || why.starts_with("/etc/x.toml:")) << why;
    }
  }
}

TEST(ProfileTomlTest, NoChangedByteCrashesIt) {
  const auto latency = std::ranges::find(kProfileTexts, "latency", &ProfileText::name);
  ASSERT_NE(latency, kProfileTexts.end());
  std::string text(latency->text);
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char before = text[i];
    for (const char byte : {'\0', '\n', '"', '[', '.', '\xff', '\\'}) {
      text[i] = byte;
      const std::string why = wrong(text);
      ASSERT_TRUE(why.empty() || why.starts_with("/etc/x.toml:")) << why;
    }
    text[i] = before;
  }
}

}  // namespace
}  // namespace netsonde
