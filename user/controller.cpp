// SPDX-License-Identifier: Apache-2.0
#include "user/controller.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

#include "user/base/json.h"
#include "user/dns.h"
#include "user/doctor.h"
#include "user/experiment.h"
#include "user/explain.h"
#include "user/export.h"
#include "user/model/diagnosis/diagnosis.h"
#include "user/probe.h"
#include "user/record.h"
#include "user/recorded.h"
#include "user/report.h"
#include "user/session.h"
#include "user/sinks/monitor.h"
#include "user/sinks/table.h"
#include "user/sinks/trace.h"
#include "user/sinks/tui/keys.h"
#include "user/sinks/tui/tui.h"
#include "user/test.h"
#include "user/time_travel.h"
#include "user/tune.h"

namespace netsonde {

namespace {

// A bad argument: one line and exit status 2.
int refuse(const Error& error) {
  std::fprintf(stderr, "netsonde: %s\n", error.message().c_str());
  return 2;
}

bool shows_quantiles(std::span<const Field* const> columns) {
  return std::any_of(columns.begin(), columns.end(),
                     [](const Field* field) { return field->id.starts_with("rtt_p"); });
}

SessionSettings session_settings(const Options& options, const Request& request) {
  return {.ring_bytes = options.ring_bytes,
          .interval = options.interval,
          .deep = options.deep.empty() ? nullptr : &request.deep};
}

Result<int> run_table(const Options& options, Request& request) {
  TableSettings settings{.columns = request.fields,
                         .sort = request.by,
                         .limit = options.limit,
                         .listeners = options.listeners,
                         .json = options.json};
  Table table(std::move(settings), request.filter, stdout);
  const Filter everything;  // the totals are the host's
  SessionSettings session_with = session_settings(options, request);
  session_with.closed_limit = kClosedInTable;
  Session session = TRY(Session::open(session_with, everything));
  const bool all_fields = options.json && request.fields.empty();
  session.live().want_all_histograms(all_fields || shows_quantiles(request.fields));
  session.add_sink(table);
  // The first look is what rates are counted from; it is not shown.
  const std::uint64_t tables = options.batch ? options.count : 1;
  TRY(session.run_ticks(tables));
  return 0;
}

Result<int> run_trace(const Options& options, Request& request) {
  SessionSettings settings = session_settings(options, request);
  settings.opens = true;
  settings.sample_connections = !request.filter.only_identity() || !options.deep.empty();
  settings.duration = options.duration;
  Session session = TRY(Session::open(settings, request.filter));
  Trace trace({.kinds = request.events, .count = options.count, .json = options.json},
              request.filter, stdout, [&session] { session.stop(); });
  session.add_sink(trace);
  session.after_drain([&trace] { return trace.flush(); });
  TRY(session.run());
  TRY(trace.flush());
  std::fprintf(stderr, "%s\n", trace.summary(session.store().tick()).c_str());
  return 0;
}

Result<int> run_monitor(const Options& options, const Request& request) {
  SessionSettings settings = session_settings(options, request);
  settings.duration = options.duration;
  settings.read_host_every = options.interval;
  const Filter everything;
  Session session = TRY(Session::open(settings, everything));
  Monitor monitor(
      {.interval = options.interval, .duration = options.duration, .json = options.json}, stdout);
  session.add_sink(monitor);
  if (!options.json && isatty(STDOUT_FILENO)) TRY(monitor.greet());
  TRY(session.run());
  TRY(monitor.finish(session.snapshot(), session.host_values_unreadable()));
  return 0;
}

// Often enough for three differences in the time that its findings are of.
constexpr Nanos kReadHostInView = std::chrono::seconds(5);

Result<int> run_view(const Options& options, Request& request) {
  SessionSettings settings = session_settings(options, request);
  settings.measure_cost = true;
  settings.read_host_every = kReadHostInView;
  const Filter everything;
  Session session = TRY(Session::open(settings, everything));
  TRY(session.show({.interval = options.interval,
                    .history_bytes = options.history_bytes,
                    .filter = std::move(request.filter),
                    .columns = request.fields,
                    .sort = request.by,
                    .numeric = !options.resolve,
                    .ascii = options.ascii}));
  TRY(session.run());
  return 0;
}

std::string names_of(const Field& field) {
  return std::string(field.id) + (field.alias.empty() ? "" : ", " + std::string(field.alias));
}

Json to_json(const Field& field) {
  const auto or_null = [](std::string_view text) { return text.empty() ? Json() : Json(text); };
  return {{"id", field.id},
          {"alias", or_null(field.alias)},
          {"unit", or_null(unit_name(field.unit))},
          {"help", field.help}};
}

// A line of text as roff wants it: nothing in it is a request or an escape.
std::string roff(std::string_view text) {
  std::string out = text.starts_with('.') || text.starts_with('\'') ? "\\&" : "";
  for (const char c : text) {
    if (c == '\\')
      out += "\\e";
    else if (c == '"')
      out += "\\(dq";
    else
      out += c;
  }
  return out;
}

void print_man_entry(std::string_view names, std::string_view help) {
  std::string name = roff(names);
  for (std::size_t at = 0; (at = name.find('-', at)) != std::string::npos; at += 2)
    name.insert(at, 1, '\\');
  fmt::print(".TP\n.B \"{}\"\n{}\n", name, roff(help));
}

// Internal, for the build: what stands in the manual page for its lines @FIELDS@, @KEYS@,
// @RECORDINGKEYS@ and @FINDINGS@.
void print_man() {
  fmt::print("@FIELDS@\n");
  for (const Field& field : fields()) print_man_entry(names_of(field), field.help);
  fmt::print("@KEYS@\n");
  for (const KeyBinding& key : key_bindings())
    if (key.scope != Scope::Recording) print_man_entry(key.names, key.help);
  fmt::print("@RECORDINGKEYS@\n");
  for (const KeyBinding& key : key_bindings())
    if (key.scope == Scope::Recording) print_man_entry(key.names, key.help);
  fmt::print("@FINDINGS@\n");
  for (const Rule& rule : all_rules()) print_man_entry(rule.id, rule.help);
}

int print_fields(const Options& options) {
  if (options.man) {
    print_man();
    return 0;
  }
  for (const Field& field : fields()) {
    if (options.json)
      fmt::print("{}\n", to_line(to_json(field)));
    else
      fmt::print("{:<40} {}\n", names_of(field), field.help);
  }
  return 0;
}

}  // namespace

Result<int> run(const Options& options) {
  if (options.command == Command::Fields) return print_fields(options);
  if (options.command == Command::Dns) return run_dns(options);
  if (options.command == Command::Experiment) return run_experiment(options);
  if (options.command == Command::Probe) return run_probe(options);
  if (options.command == Command::Test) return run_test(options);
  if (options.command == Command::Tune) return run_tune(options);
  auto request = understand(options);
  if (!request) return refuse(request.error());
  if (options.command == Command::Doctor) return run_doctor(options.json);
  if (options.command == Command::Snapshot) return run_snapshot(options);
  if (options.command == Command::Export) return run_export(options, request.value());
  if (options.command == Command::Report) return run_report(options, request.value());
  const bool view = options.command == Command::Top && !options.once && !options.batch &&
                    !options.json && isatty(STDOUT_FILENO) && isatty(STDIN_FILENO);
  if (!options.from.empty())
    return view ? run_time_travel(options, request.value())
                : run_recorded(options, request.value());
  TRY(check_privilege());
  if (options.command == Command::Record) return run_record(options, request.value());
  if (options.command == Command::Trace) return run_trace(options, request.value());
  if (options.command == Command::Explain) return run_explain(options);
  if (options.command == Command::Monitor) return run_monitor(options, request.value());
  return view ? run_view(options, request.value()) : run_table(options, request.value());
}

}  // namespace netsonde
