// SPDX-License-Identifier: Apache-2.0
#include "tuner/record.h"

#include <fmt/format.h>
#include <zlib.h>

#include <array>

#include "tuner/plan_json.h"
#include "user/base/json_members.h"

namespace netsonde {

namespace {

constexpr std::size_t kChecksumLength = 8;

constexpr std::array kKinds = {"begin",       "writing", "written",     "applied",
                               "confirmed",   "ended",   "rolled-back", "rebooted",
                               "handed-back", "effect",  "undoing"};
constexpr std::array kChangeStates = {"planned", "writing",  "written", "restored",
                                      "foreign", "vanished", "stuck"};
constexpr std::array kSetStates = {"pending", "confirmed", "rolled-back", "stuck", "rebooted"};

template <typename Enum, std::size_t count>
Result<Enum> named(const std::array<const char*, count>& names, const std::string& name) {
  for (std::size_t i = 0; i < count; ++i)
    if (name == names[i]) return static_cast<Enum>(i);
  return Error("'" + printable(name) + "' is not known");
}

std::string checksum_of(std::string_view text) {
  return fmt::format("{:08x}",
                     crc32_z(0, reinterpret_cast<const Bytef*>(text.data()), text.size()));
}

Json begin_to_json(const ChangeSet& set) {
  Json changes = Json::array();
  for (const Change& change : set.changes) changes.push_back(to_json(change.proposal));
  return object_of({{"boot", set.boot},
                    {"goal", set.goal},
                    {"deadline_ns", set.deadline_ns},
                    {"changes", std::move(changes)}});
}

Result<ChangeSet> begin_from(const Json& json) {
  ChangeSet set;
  set.boot = TRY(text_member(json, "boot"));
  set.goal = TRY(text_member(json, "goal"));
  set.deadline_ns = TRY(integer_member<std::uint64_t>(json, "deadline_ns"));
  for (const Json& one : *TRY(array_member(json, "changes", Plan::kMostProposals)))
    set.changes.emplace_back().proposal = TRY(proposal_from(one));
  return set;
}

Result<ChangeEffect> effect_from(const Json& json) {
  ChangeEffect effect;
  effect.metric = TRY(text_member(json, "metric"));
  effect.blocks = TRY(integer_member<std::size_t>(json, "blocks"));
  effect.ratio = TRY(number_member(json, "ratio"));
  effect.low = TRY(number_member(json, "low"));
  effect.high = TRY(number_member(json, "high"));
  effect.verdict = TRY(text_member(json, "verdict"));
  return effect;
}

Json to_json(const Record& record) {
  Json json = object_of({{"record", kKinds.at(static_cast<std::size_t>(record.kind))},
                         {"set", record.set},
                         {"time_ns", record.time_ns}});
  switch (record.kind) {
    case RecordKind::Begin: json["begun"] = begin_to_json(*record.begun); break;
    case RecordKind::Ended: json["state"] = name_of(record.state); [[fallthrough]];
    case RecordKind::Written: json["text"] = record.text; [[fallthrough]];
    case RecordKind::Writing: json["change"] = record.change; break;
    case RecordKind::RolledBack: json["text"] = record.text; break;
    case RecordKind::HandedBack:
      json["key"] = record.key->key;
      json["scope"] = to_json(record.key->scope);
      break;
    case RecordKind::Effect:
      json["change"] = record.change;
      json["effect"] = to_json(*record.effect);
      break;
    case RecordKind::Applied:
    case RecordKind::Confirmed:
    case RecordKind::Undoing:
    case RecordKind::Rebooted: break;
  }
  return json;
}

Result<ChangeState> change_state_of(const std::string& name) {
  return named<ChangeState>(kChangeStates, name);
}

Result<RecordKind> kind_of(const std::string& name) {
  return named<RecordKind>(kKinds, name);
}

Result<ForeignKey> foreign_key_from(const Json& json) {
  ForeignKey key;
  key.key = TRY(text_member(json, "key"));
  const Json* scope = TRY(object_member(json, "scope"));
  key.scope = TRY(scope_from(*scope));
  return key;
}

Result<Record> with_members(Record record, const Json& json) {
  switch (record.kind) {
    case RecordKind::Begin:
      record.begun = TRY(begin_from(*TRY(object_member(json, "begun"))));
      record.begun->number = record.set;
      record.begun->time_ns = record.time_ns;
      break;
    case RecordKind::Ended:
      record.state = TRY(change_state_of(TRY(text_member(json, "state"))));
      [[fallthrough]];
    case RecordKind::Written: record.text = TRY(text_member(json, "text")); [[fallthrough]];
    case RecordKind::Writing:
      record.change = TRY(integer_member<std::size_t>(json, "change"));
      break;
    case RecordKind::RolledBack: record.text = TRY(text_member(json, "text")); break;
    case RecordKind::HandedBack: record.key = TRY(foreign_key_from(json)); break;
    case RecordKind::Effect:
      record.change = TRY(integer_member<std::size_t>(json, "change"));
      record.effect = TRY(effect_from(*TRY(object_member(json, "effect"))));
      break;
    case RecordKind::Applied:
    case RecordKind::Confirmed:
    case RecordKind::Undoing:
    case RecordKind::Rebooted: break;
  }
  return record;
}

}  // namespace

Json to_json(const ChangeEffect& effect) {
  return object_of({{"metric", effect.metric},
                    {"blocks", effect.blocks},
                    {"ratio", effect.ratio},
                    {"low", effect.low},
                    {"high", effect.high},
                    {"verdict", effect.verdict}});
}

std::string_view name_of(ChangeState state) {
  return kChangeStates.at(static_cast<std::size_t>(state));
}

std::string_view name_of(SetState state) {
  return kSetStates.at(static_cast<std::size_t>(state));
}

std::string to_line(const Record& record) {
  const std::string text = to_line(to_json(record));
  return fmt::format("{} {}\n", checksum_of(text), text);
}

Result<Record> record_from(std::string_view line) {
  if (line.size() <= kChecksumLength || line[kChecksumLength] != ' ')
    return Error("it is no record");
  const std::string_view text = line.substr(kChecksumLength + 1);
  if (checksum_of(text) != line.substr(0, kChecksumLength)) return Error("its checksum is wrong");
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return Error("it is no JSON object");
  Record record;
  record.kind = TRY(kind_of(TRY(text_member(json, "record"))));
  record.set = TRY(integer_member<std::uint64_t>(json, "set"));
  record.time_ns = TRY(integer_member<std::int64_t>(json, "time_ns"));
  return with_members(std::move(record), json);
}

}  // namespace netsonde
