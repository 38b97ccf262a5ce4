// SPDX-License-Identifier: Apache-2.0
#include "user/sinks/recording_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cstring>

#include "user/base/text.h"
#include "user/model/recording/format.h"

namespace netsonde {

using namespace recording;

namespace {

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

}  // namespace

Result<RecordingFile> RecordingFile::create(const std::string& path, const Origin& origin,
                                            bool replace) {
  const int flags = O_WRONLY | O_CREAT | O_CLOEXEC | (replace ? O_TRUNC : O_EXCL);
  UniqueFd fd(::open(path.c_str(), flags, 0600));
  if (!fd && errno == EEXIST) return Error(printable(path) + " exists; --force replaces it");
  if (!fd) return Error::from_errno("create " + printable(path));
  RecordingFile file(path, std::move(fd));
  file.began_ns_ = file.last_ns_ = origin.began_ns;
  TRY(file.write_all(bytes_of(kFileMark)));
  FrameWriter frames;
  const FrameHead head{
      .kind = FrameKind::Begin, .first_ns = origin.began_ns, .last_ns = origin.began_ns};
  TRY(file.write_all(frames.frame(head, bytes_of(to_line(to_json(origin))))));
  return file;
}

// What is cut short by an error is taken back, so that a frame is there whole or not at all.
Result<> RecordingFile::write_all(std::span<const std::byte> bytes) {
  std::uint64_t at = bytes_;
  while (!bytes.empty()) {
    const ssize_t size = pwrite(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(at));
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) {
      const Error error = Error::from_errno("write " + printable(path_), size < 0 ? errno : ENOSPC);
      (void)!ftruncate(fd_.get(), static_cast<off_t>(bytes_));
      return error;
    }
    bytes = bytes.subspan(static_cast<std::size_t>(size));
    at += static_cast<std::uint64_t>(size);
  }
  bytes_ = at;
  return {};
}

Result<> RecordingFile::append(const FrameHead& head, std::span<const std::byte> frame, bool sync) {
  const std::uint64_t offset = bytes_;
  TRY(write_all(frame));
  last_ns_ = std::max(last_ns_, head.last_ns);
  if (head.kind == FrameKind::Checkpoint && !(head.flags & kContinued))
    ending_.checkpoints.push_back({.time_ns = head.first_ns, .offset = offset});
  if (sync && fdatasync(fd_.get())) return Error::from_errno("write " + printable(path_));
  return {};
}

void RecordingFile::count(const std::map<std::uint16_t, std::uint64_t>& records) {
  for (const auto& [kind, count] : records) ending_.records[kind] += count;
}

Result<> RecordingFile::finish(std::uint64_t not_recorded) {
  ending_.not_recorded = not_recorded;
  const std::uint64_t offset = bytes_;
  FrameWriter frames;
  const FrameHead head{.kind = FrameKind::End, .first_ns = began_ns_, .last_ns = last_ns_};
  const auto frame = frames.frame(head, bytes_of(to_line(to_json(ending_))));
  std::vector<std::byte> end(frame.begin(), frame.end());
  const auto place = std::as_bytes(std::span(&offset, 1));
  const auto mark = std::as_bytes(std::span(kTailMark));
  end.insert(end.end(), place.begin(), place.end());
  end.insert(end.end(), mark.begin(), mark.end());
  TRY(write_all(end));
  if (fsync(fd_.get())) return Error::from_errno("write " + printable(path_));
  return {};
}

}  // namespace netsonde
