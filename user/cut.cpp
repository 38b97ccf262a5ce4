// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <optional>

#include "user/base/text.h"
#include "user/record.h"
#include "user/recorded.h"
#include "user/sinks/recording_file.h"

namespace netsonde {

using namespace recording;

namespace {

// Copies frames as they are; a recording's layouts are told once, so all must have the same.
class Cut {
 public:
  Cut(RecordingFile file, Origin origin) : file_(std::move(file)), origin_(std::move(origin)) {}

  bool fits(const Segment& segment) const { return segment.origin().layouts == origin_.layouts; }

  Result<> add(const Segment::Frame& frame, std::span<const std::byte> stored, bool restart) {
    FrameHead head = frame.head;
    if (restart) head.flags |= kRestart;
    seal(head);
    frame_.resize(sizeof(head) + stored.size());
    std::memcpy(frame_.data(), &head, sizeof(head));
    std::copy(stored.begin(), stored.end(), frame_.begin() + sizeof(head));
    TRY(file_.append(head, frame_, false));
    if (head.kind == FrameKind::Data) {
      file_.count(frame.records.counts());
      records_ += head.records;
    }
    return {};
  }

  Result<> finish(std::uint64_t not_recorded) { return file_.finish(not_recorded); }
  const RecordingFile& file() const { return file_; }
  std::uint64_t records() const { return records_; }

 private:
  RecordingFile file_;
  Origin origin_;
  std::vector<std::byte> frame_;
  std::uint64_t records_ = 0;
};

}  // namespace

namespace {

// All frames of that span, under a name of its own until they are complete.
Result<Cut> copied(RecordedSpan& span, const std::string& part) {
  Recording& recording = span.recording;
  recording.seek(span.since_ns);
  Origin origin = recording.origin();
  origin.began_ns = std::max(span.since_ns, recording.segments().front().origin().began_ns);
  Cut cut(TRY(RecordingFile::create(part, origin, true)), origin);
  while (auto place = TRY(recording.next_frame())) {
    if (!cut.fits(recording.current()))
      return Error(printable(recording.current().name()) +
                   ": was recorded by another version: take it apart from what came before");
    if (place->frame.head.first_ns > span.until_ns) break;
    TRY(cut.add(place->frame, recording.current().stored(), place->restarts));
  }
  TRY(cut.finish(0));
  return cut;
}

}  // namespace

Result<int> run_snapshot(const Options& options) {
  RecordedSpan span = TRY(open_recorded(options));
  if (!options.force && !access(options.output.c_str(), F_OK))
    return Error(printable(options.output) + " exists; --force replaces it");
  const std::string part = options.output + ".part";
  auto cut = copied(span, part);
  if (cut && std::rename(part.c_str(), options.output.c_str()))
    cut = Error::from_errno("create " + printable(options.output));
  if (!cut) {
    unlink(part.c_str());
    return std::move(cut).error();
  }
  std::fprintf(stderr, "%s\n",
               fmt::format("{}: {} records in {}B, from {} to {}", printable(options.output),
                           cut.value().records(),
                           short_bytes(static_cast<double>(cut.value().file().bytes())),
                           rfc3339(span.since_ns), rfc3339(span.until_ns))
                   .c_str());
  return 0;
}

}  // namespace netsonde
