// SPDX-License-Identifier: Apache-2.0
#include "user/capture/kept_file.h"

#include <fcntl.h>

namespace netsonde {

std::optional<std::string_view> KeptFile::read(std::string& buffer) {
  std::size_t length = 0;
  if (fd_ && read_open_file(buffer, length)) return std::string_view(buffer).substr(0, length);
  fd_.reset(openat(directory_, path_.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd_ && read_open_file(buffer, length)) return std::string_view(buffer).substr(0, length);
  fd_.reset();
  return std::nullopt;
}

bool KeptFile::read_open_file(std::string& buffer, std::size_t& length) const {
  // The kernel allocates and clears as much for a setting as is asked for.
  constexpr std::size_t kValueBytes = 256, kTableBytes = 32 << 10;
  const std::size_t step = size_ == Size::Value ? kValueBytes : kTableBytes;
  for (;;) {
    if (buffer.size() < length + step) buffer.resize(length + step);
    const ssize_t got = pread(fd_.get(), &buffer[length], step, static_cast<off_t>(length));
    if (got < 0) return false;
    length += static_cast<std::size_t>(got);
    if (got == 0 || (size_ == Size::Value && length < kValueBytes)) return true;
  }
}

std::optional<std::string> read_once(int directory, const std::string& path) {
  std::string buffer;
  const auto text = KeptFile(directory, path, KeptFile::Size::Table).read(buffer);
  if (!text) return std::nullopt;
  const std::size_t end = text->find_last_not_of(" \n");
  return std::string(text->substr(0, end == std::string_view::npos ? 0 : end + 1));
}

}  // namespace netsonde
