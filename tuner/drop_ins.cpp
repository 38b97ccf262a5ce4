// SPDX-License-Identifier: Apache-2.0
#include "tuner/drop_ins.h"

#include <fmt/format.h>
#include <fnmatch.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <optional>

#include "user/base/new_file.h"
#include "user/base/text.h"
#include "user/base/text_file.h"

namespace netsonde {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLargestFile = 1 << 20;

// Of which a file begins to be ours, whatever version wrote it.
constexpr std::string_view kMark = "# Written by netsonde tune persist.\n";
constexpr std::string_view kHead =
    "# It replaces this file whole: other settings belong in a file of their own.\n"
    "# To undo: netsonde tune unpersist\n";

// --- lines ---

struct TextLine {
  std::string_view text{};
  unsigned number = 0;
};

// systemd ends lines at each of LF, CR and NUL.
std::vector<TextLine> lines_of(std::string_view text) {
  static constexpr std::string_view kEnds("\n\r\0", 3);
  std::vector<TextLine> lines;
  unsigned number = 1;
  while (!text.empty()) {
    const std::size_t length = std::min(text.find_first_of(kEnds), text.size());
    lines.push_back({.text = text.substr(0, length), .number = number});
    text.remove_prefix(length);
    const std::size_t end = text.starts_with("\r\n") ? 2 : text.empty() ? 0 : 1;
    number += text.substr(0, end).ends_with('\n');
    text.remove_prefix(end);
  }
  return lines;
}

std::string_view stripped(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") + 1 - begin);
}

std::string single_spaced(std::string_view text) {
  std::string value;
  for (const char c : stripped(text)) {
    const char plain = c == '\t' ? ' ' : c;
    if (plain != ' ' || value.back() != ' ') value += plain;
  }
  return value;
}

// --- keys: "net.ipv4.conf.eth0/100.forwarding" is net/ipv4/conf/eth0.100/forwarding ---

std::string with_swapped_separators(std::string_view text) {
  std::string swapped(text);
  for (char& c : swapped) {
    if (c == '.' || c == '/') c = c == '.' ? '/' : '.';
  }
  return swapped;
}

// Without empty parts and ".".
std::string simple_path(std::string_view path) {
  std::string simple;
  while (!path.empty()) {
    const std::size_t length = std::min(path.find('/'), path.size());
    const std::string_view part = path.substr(0, length);
    if (!part.empty() && part != ".") simple.append(simple.empty() ? "" : "/").append(part);
    path.remove_prefix(std::min(length + 1, path.size()));
  }
  return simple;
}

// The first separator tells which way the key is written.
std::string path_of(std::string_view key) {
  const std::size_t separator = key.find_first_of("./");
  const bool dots = separator != std::string_view::npos && key[separator] == '.';
  return simple_path(dots ? with_swapped_separators(key) : std::string(key));
}

bool is_pattern(std::string_view path) {
  return path.find_first_of("*?[") != std::string_view::npos;
}

bool pattern_matches(const std::string& pattern, const std::string& path) {
  return fnmatch(pattern.c_str(), path.c_str(), FNM_PATHNAME | FNM_PERIOD) == 0;
}

struct Statement {
  std::string path{};
  std::optional<std::string> value{};  // none: "-key"
};

// Nothing for comments and for what sysctl makes no sense of either.
std::optional<Statement> statement_of(std::string_view line) {
  line = stripped(line);
  if (line.empty() || line[0] == '#' || line[0] == ';') return std::nullopt;
  const std::size_t equals = line.find('=');
  const bool has_value = equals != std::string_view::npos;
  const bool minus = line[0] == '-';
  if (!has_value && !minus) return std::nullopt;
  Statement statement{.path = path_of(stripped(line.substr(0, equals).substr(minus ? 1 : 0)))};
  if (statement.path.empty()) return std::nullopt;
  if (has_value) statement.value = single_spaced(line.substr(equals + 1));
  return statement;
}

bool runs_systemd(const std::string& root) {  // as sd_booted(3) finds it out
  std::error_code ignored;
  return fs::is_directory(fs::symlink_status(root + "/run/systemd/system", ignored));
}

}  // namespace

// --- DropIns ---

DropIns DropIns::read(const std::string& root) {
  DropIns drop_ins;
  const std::map<std::string, std::string> files = drop_ins.files_below(root);
  for (const auto& [name, path] : files) drop_ins.read_file(path, name, true);
  const std::string last = root + "/etc/sysctl.conf";
  const bool systemd = runs_systemd(root);
  const bool linked = std::ranges::any_of(files, [&](const auto& file) {
    std::error_code ignored;
    return fs::equivalent(file.second, last, ignored);
  });
  if (!systemd || !linked) drop_ins.read_file(last, "", !systemd);
  return drop_ins;
}

// Their paths, by name.
std::map<std::string, std::string> DropIns::files_below(const std::string& root) {
  std::map<std::string, std::string> files;
  for (const char* folder :
       {"/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d"})
    add_files_of(root + folder, files);
  std::error_code ignored;
  if (!fs::is_symlink(root + "/lib", ignored)) add_files_of(root + "/lib/sysctl.d", files);
  return files;
}

void DropIns::add_files_of(const std::string& folder, std::map<std::string, std::string>& files) {
  std::error_code failed;
  fs::directory_iterator entry(folder, failed);
  for (; !failed && entry != fs::directory_iterator(); entry.increment(failed)) {
    std::string name = entry->path().filename();
    if (name.ends_with(".conf") && name[0] != '.') files.try_emplace(name, entry->path());
  }
  if (failed && failed != std::errc::no_such_file_or_directory)
    not_read_.push_back(printable(folder) + ": " + failed.message());
}

void DropIns::read_file(const std::string& path, const std::string& name, bool at_boot) {
  const Result<std::optional<std::string>> text = read_text_file(path, kLargestFile);
  if (!text) not_read_.push_back(text.error().message());
  if (!text || !text.value()) return;
  for (const TextLine& line : lines_of(*text.value())) {
    std::optional<Statement> statement = statement_of(line.text);
    if (!statement) continue;
    Assignment assignment{.key = with_swapped_separators(statement->path),
                          .value = statement->value.value_or(""),
                          .file = path,
                          .line = line.number,
                          .revokes = !statement->value,
                          .at_boot = at_boot};
    take({.assignment = std::move(assignment),
          .path = std::move(statement->path),
          .file_name = name});
  }
}

void DropIns::take(Line line) {
  const Assignment& assignment = line.assignment;
  if (is_pattern(line.path) && line.path.find('{') != std::string::npos)
    not_read_.push_back(fmt::format("{}:{}: alternatives in braces are not understood",
                                    printable(assignment.file), assignment.line));
  line.in_force = assignment.at_boot && overrule_before(line);
  lines_.push_back(std::move(line));
}

// False for a pattern that is only said again: it stays where it was among the patterns.
bool DropIns::overrule_before(const Line& line) {
  const auto [latest, is_first] = latest_.try_emplace(line.path, lines_.size());
  if (is_first) return true;
  Line& before = lines_[latest->second];
  const bool same = before.assignment.value == line.assignment.value &&
                    before.assignment.revokes == line.assignment.revokes;
  if (same && is_pattern(line.path)) return false;
  before.in_force = false;
  latest->second = lines_.size();
  return true;
}

const Assignment* DropIns::find(std::string_view key) const {
  const std::string path = path_of(key);
  if (const auto named = latest_.find(path); named != latest_.end()) {
    const Assignment& assignment = lines_[named->second].assignment;
    return assignment.revokes ? nullptr : &assignment;
  }
  const Assignment* found = nullptr;
  for (const Line& line : lines_) {
    if (line.in_force && !line.assignment.revokes && is_pattern(line.path) &&
        pattern_matches(line.path, path))
      found = &line.assignment;
  }
  return found;
}

std::vector<Assignment> DropIns::later_than(std::string_view file_name,
                                            std::string_view key) const {
  const std::string path = path_of(key);
  std::vector<Assignment> later;
  for (const Line& line : lines_) {
    const bool is_sysctl_conf = line.file_name.empty();
    if (line.path == path && (is_sysctl_conf || line.file_name > file_name))
      later.push_back(line.assignment);
  }
  return later;
}

// --- our own file ---

namespace {

std::string our_path(const std::string& root) {
  return root + std::string(kPersistedPath);
}

// Nothing where there is none.
Result<std::optional<std::string>> read_ours(const std::string& path) {
  std::error_code ignored;
  if (fs::is_symlink(path, ignored))
    return Error(printable(path) + " is a link, which netsonde did not make: it stays as it is");
  std::optional<std::string> text = TRY(read_text_file(path, kLargestFile));
  if (text && !text->starts_with(kMark))
    return Error(printable(path) + " was not written by netsonde: it stays as it is");
  return text;
}

// Fails where sysctl would read something else than was meant.
Result<std::string> lines_for(const Persisted& setting) {
  const std::string line = setting.key + " = " + setting.value;
  const std::optional<Statement> read = statement_of(line);
  const bool is_one_line = printable(line) == line;
  if (!is_one_line || !read || is_pattern(read->path) || read->path != path_of(setting.key) ||
      read->value != setting.value)
    return Error(fmt::format("'{}' is no line for a file of sysctl", printable(line)));
  const std::string comment = printable(setting.comment);
  return (comment.empty() ? "" : "# " + comment + "\n") + line + "\n";
}

Result<std::string> text_of(std::vector<Persisted> settings) {
  for (Persisted& setting : settings) {
    setting.key = with_swapped_separators(path_of(setting.key));
    setting.value = single_spaced(setting.value);
  }
  std::ranges::stable_sort(settings, {}, &Persisted::key);
  const auto twice = std::ranges::adjacent_find(settings, {}, &Persisted::key);
  if (twice != settings.end()) return Error(printable(twice->key) + " is there twice");
  std::string text = std::string(kMark) + std::string(kHead);
  for (const Persisted& setting : settings) text += "\n" + TRY(lines_for(setting));
  if (text.size() > kLargestFile) return Error("the settings are more than 1 MiB");
  return text;
}

}  // namespace

Result<> write_persisted(std::vector<Persisted> settings, const std::string& root) {
  const std::string path = our_path(root);
  TRY(read_ours(path));
  const std::string text = TRY(text_of(std::move(settings)));
  const mode_t before = umask(022);  // whoever may see what the kernel is told at boot: everybody
  Result<> written = write_new_file(path, text, true);
  umask(before);
  return written;
}

Result<std::vector<Persisted>> read_persisted(const std::string& root) {
  const std::optional<std::string> text = TRY(read_ours(our_path(root)));
  std::map<std::string, Persisted> settings;
  std::string_view comment;
  for (const TextLine& line : lines_of(text ? std::string_view(*text) : "")) {
    const std::optional<Statement> statement = statement_of(line.text);
    if (statement && statement->value) {
      const std::string key = with_swapped_separators(statement->path);
      settings[key] = {.key = key, .value = *statement->value, .comment = std::string(comment)};
    }
    comment = line.text.starts_with("# ") ? line.text.substr(2) : "";
  }
  std::vector<Persisted> by_key;
  for (auto& [key, setting] : settings) by_key.push_back(std::move(setting));
  return by_key;
}

Result<bool> remove_persisted(const std::string& root) {
  const std::string path = our_path(root);
  const std::optional<std::string> text = TRY(read_ours(path));
  if (!text) return false;
  if (unlink(path.c_str())) return Error::from_errno("remove " + printable(path));
  return true;
}

}  // namespace netsonde
