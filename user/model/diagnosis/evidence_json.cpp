// SPDX-License-Identifier: Apache-2.0
#include "user/model/diagnosis/evidence_json.h"

#include "user/base/json_members.h"

namespace netsonde {

namespace {

Result<Unit> unit_from(const Json& json) {
  if (!json.contains("unit") || json["unit"].is_null()) return Unit::None;
  const std::string name = TRY(text_member(json, "unit"));
  for (int unit = 0; unit <= static_cast<int>(Unit::MegabitsPerSecond); ++unit)
    if (unit_name(static_cast<Unit>(unit)) == name) return static_cast<Unit>(unit);
  return Error("\"unit\" is none that is known");
}

}  // namespace

Json to_json(const Evidence& evidence) {
  Json json{{"field", evidence.field}};
  std::visit([&json](const auto& value) { json["value"] = value; }, evidence.value);
  const std::string_view unit = unit_name(evidence.unit);
  json["unit"] = unit.empty() ? Json(nullptr) : Json(unit);
  return json;
}

Result<Evidence> evidence_from(const Json& json) {
  if (!json.is_object()) return Error("evidence is no object");
  Evidence evidence{};
  evidence.field = TRY(text_member(json, "field"));
  evidence.unit = TRY(unit_from(json));
  const auto value = json.find("value");
  if (value == json.end()) return wrong_member("value", "figure");
  if (value->is_number_unsigned())
    evidence.value = value->get<std::uint64_t>();
  else if (value->is_number())
    evidence.value = value->get<double>();
  else if (value->is_string())
    evidence.value = value->get<std::string>();
  else
    return wrong_member("value", "figure");
  return evidence;
}

}  // namespace netsonde
