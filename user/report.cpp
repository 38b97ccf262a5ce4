// SPDX-License-Identifier: Apache-2.0
#include "user/report.h"

#include <fmt/format.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cstdio>

#include "user/base/new_file.h"
#include "user/base/text.h"
#include "user/measured.h"
#include "user/recorded.h"
#include "user/session.h"
#include "user/sinks/report/builder.h"
#include "user/sinks/report/endpoint_use.h"
#include "user/sinks/report/recommendations.h"
#include "user/sinks/report/render.h"
#include "user/tune_report.h"
#include "user/tuned_host.h"

namespace netsonde {

namespace {

// What shows in so long shows as well in one look; longer ones tell when it began and ended.
constexpr Nanos kOneWindow = std::chrono::seconds(15);
constexpr Nanos kWindow = std::chrono::seconds(10);

bool to_standard_output(const Options& options) {
  return options.output.empty() || options.output == "-";
}

ReportSettings report_settings(const Options& options) {
  const bool is_short = options.from.empty() && *options.duration <= kOneWindow;
  return {.window = is_short ? *options.duration + kOneWindow : kWindow};
}

std::string rendered(const Report& report, const Options& options) {
  const std::string_view format =
      options.format.empty() ? format_of(options.output) : std::string_view(options.format);
  if (format == "html") return to_html(report);
  if (format == "md") return to_markdown(report);
  if (format == "json")
    return to_json(report).dump(1, ' ', true, Json::error_handler_t::replace) + "\n";
  return to_text(report, terminal_width());
}

// What this kernel does not show.
std::vector<std::string> unseen(const Session& session, Live& live) {
  std::vector<std::string> unseen;
  for (const HookOutcome& hook : live.outcomes())
    if (hook.programs.empty())
      unseen.push_back(fmt::format("Not seen on this kernel: {}.", hook.sees));
  if (const std::size_t count = live.namespaces_unreachable())
    unseen.push_back(fmt::format("Network namespaces that could not be entered: {}.", count));
  if (const std::uint64_t count = live.undecodable())
    unseen.push_back(fmt::format("Events that make no sense: {}.", count));
  if (const std::uint64_t count = session.host_values_unreadable())
    unseen.push_back(fmt::format("Numbers of the host that could not be understood: {}.", count));
  return unseen;
}

// Probes and experiments joined with what this host did meanwhile.
void add_measurements(ReportBuilder& builder, EndpointUseLog& uses, const Snapshot& last,
                      const std::vector<MeasuredEndpoint>& measured) {
  uses.finish(last);
  std::vector<EndpointFigures> figures;
  std::vector<Recommendation> recommendations;
  for (const MeasuredEndpoint& endpoint : measured) {
    const ProbedEndpoint& probed = endpoint.probed;
    const auto use = uses.use_of(probed.addresses, probed.port);
    figures.push_back({.probed = probed,
                       .mean_total_us = endpoint.total_us.mean(),
                       .mean_ttfb_us = endpoint.ttfb_us.mean(),
                       .mean_bandwidth_mbps = endpoint.bandwidth_mbps.mean(),
                       .use = use});
    for (Recommendation& r : advise(probed, use)) recommendations.push_back(std::move(r));
  }
  for (Recommendation& r : advise_listeners(uses.listeners()))
    recommendations.push_back(std::move(r));
  if (!measured.empty()) builder.add_section(measurements_section(figures));
  if (!measured.empty() || !recommendations.empty())
    builder.add_section(recommendations_section(recommendations));
}

// What was changed on this host, if anything ever was; a journal that cannot be read is said.
void add_changes(ReportBuilder& builder, std::vector<std::string>& unknown, std::int64_t from_ns,
                 std::int64_t to_ns) {
  const auto ledger = Journal::look(kTunerDirectory);
  if (!ledger) return unknown.push_back("Changes: " + ledger.error().message() + ".");
  if (ledger.value().sets().empty()) return;
  const auto now = instant_now();
  if (!now) return unknown.push_back("Changes: " + now.error().message() + ".");
  builder.add_section(changes_section(ledger.value(), now.value()));
  for (TimelineMark& mark : change_marks(ledger.value(), now.value(), from_ns, to_ns))
    builder.add_mark(std::move(mark));
}

Result<Report> live_report(const Options& options, const Request& request,
                           const std::vector<MeasuredEndpoint>& measured) {
  TRY(check_privilege());
  const Filter everything;  // the other end and the host may be what is wrong
  Session session = TRY(Session::open({.ring_bytes = options.ring_bytes,
                                       .interval = options.interval,
                                       .read_host_every = options.interval,
                                       .duration = options.duration},
                                      everything));
  session.live().want_all_histograms(true);
  ReportBuilder builder(report_settings(options), request.filter);
  session.add_sink(builder);
  EndpointUseLog uses;
  session.add_sink(uses);
  TRY(session.run());
  add_measurements(builder, uses, session.snapshot(), measured);
  utsname system = {};
  uname(&system);
  std::vector<std::string> unknown = unseen(session, session.live());
  const std::int64_t end_ns = session.snapshot().realtime_ns();
  add_changes(builder, unknown, end_ns - options.duration->count(), end_ns);
  return builder.finish(session.snapshot(), {.program = "netsonde " NETSONDE_VERSION,
                                             .kernel = system.release,
                                             .source = "the running kernel",
                                             .filter = options.filter,
                                             .unknown = std::move(unknown)});
}

Result<Report> recorded_report(const Options& options, const Request& request,
                               const std::vector<MeasuredEndpoint>& measured) {
  RecordedSpan span = TRY(open_recorded(options));
  Replay replay(std::move(span.recording), {});
  TRY(replay.start_at(span.since_ns));
  ReportBuilder builder(report_settings(options), request.filter);
  replay.add_sink(builder);
  EndpointUseLog uses;
  replay.add_sink(uses);
  TRY(replay.run(span.until_ns));
  add_measurements(builder, uses, replay.snapshot(), measured);
  const recording::Origin& recorded = replay.recording().origin();
  ReportOrigin origin{.program = "netsonde " NETSONDE_VERSION,
                      .kernel = recorded.kernel,
                      .source = fmt::format("{}, recorded by {}", options.from, recorded.program),
                      .filter = options.filter};
  if (!recorded.filter.empty())
    origin.unknown.push_back("Recorded was only what this accepts: " + recorded.filter);
  if (recorded.host == host_name())
    add_changes(builder, origin.unknown, span.since_ns, span.until_ns);
  for (const std::string& gap : gaps_of(replay))
    origin.unknown.push_back("Recording: " + gap + ".");
  return builder.finish(replay.snapshot(), std::move(origin));
}

}  // namespace

Result<> check_report_file(const Options& options) {
  if (to_standard_output(options)) return {};
  return check_new_file(options.output, options.force);
}

Result<> write_report(const Report& report, const Options& options) {
  const std::string text = rendered(report, options);
  if (!to_standard_output(options)) {
    TRY(write_new_file(options.output, text, options.force));
    fmt::print(stderr, "{}: {}B\n", printable(options.output),
               short_bytes(static_cast<double>(text.size())));
    return {};
  }
  const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
  if (!written || std::fflush(stdout)) return Error::from_errno("write the report");
  return {};
}

Result<int> run_report(const Options& options, const Request& request) {
  TRY(check_report_file(options));
  const auto measured = TRY(read_measured(options.with));
  const Report report = TRY(options.from.empty() ? live_report(options, request, measured)
                                                 : recorded_report(options, request, measured));
  TRY(write_report(report, options));
  return 0;
}

}  // namespace netsonde
