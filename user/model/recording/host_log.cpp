// SPDX-License-Identifier: Apache-2.0
#include "user/model/recording/host_log.h"

#include <algorithm>
#include <cstring>
#include <string_view>

#include "user/model/recording/format.h"
#include "user/model/recording/records.h"

namespace netsonde::recording {

namespace {

using Bytes = std::vector<std::byte>;

void put_number(Bytes& out, std::uint64_t number) {
  for (; number >= 0x80; number >>= 7) out.push_back(static_cast<std::byte>(number | 0x80));
  out.push_back(static_cast<std::byte>(number));
}

void put_text(Bytes& out, std::string_view text) {
  put_number(out, text.size());
  const auto bytes = std::as_bytes(std::span(text));
  out.insert(out.end(), bytes.begin(), bytes.end());
}

std::uint64_t zigzag(std::uint64_t difference) {
  return difference << 1 ^ (0ULL - (difference >> 63));
}
std::uint64_t unzigzag(std::uint64_t value) {
  return value >> 1 ^ (0ULL - (value & 1));
}

// What is left of a record.
class Rest {
 public:
  explicit Rest(std::span<const std::byte> bytes) : bytes_(bytes) {}
  bool empty() const { return bytes_.empty(); }
  std::size_t size() const { return bytes_.size(); }

  Result<std::uint64_t> number() {
    std::uint64_t number = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (bytes_.empty()) break;
      const auto byte = static_cast<std::uint64_t>(bytes_[0]);
      bytes_ = bytes_.subspan(1);
      number |= (byte & 0x7f) << shift;
      if (!(byte & 0x80)) return number;
    }
    return Error("a reading of the host's counters is damaged");
  }

  Result<std::string> text() {
    const auto size = TRY(number());
    if (size > bytes_.size()) return Error("a reading of the host's counters is damaged");
    std::string text(reinterpret_cast<const char*>(bytes_.data()), size);
    bytes_ = bytes_.subspan(size);
    return text;
  }

 private:
  std::span<const std::byte> bytes_;
};

rec_host head_of(RecordKind kind, Time time, std::uint64_t reading, std::uint64_t count) {
  rec_host head = {};
  head.header.time_ns = static_cast<std::uint64_t>(time.time_since_epoch().count());
  head.header.kind = kind;
  head.header.size = sizeof(head);
  head.reading = reading;
  head.count = count;
  return head;
}

Result<> read_all(std::vector<HostValue>& values, std::uint64_t count, Rest rest) {
  values.clear();
  if (count > rest.size()) return Error("a reading of the host's counters claims too many");
  for (std::uint64_t i = 0; i < count; ++i) {
    HostValue& value = values.emplace_back();
    value.name = TRY(rest.text());
    value.instance = TRY(rest.text());
    value.value = TRY(rest.number());
  }
  return {};
}

Result<> read_news(std::vector<HostValue>& values, Rest rest) {
  std::uint64_t at = 0;
  while (!rest.empty()) {
    at += TRY(rest.number());
    const auto difference = unzigzag(TRY(rest.number()));
    if (at >= values.size()) return Error("a reading of the host's counters is of others");
    values[at++].value += difference;
  }
  return {};
}

}  // namespace

bool HostLogWriter::same_names(std::span<const HostValue> values) const {
  return std::ranges::equal(values, last_, [](const HostValue& a, const HostValue& b) {
    return a.name == b.name && a.instance == b.instance;
  });
}

void HostLogWriter::add_news(Batch& batch, std::span<const HostValue> values) const {
  Bytes news;
  std::uint64_t passed = 0, count = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (values[i].value == last_[i].value) {
      ++passed;
      continue;
    }
    put_number(news, std::exchange(passed, 0));
    put_number(news, zigzag(values[i].value - last_[i].value));
    ++count;
  }
  const rec_host head = head_of(kHostNews, last_time_, reading_, count);
  batch.add(std::as_bytes(std::span(&head, 1)), news);
}

void HostLogWriter::add(Batch& batch, Time now, std::span<const HostValue> values) {
  const bool news = reading_ > 0 && same_names(values);
  last_time_ = now;
  ++reading_;
  if (news) add_news(batch, values);
  last_.assign(values.begin(), values.end());
  if (!news) add_all(batch);
}

void HostLogWriter::add_all(Batch& batch) const {
  if (reading_ == 0) return;
  Bytes all;
  for (const HostValue& value : last_) {
    put_text(all, value.name);
    put_text(all, value.instance);
    put_number(all, value.value);
  }
  const rec_host head = head_of(kHostAll, last_time_, reading_, last_.size());
  batch.add(std::as_bytes(std::span(&head, 1)), all);
}

Result<std::optional<HostLogReader::Reading>> HostLogReader::take(
    std::uint16_t kind, std::span<const std::byte> record) {
  rec_host head;
  std::memcpy(&head, record.data(), sizeof(head));
  const Rest rest(record.subspan(sizeof(head)));
  if (kind == kHostNews && reading_ != head.reading - 1) return std::optional<Reading>();
  reading_.reset();  // until it is known to be sound
  TRY(kind == kHostAll ? read_all(last_, head.count, rest) : read_news(last_, rest));
  reading_ = head.reading;
  return std::optional(Reading{.time = time_from_ns(head.header.time_ns), .values = last_});
}

}  // namespace netsonde::recording
