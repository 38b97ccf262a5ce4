// SPDX-License-Identifier: Apache-2.0
#include "user/sinks/explain.h"

#include <fmt/format.h>

#include "user/base/text.h"
#include "user/model/diagnosis/group.h"
#include "user/sinks/json_rows.h"
#include "user/sinks/table.h"

namespace netsonde {

namespace {

std::string endpoint(const std::uint8_t (&raw)[16], std::uint16_t port) {
  const Address address = Address::from(raw);
  const std::string text = to_text(address);
  return address.is_ipv4() ? fmt::format("{}:{}", text, port) : fmt::format("[{}]:{}", text, port);
}

std::string realtime(const Observation& observation, Time time) {
  return rfc3339(time.time_since_epoch().count() + observation.now.tick().realtime_offset_ns);
}

template <typename Number>
Json or_null(const std::optional<Number>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json to_json(const Finding& finding, const Observation& observation) {
  Json evidence = Json::array(), tunables = Json::array();
  for (const Evidence& figure : finding.evidence) evidence.push_back(to_json(figure));
  for (const std::string_view key : finding.tunables) tunables.push_back(key);
  return {{"id", finding.id},
          {"severity", name_of(finding.severity)},
          {"because", finding.because.empty() ? Json(nullptr) : Json(finding.because)},
          {"where", name_of(finding.where)},
          {"subject", to_json(finding.subject, observation.now)},
          {"since", realtime(observation, finding.since)},
          {"impact", to_json(finding.impact)},
          {"evidence", std::move(evidence)},
          {"confidence", name_of(finding.confidence)},
          {"doubt", finding.doubt.empty() ? Json(nullptr) : Json(finding.doubt)},
          {"text", finding.text},
          {"advice", finding.advice},
          {"tunables", std::move(tunables)}};
}

// Words in lines of at most width columns, all but the first behind the indent.
std::string wrapped(std::string_view text, int indent, int width) {
  std::string out;
  for (const std::string& line : wrap(text, width - indent))
    out += (out.empty() ? "" : "\n" + std::string(static_cast<std::size_t>(indent), ' ')) + line;
  return out;
}

std::string labelled(std::string_view label, std::string_view text, int width) {
  constexpr int kIndent = 12;
  return fmt::format("  {:<{}}{}\n", label, kIndent - 2, wrapped(text, kIndent, width));
}

std::string evidence_text(const Finding& finding) {
  std::string text;
  for (const Evidence& figure : finding.evidence)
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", figure.field, human(figure));
  return text;
}

std::string to_text(const Finding& finding, const Observation& observation, int width) {
  std::string text = fmt::format("{:<9}{}  {}\n", name_of(finding.severity), finding.id,
                                 subject_text(finding.subject));
  text += "  " + wrapped(finding.text, 2, width) + "\n";
  if (!finding.because.empty())
    text += labelled("because", fmt::format("{}, above", finding.because), width);
  text += labelled("evidence", evidence_text(finding), width);
  text += labelled(
      "where",
      fmt::format("{}; since {}Z; confidence {}{}{}", name_of(finding.where),
                  realtime(observation, finding.since).substr(11, 8), name_of(finding.confidence),
                  finding.doubt.empty() ? "" : ": ", finding.doubt),
      width);
  text += labelled("advice", finding.advice, width);
  std::string tunables;
  for (const std::string_view key : finding.tunables)
    tunables += (tunables.empty() ? "" : ", ") + std::string(key);
  if (!tunables.empty()) text += labelled("tunables", tunables, width);
  return text;
}

std::string listed(const std::vector<std::string_view>& ids) {
  std::string text;
  for (const std::string_view id : ids) text += (text.empty() ? "" : ", ") + std::string(id);
  return text;
}

std::string not_checked_text(const Diagnosis& diagnosis, int width) {
  if (diagnosis.not_checked.empty()) return {};
  return wrapped("Not checked: " + listed(diagnosis.not_checked) + " (netsonde doctor says why).",
                 0, width) +
         "\n";
}

}  // namespace

Json to_json(const Subject& subject, const Snapshot& now) {
  if (!subject.connection) return {{"part", subject.part.empty() ? "host" : subject.part}};
  const ev_conn& conn = *subject.connection;
  Json json = identity_to_json(conn, now);
  json["connections"] = subject.connections;
  if (subject.connections <= 1) return json;
  json["processes"] = subject.processes;
  json["worst_cookie"] = json["cookie"];
  if (subject.processes > 1) json["pid"] = nullptr;
  for (const char* single : {"cookie", "state", "opened_at", "age_s"}) json[single] = nullptr;
  const bool client = conn.direction != EV_IN && conn.direction != EV_LISTENER;
  json[client ? "local_port" : "remote_port"] = nullptr;
  return json;
}

Json to_json(const Impact& impact) {
  return {{"connections", impact.connections},
          {"bytes", or_null(impact.bytes)},
          {"segments", or_null(impact.segments)},
          {"attempts", or_null(impact.attempts)},
          {"time_s", impact.time ? Json(seconds(*impact.time)) : Json(nullptr)}};
}

std::string subject_text(const Subject& subject) {
  if (!subject.connection) return subject.part.empty() ? "host" : printable(subject.part);
  const ev_conn& conn = *subject.connection;
  const std::string name = printable(fixed_string(conn.comm));
  const std::string owner = subject.processes > 1
                                ? fmt::format("{} ({} processes) ", name, subject.processes)
                            : conn.owner ? fmt::format("{}[{}] ", name, conn.pid)
                                         : "";
  const std::string local = endpoint(conn.local, conn.local_port);
  if (conn.direction == EV_LISTENER) return owner + "listening on " + local;
  const std::string remote = endpoint(conn.remote, conn.remote_port);
  if (subject.connections <= 1)
    return fmt::format("{}{} {} {}", owner, local, conn.direction == EV_IN ? "<" : ">", remote);
  if (conn.direction == EV_IN)
    return fmt::format("{}{} < {}, {} connections", owner, local,
                       to_text(Address::from(conn.remote)), subject.connections);
  return fmt::format("{}> {}, {} connections", owner, remote, subject.connections);
}

Json to_json(const Diagnosis& diagnosis, const Observation& observation) {
  Json findings = Json::array();
  for (const Finding& finding : diagnosis.findings)
    findings.push_back(to_json(finding, observation));
  return {{"time", realtime(observation, observation.to)},
          {"observed_s", seconds(observation.span())},
          {"lost_events", observation.lost},
          {"checked", diagnosis.checked},
          {"not_checked", diagnosis.not_checked},
          {"findings", std::move(findings)}};
}

std::string to_text(const Diagnosis& diagnosis, const Observation& observation, int width) {
  const std::string lost = losses_text(observation.now.tick());
  std::string text = wrapped(
      fmt::format("Observed for {}: {} and {} active; lost events: {}.",
                  short_duration(observation.span()),
                  counted(observation.connections.size(), "connection"),
                  counted(observation.listeners.size(), "listener"), lost.empty() ? "none" : lost),
      0, width);
  text += "\n\n";
  if (diagnosis.findings.empty())
    return text +
           wrapped((observation.connections.empty() && observation.listeners.empty()
                        ? "No connection that was asked for was active. Nothing wrong otherwise. "
                          "Checked: "
                        : "Nothing wrong. Checked: ") +
                       listed(diagnosis.checked) + ".",
                   0, width) +
           "\n" + not_checked_text(diagnosis, width);
  for (const Finding& finding : diagnosis.findings)
    text += to_text(finding, observation, width) + "\n";
  return text +
         fmt::format("{}; {} rules checked (man netsonde lists them).\n",
                     counted(diagnosis.findings.size(), "finding"), diagnosis.checked.size()) +
         not_checked_text(diagnosis, width);
}

}  // namespace netsonde
