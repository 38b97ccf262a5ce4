// SPDX-License-Identifier: Apache-2.0
#include "user/capture/recording_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <memory>

#include "user/base/fd.h"
#include "user/base/text.h"

namespace netsonde {

namespace {

using recording::Input;
using recording::Segment;

Result<Input> open_file(const std::string& path) {
  const std::string doing = "read " + printable(path);
  auto file = std::make_shared<UniqueFd>(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!*file) return Error::from_errno(doing);
  struct stat status = {};
  if (fstat(file->get(), &status)) return Error::from_errno(doing);
  if (!S_ISREG(status.st_mode)) return Error(doing + ": is no regular file");
  return Input{.name = path,
               .size = static_cast<std::uint64_t>(status.st_size),
               .read = [file, doing](std::uint64_t offset, std::span<std::byte> out) -> Result<> {
                 while (!out.empty()) {
                   const ssize_t size =
                       pread(file->get(), out.data(), out.size(), static_cast<off_t>(offset));
                   if (size < 0 && errno == EINTR) continue;
                   if (size < 0) return Error::from_errno(doing);
                   if (size == 0) return Error(doing + ": became shorter meanwhile");
                   out = out.subspan(static_cast<std::size_t>(size));
                   offset += static_cast<std::uint64_t>(size);
                 }
                 return {};
               }};
}

Result<Segment> open_segment(const std::string& path, bool salvage) {
  return Segment::open(TRY(open_file(path)), salvage);
}

Result<std::vector<std::string>> files_in(const std::string& path) {
  std::error_code error;
  std::vector<std::string> files;
  for (std::filesystem::directory_iterator entry(path, error), end; !error && entry != end;
       entry.increment(error))
    if (entry->path().extension() == ".nsr") files.push_back(entry->path());
  if (error) return Error("read " + printable(path) + ": " + error.message());
  if (files.empty()) return Error(printable(path) + ": holds no recording (*.nsr)");
  std::ranges::sort(files);
  return files;
}

std::string clock_time(std::int64_t ns) {
  return rfc3339(ns).substr(0, 19) + "Z";
}

// What a reader should know before trusting what is missing.
void remark_on(const Segment& segment, std::vector<std::string>& remarks) {
  const std::string name = printable(segment.name());
  if (segment.cut_at())
    remarks.push_back(
        fmt::format("{}: cut off in the middle of a frame, at byte {}; it can be read "
                    "up to {}, at most a second is missing",
                    name, *segment.cut_at(), clock_time(segment.last_ns())));
  else if (!segment.ending())
    remarks.push_back(fmt::format("{}: was not closed, or is still being written; it ends at {}",
                                  name, clock_time(segment.last_ns())));
}

Result<OpenedRecording> open_directory(const std::string& path, bool salvage) {
  std::vector<Segment> segments;
  std::vector<std::string> remarks;
  for (const std::string& file : TRY(files_in(path))) {
    auto segment = open_segment(file, salvage);
    if (segment)
      segments.push_back(std::move(segment).value());
    else
      remarks.push_back(segment.error().message() + "; passed over");
  }
  if (segments.empty()) return Error(remarks.front());
  OpenedRecording opened{.recording = recording::Recording(std::move(segments)),
                         .remarks = std::move(remarks)};
  for (const Segment& segment : opened.recording.segments()) remark_on(segment, opened.remarks);
  for (const auto& [from, to] : opened.recording.gaps())
    opened.remarks.push_back(fmt::format("{}: nothing was recorded from {} to {}", printable(path),
                                         clock_time(from), clock_time(to)));
  return opened;
}

}  // namespace

Result<OpenedRecording> open_recording(const std::string& path, bool salvage) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) return open_directory(path, salvage);
  std::vector<Segment> segments;
  segments.push_back(TRY(open_segment(path, salvage)));
  OpenedRecording opened{.recording = recording::Recording(std::move(segments)), .remarks = {}};
  remark_on(opened.recording.segments()[0], opened.remarks);
  return opened;
}

}  // namespace netsonde
