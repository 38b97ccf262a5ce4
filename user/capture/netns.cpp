// SPDX-License-Identifier: Apache-2.0
#include "user/capture/netns.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

namespace netsonde {

namespace {

constexpr const char* kOwn = "/proc/self/ns/net";

// As /proc has it in a table of words.
std::string unescaped(const std::string& word) {
  std::string text;
  for (std::size_t i = 0; i < word.size(); ++i) {
    const bool octal = word[i] == '\\' && i + 3 < word.size();
    text += octal ? static_cast<char>(std::strtoul(word.substr(i + 1, 3).c_str(), nullptr, 8))
                  : word[i];
    if (octal) i += 3;
  }
  return text;
}

// Where network namespaces are kept by a mount, whoever made it.
std::vector<std::string> mounted_namespaces() {
  std::vector<std::string> paths;
  std::ifstream file("/proc/self/mountinfo");
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string id, parent, device, root, place;
    if (words >> id >> parent >> device >> root >> place && root.starts_with("net:["))
      paths.push_back(unescaped(place));
  }
  return paths;
}

bool is_number(const std::string& text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

class Collector {
 public:
  void add(const std::string& path) {
    struct stat status = {};
    if (stat(path.c_str(), &status)) return note(errno);
    if (seen_.contains(status.st_ino)) return;
    UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    // Its process may have ended meanwhile, and another one have its number.
    if (!fd || fstat(fd.get(), &status)) return note(errno);
    if (seen_.insert(status.st_ino).second)
      all.found.push_back({.inode = status.st_ino, .fd = std::move(fd)});
  }

  NetworkNamespaces all;

 private:
  // What has ended, or is not for us to see, is no failure.
  void note(int error) {
    if (error == ENOENT || error == ESRCH || error == EACCES || error == EPERM) return;
    ++all.not_opened;
    all.problem = std::strerror(error);
  }

  std::set<std::uint64_t> seen_;
};

}  // namespace

NetworkNamespaces network_namespaces() {
  Collector collector;
  collector.add(kOwn);
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
    const std::string name = entry.path().filename();
    if (is_number(name)) collector.add("/proc/" + name + "/ns/net");
  }
  if (error) {
    ++collector.all.not_opened;
    collector.all.problem = error.message();
  }
  for (const std::string& path : mounted_namespaces()) collector.add(path);
  return std::move(collector.all);
}

Result<NamespaceIdentity> own_namespace() {
  struct stat status = {};
  if (stat(kOwn, &status)) return Error::from_errno("look at the own network namespace");
  const UniqueFd any(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  NamespaceIdentity identity{.inode = status.st_ino};
  socklen_t length = sizeof(identity.cookie);
  if (!any || getsockopt(any.get(), SOL_SOCKET, SO_NETNS_COOKIE, &identity.cookie, &length))
    return Error::from_errno("read the cookie of the network namespace");
  return identity;
}

// A process 1 may let nobody look; kernel threads are where the first one began.
std::optional<bool> is_first_namespace(std::uint64_t inode) {
  struct stat first = {};
  if (!stat("/proc/1/ns/net", &first)) return first.st_ino == inode;
  std::ifstream comm("/proc/2/comm");
  std::string name;
  if (!(comm >> name) || name != "kthreadd" || stat("/proc/2/ns/net", &first)) return std::nullopt;
  return first.st_ino == inode;
}

Result<> inside(const NetworkNamespace& target, const std::function<Result<>()>& function) {
  const UniqueFd own(open(kOwn, O_RDONLY | O_CLOEXEC));
  if (!own) return Error::from_errno("open own network namespace");
  if (setns(target.fd.get(), CLONE_NEWNET)) return Error::from_errno("enter network namespace");
  auto result = function();
  if (setns(own.get(), CLONE_NEWNET)) return Error::from_errno("return to own network namespace");
  return result;
}

}  // namespace netsonde
