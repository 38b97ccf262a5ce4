// SPDX-License-Identifier: Apache-2.0
#include "tuner/journal.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <optional>
#include <string_view>

#include "user/base/text.h"

namespace netsonde {

namespace {

constexpr const char* kName = "/tune.journal";
// A change has at most three records after the first, each with a value or a message.
constexpr off_t kRoomPerChange = 4096;
constexpr off_t kRoomPerSet = 8192;

Result<> check_owner(const struct stat& status, const std::string& path, mode_t type) {
  if ((status.st_mode & S_IFMT) != type)
    return Error(printable(path) + (type == S_IFDIR ? " is no directory" : " is no regular file"));
  if (status.st_uid != geteuid() || status.st_mode & 022)
    return Error(printable(path) + " may be written by others: it cannot be trusted");
  return {};
}

Result<> make_directory(const std::string& directory) {
  if (mkdir(directory.c_str(), 0700) && errno != EEXIST)
    return Error::from_errno("create " + printable(directory));
  struct stat status = {};
  if (lstat(directory.c_str(), &status))
    return Error::from_errno("look at " + printable(directory));
  return check_owner(status, directory, S_IFDIR);
}

Result<> sync_directory(const std::string& directory) {
  const UniqueFd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd || fsync(fd.get())) return Error::from_errno("write " + printable(directory));
  return {};
}

Result<> check_file(int fd, const std::string& path) {
  struct stat status = {};
  if (fstat(fd, &status)) return Error::from_errno("look at " + printable(path));
  return check_owner(status, path, S_IFREG);
}

Result<std::string> read_all(int fd, const std::string& path) {
  std::string bytes;
  char buffer[65536];
  while (true) {
    const ssize_t count = pread(fd, buffer, sizeof(buffer), static_cast<off_t>(bytes.size()));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return Error::from_errno("read " + printable(path));
    if (count == 0) return bytes;
    bytes.append(buffer, static_cast<std::size_t>(count));
  }
}

Result<Ledger> ledger_in(int fd, const std::string& path) {
  auto ledger = Ledger::read(TRY(read_all(fd, path)));
  if (ledger) return ledger;
  return Error(printable(path) + " is damaged: " + ledger.error().message() +
               "; look at it, then move it away");
}

// A stopped process must not stop all others.
Result<> lock(int fd, int how, const std::string& path) {
  constexpr timespec kPause{.tv_sec = 0, .tv_nsec = 50'000'000};
  constexpr int kTries = 200;
  for (int tries = 0; flock(fd, how | LOCK_NB); ++tries) {
    if (errno != EWOULDBLOCK && errno != EINTR) return Error::from_errno("lock " + printable(path));
    if (tries == kTries)
      return Error("another netsonde holds " + printable(path) + ", and does not go on");
    nanosleep(&kPause, nullptr);
  }
  return {};
}

Result<> write_at(int fd, std::string_view bytes, std::size_t offset) {
  while (!bytes.empty()) {
    const ssize_t count = pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return Error::from_errno("write");
    bytes.remove_prefix(static_cast<std::size_t>(count));
    offset += static_cast<std::size_t>(count);
  }
  while (fdatasync(fd))
    if (errno != EINTR) return Error::from_errno("write");
  return {};
}

// It may have been moved away while somebody else held it.
bool is_still_there(int fd, const std::string& path) {
  struct stat opened = {}, named = {};
  return !fstat(fd, &opened) && !lstat(path.c_str(), &named) && opened.st_dev == named.st_dev &&
         opened.st_ino == named.st_ino;
}

// What a crash has left half written is cut off. Not otherwise: cutting gives reserved room back.
Result<> cut_to(int fd, std::size_t length, const std::string& path) {
  struct stat status = {};
  if (fstat(fd, &status)) return Error::from_errno("look at " + printable(path));
  if (status.st_size == static_cast<off_t>(length)) return {};
  if (ftruncate(fd, static_cast<off_t>(length)))
    return Error::from_errno("write " + printable(path));
  return {};
}

// A set that has begun must not come to a full disk before it has ended.
Result<> make_room(int fd, std::size_t length, std::size_t line, std::size_t changes) {
  const off_t room =
      static_cast<off_t>(line) + kRoomPerSet + kRoomPerChange * static_cast<off_t>(changes);
  if (!fallocate(fd, FALLOC_FL_KEEP_SIZE, static_cast<off_t>(length), room)) return {};
  if (errno == EOPNOTSUPP || errno == ENOSYS) return {};
  return Error::from_errno("make room");
}

}  // namespace

std::string Journal::path_in(const std::string& directory) {
  return directory + kName;
}

Result<Journal> Journal::open(const std::string& directory) {
  TRY(make_directory(directory));
  const std::string path = path_in(directory);
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600));
  if (!fd) return Error::from_errno("open " + printable(path));
  TRY(check_file(fd.get(), path));
  TRY(lock(fd.get(), LOCK_EX, path));
  if (!is_still_there(fd.get(), path))
    return Error(printable(path) + " was moved or replaced meanwhile: try again");
  TRY(sync_directory(directory));
  Journal journal(path, std::move(fd));
  journal.ledger_ = TRY(ledger_in(journal.fd_.get(), path));
  journal.length_ = journal.ledger_.length();
  TRY(cut_to(journal.fd_.get(), journal.length_, path));
  return journal;
}

Result<Ledger> Journal::look(const std::string& directory, bool settled) {
  const std::string path = path_in(directory);
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!fd && errno == ENOENT) return Ledger();
  if (!fd) return Error::from_errno("open " + printable(path));
  TRY(check_file(fd.get(), path));
  if (settled) TRY(lock(fd.get(), LOCK_SH, path));
  return ledger_in(fd.get(), path);
}

Result<> Journal::append(const Record& record) {
  const std::string line = to_line(record);
  // One that nobody could read again would hide all the others.
  if (const auto again = record_from(std::string_view(line).substr(0, line.size() - 1)); !again)
    return Error("keep the journal " + printable(path_) + ": " + again.error().message());
  const int fd = fd_.get();
  Result<> written;
  if (record.begun) written = make_room(fd, length_, line.size(), record.begun->changes.size());
  if (written) written = write_at(fd, line, length_);
  if (!written) {
    const std::string problem = "keep the journal " + printable(path_);
    if (!cut_to(fd, length_, path_))
      return Error(problem + ": " + written.error().message() +
                   ", and whether it counts is not known: netsonde tune status");
    return std::move(written).error().while_doing(problem);
  }
  length_ += line.size();
  return {};
}

}  // namespace netsonde
