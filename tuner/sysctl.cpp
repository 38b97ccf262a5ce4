// SPDX-License-Identifier: Apache-2.0
#include "tuner/sysctl.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>

#include "user/base/text.h"

namespace netsonde {

namespace {

// Longer than any setting in the catalogue.
constexpr std::size_t kLongest = 4096;

std::string path_of(std::string_view key) {
  std::string path(key);
  std::ranges::replace(path, '.', '/');
  return path;
}

Result<> write_value(int fd, std::string_view key, std::string_view value) {
  const std::string line = std::string(value) + "\n";
  ssize_t count = -1;
  do count = ::write(fd, line.data(), line.size());
  while (count < 0 && errno == EINTR);
  const std::string doing = fmt::format("write {} to {}", printable(value), key);
  if (count < 0) return Error::from_errno(doing);
  if (static_cast<std::size_t>(count) != line.size()) return Error(doing + ": taken only in part");
  return {};
}

Result<std::string> read_value(int fd, std::string_view key) {
  char buffer[kLongest];
  const ssize_t count = ::read(fd, buffer, sizeof(buffer));
  if (count < 0) return Error::from_errno("read " + std::string(key));
  return normal_value(std::string_view(buffer, static_cast<std::size_t>(count)));
}

}  // namespace

Result<Sysctl> Sysctl::open(const std::string& folder, Enter enter) {
  UniqueFd fd(::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return Error::from_errno("open " + printable(folder));
  return Sysctl(std::move(fd), std::move(enter));
}

// None, and errno, where that fails.
UniqueFd Sysctl::open_file(std::string_view key, int flags) const {
  const std::string path = path_of(key);
  open_how how = {};
  how.flags = static_cast<std::uint64_t>(flags | O_CLOEXEC);
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
  return UniqueFd(
      static_cast<int>(syscall(SYS_openat2, folder_.get(), path.c_str(), &how, sizeof(how))));
}

Result<std::optional<std::string>> Sysctl::read(const ChangeScope& scope, std::string_view key) {
  std::optional<std::string> value;
  TRY(enter_(scope, [&]() -> Result<> {
    const UniqueFd fd = open_file(key, O_RDONLY);
    if (!fd && (errno == ENOENT || errno == ENOTDIR)) return {};
    if (!fd) return Error::from_errno("open " + std::string(key));
    value = TRY(read_value(fd.get(), key));
    return {};
  }));
  return value;
}

Result<bool> Sysctl::can_be_written(const ChangeScope& scope, std::string_view key) {
  bool can = false;
  TRY(enter_(scope, [&]() -> Result<> {
    if (geteuid() == 0) {
      can = static_cast<bool>(open_file(key, O_WRONLY));
      return {};
    }
    struct stat status = {};
    const UniqueFd fd = open_file(key, O_RDONLY);
    can = fd && fstat(fd.get(), &status) == 0 && (status.st_mode & S_IWUSR);
    return {};
  }));
  return can;
}

Result<> Sysctl::write(const ChangeScope& scope, const Tunable& tunable, std::string_view value) {
  TRY(check_value(tunable, value));
  const bool there = TRY(enter_(scope, [&]() -> Result<> {
    const UniqueFd fd = open_file(tunable.key, O_WRONLY | O_TRUNC);
    if (!fd) return Error::from_errno("open " + std::string(tunable.key));
    return write_value(fd.get(), tunable.key, value);
  }));
  if (there) return {};
  return Error(fmt::format("{}: {} is gone", tunable.key, to_text(scope)));
}

}  // namespace netsonde
