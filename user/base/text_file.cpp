// SPDX-License-Identifier: Apache-2.0
#include "user/base/text_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <array>

#include "user/base/fd.h"
#include "user/base/text.h"

namespace netsonde {

namespace {

bool is_null_device(const struct stat& about) {
  return S_ISCHR(about.st_mode) && about.st_rdev == makedev(1, 3);
}

Result<std::string> read_all(int file, const std::string& path, std::size_t most_bytes) {
  std::string text;
  std::array<char, 16384> part;
  for (;;) {
    const ssize_t length = read(file, part.data(), part.size());
    if (length < 0 && errno == EINTR) continue;
    if (length < 0) return Error::from_errno(printable(path));
    if (length == 0) return text;
    text.append(part.data(), static_cast<std::size_t>(length));
    if (text.size() > most_bytes)
      return Error(fmt::format("{}: larger than {}KiB", printable(path), most_bytes >> 10));
  }
}

Result<> check_writers(const struct stat& about, const std::string& path) {
  if (about.st_uid != 0 && about.st_uid != geteuid())
    return Error(
        fmt::format("{} belongs to user {}: it cannot be trusted", printable(path), about.st_uid));
  if (!(about.st_mode & 022)) return {};
  return Error(printable(path) + " may be written by others: it cannot be trusted");
}

Result<std::optional<std::string>> read_file(const std::string& path, std::size_t most_bytes,
                                             bool trusted) {
  const UniqueFd file(open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!file && errno == ENOENT) return std::optional<std::string>();
  if (!file) return Error::from_errno(printable(path));
  struct stat about = {};
  if (fstat(file.get(), &about)) return Error::from_errno(printable(path));
  if (is_null_device(about)) return std::optional(std::string());
  if (!S_ISREG(about.st_mode)) return Error(printable(path) + ": no regular file");
  if (trusted) TRY(check_writers(about, path));
  return std::optional(TRY(read_all(file.get(), path, most_bytes)));
}

}  // namespace

Result<std::optional<std::string>> read_text_file(const std::string& path, std::size_t most_bytes) {
  return read_file(path, most_bytes, false);
}

Result<std::optional<std::string>> read_trusted_file(const std::string& path,
                                                     std::size_t most_bytes) {
  return read_file(path, most_bytes, true);
}

}  // namespace netsonde
