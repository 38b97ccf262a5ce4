// SPDX-License-Identifier: Apache-2.0
#define TOML_HEADER_ONLY 1
#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
// Some do not hold for what is no TOML ("[[[", for one), for which an error is returned behind
// them.
#define TOML_ASSERT(expr) static_assert(true)
#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <span>

#include "tuner/profile.h"
#include "user/base/text.h"

namespace netsonde {

namespace {

constexpr std::size_t kLongestName = 64, kLongestText = 500;
// Each part of a dotted key is a table within the one before, and they are destroyed by recursion:
// toml++ 3.3 limits how deep lists and inline tables nest, but not these.
constexpr std::ptrdiff_t kMostDots = 64;

constexpr auto kProfileMembers = std::to_array<std::string_view>({"setting", "summary"});
constexpr auto kSettingMembers = std::to_array<std::string_view>(
    {"key", "link_at_least", "may_lower", "memory_at_least", "value", "why"});

// The file is put in front of it.
Error at(std::int64_t line, std::string_view what) {
  return Error(fmt::format("{}: {}", line, what));
}

Error at(const toml::node& node, std::string_view what) {
  return at(node.source().begin.line, what);
}

// --- what the text is made of ---

Result<> check_line(std::string_view text, std::int64_t line) {
  if (std::ranges::count(text, '.') > kMostDots)
    return at(line, fmt::format("more than {} dots in one line", kMostDots));
  // Where toml++ 3.3 looks for white space, others take it to code that is declared unreachable.
  if (std::ranges::any_of(text, [](char c) { return static_cast<unsigned char>(c) >= 0x80; }))
    return at(line, R"(only ASCII is read; text may have other characters as "\u00e9")");
  return {};
}

// What toml++ is not given, for it would not survive it.
Result<> check_lines(std::string_view text) {
  for (std::int64_t line = 1; !text.empty(); ++line) {
    const std::size_t length = std::min(text.find('\n'), text.size());
    TRY(check_line(text.substr(0, length), line));
    text.remove_prefix(std::min(length + 1, text.size()));
  }
  return {};
}

Result<toml::table> table_from(std::string_view text) {
  TRY(check_lines(text));
  toml::parse_result parsed = toml::parse(text);
  if (parsed) return std::move(parsed).table();
  const toml::parse_error& error = parsed.error();
  return at(error.source().begin.line, printable(error.description()));
}

// --- members ---

Result<> check_members(const toml::table& table, std::span<const std::string_view> known) {
  for (const auto& [key, node] : table)
    if (std::ranges::find(known, key.str()) == known.end())
      return at(node, fmt::format("'{}' is not known here", printable(key.str())));
  return {};
}

Result<const toml::node*> member(const toml::table& table, std::string_view key) {
  if (const toml::node* node = table.get(key)) return node;
  return at(table, fmt::format("{} is missing", key));
}

// One line of it.
Result<std::string> text_at(const toml::table& table, std::string_view key) {
  const toml::node& node = *TRY(member(table, key));
  const toml::value<std::string>* found = node.as_string();
  if (!found) return at(node, fmt::format("{} is no text", key));
  const std::string& text = found->get();
  if (text.empty()) return at(node, fmt::format("{} is empty", key));
  if (text.size() > kLongestText)
    return at(node, fmt::format("{} is longer than {} bytes", key, kLongestText));
  if (printable(text) != text) return at(node, fmt::format("{} has control characters", key));
  return text;
}

Result<bool> optional_flag_at(const toml::table& table, std::string_view key) {
  const toml::node* node = table.get(key);
  if (!node) return false;
  if (const toml::value<bool>* flag = node->as_boolean()) return flag->get();
  return at(*node, fmt::format("{} is neither true nor false", key));
}

Result<std::uint64_t> bits_per_s(std::string_view text) {
  const std::string_view number = text.substr(0, std::max<std::size_t>(text.size(), 3) - 3);
  const bool is_plain = number.find_first_not_of("0123456789.kMG") == number.npos;
  if (is_plain && text.ends_with("bit"))
    if (const auto bits = parse_bytes(number)) return bits.value();
  return Error(fmt::format("'{}' is no speed of a link, such as 10Gbit", printable(text)));
}

// 0 where it is missing.
Result<std::uint64_t> optional_size_at(const toml::table& table, std::string_view key,
                                       Result<std::uint64_t> (*parse)(std::string_view)) {
  const toml::node* node = table.get(key);
  if (!node) return std::uint64_t{0};
  Result<std::uint64_t> size = parse(TRY(text_at(table, key)));
  if (!size) return at(*node, fmt::format("{}: {}", key, size.error().message()));
  if (size.value() == 0) return at(*node, fmt::format("{} of nothing is no condition", key));
  return size;
}

// --- settings ---

Result<std::string> numbers_text(const toml::array& list) {
  std::string text;
  for (const toml::node& node : list) {
    const toml::value<std::int64_t>* number = node.as_integer();
    if (!number) return at(node, "value has something else than integers in its list");
    text += fmt::format("{}{}", text.empty() ? "" : " ", number->get());
  }
  return text;
}

Result<std::string> value_text(const toml::node& node) {
  if (const toml::value<std::string>* text = node.as_string()) return text->get();
  if (const toml::value<std::int64_t>* number = node.as_integer())
    return fmt::to_string(number->get());
  if (const toml::array* list = node.as_array()) return numbers_text(*list);
  return at(node, "value is no text, no integer and no list of integers");
}

bool has_numbers(const Tunable& tunable) {
  return tunable.shape == TunableShape::Number || tunable.shape == TunableShape::Range ||
         tunable.shape == TunableShape::Triple;
}

Result<std::string> checked_value(const toml::table& table, const Tunable& tunable) {
  const toml::node& node = *TRY(member(table, "value"));
  const std::string value = TRY(value_text(node));
  if (const Result<> checked = check_value(tunable, value); !checked)
    return at(node, checked.error().message());
  return normal_value(value);
}

Result<const Tunable*> tunable_of(const toml::table& table) {
  const std::string key = TRY(text_at(table, "key"));
  const Tunable* tunable = find_tunable(key);
  if (!tunable)
    return at(*table.get("key"),
              printable(key) + " is not in the catalogue (netsonde tune list --all)");
  if (is_sysctl(*tunable)) return tunable;
  return at(*table.get("key"),
            fmt::format("{} is of a {}: a profile has only sysctls", key, name_of(tunable->scope)));
}

Result<ProfileSetting> setting_from(const toml::node& node) {
  const toml::table* table = node.as_table();
  if (!table) return at(node, "setting has something else than tables in its list");
  TRY(check_members(*table, kSettingMembers));
  const Tunable* tunable = TRY(tunable_of(*table));
  // Not in one initializer: what a return within it leaves behind is never destroyed.
  ProfileSetting setting{.key = std::string(tunable->key)};
  setting.value = TRY(checked_value(*table, *tunable));
  setting.may_lower = TRY(optional_flag_at(*table, "may_lower"));
  setting.why = TRY(text_at(*table, "why"));
  setting.memory_at_least = TRY(optional_size_at(*table, "memory_at_least", parse_bytes));
  setting.link_at_least = TRY(optional_size_at(*table, "link_at_least", bits_per_s));
  if (!setting.may_lower && !has_numbers(*tunable))
    return at(node, setting.key + ": only numbers can be raised: it needs may_lower = true");
  return setting;
}

Result<std::vector<ProfileSetting>> settings_of(const toml::table& table) {
  const toml::node& node = *TRY(member(table, "setting"));
  const toml::array* list = node.as_array();
  if (!list) return at(node, "setting is no list of tables: write [[setting]]");
  if (list->empty()) return at(node, "setting is empty");
  std::vector<ProfileSetting> settings;
  for (const toml::node& one : *list) {
    ProfileSetting setting = TRY(setting_from(one));
    if (std::ranges::find(settings, setting.key, &ProfileSetting::key) != settings.end())
      return at(*one.as_table()->get("key"), setting.key + " is there twice");
    settings.push_back(std::move(setting));
  }
  return settings;
}

Result<Profile> profile_in(std::string_view text) {
  const toml::table table = TRY(table_from(text));
  TRY(check_members(table, kProfileMembers));
  Profile profile;
  profile.summary = TRY(text_at(table, "summary"));
  profile.settings = TRY(settings_of(table));
  return profile;
}

bool is_name(std::string_view name) {
  const auto belongs = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '_';
  };
  return !name.empty() && name.size() <= kLongestName && std::ranges::all_of(name, belongs);
}

}  // namespace

Result<Profile> profile_from(std::string_view toml, const std::string& name,
                             const std::string& file) {
  const std::string path = printable(file.empty() ? name + ".toml" : file);
  if (!is_name(name))
    return Error(fmt::format("{}: a profile is named by letters, digits, '-' and '_', at most {}",
                             path, kLongestName));
  Result<Profile> profile = profile_in(toml);
  if (!profile) return Error(fmt::format("{}:{}", path, profile.error().message()));
  profile.value().name = name;
  profile.value().file = file;
  return profile;
}

}  // namespace netsonde
