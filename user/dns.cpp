// SPDX-License-Identifier: Apache-2.0
#include "user/dns.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "probes/dns_cache.h"
#include "probes/dns_survey.h"
#include "user/base/json.h"
#include "user/model/statistics.h"

namespace netsonde {

namespace {

constexpr std::size_t kCacheAnswers = 4096;
constexpr std::uint64_t kMostQuestions = 10'000;

double microseconds(Nanos span) {
  return static_cast<double>(span.count()) / 1e3;
}

Json or_null(const std::optional<Nanos>& span) {
  return span ? Json(microseconds(*span)) : Json();
}

template <typename T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json();
}

std::string or_dash(const std::optional<Nanos>& span) {
  return span ? short_duration(*span) : "-";
}

std::optional<Nanos> median_of(const std::vector<Nanos>& spans) {
  Statistics statistics;
  for (const Nanos span : spans) statistics.add(static_cast<double>(span.count()));
  const auto median = statistics.quantile(0.5);
  if (!median) return std::nullopt;
  return Nanos(static_cast<std::int64_t>(*median));
}

// The smallest of the records; of a negative answer, how long it may be kept.
std::optional<std::uint32_t> ttl_of(const DnsRow& row) {
  if (!row.answer) return std::nullopt;
  if (row.answer->answers.empty()) return row.answer->negative_ttl_s;
  return std::ranges::min_element(row.answer->answers, {}, &DnsRecord::ttl_s)->ttl_s;
}

// What an answer from memory costs, of all that may be kept.
std::optional<Nanos> measure_cache(const std::vector<DnsRow>& rows) {
  DnsCache cache(kCacheAnswers);
  const Time kept = kernel_now();
  for (const DnsRow& row : rows)
    if (row.answer) cache.keep(row.name, row.type, *row.answer, kept);
  std::vector<Nanos> spans;
  for (const DnsRow& row : rows) {
    const Time begin = kernel_now();
    const bool found = cache.find(row.name, row.type, begin) != nullptr;
    if (found) spans.push_back(kernel_now() - begin);
  }
  return median_of(spans);
}

Json to_json(const DnsRecord& record) {
  return {{"name", record.name},
          {"type", to_text(record.type)},
          {"ttl_s", record.ttl_s},
          {"data", record.data}};
}

Json failure_of(const DnsRow& row) {
  if (row.failure.empty()) return {};
  return {{"phase", "dns"}, {"kind", row.failure}, {"detail", row.detail}};
}

Json to_json(const DnsRow& row, std::int64_t now_ns) {
  Json again = Json::array();
  for (const Nanos span : row.again) again.push_back(microseconds(span));
  Json answers = Json::array();
  if (row.answer)
    for (const DnsRecord& record : row.answer->answers) answers.push_back(to_json(record));
  const auto flag = [&row](bool DnsMessage::*member) {
    return row.answer ? Json((*row.answer).*member) : Json();
  };
  return {{"time", rfc3339(now_ns)},
          {"name", row.name},
          {"type", to_text(row.type)},
          {"server", row.server},
          {"rcode", row.answer ? Json(rcode_text(row.answer->rcode)) : Json()},
          {"ttl_s", or_null(ttl_of(row))},
          {"first_us", or_null(row.first)},
          {"again_us", std::move(again)},
          {"tcp_us", or_null(row.tcp)},
          {"tcp_failure", row.tcp_failure.empty() ? Json() : Json(row.tcp_failure)},
          {"udp_bytes", or_null(row.udp_bytes)},
          {"truncated", row.udp_bytes ? Json(row.truncated) : Json()},
          {"edns_udp_bytes", or_null(row.edns_bytes)},
          {"plain_rcode", row.plain_rcode ? Json(rcode_text(*row.plain_rcode)) : Json()},
          {"authoritative", flag(&DnsMessage::authoritative)},
          {"authenticated", flag(&DnsMessage::authenticated)},
          {"answers", std::move(answers)},
          {"asked", row.asked},
          {"unanswered", row.unanswered},
          {"failure", failure_of(row)}};
}

// Rows of one name and type stand together, one for each server.
bool differ(std::span<const DnsRow> question) {
  const DnsRow* first = nullptr;
  for (const DnsRow& row : question) {
    if (!row.answer) continue;
    if (first && !same_answer(*first->answer, *row.answer)) return true;
    if (!first) first = &row;
  }
  return false;
}

template <typename Function>
void for_each_question(const std::vector<DnsRow>& rows, std::size_t servers, Function function) {
  for (std::size_t at = 0; at + servers <= rows.size(); at += servers)
    function(std::span(rows).subspan(at, servers));
}

std::uint64_t unanswered_of(const std::vector<DnsRow>& rows) {
  std::uint64_t count = 0;
  for (const DnsRow& row : rows) count += row.answer ? 0 : 1;
  return count;
}

void print_json(const std::vector<DnsRow>& rows, std::size_t servers) {
  const std::int64_t now_ns = kernel_now().time_since_epoch().count() + realtime_offset_ns();
  for (const DnsRow& row : rows) fmt::print("{}\n", to_line(to_json(row, now_ns)));
  Json differences = Json::array();
  for_each_question(rows, servers, [&](std::span<const DnsRow> question) {
    if (differ(question))
      differences.push_back({{"name", question[0].name}, {"type", to_text(question[0].type)}});
  });
  fmt::print("{}\n", to_line({{"summary",
                               {{"rows", rows.size()},
                                {"without_answer", unanswered_of(rows)},
                                {"differences", std::move(differences)},
                                {"own_cache_us", or_null(measure_cache(rows))}}}}));
}

std::string flags_of(const DnsRow& row) {
  std::string flags;
  const auto add = [&flags](bool set, std::string_view name) {
    if (set) flags += (flags.empty() ? "" : ",") + std::string(name);
  };
  add(row.answer && row.answer->authoritative, "aa");
  add(row.answer && row.answer->authenticated, "ad");
  add(row.truncated, "tc");
  add(row.edns_bytes.has_value(), fmt::format("edns {}", row.edns_bytes.value_or(0)));
  return flags.empty() ? "-" : flags;
}

void print_row(const DnsRow& row, int width) {
  const auto ttl = ttl_of(row);
  fmt::print("  {} {:<9} {:>8} {:>8} {:>8} {:>7}  {}\n", fit(printable(row.server), width),
             row.answer ? rcode_text(row.answer->rcode) : "-", or_dash(row.first),
             or_dash(median_of(row.again)), or_dash(row.tcp), ttl ? fmt::format("{}s", *ttl) : "-",
             flags_of(row));
  if (!row.failure.empty()) {
    const std::string share =
        row.asked == 0
            ? ""
            : fmt::format("{} of {} questions without an answer: ", row.unanswered, row.asked);
    fmt::print("    {}{} ({})\n", share, row.failure, printable(row.detail));
  }
  if (row.plain_rcode && row.answer && *row.plain_rcode != row.answer->rcode)
    fmt::print("    without EDNS it answers {}\n", rcode_text(*row.plain_rcode));
}

void print_answer(const DnsRow& row, bool with_server) {
  if (!row.answer) return;
  if (with_server) fmt::print("  {} says\n", printable(row.server));
  if (row.answer->answers.empty())
    fmt::print("    no records ({})\n", rcode_text(row.answer->rcode));
  for (const DnsRecord& record : row.answer->answers)
    fmt::print("    {} {} {}\n", record.name, to_text(record.type), record.data);
}

void print_question(std::span<const DnsRow> question, int width) {
  fmt::print("{} {}\n", printable(question[0].name), to_text(question[0].type));
  fmt::print("  {} {:<9} {:>8} {:>8} {:>8} {:>7}  FLAGS\n", fit("SERVER", width), "ANSWER", "FIRST",
             "AGAIN", "TCP", "TTL");
  for (const DnsRow& row : question) print_row(row, width);
  if (differ(question)) {
    fmt::print("  the answers differ:\n");
    for (const DnsRow& row : question) print_answer(row, true);
    return;
  }
  const auto answered = std::ranges::find_if(
      question, [](const DnsRow& row) -> bool { return row.answer.has_value(); });
  if (answered != question.end()) print_answer(*answered, false);
}

void print_text(const std::vector<DnsRow>& rows, std::size_t servers) {
  int width = 6;
  for (const DnsRow& row : rows) width = std::max(width, display_width(printable(row.server)));
  for_each_question(rows, servers,
                    [width](std::span<const DnsRow> question) { print_question(question, width); });
  if (const auto cache = measure_cache(rows))
    fmt::print("own cache: an answer from memory takes {}\n", short_duration(*cache));
}

Result<DnsSurveySettings> settings_of(const Options& options) {
  DnsSurveySettings settings{.names = options.words,
                             .types = {},
                             .servers = options.servers,
                             .timeout = options.timeout,
                             .count = options.count};
  if (options.count == 0 || options.count > kMostQuestions)
    return Error(fmt::format("--count is from 1 to {}", kMostQuestions));
  for (const std::string& text : options.types) {
    const auto type = parse_dns_type(text);
    if (!type)
      return Error(fmt::format("'{}' is no type of DNS record; A, AAAA, HTTPS, MX, ... or TYPE65",
                               printable(text)));
    settings.types.push_back(*type);
  }
  if (settings.servers.empty()) settings.servers = TRY(system_dns_servers());
  return settings;
}

int refuse(const Error& error) {
  std::fprintf(stderr, "netsonde: %s\n", error.message().c_str());
  return 2;
}

}  // namespace

Result<int> run_dns(const Options& options) {
  const auto settings = settings_of(options);
  if (!settings) return refuse(settings.error());
  Loop loop = TRY(Loop::open());
  auto opened = DnsSurvey::open(loop, settings.value());
  if (!opened) return refuse(opened.error());
  DnsSurvey& survey = *opened.value();
  bool interrupted = false;
  TRY(loop.take_signals([&]() -> Result<> {
    interrupted = true;
    loop.stop();
    return {};
  }));
  bool ended = false;
  TRY(loop.after(Nanos(1), [&]() -> Result<> {
    survey.start([&] {
      ended = true;
      loop.stop();
    });
    return {};
  }));
  TRY(loop.run());
  if (options.json)
    print_json(survey.rows(), settings.value().servers.size());
  else
    print_text(survey.rows(), settings.value().servers.size());
  if (interrupted && !ended)
    std::fprintf(stderr, "netsonde: ended early; this is what was asked\n");
  return unanswered_of(survey.rows()) == 0 ? 0 : 1;
}

}  // namespace netsonde
