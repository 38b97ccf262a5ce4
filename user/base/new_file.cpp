// SPDX-License-Identifier: Apache-2.0
#include "user/base/new_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "user/base/fd.h"
#include "user/base/text.h"

namespace netsonde {

namespace {

Error exists(const std::string& path) {
  return Error(printable(path) + " exists; --force replaces it");
}

std::string directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// A file without a lasting name: whatever fails, it goes.
class Draft {
 public:
  static Result<Draft> open(const std::string& path) {
    Draft draft;
    const std::size_t name = path.rfind('/') + 1;  // npos + 1 is 0
    draft.path_ = path.substr(0, name) + "." + path.substr(name) + ".XXXXXX";
    draft.fd_ = UniqueFd(mkostemp(draft.path_.data(), O_CLOEXEC));
    if (!draft.fd_) return Error::from_errno("create " + printable(path));
    const mode_t mask = umask(0);
    umask(mask);
    if (fchmod(draft.fd_.get(), 0666 & ~mask))
      return Error::from_errno("create " + printable(path));
    return draft;
  }
  Draft(Draft&& other) noexcept
      : path_(std::exchange(other.path_, {})), fd_(std::move(other.fd_)) {}
  Draft& operator=(Draft&&) = delete;
  ~Draft() {
    if (!path_.empty()) unlink(path_.c_str());
  }

  Result<> write(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t written = ::write(fd_.get(), bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return Error::from_errno("write");
      bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    if (fsync(fd_.get())) return Error::from_errno("write");
    return {};
  }

  // A name that somebody else has taken meanwhile stays theirs, unless it may be replaced.
  Result<> become(const std::string& path, bool replace) {
    int failed =
        renameat2(AT_FDCWD, path_.c_str(), AT_FDCWD, path.c_str(), replace ? 0 : RENAME_NOREPLACE);
    if (failed && errno == EINVAL) {  // the file system does not know how
      if (!access(path.c_str(), F_OK)) return exists(path);
      failed = std::rename(path_.c_str(), path.c_str());
    }
    if (failed && errno == EEXIST) return exists(path);
    if (failed) return Error::from_errno("create " + printable(path));
    path_.clear();
    return {};
  }

 private:
  Draft() = default;

  std::string path_;
  UniqueFd fd_;
};

}  // namespace

Result<> check_new_file(const std::string& path, bool replace) {
  const std::string directory = directory_of(path);
  if (path.ends_with('/')) return Error(printable(path) + " is no name of a file");
  if (access(directory.c_str(), W_OK | X_OK))
    return Error::from_errno("create files in " + printable(directory));
  struct stat there = {};
  if (lstat(path.c_str(), &there)) {
    if (errno == ENOENT) return {};
    return Error::from_errno("look at " + printable(path));
  }
  if (!replace) return exists(path);
  if (!S_ISREG(there.st_mode))
    return Error(printable(path) + " is no regular file: it is not replaced");
  return {};
}

Result<> write_new_file(const std::string& path, std::string_view bytes, bool replace) {
  TRY(check_new_file(path, replace));
  Draft draft = TRY(Draft::open(path));
  if (Result<> written = draft.write(bytes); !written)
    return std::move(written).error().while_doing("create " + printable(path));
  TRY(draft.become(path, replace));
  const UniqueFd directory(open(directory_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory || fsync(directory.get()))
    return Error::from_errno("write the directory of " + printable(path));
  return {};
}

}  // namespace netsonde
