// SPDX-License-Identifier: Apache-2.0
#include "probes/hosts_file.h"

#include <algorithm>
#include <cctype>
#include <charconv>

namespace netsonde {

namespace {

constexpr unsigned kMostDots = 15;  // RES_MAXNDOTS

std::string lower_case(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return std::tolower(c); });
  return lower;
}

std::string_view without_dot(std::string_view name) {
  if (name.ends_with('.')) name.remove_suffix(1);
  return name;
}

// Takes the next line off the text.
std::string_view next_line(std::string_view& text) {
  const std::string_view line = text.substr(0, text.find('\n'));
  text.remove_prefix(std::min(line.size() + 1, text.size()));
  return line;
}

std::vector<std::string_view> words_of(std::string_view line) {
  constexpr std::string_view kBlanks = " \t\r\v\f";
  std::vector<std::string_view> words;
  while (true) {
    line.remove_prefix(std::min(line.find_first_not_of(kBlanks), line.size()));
    if (line.empty()) return words;
    words.push_back(line.substr(0, line.find_first_of(kBlanks)));
    line.remove_prefix(words.back().size());
  }
}

}  // namespace

HostsFile HostsFile::parse(std::string_view text) {
  HostsFile file;
  while (!text.empty()) {
    const std::string_view line = next_line(text);
    const auto words = words_of(line.substr(0, line.find('#')));
    const auto address = words.empty() ? std::nullopt : parse_address(words.front());
    if (!address) continue;
    for (std::size_t i = 1; i < words.size(); ++i) {
      std::vector<Address>& known = file.addresses_[lower_case(without_dot(words[i]))];
      if (std::ranges::find(known, *address) == known.end()) known.push_back(*address);
    }
  }
  return file;
}

std::vector<Address> HostsFile::find(std::string_view name) const {
  const auto found = addresses_.find(lower_case(without_dot(name)));
  return found == addresses_.end() ? std::vector<Address>() : found->second;
}

SearchList SearchList::parse(std::string_view text) {
  SearchList list;
  while (!text.empty()) {
    const auto words = words_of(next_line(text));
    if (words.empty()) continue;
    if (words[0] == "search" || words[0] == "domain") list.domains_.clear();  // the last one holds
    for (std::size_t i = 1; i < words.size(); ++i) {
      const std::string_view word = words[i];
      if (words[0] == "search" || (words[0] == "domain" && i == 1)) {
        if (!without_dot(word).empty()) list.domains_.push_back(lower_case(without_dot(word)));
      } else if (words[0] == "options" && word.starts_with("ndots:")) {
        unsigned dots = 0;
        const auto parsed = std::from_chars(word.data() + 6, word.data() + word.size(), dots);
        if (parsed.ec == std::errc()) list.ndots_ = std::min(dots, kMostDots);
      }
    }
  }
  return list;
}

std::vector<std::string> SearchList::candidates(std::string_view name) const {
  std::vector<std::string> names;
  const auto dots = static_cast<std::size_t>(std::ranges::count(name, '.'));
  if (dots < ndots_ && !name.ends_with('.'))
    for (const std::string& domain : domains_) names.push_back(std::string(name) + "." + domain);
  names.emplace_back(without_dot(name));
  return names;
}

}  // namespace netsonde
