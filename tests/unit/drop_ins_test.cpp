// SPDX-License-Identifier: Apache-2.0
#include "tuner/drop_ins.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "tests/unit/temporary_folder.h"

namespace netsonde {
namespace {

namespace fs = std::filesystem;
using namespace std::string_literals;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr const char* kA = "net.core.a";
constexpr const char* kOurs = "etc/sysctl.d/90-netsonde.conf";

// A host's directories that go with the test; it runs systemd and has /etc/sysctl.d.
class DropInsTest : public ::testing::Test {
 protected:
  DropInsTest() {
    fs::permissions(root_, fs::perms(0755));
    fs::create_directories(root_ / "run/systemd/system");
    fs::create_directories(root_ / "etc/sysctl.d");
  }
  ~DropInsTest() override { umask(umask_); }

  std::string root() const { return root_; }
  void write(const std::string& path, const std::string& text) const {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path, std::ios::binary) << text;
  }
  void link(const std::string& path, const std::string& target) const {
    fs::create_directories((root_ / path).parent_path());
    fs::create_symlink(target, root_ / path);
  }
  std::string ours() const {
    std::stringstream all;
    all << std::ifstream(root_ / kOurs, std::ios::binary).rdbuf();
    return all.str();
  }

  // "-": none.
  std::string at_boot(const std::string& key) const {
    const DropIns drop_ins = DropIns::read(root());
    const Assignment* found = drop_ins.find(key);
    return found ? found->value : "-";
  }
  std::string at_boot(const std::string& text, const std::string& key) const {
    write("etc/sysctl.d/10.conf", text);
    return at_boot(key);
  }
  // "99.conf:1=5 98.conf:2- sysctl.conf:2=6? ": the last is not read at boot.
  std::string later() const {
    std::string all;
    for (const Assignment& found : DropIns::read(root()).later_than(kPersistedName, kA))
      all += fs::path(found.file).filename().string() + ":" + std::to_string(found.line) +
             (found.revokes ? "-" : "=") + found.value + (found.at_boot ? " " : "? ");
    return all;
  }
  std::vector<std::string> not_read() const { return DropIns::read(root()).not_read(); }
  // "net.core.a=1(comment) "
  std::string persisted() const {
    std::string all;
    const std::vector<Persisted> settings = read_persisted(root()).value();
    for (const Persisted& setting : settings)
      all += setting.key + "=" + setting.value + "(" + setting.comment + ") ";
    return all;
  }
  std::string error_of_writing(const Persisted& setting) const {
    const Result<> written = write_persisted({setting}, root());
    return written ? "" : written.error().message();
  }

  const mode_t umask_ = umask(022);
  TemporaryFolder folder_;
  fs::path root_ = folder_.path();
};

TEST_F(DropInsTest, TheLastFileByNameWinsInWhateverFolder) {
  write("etc/sysctl.d/10.conf", "net.core.a = 1");
  write("usr/lib/sysctl.d/20.conf", "net.core.a = 2");
  write("run/sysctl.d/15.conf", "net.core.a = 3");
  EXPECT_EQ(at_boot(kA), "2");
}

TEST_F(DropInsTest, OfFilesWithOneNameThatOfTheFirstFolderCounts) {
  for (const char* folder : {"lib", "usr/lib", "usr/local/lib", "run", "etc"}) {
    write(folder + "/sysctl.d/10.conf"s, "net.core.a = "s + folder);
    EXPECT_EQ(at_boot(kA), folder);
  }
}

TEST_F(DropInsTest, AFileThatSaysNothingMasksOthersOfItsName) {
  for (const char* name : {"1.conf", "2.conf", "3.conf", "4.conf"})
    write("usr/lib/sysctl.d/"s + name, "net.core.a = 1");
  write("etc/sysctl.d/1.conf", "");
  link("etc/sysctl.d/2.conf", "/dev/null");
  link("etc/sysctl.d/3.conf", "nowhere");
  link("run/sysctl.d/4.conf", "/dev/null");
  EXPECT_EQ(at_boot(kA), "-");
  EXPECT_THAT(not_read(), IsEmpty());
}

TEST_F(DropInsTest, OnlyVisibleFilesNamedConfAreRead) {
  for (const char* name : {"a.conf~", "README", ".x.conf", "conf", "a.conf.bak"})
    write("etc/sysctl.d/"s + name, "net.core.a = 1");
  EXPECT_EQ(at_boot(kA), "-");
}

TEST_F(DropInsTest, TheLastLineOfAFileWinsAndIsNamed) {
  write("etc/sysctl.d/10.conf",
        "# one\r\r\nnet.core.a = 1\r\n\r\nnet.core.a = 2\r\nnet.core.b = 3");
  const DropIns drop_ins = DropIns::read(root());
  const Assignment* found = drop_ins.find(kA);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->key, kA);
  EXPECT_EQ(found->value, "2");
  EXPECT_EQ(found->file, root() + "/etc/sysctl.d/10.conf");
  EXPECT_EQ(found->line, 4U);
}

TEST_F(DropInsTest, AKeyIsTheSameWithDotsAndSlashes) {
  for (const char* line : {"net/core/a=1", "/net/core/a=1", "net..core.a = 1", "net/./core//a/=1",
                           "-net.core.a = 1", "\t- net.core.a\t=1", "net.core.a=1"})
    EXPECT_EQ(at_boot(line, kA), "1") << line;
  EXPECT_EQ(at_boot("net.core.a = 1", "net/core/a"), "1");
}

TEST_F(DropInsTest, ADotInTheNameOfADeviceIsASlashBetweenDots) {
  EXPECT_EQ(at_boot("net/ipv4/conf/eth0.1/f = 1", "net.ipv4.conf.eth0/1.f"), "1");
  EXPECT_EQ(at_boot("net.ipv4.conf.eth0/1.f = 1", "net/ipv4/conf/eth0.1/f"), "1");
  EXPECT_EQ(at_boot("net.ipv4.conf.eth0.1.f = 1", "net/ipv4/conf/eth0.1/f"), "-");
}

TEST_F(DropInsTest, ValuesHaveSingleSpaces) {
  EXPECT_EQ(at_boot("net.core.a = \t 4096 \t 87380   1 \t\n", kA), "4096 87380 1");
  EXPECT_EQ(at_boot("net.core.a = b=c # d", kA), "b=c # d");
  EXPECT_EQ(at_boot("net.core.a =", kA), "");
}

TEST_F(DropInsTest, WhatIsNoAssignmentIsSkipped) {
  const std::string text = "#b=1\n ;c=1\nnet.core.a 1\nnet.core.a\n=1\n-\n-=1\n\n \xff\n\x1b[2J\n";
  for (const char* key : {"#b", ";c", kA, "net.core.a 1", "", "\xff", "\x1b[2J"})
    EXPECT_EQ(at_boot(text, key), "-") << key;
  EXPECT_EQ(at_boot("net.core.a=\xff\n" + text, kA), "\xff");
}

TEST_F(DropInsTest, LinesEndAtEveryEndThatSystemdKnows) {
  for (const char end : {'\n', '\r', '\0'}) {
    const std::string text = "net.core.a=1"s + end + "net.core.b=2" + end;
    EXPECT_EQ(at_boot(text, kA) + at_boot(text, "net.core.b"), "12") << int(end);
  }
}

TEST_F(DropInsTest, PatternsApplyWithinOneLevel) {
  const std::string text = "net.ipv4.conf.*.f = 1\nnet.core.[ac] = 2\nnet/ipv4/conf/eth?.5/g = 3";
  EXPECT_EQ(at_boot(text, "net.ipv4.conf.all.f"), "1");
  EXPECT_EQ(at_boot(text, kA), "2");
  EXPECT_EQ(at_boot(text, "net.core.b"), "-");
  EXPECT_EQ(at_boot(text, "net.ipv4.conf.all.x.f"), "-");
  EXPECT_EQ(at_boot(text, "net.ipv4.conf.eth0/5.g"), "3");
}

TEST_F(DropInsTest, ALineForTheKeyCountsMoreThanALaterPattern) {
  EXPECT_EQ(at_boot("net.core.a = 1\nnet.core.* = 2", kA), "1");
}

TEST_F(DropInsTest, OfPatternsTheLastCounts) {
  EXPECT_EQ(at_boot("net.core.* = 1\nnet.*.a = 2", kA), "2");
  EXPECT_EQ(at_boot("net.core.* = 1\nnet.*.a = 2\nnet.core.* = 3", kA), "3");
  // systemd drops the third line, for it says what it knows.
  EXPECT_EQ(at_boot("net.core.* = 1\nnet.*.a = 2\nnet.core.* = 1", kA), "2");
}

TEST_F(DropInsTest, AKeyWithMinusAndWithoutValueIsNotWritten) {
  EXPECT_EQ(at_boot("-net.core.a\nnet.core.* = 1", kA), "-");
  EXPECT_EQ(at_boot("net.core.a = 1\n-net.core.a", kA), "-");
  EXPECT_EQ(at_boot("-net.core.a\nnet.core.a = 1", kA), "1");
}

TEST_F(DropInsTest, APatternWithMinusTakesBackItselfAlone) {
  EXPECT_EQ(at_boot("net.core.* = 1\n-net.core.*", kA), "-");
  EXPECT_EQ(at_boot("net.*.a = 1\nnet.core.* = 2\n-net.core.*", kA), "1");
  EXPECT_EQ(at_boot("net.core.a = 1\n-net.core.*", kA), "1");
}

TEST_F(DropInsTest, WithSystemdSysctlConfIsReadAtBootOnlyThroughALink) {
  write("etc/sysctl.conf", "net.core.a = 2");
  EXPECT_EQ(at_boot("net.core.a = 1", kA), "1");
  EXPECT_EQ(later(), "sysctl.conf:1=2? ");
  link("etc/sysctl.d/99-sysctl.conf", "../sysctl.conf");
  EXPECT_EQ(at_boot(kA), "2");
  EXPECT_EQ(later(), "99-sysctl.conf:1=2 ");
}

TEST_F(DropInsTest, WithoutSystemdSysctlConfIsTheLast) {
  fs::remove_all(root_ / "run/systemd");
  link("etc/sysctl.d/10.conf", "../sysctl.conf");
  write("etc/sysctl.d/99.conf", "net.core.a = 1");
  write("etc/sysctl.conf", "net.core.a = 2");
  EXPECT_EQ(at_boot(kA), "2");
  EXPECT_EQ(later(), "99.conf:1=1 sysctl.conf:1=2 ");
}

TEST_F(DropInsTest, OnlyFilesAfterOursOverrideIt) {
  for (const char* name : {"89.conf", "90-netsond.conf", "90-netsonde.conf", "90-netsondf.conf"})
    write("etc/sysctl.d/"s + name, "net.core.a = 1\nnet.core.a = 2");
  write("usr/lib/sysctl.d/z.conf", "net/core/a = 1\nnet.core.b = 2\n-net.core.a");
  EXPECT_EQ(later(), "90-netsondf.conf:1=1 90-netsondf.conf:2=2 z.conf:1=1 z.conf:3- ");
}

TEST_F(DropInsTest, ALaterPatternDoesNotOverrideALine) {
  write("etc/sysctl.d/99.conf", "net.core.* = 1");
  EXPECT_EQ(later(), "");
}

TEST_F(DropInsTest, WhatIsNoFileIsNamedAndNeverWaitedFor) {
  ASSERT_EQ(mkfifo((root_ / "etc/sysctl.d/1.conf").c_str(), 0600), 0);
  fs::create_directory(root_ / "etc/sysctl.d/2.conf");
  link("etc/sysctl.d/3.conf", "3.conf");
  link("etc/sysctl.d/4.conf", "/dev/zero");
  write("usr/lib/sysctl.d/2.conf", "net.core.a = 1");
  write("usr/lib/sysctl.d/5.conf", "net.core.a = 5");
  EXPECT_EQ(at_boot(kA), "5");
  EXPECT_THAT(not_read(), ElementsAre(EndsWith("/1.conf: no regular file"),
                                      EndsWith("/2.conf: no regular file"),
                                      EndsWith("/3.conf: Too many levels of symbolic links"),
                                      EndsWith("/4.conf: no regular file")));
}

TEST_F(DropInsTest, AFileAboveOneMebibyteIsNamedAndNotRead) {
  write("etc/sysctl.d/1.conf", "net.core.a = 1\n" + std::string(8'000'000, 'x'));
  EXPECT_EQ(at_boot(kA), "-");
  EXPECT_THAT(not_read(), ElementsAre(EndsWith("/1.conf: larger than 1024KiB")));
  write("etc/sysctl.d/1.conf", std::string((1 << 20) - 15, 'x') + "\nnet.core.a = 1");
  EXPECT_EQ(at_boot(kA), "1");
}

TEST_F(DropInsTest, WhatMayNotBeReadIsNamed) {
  write("etc/sysctl.d/1\n.conf", "net.core.a = 1");
  write("usr/lib/sysctl.d/2.conf", "net.core.a = 2");
  fs::permissions(root_ / "etc/sysctl.d/1\n.conf", fs::perms::none);
  fs::permissions(root_ / "usr/lib/sysctl.d", fs::perms::none);
  const bool is_root = geteuid() == 0;  // who may read everything
  ASSERT_EQ(is_root ? seteuid(65534) : 0, 0);
  const std::vector<std::string> named = not_read();
  ASSERT_EQ(is_root ? seteuid(0) : 0, 0);
  fs::permissions(root_ / "usr/lib/sysctl.d", fs::perms::owner_all);
  EXPECT_THAT(named, ElementsAre(EndsWith("usr/lib/sysctl.d: Permission denied"),
                                 EndsWith("/1\\x0a.conf: Permission denied")));
}

TEST_F(DropInsTest, AFolderThatIsNoneIsNamedOnceThoughLibIsALink) {
  write("usr/lib/sysctl.d", "");
  link("lib", "usr/lib");
  EXPECT_THAT(not_read(), ElementsAre(EndsWith("usr/lib/sysctl.d: Not a directory")));
}

TEST_F(DropInsTest, APatternThatIsNotUnderstoodIsNamed) {
  write("etc/sysctl.d/1.conf", "\nnet.{core,ipv4}.* = 1\nnet.{core} = 2");
  EXPECT_THAT(not_read(), ElementsAre(HasSubstr("/1.conf:2: ")));
}

TEST_F(DropInsTest, AHostWithoutFilesSaysNothing) {
  fs::remove_all(root_ / "etc");
  EXPECT_EQ(at_boot(kA), "-");
  EXPECT_THAT(not_read(), IsEmpty());
}

TEST_F(DropInsTest, WritesOneCommentAboveEachSettingByKey) {
  ASSERT_TRUE(write_persisted(
      {{.key = "net/core/b", .value = "4  5\t6"}, {.key = kA, .value = "1", .comment = "why: ünd"}},
      root()));
  EXPECT_EQ(ours(),
            "# Written by netsonde tune persist.\n"
            "# It replaces this file whole: other settings belong in a file of their own.\n"
            "# To undo: netsonde tune unpersist\n"
            "\n# why: ünd\nnet.core.a = 1\n"
            "\nnet.core.b = 4 5 6\n");
  EXPECT_EQ(at_boot(kA), "1");
}

TEST_F(DropInsTest, ReadsBackWhatItWrote) {
  ASSERT_TRUE(write_persisted({{.key = kA, .value = "1 2", .comment = " why\nwhen "},
                               {.key = "net.ipv4.conf.eth0/1.f", .value = ""}},
                              root()));
  EXPECT_EQ(persisted(), "net.core.a=1 2( why\\x0awhen ) net.ipv4.conf.eth0/1.f=() ");
  const std::string before = ours();
  ASSERT_TRUE(write_persisted(read_persisted(root()).value(), root()));
  EXPECT_EQ(ours(), before);
}

TEST_F(DropInsTest, ReadsAlsoWhatWasAddedByHand) {
  write(kOurs,
        "# Written by netsonde tune persist.\n#\r\n\r\n# b\r\nnet.core.b = 2\r\n-net.core.c\n"
        "net/core/a=1\n# c\nnet.core.a = 3");
  EXPECT_EQ(persisted(), "net.core.a=3(c) net.core.b=2(b) ");
}

TEST_F(DropInsTest, ACommentStaysInItsLine) {
  const std::string comment = "why\nnet.core.a=1\rnet.core.a=2\0net.core.a=3\x1b"s;
  ASSERT_EQ(error_of_writing({.key = "net.core.b", .value = "1", .comment = comment}), "");
  EXPECT_EQ(at_boot(kA), "-");
  EXPECT_THAT(ours(), EndsWith("\n# why\\x0anet.core.a=1\\x0dnet.core.a=2\\x00net.core.a=3"
                               "\\x1b\nnet.core.b = 1\n"));
}

TEST_F(DropInsTest, WhatIsNoLineIsRefused) {
  for (const char* key : {"", "-net.core.a", "#a", ";a", " a", "a=b", "net.core.*", "a\nb=1\nc"})
    EXPECT_THAT(error_of_writing({.key = key, .value = "1"}), HasSubstr("is no line for a file"));
  for (const std::string& value : {"1\nb=2"s, "1\rb=2"s, "1\0b=2"s, "1\x1b[2J"s})
    EXPECT_THAT(error_of_writing({.key = kA, .value = value}), HasSubstr("is no line for a file"));
  EXPECT_FALSE(fs::exists(root_ / kOurs));
}

TEST_F(DropInsTest, AKeyThatIsThereTwiceIsRefused) {
  const Result<> written =
      write_persisted({{.key = kA, .value = "1"}, {.key = "net/core/a", .value = "2"}}, root());
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().message(), "net.core.a is there twice");
}

TEST_F(DropInsTest, WhatCouldNotBeReadAgainIsNotWritten) {
  const std::string comment(1 << 20, 'x');
  EXPECT_THAT(error_of_writing({.key = kA, .value = "1", .comment = comment}), HasSubstr("1 MiB"));
}

TEST_F(DropInsTest, EverybodyMayReadTheFileWhateverTheUmask) {
  for (const mode_t mask : {0077, 0000}) {
    umask(mask);
    EXPECT_EQ(error_of_writing({.key = kA, .value = "1"}), "");
    EXPECT_EQ(fs::status(root_ / kOurs).permissions(), fs::perms(0644));
    EXPECT_EQ(umask(0), mask) << "the umask is as it was";
  }
}

TEST_F(DropInsTest, TheFileIsReplacedWholeAndNothingStaysBesideIt) {
  ASSERT_EQ(error_of_writing({.key = "net.core.b", .value = "1"}), "");
  ASSERT_EQ(error_of_writing({.key = kA, .value = "2"}), "");
  EXPECT_EQ(at_boot("net.core.b") + at_boot(kA), "-2");
  EXPECT_EQ(std::distance(fs::directory_iterator(root_ / "etc/sysctl.d"), {}), 1);
}

TEST_F(DropInsTest, AFileOfSomebodyElseStaysAsItIs) {
  for (const char* theirs : {"", "net.core.a = 7\n", "# Written by netsonde", "#"}) {
    write(kOurs, theirs);
    EXPECT_THAT(error_of_writing({.key = kA, .value = "1"}), HasSubstr("not written by netsonde"));
    EXPECT_FALSE(read_persisted(root()));
    EXPECT_FALSE(remove_persisted(root()));
    EXPECT_EQ(ours(), theirs);
  }
}

TEST_F(DropInsTest, ALinkStaysAsItIsThoughItLeadsToAFileLikeOurs) {
  ASSERT_EQ(error_of_writing({.key = kA, .value = "1"}), "");
  fs::rename(root_ / kOurs, root_ / "theirs");
  link(kOurs, "../../theirs");
  EXPECT_THAT(error_of_writing({.key = kA, .value = "2"}), HasSubstr("is a link"));
  EXPECT_FALSE(read_persisted(root()));
  EXPECT_FALSE(remove_persisted(root()));
  EXPECT_EQ(at_boot(kA), "1");
}

TEST_F(DropInsTest, WithoutAFileNothingIsReadOrRemoved) {
  EXPECT_EQ(persisted(), "");
  EXPECT_FALSE(remove_persisted(root()).value());
}

TEST_F(DropInsTest, OurFileCanBeRemoved) {
  ASSERT_EQ(error_of_writing({.key = kA, .value = "1"}), "");
  EXPECT_TRUE(remove_persisted(root()).value());
  EXPECT_FALSE(fs::exists(root_ / kOurs));
}

TEST_F(DropInsTest, AFolderThatIsNotThereIsNotMade) {
  fs::remove_all(root_ / "etc");
  EXPECT_THAT(error_of_writing({.key = kA, .value = "1"}), EndsWith("No such file or directory"));
  EXPECT_FALSE(fs::exists(root_ / "etc"));
}

}  // namespace
}  // namespace netsonde
