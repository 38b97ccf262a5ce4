// SPDX-License-Identifier: Apache-2.0
#include "user/capture/device_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>

namespace netsonde {

namespace {

constexpr std::size_t kPage = 4096;  // no file of sysfs is longer

}  // namespace

Result<std::optional<DeviceFiles>> DeviceFiles::open(int sys, const std::string& device) {
  const std::string path = "class/net/" + device;
  UniqueFd folder(openat(sys, path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!folder && errno == ENOENT) return std::optional<DeviceFiles>();
  if (!folder) return Error::from_errno("open " + path);
  return std::optional(DeviceFiles(device, std::move(folder)));
}

Result<std::optional<std::string>> DeviceFiles::read(const std::string& file) const {
  const std::string doing = fmt::format("read {} of {}", file, device_);
  const UniqueFd fd(openat(folder_.get(), file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd && errno == ENOENT) return std::optional<std::string>();
  if (!fd) return Error::from_errno(doing);
  char buffer[kPage];
  const ssize_t count = ::read(fd.get(), buffer, sizeof(buffer));
  // A device that has a single queue has nothing to choose; one may go meanwhile.
  const bool has_nothing = errno == ENOENT || errno == EOPNOTSUPP || errno == ENODEV;
  if (count < 0 && has_nothing) return std::optional<std::string>();
  if (count < 0) return Error::from_errno(doing);
  const std::string_view text(buffer, static_cast<std::size_t>(count));
  return std::optional(std::string(text.substr(0, text.find_last_not_of(" \n") + 1)));
}

Result<> DeviceFiles::write(const std::string& file, std::string_view value) const {
  const std::string doing = fmt::format("write {} to {} of {}", value, file, device_);
  const UniqueFd fd(openat(folder_.get(), file.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd) return Error::from_errno(doing);
  ssize_t count = -1;
  do count = ::write(fd.get(), value.data(), value.size());
  while (count < 0 && errno == EINTR);
  if (count < 0) return Error::from_errno(doing);
  if (static_cast<std::size_t>(count) != value.size()) return Error(doing + ": taken only in part");
  return {};
}

std::vector<std::string> DeviceFiles::queues(std::string_view direction) const {
  std::vector<std::string> queues;
  for (;;) {
    std::string queue = fmt::format("queues/{}-{}", direction, queues.size());
    if (faccessat(folder_.get(), queue.c_str(), F_OK, 0)) return queues;
    queues.push_back(std::move(queue));
  }
}

}  // namespace netsonde
