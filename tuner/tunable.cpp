// SPDX-License-Identifier: Apache-2.0
#include "tuner/tunable.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <iterator>
#include <system_error>

#include "tuner/qdisc_kind.h"
#include "user/base/text.h"

namespace netsonde {

namespace {

constexpr std::string_view kBlanks = " \t\n";
constexpr std::size_t kLongestValue = 256;
constexpr std::size_t kLongestMasks = 64 << 10;  // 1024 queues, 256 processors
constexpr std::size_t kDigitsOfGroup = 8;        // of a mask, between its commas
// Names of congestion controls (TCP_CA_NAME_MAX) and of queueing disciplines (IFNAMSIZ), without
// the zero behind them.
constexpr std::size_t kLongestWord = 15;

Error refusal(const Tunable& tunable, std::string_view value, std::string_view why) {
  return Error(fmt::format("{}: {} {}", tunable.key, printable(value), why));
}

bool is_hexadecimal(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

bool is_of_a_word(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         c == '-' || c == '.';
}

std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> words;
  for (std::size_t end = 0; (end = text.find_first_not_of(kBlanks, end)) != text.npos;) {
    const std::size_t begin = end;
    end = text.find_first_of(kBlanks, begin);
    words.push_back(text.substr(begin, end - begin));
  }
  return words;
}

Result<> check_length(const Tunable& tunable, std::string_view value) {
  const std::size_t longest = tunable.shape == TunableShape::Masks ? kLongestMasks : kLongestValue;
  if (value.size() <= longest) return {};
  return Error(fmt::format("{}: a value of {} characters is too long, at most {} are taken",
                           tunable.key, value.size(), longest));
}

Result<> check_one_line(const Tunable& tunable, std::string_view value) {
  const auto is_control = [](char c) {
    return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f;
  };
  if (std::ranges::none_of(value, is_control)) return {};
  return refusal(tunable, value, "has control characters");
}

// Only as the kernel prints it: it reads 010 as octal.
Result<std::int64_t> number_of(const Tunable& tunable, std::string_view word) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
  if (error == std::errc::result_out_of_range)
    return refusal(tunable, word, "does not fit into 64 bits");
  if (error != std::errc{} || fmt::to_string(number) != word)
    return refusal(tunable, word, "is not a plain decimal number");
  return number;
}

std::size_t count_of_numbers(TunableShape shape) {
  switch (shape) {
    case TunableShape::Number: return 1;
    case TunableShape::Range: return 2;
    case TunableShape::Triple: return 3;
    default: return 0;
  }
}

Result<> check_bounds(const Tunable& tunable, std::int64_t number) {
  if (number < tunable.floor)
    return refusal(tunable, fmt::to_string(number), fmt::format("is below {}", tunable.floor));
  if (number > tunable.ceiling)
    return refusal(tunable, fmt::to_string(number), fmt::format("is above {}", tunable.ceiling));
  return {};
}

Result<> check_order(const Tunable& tunable, const std::vector<std::int64_t>& numbers) {
  const auto fall = std::ranges::adjacent_find(numbers, std::greater<>());
  if (fall != numbers.end())
    return refusal(tunable, fmt::to_string(*fall),
                   fmt::format("is above {}, which follows it", *std::next(fall)));
  if (tunable.shape == TunableShape::Range && numbers[1] - numbers[0] < kSmallestRange - 1)
    return refusal(tunable, fmt::format("{} to {}", numbers[0], numbers[1]),
                   fmt::format("are fewer than {}", kSmallestRange));
  return {};
}

Result<> check_numbers(const Tunable& tunable, std::string_view value) {
  const std::vector<std::int64_t> numbers = TRY(numbers_of(tunable, value));
  for (const std::int64_t number : numbers) TRY(check_bounds(tunable, number));
  return check_order(tunable, numbers);
}

Result<> check_word(const Tunable& tunable, std::string_view word) {
  if (word.size() > kLongestWord)
    return refusal(tunable, word, fmt::format("is longer than {} characters", kLongestWord));
  if (!std::ranges::all_of(word, is_of_a_word))
    return refusal(tunable, word, "has characters other than letters, digits, '_', '-' and '.'");
  return {};
}

// Of a queueing discipline that has one.
Result<> check_rate(const Tunable& tunable, std::string_view value) {
  if (shaper_in(value)) return {};
  const std::string_view kind = value.substr(0, value.find(':'));
  return refusal(tunable, value,
                 fmt::format("is no rate from {} to {} such as {}:95Mbit",
                             to_text(Shaper{.kind = kind, .bytes_per_s = kSlowestShaper}),
                             to_text(Shaper{.kind = kind, .bytes_per_s = kFastestShaper}), kind));
}

Result<> check_words(const Tunable& tunable, std::string_view value) {
  if (const std::string word = normal_value(value); tunable.key == kQdiscKey && names_shaper(word))
    return check_rate(tunable, word);
  const std::vector<std::string_view> words = split(value);
  const std::vector<std::string_view> known = split(tunable.words);
  if (!known.empty() && std::ranges::find(known, normal_value(value)) == known.end())
    return refusal(tunable, value, fmt::format("is none of {}", fmt::join(known, ", ")));
  if (words.empty()) return Error(fmt::format("{}: a name is missing", tunable.key));
  if (tunable.shape == TunableShape::Word && words.size() > 1)
    return refusal(tunable, value, "is more than one name");
  for (const std::string_view word : words) TRY(check_word(tunable, word));
  return {};
}

Result<> check_mask(const Tunable& tunable, std::string_view value) {
  const std::string mask = normal_value(value);
  const auto belongs = [](char c) { return is_hexadecimal(c) || c == ','; };
  if (std::ranges::all_of(mask, belongs) && std::ranges::any_of(mask, is_hexadecimal)) return {};
  return refusal(tunable, mask, "is not a hexadecimal mask");
}

std::vector<std::string_view> groups_of(std::string_view mask) {
  std::vector<std::string_view> groups;
  for (std::size_t comma = 0; comma != mask.npos;) {
    comma = mask.find(',');
    groups.push_back(mask.substr(0, comma));
    mask.remove_prefix(comma == mask.npos ? mask.size() : comma + 1);
  }
  return groups;
}

// As the kernel reads one: groups of at most 32 bits.
bool is_mask(std::string_view mask) {
  return std::ranges::all_of(groups_of(mask), [](std::string_view group) {
    return !group.empty() && group.size() <= kDigitsOfGroup &&
           std::ranges::all_of(group, is_hexadecimal);
  });
}

Result<> check_masks(const Tunable& tunable, std::string_view value) {
  const std::vector<std::string_view> masks = split(value);
  if (masks.empty()) return Error(fmt::format("{}: a mask is missing", tunable.key));
  for (const std::string_view mask : masks)
    if (!is_mask(mask)) return refusal(tunable, mask, "is not a hexadecimal mask");
  return {};
}

// Small letters, no zeros in front, a comma before each eighth digit from the end.
std::string normal_mask(std::string_view mask) {
  if (!is_mask(mask)) return std::string(mask);
  std::string digits;
  for (const std::string_view group : groups_of(mask))
    digits += std::string(kDigitsOfGroup - group.size(), '0') + std::string(group);
  digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size() - 1));
  for (char& c : digits)
    if (c >= 'A' && c <= 'F') c = static_cast<char>(c - 'A' + 'a');
  for (std::size_t at = digits.size(); at > kDigitsOfGroup;)
    digits.insert(at -= kDigitsOfGroup, 1, ',');
  return digits;
}

constexpr std::string_view kKinds[] = {"host", "netns", "device", "route", "connection"};

}  // namespace

std::string_view name_of(ScopeKind kind) {
  return kKinds[static_cast<std::size_t>(kind)];
}

std::optional<ScopeKind> scope_kind_of(std::string_view name) {
  const auto* const found = std::ranges::find(kKinds, name);
  if (found == std::end(kKinds)) return std::nullopt;
  return static_cast<ScopeKind>(found - std::begin(kKinds));
}

std::string normal_value(std::string_view value) {
  return fmt::format("{}", fmt::join(split(value), " "));
}

std::string normal_value(const Tunable& tunable, std::string_view value) {
  std::string words = normal_value(value);
  if (const auto shaper = shaper_in(words); shaper && tunable.key == kQdiscKey)
    return to_text(*shaper);
  if (tunable.shape != TunableShape::Masks || !check_value(tunable, value)) return words;
  std::vector<std::string> masks;
  for (const std::string_view mask : split(value)) masks.push_back(normal_mask(mask));
  return fmt::format("{}", fmt::join(masks, " "));
}

bool is_sysctl(const Tunable& tunable) {
  return tunable.scope == ScopeKind::Host || tunable.scope == ScopeKind::Namespace;
}

bool is_standard(const Tunable& tunable, std::string_view value) {
  if (tunable.standard.empty()) return false;
  if (tunable.shape != TunableShape::Masks) return value == tunable.standard;
  return std::ranges::all_of(split(value),
                             [&](std::string_view mask) { return mask == tunable.standard; });
}

Result<std::vector<std::int64_t>> numbers_of(const Tunable& tunable, std::string_view value) {
  TRY(check_length(tunable, value));
  const std::vector<std::string_view> words = split(value);
  const std::size_t wanted = count_of_numbers(tunable.shape);
  if (wanted == 0) return Error(fmt::format("{}: its values are not numbers", tunable.key));
  if (words.size() != wanted)
    return Error(fmt::format("{}: '{}' is not {}", tunable.key, printable(value),
                             wanted == 1 ? "one number" : fmt::format("{} numbers", wanted)));
  std::vector<std::int64_t> numbers;
  for (const std::string_view word : words) numbers.push_back(TRY(number_of(tunable, word)));
  return numbers;
}

Result<> check_value(const Tunable& tunable, std::string_view value) {
  TRY(check_length(tunable, value));
  TRY(check_one_line(tunable, value));
  switch (tunable.shape) {
    case TunableShape::Number:
    case TunableShape::Range:
    case TunableShape::Triple: return check_numbers(tunable, value);
    case TunableShape::Word:
    case TunableShape::Words: return check_words(tunable, value);
    case TunableShape::Mask: return check_mask(tunable, value);
    case TunableShape::Masks: return check_masks(tunable, value);
  }
  return Error(fmt::format("{}: nobody knows its shape", tunable.key));
}

}  // namespace netsonde
