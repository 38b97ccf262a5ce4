// SPDX-License-Identifier: Apache-2.0
#include "user/cli.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <bit>
#include <filesystem>
#include <fstream>

#include "user/base/text.h"

namespace netsonde {

namespace {

constexpr const char* kDefaultConfig = "/etc/netsonde/netsonde.toml";

// CLI11 wants text to check; the value is stored on the way.
CLI::Validator duration_into(Nanos& target) {
  return CLI::Validator(
      [&target](std::string& text) -> std::string {
        auto parsed = parse_duration(text);
        if (!parsed) return parsed.error().message();
        if (parsed.value() < std::chrono::milliseconds(10)) return "'" + printable(text) + "' is shorter than 10ms";
        target = parsed.value();
        return {};
      },
      "TIME");
}

template <typename Size>
CLI::Validator bytes_into(Size& target, std::uint64_t low, std::uint64_t high) {
  return CLI::Validator(
      [&target, low, high](std::string& text) -> std::string {
        auto parsed = parse_bytes(text);
        if (!parsed) return parsed.error().message();
        if (parsed.value() < low || parsed.value() > high)
          return fmt::format("'{}' is not between {}B and {}B", printable(text), short_bytes(static_cast<double>(low)),
                             short_bytes(static_cast<double>(high)));
        target = static_cast<Size>(parsed.value());
        return {};
      },
      "SIZE");
}

class Arguments {
 public:
  Arguments() {
    app_.set_version_flag("--version", "netsonde " NETSONDE_VERSION);
    app_.set_config("--config", std::filesystem::exists(kDefaultConfig) ? kDefaultConfig : "",
                    "Defaults for any long option, TOML: one [command] section per command");
    app_.allow_config_extras(CLI::config_extras_mode::error);
    app_.require_subcommand(1);
    add_top("top", "Live view of every TCP connection; one table where standard output is no terminal", Command::Top);
    add_top("connections", "The same as top --once", Command::Connections);
    add_trace();
    CLI::App* doctor = add("doctor", "What this host can show, and what it costs", Command::Doctor);
    doctor->add_flag("--json", options_.json, "One JSON object");
    CLI::App* fields = add("fields", "The fields that tables, JSON and filters know", Command::Fields);
    fields->add_flag("--json", options_.json, "One JSON object per field");
    fields->add_flag("--man", options_.man, "As the manual page has them");
  }

  std::variant<Options, Answer> parse(int count, const char* const* arguments) {
    try {
      app_.parse(count, arguments);
    } catch (const CLI::CallForHelp&) {
      return Answer{.text = help(), .status = 0};
    } catch (const CLI::CallForVersion& version) {
      return Answer{.text = std::string(version.what()) + "\n", .status = 0};
    } catch (const CLI::Error& error) {
      return Answer{.text = fmt::format("netsonde: {}; try netsonde --help\n", describe(error)), .status = 2};
    }
    if (!std::has_single_bit(options_.ring_bytes))
      options_.ring_bytes = std::bit_ceil(options_.ring_bytes);
    return options_;
  }

 private:
  CLI::App* add(const char* name, const char* help, Command command) {
    CLI::App* sub = app_.add_subcommand(name, help);
    sub->callback([this, command] { options_.command = command; });
    sub->add_option("--ring-size", ring_, "Buffer between kernel and netsonde (8MiB)")
        ->check(bytes_into(options_.ring_bytes, 4096, 1ULL << 30));
    return sub;
  }

  void add_watching(CLI::App* sub) {
    sub->add_flag("--json", options_.json, "JSON instead of text");
    sub->add_option("--filter", options_.filter, "Only what this expression accepts, e.g. 'rport = 443 and srtt > 50ms'");
    sub->add_option("--deep", options_.deep, "Look at every ACK of the connections that this expression accepts");
  }

  void add_top(const char* name, const char* help, Command command) {
    CLI::App* sub = add(name, help, command);
    add_watching(sub);
    sub->add_flag("--once", options_.once, "Print one table and end");
    sub->add_flag("--batch", options_.batch, "Print a table per interval");
    sub->add_option("--interval", interval_, "Time between two looks (1s)")->check(duration_into(options_.interval));
    sub->add_option("--count", options_.count, "End after so many tables");
    sub->add_option("--by", options_.by, "Sort by this field, greatest first (worst first)");
    sub->add_option("--limit", options_.limit, "At most so many rows");
    sub->add_option("--fields", options_.fields, "Columns, separated by commas; see netsonde fields");
    sub->add_flag("--listeners", options_.listeners, "Also listening sockets");
    sub->add_option("--history", history_, "Memory for stepping back in time (64MiB)")
        ->check(bytes_into(options_.history_bytes, 0, 1ULL << 40));
    sub->add_flag("--resolve", options_.resolve, "Names instead of addresses");
    sub->add_flag("--ascii", options_.ascii, "No characters beyond ASCII");
  }

  void add_trace() {
    CLI::App* sub = add("trace", "Events as they happen, one line each", Command::Trace);
    add_watching(sub);
    sub->add_option("--events", options_.events, "Only these, separated by commas: connect, close, retransmit, ...");
    sub->add_option("--duration", duration_, "End after this time")->check(CLI::Validator(
        [this](std::string& text) -> std::string {
          auto parsed = parse_duration(text);
          if (!parsed) return parsed.error().message();
          options_.duration = parsed.value();
          return {};
        },
        "TIME"));
    sub->add_option("--count", options_.count, "End after so many events");
  }

  std::string help() const {
    const auto chosen = app_.get_subcommands();
    return chosen.empty() ? app_.help() : chosen[0]->help("netsonde " + chosen[0]->get_name());
  }

  // CLI11 names an unknown key of the configuration file, but not where it stands.
  std::string describe(const CLI::Error& error) const {
    std::string message = error.what();
    std::replace(message.begin(), message.end(), '\n', ' ');
    const CLI::Option* config = app_.get_config_ptr();
    if (error.get_name() != "ConfigError" || !config) return printable(message);
    const std::string path = config->as<std::string>();
    std::ifstream file(path);
    std::string line;
    for (int number = 1; std::getline(file, line); ++number) {
      const std::string key = line.substr(0, line.find_first_of(" =\t"));
      if (!key.empty() && key[0] != '[' && key[0] != '#' && message.find(key) != std::string::npos)
        return printable(fmt::format("{}:{}: unknown key '{}'", path, number, key));
    }
    return printable(path + ": " + message);
  }

  Options options_;
  std::string ring_, interval_, history_, duration_;  // as given; checked into options_
  CLI::App app_{"See what every TCP connection of this host suffers, and why."};
};

}  // namespace

std::variant<Options, Answer> parse_arguments(int count, const char* const* arguments) {
  return Arguments().parse(count, arguments);
}

}  // namespace netsonde
