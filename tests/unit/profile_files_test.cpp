// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "tests/unit/temporary_folder.h"
#include "tuner/profile.h"

namespace netsonde {
namespace {

namespace fs = std::filesystem;
using namespace std::string_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr const char* kGood =
    "summary = 'ours'\n[[setting]]\nkey = 'net.core.somaxconn'\nvalue = 8192\nwhy = 'w'\n";

std::vector<std::string> names_of(const std::vector<Profile>& profiles) {
  std::vector<std::string> names;
  for (const Profile& profile : profiles) names.push_back(profile.name);
  return names;
}

class ProfileFilesTest : public ::testing::Test {
 protected:
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ / name, std::ios::binary) << text;
    chmod(path(name).c_str(), 0644);  // whatever the umask
  }
  Profiles read() const { return read_profiles(folder_); }
  std::string path(const std::string& name) const { return folder_ / name; }

  TemporaryFolder temporary_;
  fs::path folder_ = temporary_.path();
};

TEST_F(ProfileFilesTest, OursAreThereWithoutAnyFile) {
  const Profiles read = read_profiles(path("nowhere"));
  EXPECT_THAT(names_of(read.profiles),
              ElementsAre("classic", "latency", "server", "throughput", "wan"));
  EXPECT_THAT(read.not_read, IsEmpty());
  for (const Profile& profile : read.profiles) EXPECT_EQ(profile.file, "") << profile.name;
}

TEST_F(ProfileFilesTest, FilesOfTheFolderJoinThemByName) {
  write("mine.toml", kGood);
  const Profiles read = this->read();
  EXPECT_THAT(names_of(read.profiles),
              ElementsAre("classic", "latency", "mine", "server", "throughput", "wan"));
  EXPECT_EQ(read.profiles[2].file, path("mine.toml"));
  EXPECT_THAT(read.not_read, IsEmpty());
}

TEST_F(ProfileFilesTest, AFileThatOthersMayWriteIsNotRead) {
  write("mine.toml", kGood);
  for (const mode_t mode : {0664U, 0646U}) {
    ASSERT_EQ(chmod(path("mine.toml").c_str(), mode), 0);
    const Profiles read = this->read();
    EXPECT_THAT(read.not_read,
                ElementsAre(path("mine.toml") + " may be written by others: it cannot be trusted"));
    EXPECT_EQ(std::ranges::count(read.profiles, "mine", &Profile::name), 0);
  }
}

TEST_F(ProfileFilesTest, AFileStandsBeforeOursOfItsName) {
  write("server.toml", kGood);
  const Profiles read = this->read();
  EXPECT_THAT(names_of(read.profiles),
              ElementsAre("classic", "latency", "server", "throughput", "wan"));
  EXPECT_EQ(read.profiles[2].summary, "ours");
}

TEST_F(ProfileFilesTest, AFileThatCannotBeUsedLeavesOursOfItsNameOut) {
  write("server.toml", "\nsomaxconn = 1");
  const Profiles read = this->read();
  EXPECT_THAT(names_of(read.profiles), ElementsAre("classic", "latency", "throughput", "wan"));
  EXPECT_THAT(read.not_read,
              ElementsAre(path("server.toml") + ":2: 'somaxconn' is not known here"));
}

TEST_F(ProfileFilesTest, OnlyVisibleFilesNamedTomlAreRead) {
  for (const char* name : {".mine.toml", "mine.toml~", "mine.conf", "toml", ".toml"})
    write(name, kGood);
  EXPECT_EQ(read().profiles.size(), own_profiles().size());
  EXPECT_THAT(read().not_read, IsEmpty());
}

TEST_F(ProfileFilesTest, AFileWithAnotherNameIsNamed) {
  write("my own\x1b.toml", kGood);
  EXPECT_EQ(read().profiles.size(), own_profiles().size());
  EXPECT_THAT(read().not_read,
              ElementsAre(path("my own\\x1b.toml") +
                          ": a profile is named by letters, digits, '-' and '_', at most 64"));
}

TEST_F(ProfileFilesTest, ALinkIsFollowed) {
  write("elsewhere", kGood);
  fs::create_symlink("elsewhere", folder_ / "mine.toml");
  EXPECT_EQ(read().profiles.size(), own_profiles().size() + 1);
  EXPECT_THAT(read().not_read, IsEmpty());
}

TEST_F(ProfileFilesTest, WhatIsNoFileIsNamedAndDoesNotHang) {
  ASSERT_EQ(mkfifo(path("a.toml").c_str(), 0600), 0);
  fs::create_directory(folder_ / "b.toml");
  fs::create_symlink("/dev/zero", folder_ / "c.toml");
  fs::create_symlink("nowhere", folder_ / "d.toml");
  fs::create_symlink("e.toml", folder_ / "e.toml");
  EXPECT_THAT(read().not_read, ElementsAre(path("a.toml") + ": no regular file",
                                           path("b.toml") + ": no regular file",
                                           path("c.toml") + ": no regular file",
                                           path("d.toml") + ": No such file or directory",
                                           path("e.toml") + ": Too many levels of symbolic links"));
  EXPECT_EQ(read().profiles.size(), own_profiles().size());
}

TEST_F(ProfileFilesTest, ALargeFileIsNamed) {
  const std::string good = kGood;
  const std::size_t largest = 256 << 10;
  write("a.toml", good + std::string(largest - good.size(), '\n'));
  write("b.toml", good + std::string(largest - good.size() + 1, '\n'));
  EXPECT_THAT(read().not_read, ElementsAre(path("b.toml") + ": larger than 256KiB"));
  EXPECT_EQ(read().profiles.size(), own_profiles().size() + 1);
}

TEST_F(ProfileFilesTest, AFolderThatIsNoneIsNamed) {
  write("file", "");
  const Profiles read = read_profiles(path("file"));
  EXPECT_THAT(read.not_read, ElementsAre(path("file") + ": Not a directory"));
  EXPECT_EQ(read.profiles.size(), own_profiles().size());
}

}  // namespace
}  // namespace netsonde
