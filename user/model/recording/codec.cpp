// SPDX-License-Identifier: Apache-2.0
#include "user/model/recording/codec.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <type_traits>

#include "user/model/recording/format.h"

namespace netsonde::recording {

namespace {

constexpr std::size_t kWord = sizeof(std::uint32_t);
constexpr std::size_t kMostKinds = 256;

std::uint32_t word_at(const std::byte* bytes) {
  std::uint32_t word;
  std::memcpy(&word, bytes, kWord);
  return word;
}

std::uint32_t zigzag(std::uint32_t difference) {
  return difference << 1 ^ (0U - (difference >> 31));
}
std::uint32_t unzigzag(std::uint32_t value) {
  return value >> 1 ^ (0U - (value & 1));
}

template <typename T>
requires std::is_integral_v<T>
void put(std::vector<std::byte>& out, T value) {
  std::array<std::byte, sizeof(T)> bytes;
  std::memcpy(bytes.data(), &value, sizeof(T));
  out.insert(out.end(), bytes.begin(), bytes.end());
}

void put(std::vector<std::byte>& out, std::span<const std::byte> bytes) {
  out.insert(out.end(), bytes.begin(), bytes.end());
}

struct Group {
  std::uint16_t kind = 0;
  std::uint32_t size = 0;  // 0: it differs
  std::vector<std::span<const std::byte>> records;
};

// One word of all records as differences, by bytes. Returns how many bytes they have.
std::uint8_t put_column(std::vector<std::byte>& out, const Group& group, std::size_t offset,
                        std::vector<std::uint32_t>& differences) {
  differences.clear();
  std::uint32_t all = 0, before = word_at(group.records[0].data() + offset);
  for (std::size_t i = 1; i < group.records.size(); ++i) {
    const std::uint32_t now = word_at(group.records[i].data() + offset);
    differences.push_back(zigzag(now - before));
    all |= differences.back();
    before = now;
  }
  const auto width = static_cast<std::uint8_t>((std::bit_width(all) + 7) / 8);
  for (std::uint8_t byte = 0; byte < width; ++byte)
    for (const std::uint32_t difference : differences)
      out.push_back(static_cast<std::byte>(difference >> (8 * byte)));
  return width;
}

void put_fixed(std::vector<std::byte>& out, const Group& group) {
  put(out, group.records[0]);
  const std::size_t widths = out.size();
  out.resize(widths + group.size / kWord);
  std::vector<std::uint32_t> differences;
  differences.reserve(group.records.size());
  for (std::size_t word = 0; word < group.size / kWord; ++word)
    out[widths + word] = std::byte{put_column(out, group, word * kWord, differences)};
}

void put_open(std::vector<std::byte>& out, const Group& group) {
  for (const auto record : group.records) put(out, static_cast<std::uint32_t>(record.size()));
  for (const auto record : group.records) put(out, record);
}

std::uint16_t kind_of(std::span<const std::byte> record) {
  ev_header header;
  std::memcpy(&header, record.data(), sizeof(header));
  return header.kind;
}

}  // namespace

void Batch::add(std::span<const std::byte> record, std::span<const std::byte> tail) {
  ev_header header;
  std::memcpy(&header, record.data(), sizeof(header));
  if (empty()) first_ns_ = header.time_ns;
  last_ns_ = header.time_ns;
  ++count_;
  ++counts_[header.kind];
  put(bytes_, static_cast<std::uint32_t>(record.size() + tail.size()));
  put(bytes_, record);
  put(bytes_, tail);
}

std::vector<std::byte> Batch::encode() const {
  std::vector<Group> groups;
  std::array<std::int16_t, kMostKinds> index;
  index.fill(-1);
  std::vector<std::byte> order;
  order.reserve(count_);
  for (std::span<const std::byte> rest = bytes_; !rest.empty();) {
    const std::uint32_t size = word_at(rest.data());
    const auto record = rest.subspan(kWord, size);
    rest = rest.subspan(kWord + size);
    const std::uint16_t kind = kind_of(record);
    std::int16_t& group = index[kind % kMostKinds];  // kinds are small numbers
    if (group < 0) {
      group = static_cast<std::int16_t>(groups.size());
      groups.push_back(
          {.kind = kind, .size = own_layout(kind)->open_ended ? 0 : size, .records = {}});
    }
    groups[static_cast<std::size_t>(group)].records.push_back(record);
    order.push_back(static_cast<std::byte>(group));
  }
  std::vector<std::byte> out;
  out.reserve(bytes_.size() / 4 + 4096);
  put(out, count_);
  put(out, static_cast<std::uint8_t>(groups.size()));
  for (const Group& group : groups) {
    put(out, group.kind);
    put(out, group.size);
    put(out, static_cast<std::uint32_t>(group.records.size()));
  }
  put(out, order);
  for (const Group& group : groups) group.size ? put_fixed(out, group) : put_open(out, group);
  return out;
}

// What is left of a payload; every step asks whether it is there.
class Records::Payload {
 public:
  explicit Payload(std::span<const std::byte> bytes) : bytes_(bytes) {}

  template <typename T>
  Result<T> number() {
    const auto bytes = TRY(take(sizeof(T)));
    T value;
    std::memcpy(&value, bytes.data(), sizeof(T));
    return value;
  }
  Result<std::span<const std::byte>> take(std::uint64_t size) {
    if (size > bytes_.size()) return Error("its records do not fit into it");
    const auto bytes = bytes_.first(size);
    bytes_ = bytes_.subspan(size);
    return bytes;
  }
  bool empty() const { return bytes_.empty(); }

 private:
  std::span<const std::byte> bytes_;
};

Result<> Records::decode_fixed(Payload& payload, Kind& kind) {
  const auto first = TRY(payload.take(kind.size));
  const auto widths = TRY(payload.take(kind.size / kWord));
  kind.bytes.resize(std::size_t{kind.size} * kind.count);
  for (std::size_t i = 0; i < kind.count; ++i)
    std::copy(first.begin(), first.end(),
              kind.bytes.begin() + static_cast<std::ptrdiff_t>(i * kind.size));
  const std::size_t count = kind.count - 1;
  for (std::size_t word = 0; word < widths.size(); ++word) {
    const auto width = static_cast<std::size_t>(widths[word]);
    if (width > kWord) return Error("a difference in it is longer than a word");
    if (width == 0) continue;
    const auto planes = TRY(payload.take(width * count));
    std::byte* to = kind.bytes.data() + word * kWord;
    std::uint32_t value = word_at(to);
    for (std::size_t i = 0; i < count; ++i) {
      std::uint32_t difference = 0;
      for (std::size_t byte = 0; byte < width; ++byte)
        difference |= static_cast<std::uint32_t>(planes[byte * count + i]) << (8 * byte);
      value += unzigzag(difference);
      std::memcpy(to + (i + 1) * kind.size, &value, kWord);
    }
  }
  return {};
}

Result<> Records::decode_open(Payload& payload, Kind& kind) {
  std::uint64_t sum = 0;
  for (std::uint32_t i = 0; i < kind.count; ++i) {
    kind.lengths.push_back(TRY(payload.number<std::uint32_t>()));
    if (kind.lengths.back() < sizeof(ev_header) ||
        (kind.translation && kind.lengths.back() < kind.translation->their_size))
      return Error("a record in it is shorter than its kind");
    sum += kind.lengths.back();
  }
  const auto bytes = TRY(payload.take(sum));
  kind.bytes.assign(bytes.begin(), bytes.end());
  return {};
}

Result<Records> Records::decode(std::span<const std::byte> bytes, const Translation& translation) {
  Records records;
  Payload payload(bytes);
  const auto count = TRY(payload.number<std::uint32_t>());
  const auto kinds = TRY(payload.number<std::uint8_t>());
  std::uint64_t memory = 0, counted = 0;
  for (std::uint8_t i = 0; i < kinds; ++i) {
    Kind kind;
    const auto number = TRY(payload.number<std::uint16_t>());
    kind.translation = translation.find(number);
    kind.size = TRY(payload.number<std::uint32_t>());
    kind.count = TRY(payload.number<std::uint32_t>());
    const bool fits =
        kind.translation
            ? kind.size == (kind.translation->open_ended ? 0 : kind.translation->their_size)
            : kind.size % kWord == 0;
    if (!fits || kind.count == 0) return Error("a kind of its records is not as described");
    memory += std::uint64_t{kind.size} * kind.count;
    counted += kind.count;
    records.counts_[number] += kind.count;
    records.kinds_.push_back(std::move(kind));
  }
  if (counted != count || memory > kMostFrameBytes) return Error("its counts are impossible");
  const auto order = TRY(payload.take(count));
  std::vector<std::uint32_t> met(kinds);
  records.order_.reserve(count);
  for (const std::byte index : order) {
    const auto kind = static_cast<std::uint8_t>(index);
    if (kind >= kinds || ++met[kind] > records.kinds_[kind].count)
      return Error("the order of its records is impossible");
    records.order_.push_back(kind);
  }
  for (Kind& kind : records.kinds_) {
    TRY(kind.size ? records.decode_fixed(payload, kind) : records.decode_open(payload, kind));
    if (!kind.translation || !kind.translation->ours) records.unknown_ += kind.count;
  }
  if (!payload.empty()) return Error("something follows its last record");
  return records;
}

std::optional<Records::Record> Records::next() {
  while (at_ < order_.size()) {
    Kind& kind = kinds_[order_[at_++]];
    const std::size_t size = kind.size ? kind.size : kind.lengths[kind.next_record];
    const auto record = std::span<const std::byte>(kind.bytes).subspan(kind.next_byte, size);
    ++kind.next_record;
    kind.next_byte += size;
    if (!kind.translation || !kind.translation->ours) continue;
    return Record{.kind = kind.translation->ours,
                  .bytes = Translation::apply(*kind.translation, record, space_)};
  }
  return std::nullopt;
}

}  // namespace netsonde::recording
