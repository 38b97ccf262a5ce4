// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "user/base/text.h"
#include "user/model/event.h"
#include "user/model/recording/layout.h"

namespace netsonde::recording {

namespace {

Result<FieldLayout> field_from(const Json& json, std::uint32_t record_size) {
  FieldLayout field{.name = json.at(0).get<std::string>(),
                    .offset = json.at(1).get<std::uint32_t>(),
                    .width = json.at(2).get<std::uint32_t>(),
                    .count = json.at(3).get<std::uint32_t>()};
  const std::uint64_t end = field.offset + std::uint64_t{field.width} * field.count;
  if (field.width == 0 || field.width > 8 || field.count == 0 || end > record_size)
    return Error("field '" + printable(field.name) + "' lies outside its record");
  return field;
}

Result<RecordLayout> layout_from(const Json& json) {
  RecordLayout layout{.name = json.at("name").get<std::string>(),
                      .kind = json.at("kind").get<std::uint16_t>(),
                      .size = json.at("size").get<std::uint32_t>(),
                      .open_ended = json.at("open_ended").get<bool>(),
                      .fields = {}};
  if (layout.size < sizeof(ev_header) || layout.size > 1U << 16 || layout.size % 4)
    return Error(fmt::format("record '{}' has an impossible size", printable(layout.name)));
  for (const Json& field : json.at("fields"))
    layout.fields.push_back(TRY(field_from(field, layout.size)));
  return layout;
}

Translation::Kind kind_of(const RecordLayout& theirs, const RecordLayout* ours) {
  Translation::Kind kind;
  kind.their_size = theirs.size;
  kind.open_ended = theirs.open_ended;
  if (!ours || ours->open_ended != theirs.open_ended) return kind;
  kind.ours = ours->kind;
  kind.our_size = ours->size;
  kind.same = theirs == *ours;
  for (const FieldLayout& to : ours->fields) {
    const auto from = std::ranges::find(theirs.fields, to.name, &FieldLayout::name);
    if (from == theirs.fields.end()) continue;
    const std::uint32_t count = std::min(from->count, to.count);
    if (from->width == to.width) {
      kind.moves.push_back({from->offset, to.offset, count * to.width});
      continue;
    }
    const std::uint32_t width = std::min(from->width, to.width);  // little-endian
    for (std::uint32_t i = 0; i < count; ++i)
      kind.moves.push_back({from->offset + i * from->width, to.offset + i * to.width, width});
  }
  return kind;
}

}  // namespace

Result<std::vector<RecordLayout>> layouts_from(const Json& json) {
  try {
    std::vector<RecordLayout> layouts;
    for (const Json& layout : json) layouts.push_back(TRY(layout_from(layout)));
    return layouts;
  } catch (const Json::exception&) {
    return Error("the description of its records is no such description");
  }
}

Translation Translation::of(std::span<const RecordLayout> theirs) {
  Translation translation;
  const auto ours = own_layouts();
  for (const RecordLayout& layout : theirs) {
    const auto same = std::ranges::find(ours, layout.name, &RecordLayout::name);
    translation.kinds_[layout.kind] = kind_of(layout, same == ours.end() ? nullptr : &*same);
  }
  return translation;
}

const Translation::Kind* Translation::find(std::uint16_t their_kind) const {
  const auto found = kinds_.find(their_kind);
  return found == kinds_.end() ? nullptr : &found->second;
}

std::span<const std::byte> Translation::apply(const Kind& kind, std::span<const std::byte> record,
                                              std::vector<std::byte>& space) {
  ev_header header;
  if (kind.same) {
    std::memcpy(&header, record.data(), sizeof(header));
    if (header.kind == kind.ours && header.size == kind.our_size) return record;
  }
  const auto behind = record.subspan(kind.their_size);
  space.assign(kind.our_size, std::byte{0});
  for (const Move& move : kind.moves)
    std::memcpy(space.data() + move.to, record.data() + move.from, move.bytes);
  space.insert(space.end(), behind.begin(), behind.end());
  std::memcpy(&header, space.data(), sizeof(header));
  header.kind = kind.ours;
  header.size = static_cast<std::uint16_t>(kind.our_size);
  std::memcpy(space.data(), &header, sizeof(header));
  return space;
}

}  // namespace netsonde::recording
