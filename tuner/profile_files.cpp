// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cassert>
#include <cerrno>
#include <filesystem>
#include <map>

#include "tuner/profile.h"
#include "tuning_profiles.h"
#include "user/base/text.h"
#include "user/base/text_file.h"

namespace netsonde {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLargestFile = 256 << 10;
constexpr std::string_view kEnding = ".toml";

Result<Profile> read_profile(const std::string& path, const std::string& name) {
  const auto text = TRY(read_trusted_file(path, kLargestFile));
  if (!text) return Error::from_errno(printable(path), ENOENT);  // a link that leads nowhere
  return profile_from(*text, name, path);
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
