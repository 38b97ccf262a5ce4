// SPDX-License-Identifier: Apache-2.0
#include "user/cli_checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>

#include "user/base/text.h"

namespace netsonde {

namespace {

Answer refuse(std::string_view why) {
  return {.text = fmt::format("netsonde: {}; try netsonde --help\n", why), .status = 2};
}

std::optional<Answer> contradiction_of_recording(const Options& options) {
  const bool span = !options.at.empty() || !options.since.empty() || !options.until.empty();
  if (options.from.empty() && (span || options.salvage))
    return refuse("--at, --since, --until and --salvage need a recording: --from FILE");
  if (!options.at.empty() && (!options.since.empty() || !options.until.empty()))
    return refuse("--at is one time, --since and --until are a span: not both");
  if (options.command == Command::Snapshot && options.from.empty())
    return refuse("--from: which recording?");
  const bool to_stdout = options.output.empty() || options.output == "-";
  if (options.command == Command::Export && options.format == "sqlite" && to_stdout)
    return refuse("--output: a database needs a file");
  if (!options.table.empty() && options.format != "csv")
    return refuse("--table: only CSV holds a single table");
  const bool writes = options.command == Command::Record || options.command == Command::Snapshot;
  if (writes && options.output.empty() == options.rolling.empty())
    return refuse(options.command == Command::Record
                      ? "record wants either --output FILE or --rolling DIR"
                      : "--output: into which file?");
  return std::nullopt;
}

bool is_given(const std::vector<std::string>& given, const std::string& option) {
  return std::ranges::any_of(given, [&option](const std::string& word) {
    return word == "--" + option || word.starts_with("--" + option + "=");
  });
}

}  // namespace

std::optional<std::string> place_in_config(const std::string& message, const std::string& path,
                                           const std::vector<std::string>& given) {
  std::ifstream file(path);
  std::string line, section;
  for (int number = 1; std::getline(file, line); ++number) {
    const auto at = fmt::format("{}:{}: ", path, number);
    line.erase(0, line.find_first_not_of(" \t"));
    const std::string name = line.substr(0, line.find_first_of(" =\t"));
    if (name.starts_with('[') && name.ends_with(']')) {
      section = name.substr(1, name.size() - 2);
      if (message.ends_with(" " + section + ".++")) return at + "unknown section " + name;
    } else if (message.ends_with(" " + (section.empty() ? "" : section + ".") + name)) {
      return at + "unknown key '" + name + "'";
    } else if (message.find("--" + name + (message.starts_with("--") ? ":" : " ")) !=
                   std::string::npos &&
               !is_given(given, name)) {
      return at + message;
    }
  }
  return std::nullopt;
}

std::optional<Answer> contradiction(const Options& options) {
  if (auto refused = contradiction_of_recording(options)) return refused;
  const bool reports =
      options.command == Command::Report || (options.command == Command::Test && !options.json) ||
      (options.command == Command::Tune && options.tune.action == TuneAction::Report);
  if (reports && options.format.empty() && format_of(options.output).empty())
    return refuse("--output: '" + printable(options.output) +
                  "' ends in none of .html, .md, .json, .txt; say --format");
  const bool samples = options.command == Command::Monitor || options.command == Command::Explain ||
                       options.command == Command::Report;
  if (!samples || !options.duration || *options.duration >= options.interval) return std::nullopt;
  return Answer{
      .text = fmt::format("netsonde: --duration: {} is shorter than the --interval of "
                          "{}; try netsonde --help\n",
                          short_duration(*options.duration), short_duration(options.interval)),
      .status = 2};
}

std::string_view format_of(std::string_view output) {
  if (output.empty() || output == "-") return "text";
  const std::size_t dot = output.rfind('.');
  const std::string_view ending = dot == std::string_view::npos ? "" : output.substr(dot);
  if (ending == ".html" || ending == ".htm") return "html";
  if (ending == ".md" || ending == ".markdown") return "md";
  if (ending == ".txt" || ending == ".text") return "text";
  return ending == ".json" ? "json" : "";
}

}  // namespace netsonde
