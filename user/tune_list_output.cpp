// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>

#include "user/base/text.h"
#include "user/tune_output.h"

namespace netsonde {

namespace {

constexpr int kWidth = 80;

std::string or_dash(std::string_view text) {
  return text.empty() ? "-" : printable(text);
}

// Who has set it to what it is, as far as that can be known.
std::string set_by(const ListedSetting& setting) {
  if (!setting.value) return "-";
  if (setting.set)
    return fmt::format("change set {}{}", setting.set,
                       setting.outcome.empty() ? "" : ", " + setting.outcome);
  if (setting.at_boot) {
    std::string place =
        fmt::format("{}:{}", printable(setting.at_boot->file), setting.at_boot->line);
    if (normal_value(setting.at_boot->value) == *setting.value) return place;
    return fmt::format("{} (not {})", setting.has_journal ? "run time" : "-", place);
  }
  if (setting.tunable->standard.empty()) return "-";
  if (is_standard(*setting.tunable, *setting.value)) return "kernel";
  return setting.has_journal ? "run time" : "-";
}

Json set_by_json(const ListedSetting& setting) {
  if (!setting.value) return {};
  const bool file = setting.at_boot && normal_value(setting.at_boot->value) == *setting.value;
  const std::string who = set_by(setting);
  Json json = object_of({{"kind", setting.set            ? "netsonde"
                                  : file                 ? "file"
                                  : who.starts_with('-') ? "unknown"
                                  : who == "kernel"      ? "kernel"
                                                         : "run-time"},
                         {"file", setting.at_boot ? Json(setting.at_boot->file) : Json()},
                         {"line", setting.at_boot ? Json(setting.at_boot->line) : Json()},
                         {"file_value", setting.at_boot ? Json(setting.at_boot->value) : Json()}});
  json["set"] = setting.set ? Json(setting.set) : Json();
  return json;
}

bool has_bounds(const Tunable& tunable) {
  return tunable.shape == TunableShape::Number || tunable.shape == TunableShape::Range ||
         tunable.shape == TunableShape::Triple;
}

std::string bounds_of(const Tunable& tunable) {
  return has_bounds(tunable) ? fmt::format("{} to {}", tunable.floor, tunable.ceiling) : "-";
}

// The columns of a list; who has set it comes behind.
constexpr int kKeyWidth = 34, kValueWidth = 20, kStandardWidth = 11;
constexpr int kSetByWidth = kWidth - kKeyWidth - kValueWidth - kStandardWidth - 3;

std::string cells_text(const std::string& key, const std::string& value,
                       const std::string& standard, const std::string& set_by) {
  std::string line = fmt::format("{} {} {} {}", fit(key, kKeyWidth), fit(value, kValueWidth),
                                 fit(standard, kStandardWidth), set_by);
  line.erase(line.find_last_not_of(' ') + 1);
  return line + "\n";
}

// What does not fit into its cell stands below, indented where it has the line to itself.
std::string row_text(const std::string& key, const std::string& value, const std::string& standard,
                     const std::string& set_by) {
  const std::vector<std::string> values = lines_of(value, kValueWidth),
                                 standards = lines_of(standard, kStandardWidth);
  const bool key_fits = display_width(key) <= kKeyWidth;
  const bool set_by_fits = display_width(set_by) <= kSetByWidth;
  std::string text = key_fits ? "" : hanging("", key, 2);
  for (std::size_t i = 0; i < std::max(values.size(), standards.size()); ++i)
    text +=
        cells_text(i == 0 && key_fits ? key : "", i < values.size() ? values[i] : "",
                   i < standards.size() ? standards[i] : "", i == 0 && set_by_fits ? set_by : "");
  return set_by_fits ? text : text + hanging("    ", set_by, 4);
}

}  // namespace

Json to_json(const ListedSetting& setting) {
  const Tunable& tunable = *setting.tunable;
  const bool bounds = has_bounds(tunable);
  return object_of({{"key", tunable.key},
                    {"scope", name_of(tunable.scope)},
                    {"where", or_null(setting.where)},
                    {"value", setting.value ? Json(*setting.value) : Json()},
                    {"default", or_null(tunable.standard)},
                    {"floor", bounds ? Json(tunable.floor) : Json()},
                    {"ceiling", bounds ? Json(tunable.ceiling) : Json()},
                    {"unit", or_null(tunable.unit)},
                    {"set_by", set_by_json(setting)},
                    {"meaning", tunable.meaning},
                    {"risk", tunable.risk},
                    {"available", setting.why_not.empty()},
                    {"why_not", or_null(setting.why_not)}});
}

std::string name_of(const ListedSetting& setting) {
  const std::string key(setting.tunable->key);
  return setting.where.empty() ? key : key + "@" + setting.where;
}

std::string list_text(const std::vector<ListedSetting>& settings) {
  std::string text = cells_text("KEY", "VALUE", "DEFAULT", "SET BY");
  for (const ListedSetting& setting : settings)
    text += row_text(
        printable(name_of(setting)), setting.value ? printable(*setting.value) : "-",
        or_dash(setting.tunable->standard),
        setting.why_not.empty() ? set_by(setting) : "not available here: " + setting.why_not);
  return text;
}

namespace {

std::string unset_note(const ListedSetting& setting) {
  const bool is_zero = setting.tunable->scope == ScopeKind::Route && setting.value == "0";
  return is_zero ? ": not set, the kernel decides" : "";
}

}  // namespace

std::string details_text(const ListedSetting& setting) {
  const Tunable& tunable = *setting.tunable;
  const std::string unit = tunable.unit.empty() ? "" : fmt::format(" {}", tunable.unit);
  std::string text = name_of(setting) + "\n";
  const auto line = [&text](std::string_view name, const std::string& value) {
    text += hanging(fmt::format("  {:<9} ", name), value, 12);
  };
  line("meaning", std::string(tunable.meaning));
  line("risk", std::string(tunable.risk));
  line("scope", tunable.scope == ScopeKind::Host ? "the whole host"
                : tunable.scope == ScopeKind::Namespace
                    ? "one network namespace"
                    : "one " + std::string(name_of(tunable.scope)));
  if (setting.value) line("value", printable(*setting.value) + unit + unset_note(setting));
  if (!setting.why_not.empty())
    line(setting.value ? "but" : "value", "not available here: " + setting.why_not);
  line("default",
       tunable.standard.empty() ? "depends on the host" : std::string(tunable.standard) + unit);
  if (has_bounds(tunable)) line("bounds", bounds_of(tunable) + unit);
  if (!tunable.words.empty()) line("one of", std::string(tunable.words));
  line("set by", set_by(setting));
  return text;
}

}  // namespace netsonde
