// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <filesystem>
#include <map>

#include "tuner/profile.h"
#include "tuning_profiles.h"
#include "user/base/fd.h"
#include "user/base/text.h"

namespace netsonde {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLargestFile = 256 << 10;
constexpr std::string_view kEnding = ".toml";

Result<std::string> read_all(int file, const std::string& path) {
  std::string text;
  std::array<char, 16384> part;
  for (;;) {
    const ssize_t length = read(file, part.data(), part.size());
    if (length < 0 && errno == EINTR) continue;
    if (length < 0) return Error::from_errno(printable(path));
    if (length == 0) return text;
    text.append(part.data(), static_cast<std::size_t>(length));
    if (text.size() > kLargestFile) return Error(printable(path) + ": larger than 256 KiB");
  }
}

// Does not wait for the other end of a FIFO.
Result<std::string> read_text(const std::string& path) {
  const UniqueFd file(open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!file) return Error::from_errno(printable(path));
  struct stat about = {};
  if (fstat(file.get(), &about)) return Error::from_errno(printable(path));
  if (!S_ISREG(about.st_mode)) return Error(printable(path) + ": no regular file");
  return read_all(file.get(), path);
}

Result<Profile> read_profile(const std::string& path, const std::string& name) {
  return profile_from(TRY(read_text(path)), name, path);
}

// Their paths, by the names of the profiles.
std::map<std::string, std::string> files_of(const std::string& folder,
                                            std::vector<std::string>& not_read) {
  std::map<std::string, std::string> files;
  std::error_code failed;
  fs::directory_iterator entry(folder, failed);
  for (; !failed && entry != fs::directory_iterator(); entry.increment(failed)) {
    const std::string name = entry->path().filename();
    if (name.ends_with(kEnding) && name[0] != '.')
      files.emplace(name.substr(0, name.size() - kEnding.size()), entry->path());
  }
  if (failed && failed != std::errc::no_such_file_or_directory)
    not_read.push_back(printable(folder) + ": " + failed.message());
  return files;
}

}  // namespace

std::vector<Profile> own_profiles() {
  std::vector<Profile> own;
  for (const ProfileText& text : kProfileTexts) {
    Result<Profile> profile = profile_from(text.text, std::string(text.name), "");
    assert(profile);
    own.push_back(std::move(profile).value());
  }
  std::ranges::sort(own, {}, &Profile::name);
  return own;
}

Profiles read_profiles(const std::string& folder) {
  Profiles read;
  std::map<std::string, Profile> by_name;
  for (Profile& own : own_profiles()) by_name[own.name] = std::move(own);
  for (const auto& [name, path] : files_of(folder, read.not_read)) {
    by_name.erase(name);
    Result<Profile> profile = read_profile(path, name);
    if (profile)
      by_name.emplace(name, std::move(profile).value());
    else
      read.not_read.push_back(profile.error().message());
  }
  for (auto& [name, profile] : by_name) read.profiles.push_back(std::move(profile));
  return read;
}

}  // namespace netsonde
