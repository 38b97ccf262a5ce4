// SPDX-License-Identifier: Apache-2.0
#include "user/sinks/recording_writer.h"

#include <algorithm>
#include <csignal>
#include <utility>

namespace netsonde {

using namespace recording;

namespace {

constexpr std::size_t kMostWaiting = 64 << 20;
constexpr std::uint64_t kFilesInDirectory = 16;
// For the end of one file and the begin of the next.
constexpr std::uint64_t kReserve = 64 << 10;
constexpr std::uint64_t kLargestFile = 64 << 20;
constexpr Nanos kOldestFile = std::chrono::hours(1);

FrameHead head_of(const FrameJob& job, std::int64_t began_ns) {
  const auto time = [&](std::uint64_t ns) {
    return ns ? static_cast<std::int64_t>(ns) + job.realtime_offset_ns : began_ns;
  };
  return {.kind = job.kind,
          .flags = job.flags,
          .records = job.batch.count(),
          .first_ns = time(job.batch.first_ns()),
          .last_ns = time(job.batch.last_ns())};
}

std::size_t bytes_of(const std::vector<FrameJob>& jobs) {
  std::size_t bytes = 0;
  for (const FrameJob& job : jobs) bytes += job.batch.bytes();
  return bytes;
}

}  // namespace

Result<std::unique_ptr<RecordingWriter>> RecordingWriter::open(RecordingTarget target,
                                                               Origin origin) {
  std::unique_ptr<RecordingWriter> writer(
      new RecordingWriter(std::move(target), std::move(origin)));
  if (writer->target_.rolling)
    writer->directory_ = TRY(RecordingDirectory::open(writer->target_.path));
  TRY(writer->open_file());
  // Signals are the loop's: they go to its thread.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  writer->thread_ = std::thread([raw = writer.get()] { raw->work(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return writer;
}

RecordingWriter::~RecordingWriter() {
  stop();
}

Result<> RecordingWriter::open_file() {
  const std::string path = directory_ ? directory_->new_path(origin_.began_ns) : target_.path;
  file_ = TRY(RecordingFile::create(path, origin_, target_.replace));
  if (directory_) directory_->add(path);
  ++summary_.files;
  summary_.bytes += file_->bytes();
  return {};
}

bool RecordingWriter::offer(std::vector<FrameJob> jobs) {
  const std::size_t bytes = bytes_of(jobs);
  {
    const std::lock_guard lock(mutex_);
    const bool room = waiting_bytes_ == 0 || waiting_bytes_ + bytes <= kMostWaiting;
    if (failure_ || !room) return false;
    waiting_bytes_ += bytes;
    for (FrameJob& job : jobs) jobs_.push_back(std::move(job));
  }
  changed_.notify_one();
  return true;
}

void RecordingWriter::work() {
  while (true) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return ending_ || !jobs_.empty(); });
    if (jobs_.empty()) return;
    const FrameJob job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    take(job);
    lock.lock();
    waiting_bytes_ -= job.batch.bytes();
  }
}

void RecordingWriter::take(const FrameJob& job) {
  const bool is_state = job.kind == FrameKind::Checkpoint;
  Result<> written;
  if (is_state && !(job.flags & kContinued)) written = begin_file_with(job);
  if (written) written = append(job);
  if (written) return;
  if (!is_state) dropped_ += job.batch.count();
  if (target_.rolling) return;
  const std::lock_guard lock(mutex_);
  if (!failure_) failure_ = std::move(written).error();
}

// A rolling recording goes on in a new file where a checkpoint allows it and it is time.
Result<> RecordingWriter::begin_file_with(const FrameJob& job) {
  if (!wants_checkpoint_.exchange(false)) return {};
  if (file_) (void)!file_->finish(dropped_);
  origin_.began_ns = head_of(job, origin_.began_ns).first_ns;
  origin_.realtime_offset_ns = job.realtime_offset_ns;
  ++origin_.number;
  if (target_.keep) directory_->remove_older(origin_.began_ns - target_.keep->count());
  Result<> opened = open_file();
  while (!opened && directory_->remove_oldest()) opened = open_file();
  if (!opened) file_.reset();
  if (!opened) wants_checkpoint_ = true;  // and tries again with the next one
  return opened;
}

Result<> RecordingWriter::append(const FrameJob& job) {
  if (!file_) return Error("there is no file to write to");
  const FrameHead head = head_of(job, origin_.began_ns);
  const auto frame = frames_.frame(head, job.batch.encode());
  if (directory_) make_room(frame.size() + kReserve);
  if (directory_ && file_->bytes() + frame.size() + kReserve > target_.most_bytes)
    return Error("all files together would be too large");
  const bool sync = job.kind == FrameKind::Checkpoint;
  Result<> written = file_->append(head, frame, sync);
  while (!written && directory_ && directory_->remove_oldest())
    written = file_->append(head, frame, sync);
  if (!written) return written;
  summary_.bytes += frame.size();
  if (!sync) {
    summary_.records += job.batch.count();
    file_->count(job.batch.counts());
  }
  if (!target_.rolling) return {};
  const auto most =
      std::clamp<std::uint64_t>(target_.most_bytes / kFilesInDirectory, 1, kLargestFile);
  const Nanos age(head.last_ns - file_->began_ns());
  const Nanos oldest = std::min(kOldestFile, target_.keep.value_or(kOldestFile) / 4);
  if (file_->bytes() >= most || age >= oldest) wants_checkpoint_ = true;
  return {};
}

void RecordingWriter::make_room(std::size_t bytes) {
  while (directory_->closed_bytes() + file_->bytes() + bytes > target_.most_bytes &&
         directory_->remove_oldest()) {
  }
}

void RecordingWriter::stop() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_one();
  if (thread_.joinable()) thread_.join();
}

std::optional<Error> RecordingWriter::failure() const {
  const std::lock_guard lock(mutex_);
  return failure_;
}

Result<RecordingWriter::Summary> RecordingWriter::finish(std::uint64_t not_recorded) {
  stop();
  if (failure_) return *failure_;
  if (!file_) return Error("record into " + target_.path + ": no file could be created");
  TRY(file_->finish(not_recorded + dropped_));
  summary_.path = file_->path();
  return summary_;
}

}  // namespace netsonde
