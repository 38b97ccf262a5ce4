// SPDX-License-Identifier: Apache-2.0
#include "user/sinks/recording_directory.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <numeric>
#include <vector>

#include "user/base/text.h"

namespace netsonde {

namespace {

// "20261122T031205.123456789Z.nsr"
constexpr std::string_view kPattern = "00000000T000000.000000000Z.nsr";

bool is_ours(std::string_view name) {
  return name.size() == kPattern.size() &&
         std::equal(name.begin(), name.end(), kPattern.begin(), [](char c, char pattern) {
           return pattern == '0' ? c >= '0' && c <= '9' : c == pattern;
         });
}

std::string name_of(std::int64_t ns) {
  std::string name = rfc3339(ns);
  std::erase_if(name, [](char c) { return c == '-' || c == ':'; });
  return name + ".nsr";
}

}  // namespace

Result<RecordingDirectory> RecordingDirectory::open(const std::string& path) {
  const std::string doing = "record into " + printable(path);
  if (mkdir(path.c_str(), 0700) && errno != EEXIST) return Error::from_errno(doing);
  RecordingDirectory directory(path);
  directory.lock_.reset(::open((path + "/.lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!directory.lock_) return Error::from_errno(doing);
  if (flock(directory.lock_.get(), LOCK_EX | LOCK_NB))
    return Error(doing + ": another netsonde records there");
  TRY(directory.look());
  return directory;
}

Result<> RecordingDirectory::look() {
  std::error_code error;
  std::vector<File> files;
  for (std::filesystem::directory_iterator entry(path_, error), end; !error && entry != end;
       entry.increment(error)) {
    struct stat status = {};
    const std::string file = entry->path();
    if (!is_ours(entry->path().filename().string()) || lstat(file.c_str(), &status)) continue;
    files.push_back({.path = file,
                     .bytes = static_cast<std::uint64_t>(status.st_size),
                     .written_ns = status.st_mtim.tv_sec * 1'000'000'000 + status.st_mtim.tv_nsec});
  }
  if (error) return Error("record into " + printable(path_) + ": " + error.message());
  std::ranges::sort(files, {}, &File::path);
  closed_.assign(files.begin(), files.end());
  return {};
}

// A clock that was set back must not make a file that seems older than those that are there.
std::string RecordingDirectory::new_path(std::int64_t began_ns) const {
  std::string path = path_ + "/" + name_of(began_ns);
  const std::string& newest = current_.empty() && !closed_.empty() ? closed_.back().path : current_;
  if (path > newest) return path;
  const std::size_t digits = newest.size() - std::string_view("000000000Z.nsr").size();
  const auto next = std::stoull(newest.substr(digits, 9)) + 1;
  return newest.substr(0, digits) + fmt::format("{:09}Z.nsr", next % 1'000'000'000);
}

void RecordingDirectory::add(const std::string& path) {
  if (!current_.empty()) {
    struct stat status = {};
    const bool there = !lstat(current_.c_str(), &status);
    closed_.push_back(
        {.path = current_,
         .bytes = there ? static_cast<std::uint64_t>(status.st_size) : 0,
         .written_ns = status.st_mtim.tv_sec * 1'000'000'000 + status.st_mtim.tv_nsec});
  }
  current_ = path;
}

std::uint64_t RecordingDirectory::closed_bytes() const {
  return std::accumulate(closed_.begin(), closed_.end(), std::uint64_t{0},
                         [](std::uint64_t sum, const File& file) { return sum + file.bytes; });
}

bool RecordingDirectory::remove_oldest() {
  if (closed_.empty()) return false;
  unlink(closed_.front().path.c_str());
  closed_.pop_front();
  return true;
}

void RecordingDirectory::remove_older(std::int64_t time_ns) {
  while (!closed_.empty() && closed_.front().written_ns < time_ns) remove_oldest();
}

}  // namespace netsonde
