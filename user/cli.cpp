// SPDX-License-Identifier: Apache-2.0
#include "user/cli.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <array>
#include <bit>
#include <filesystem>

#include "user/base/text.h"
#include "user/cli_checks.h"
#include "user/cli_probe.h"
#include "user/cli_tune.h"
#include "user/cli_values.h"

namespace netsonde {

namespace {

constexpr const char* kDefaultConfig = "/etc/netsonde/netsonde.toml";

// Also what cannot be looked at, as a loop of links.
bool may_be_there(const std::string& path) {
  std::error_code error;
  return std::filesystem::exists(path, error) || error;
}

bool is_file(const std::string& path) {
  std::error_code error;
  return std::filesystem::is_regular_file(path, error);
}

class Arguments {
 public:
  Arguments() {
    app_.set_version_flag("--version", "netsonde " NETSONDE_VERSION);
    app_.set_config("--config", may_be_there(kDefaultConfig) ? kDefaultConfig : "",
                    "Defaults for any long option, TOML: one [command] section per command")
        ->check(CLI::Validator(
            [](std::string& path) -> std::string {
              if (!may_be_there(path) || is_file(path)) return {};
              return "'" + path + "' is no regular file";
            },
            "FILE"));
    app_.allow_config_extras(CLI::config_extras_mode::error);
    app_.require_subcommand(1);
    add_top("top",
            "Live view of every TCP connection; one table where standard output is no terminal",
            Command::Top);
    add_table(add("connections", "One table, as top --once prints it", Command::Connections),
              options_of(Command::Connections));
    add_trace();
    add_explain();
    add_monitor();
    add_report();
    add_record();
    add_snapshot();
    add_export();
    add_dns();
    probe_arguments_.add_probe(
        add("probe", "How targets answer, phase by phase, and why not", Command::Probe),
        options_of(Command::Probe));
    probe_arguments_.add_test(
        add("test", "One URL: latency, bandwidth, concurrency, reliability", Command::Test),
        options_of(Command::Test));
    probe_arguments_.add_experiment(
        add("experiment", "What other ways of asking a server gain, measured", Command::Experiment),
        options_of(Command::Experiment));
    tune_arguments_.add(
        add("tune", "Change settings of the kernel safely, and undo that", Command::Tune),
        options_of(Command::Tune));
    CLI::App* doctor = add("doctor", "What this host can show, and what it costs", Command::Doctor);
    doctor->add_flag("--json", options_of(Command::Doctor).json, "One JSON object");
    CLI::App* fields =
        add("fields", "The fields that tables, JSON and filters know", Command::Fields);
    Options& options = options_of(Command::Fields);
    fields->add_flag("--json", options.json, "One JSON object per field");
    fields->add_flag("--man", options.man, "As the manual page has them")->group("");
  }

  std::variant<Options, Answer> parse(int count, const char* const* arguments) {
    given_.assign(arguments, arguments + count);
    try {
      app_.parse(count, arguments);
    } catch (const CLI::CallForHelp&) {
      return Answer{.text = help(), .status = 0};
    } catch (const CLI::CallForVersion& version) {
      return Answer{.text = std::string(version.what()) + "\n", .status = 0};
    } catch (const CLI::Error& error) {
      return Answer{.text = fmt::format("netsonde: {}; try netsonde --help\n", describe(error)),
                    .status = 2};
    }
    Options& options = options_of(command_);
    options.ring_bytes = std::bit_ceil(options.ring_bytes);
    if (pid_.empty()) options.pid.reset();
    if (connection_.empty()) options.connection.reset();
    if (keep_.empty()) options.keep.reset();
    if (command_ == Command::Report && interval_.empty())
      options.interval = interval_for(*options.duration);
    if (command_ == Command::Record && duration_.empty()) options.duration.reset();
    if (command_ == Command::Explain && interval_.empty())
      options.interval = std::min(options.interval, *options.duration);
    if (auto refused = contradiction(options)) return *std::move(refused);
    return options;
  }

 private:
  Options& options_of(Command command) { return options_[static_cast<std::size_t>(command)]; }

  CLI::App* add(const char* name, const char* help, Command command) {
    CLI::App* sub = app_.add_subcommand(name, help);
    Options& options = options_of(command);
    options.command = command;
    sub->callback([this, command] { command_ = command; });
    sub->fallthrough();  // --config may stand behind the command
    return sub;
  }

  void add_output(CLI::App* sub, Options& options, const char* help) {
    sub->add_option("-o,--output", options.output, help)->option_text("FILE");
    sub->add_flag("--force", options.force, "Replace the file if it exists");
  }

  void add_ring(CLI::App* sub, Options& options) {
    sub->add_option("--ring-size", ring_, "Buffer between kernel and netsonde (4MiB)")
        ->option_text("SIZE")
        ->check(bytes_into(options.ring_bytes, 4096, 1ULL << 30));
  }

  void add_looking(CLI::App* sub, Options& options) {
    add_from(sub, options);
    add_ring(sub, options);
    sub->add_flag("--json", options.json, "JSON instead of text");
  }

  void add_watching(CLI::App* sub, Options& options, bool deep = true) {
    add_looking(sub, options);
    sub->add_option("--filter", options.filter,
                    "Only what this expression accepts, e.g. 'rport = 443 and srtt > 50ms'")
        ->option_text("EXPR");
    if (!deep) return;
    sub->add_option("--deep", options.deep,
                    "Look at every ACK of the connections that this expression accepts")
        ->option_text("EXPR");
  }

  void add_table(CLI::App* sub, Options& options) {
    add_watching(sub, options);
    sub->add_option("--interval", interval_, "Time between two looks (1s)")
        ->option_text("TIME")
        ->check(duration_into(options.interval));
    sub->add_option("--by", options.by, "Sort by this field, greatest first (worst first)")
        ->option_text("FIELD");
    sub->add_option("--limit", limit_, "At most so many rows (all)")
        ->option_text("N")
        ->check(count_into(options.limit));
    sub->add_option("--fields", options.fields, "Columns; see netsonde fields")
        ->option_text("FIELD,...");
    sub->add_flag("--listeners", options.listeners, "Also listening sockets");
  }

  void add_top(const char* name, const char* help, Command command) {
    CLI::App* sub = add(name, help, command);
    Options& options = options_of(command);
    add_table(sub, options);
    sub->add_flag("--once", options.once, "Print one table and end");
    sub->add_flag("--batch", options.batch, "Print a table per interval");
    sub->add_option("--count", count_, "With --batch: end after so many tables (never)")
        ->option_text("N")
        ->check(count_into(options.count));
    sub->add_option("--history", history_, "Memory for stepping back in time (64MiB)")
        ->option_text("SIZE")
        ->check(bytes_into(options.history_bytes, 0, 1ULL << 40));
    sub->add_flag("--resolve", options.resolve, "Names instead of addresses");
    sub->add_flag("--ascii", options.ascii, "No characters beyond ASCII");
  }

  void add_trace() {
    CLI::App* sub = add("trace", "Events as they happen, one line each", Command::Trace);
    Options& options = options_of(Command::Trace);
    add_watching(sub, options);
    sub->add_option("--events", options.events, "Only these: connect, close, retransmit, ... (all)")
        ->option_text("EVENT,...");
    sub->add_option("--duration", duration_, "End after this time (never)")
        ->option_text("TIME")
        ->check(CLI::Validator(
            [&options](std::string& text) -> std::string {
              auto parsed = parse_duration(text);
              if (!parsed) return parsed.error().message();
              options.duration = parsed.value();
              return {};
            },
            "TIME"));
    sub->add_option("--count", count_, "End after so many events (never)")
        ->option_text("N")
        ->check(count_into(options.count));
  }

  void add_explain() {
    CLI::App* sub =
        add("explain", "What is wrong, whose fault it is, and what would help", Command::Explain);
    Options& options = options_of(Command::Explain);
    options.duration = std::chrono::seconds(10);
    options.interval = std::chrono::milliseconds(500);
    add_watching(sub, options, false);
    sub->add_option("--duration", duration_, "Look for so long (10s)")
        ->option_text("TIME")
        ->check(duration_into(*options.duration));
    sub->add_option("--interval", interval_, "Time between two looks (500ms)")
        ->option_text("TIME")
        ->check(duration_into(options.interval));
    sub->add_option("--pid", pid_, "Only connections of this process")
        ->option_text("PID")
        ->check(count_into(options.pid.emplace()));
    sub->add_option("--connection", connection_, "Only this connection")
        ->option_text("COOKIE")
        ->check(count_into(options.connection.emplace()));
  }

  void add_monitor() {
    CLI::App* sub =
        add("monitor", "What leaves the usual, and statistics of the whole host", Command::Monitor);
    Options& options = options_of(Command::Monitor);
    options.duration = std::chrono::minutes(5);
    add_looking(sub, options);
    sub->add_option("--interval", interval_, "Time between two samples (1s)")
        ->option_text("TIME")
        ->check(duration_into(options.interval));
    sub->add_option("--duration", duration_, "Sample for so long, or forever (5m)")
        ->option_text("TIME")
        ->check(CLI::Validator(
            [&options](std::string& text) -> std::string {
              options.duration.reset();
              if (text == "forever") return {};
              auto parsed = parse_duration(text);
              if (!parsed) return parsed.error().message();
              options.duration = parsed.value();
              return {};
            },
            "TIME"));
  }

  void add_report() {
    CLI::App* sub = add("report", "All that was found, on one page", Command::Report);
    Options& options = options_of(Command::Report);
    options.duration = std::chrono::seconds(30);
    add_from(sub, options);
    add_output(sub, options, "Into this file: .html, .md, .json or .txt (standard output)");
    sub->add_option("--format", options.format, "html, md, json or text, whatever its name")
        ->option_text("FORMAT")
        ->check(CLI::IsMember({"html", "md", "json", "text"}));
    sub->add_option("--duration", duration_, "Look for so long (30s)")
        ->option_text("TIME")
        ->check(duration_into(*options.duration));
    sub->add_option("--interval", interval_, "Time between two looks (1s; less in short reports)")
        ->option_text("TIME")
        ->check(duration_into(options.interval));
    sub->add_option("--filter", options.filter, "Only connections that this expression accepts")
        ->option_text("EXPR");
    sub->add_option("--with", options.with,
                    "Results of probe --json and experiment --json: what they allow to recommend")
        ->option_text("FILE ...");
    add_ring(sub, options);
  }

  // Sixty points make a timeline; a report of an hour needs no more than one a second.
  static Nanos interval_for(Nanos duration) {
    return std::clamp<Nanos>(duration / 60, std::chrono::milliseconds(100),
                             std::chrono::seconds(1));
  }

  void add_dns() {
    CLI::App* sub = add("dns", "How DNS servers compare: speed, answers, TTLs", Command::Dns);
    Options& options = options_of(Command::Dns);
    options.count = 5;
    sub->add_option("names", options.words, "Names to ask for, as they stand: no search list")
        ->option_text("NAME ...")
        ->required();
    sub->add_option("--server", options.servers,
                    "Ask these: ADDRESS or ADDRESS:PORT (those of /etc/resolv.conf)")
        ->option_text("SERVER ...");
    sub->add_option("--type", options.types, "Ask for records of these types (A,AAAA)")
        ->option_text("TYPE,...")
        ->delimiter(',');
    sub->add_option("--count", count_, "Ask each question so often over UDP (5)")
        ->option_text("N")
        ->check(count_into(options.count));
    sub->add_option("--timeout", timeout_, "Wait for an answer so long (2s)")
        ->option_text("TIME")
        ->check(duration_into(options.timeout));
    sub->add_flag("--json", options.json, "JSON instead of text");
  }

  void add_record() {
    CLI::App* sub = add("record", "Keep everything in a file, or the last hours in a directory",
                        Command::Record);
    Options& options = options_of(Command::Record);
    add_output(sub, options, "The file");
    sub->add_option("--rolling", options.rolling, "Instead: a directory with the newest of it all")
        ->option_text("DIR");
    sub->add_option("--keep", keep_, "With --rolling: for so long (as long as there is room)")
        ->option_text("TIME")
        ->check(duration_into(options.keep.emplace()));
    sub->add_option("--max-size", max_size_, "With --rolling: at most so much (2GiB)")
        ->option_text("SIZE")
        ->check(bytes_into(options.max_bytes, 1 << 20, 1ULL << 50));
    sub->add_option("--duration", duration_, "End after this time (never)")
        ->option_text("TIME")
        ->check(duration_into(options.duration.emplace()));
    sub->add_option("--interval", interval_, "Time between two looks (1s)")
        ->option_text("TIME")
        ->check(duration_into(options.interval));
    sub->add_option("--filter", options.filter, "Only connections that this expression accepts")
        ->option_text("EXPR");
    add_ring(sub, options);
    sub->add_option("command", options.words, "Record while this command runs")
        ->option_text("-- COMMAND ...");
  }

  void add_snapshot() {
    CLI::App* sub = add("snapshot", "A part of a recording as a file, also while it is recorded",
                        Command::Snapshot);
    Options& options = options_of(Command::Snapshot);
    add_from(sub, options);
    add_output(sub, options, "The file");
  }

  void add_export() {
    CLI::App* sub =
        add("export", "A recording in a form that other programs read", Command::Export);
    Options& options = options_of(Command::Export);
    sub->add_option("recording", options.from, "A recording, or a directory of recordings")
        ->required()
        ->option_text("FILE|DIR");
    sub->add_option("--format", options.format, "jsonl, csv, sqlite or perfetto")
        ->required()
        ->option_text("FORMAT")
        ->check(CLI::IsMember({"jsonl", "csv", "sqlite", "perfetto"}));
    add_output(sub, options, "The file (standard output: -)");
    sub->add_option("--table", options.table,
                    "CSV: connections, samples, events, host or findings (connections)")
        ->option_text("TABLE");
    sub->add_option("--since", options.since, "From then on (its begin)")->option_text("WHEN");
    sub->add_option("--until", options.until, "Up to then (its end)")->option_text("WHEN");
    sub->add_option("--filter", options.filter, "Only connections that this expression accepts")
        ->option_text("EXPR");
    sub->add_flag("--salvage", options.salvage, "Pass over what is damaged");
  }

  std::string help() const {
    std::string path;
    const CLI::App* chosen = &app_;
    for (auto subs = app_.get_subcommands(); !subs.empty(); subs = chosen->get_subcommands()) {
      path += (path.empty() ? "" : " ") + chosen->get_name();
      chosen = subs[0];
    }
    return chosen->help(path);
  }

  std::string describe(const CLI::Error& error) const {
    std::string message = error.what();
    std::replace(message.begin(), message.end(), '\n', ' ');
    if (error.get_name() == "RequiredError" && !app_.remaining().empty())
      return printable("unknown command '" + app_.remaining()[0] + "'");
    const CLI::Option* config = app_.get_config_ptr();
    const std::string path =
        config && !config->results().empty() ? config->results().front() : kDefaultConfig;
    if (error.get_name() == "FileError") return printable("cannot read " + path);
    const auto place = is_file(path) ? place_in_config(message, path, given_) : std::nullopt;
    return printable(place ? *place : message);
  }

  std::array<Options, kCommands> options_;  // by command
  Command command_ = Command::Top;
  std::vector<std::string> given_;
  // As given; checked into options_.
  std::string ring_, timeout_, interval_, history_, duration_, count_, limit_, pid_, connection_,
      keep_, max_size_;
  ProbeArguments probe_arguments_;
  TuneArguments tune_arguments_;
  CLI::App app_{"See what every TCP connection of this host suffers, and why.", "netsonde"};
};

}  // namespace

std::variant<Options, Answer> parse_arguments(int count, const char* const* arguments) {
  return Arguments().parse(count, arguments);
}

}  // namespace netsonde
