// SPDX-License-Identifier: Apache-2.0
#include "user/sinks/report/finding_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <tuple>

#include "user/sinks/explain.h"

namespace netsonde {

namespace {

auto cost_of(Severity severity, const Impact& impact) {
  return std::tuple(severity, impact.attempts.value_or(0), impact.time.value_or(Nanos(0)),
                    impact.segments.value_or(0), impact.bytes.value_or(0), impact.connections);
}

// As findings are grouped: the remote end of a client, the local service of a server.
std::string key_of(const Finding& finding) {
  const Subject& subject = finding.subject;
  if (!subject.connection) return fmt::format("{}\n{}", finding.id, subject.part);
  const ev_conn& conn = *subject.connection;
  const bool listens = conn.direction == EV_LISTENER;
  const bool server = conn.direction == EV_IN || listens;
  return fmt::format("{}\n{}\n{}\n{}\n{}\n{}\n{}", finding.id, conn.netns, fixed_string(conn.comm),
                     server, listens ? "" : to_text(Address::from(conn.remote)),
                     server ? to_text(Address::from(conn.local)) : "",
                     server ? conn.local_port : conn.remote_port);
}

template <typename Number>
void add_to(std::optional<Number>& sum, const std::optional<Number>& more) {
  if (more) sum = sum.value_or(Number(0)) + *more;
}

// The nearest finding before it that has this id.
const Finding* explanation_of(const Finding& finding, const std::vector<Finding>& all) {
  const Finding* found = nullptr;
  for (const Finding& other : all) {
    if (&other == &finding) return found;
    if (other.id == finding.because) found = &other;
  }
  return nullptr;
}

}  // namespace

void FindingLog::add(const Diagnosis& diagnosis, const Observation& observation, bool cut_short) {
  checked_.insert(diagnosis.checked.begin(), diagnosis.checked.end());
  if (!cut_short) end_ = observation.to;
  not_watched_ = std::max(not_watched_, observation.not_watched);
  for (const Finding& finding : diagnosis.findings) {
    const Finding* because =
        finding.because.empty() ? nullptr : explanation_of(finding, diagnosis.findings);
    take(finding, key_of(finding), because ? key_of(*because) : "", observation);
  }
  if (entries_.size() > 2 * kMost) forget_least();
}

void FindingLog::take(const Finding& finding, const std::string& key, const std::string& because,
                      const Observation& observation) {
  Entry& entry = entries_[key];
  const bool is_first = entry.windows++ == 0;
  const Seen seen = {.from = std::max(finding.since, observation.from), .to = observation.to};
  if (is_first || cost_of(finding.severity, finding.impact) >
                      cost_of(entry.worst.severity, entry.worst.impact)) {
    entry.worst = finding;
    entry.worst_seen = {.from = observation.from, .to = observation.to};
    entry.subject = to_json(finding.subject, observation.now);
    entry.because = because;
  }
  // Windows that follow each other are one span.
  const bool goes_on =
      !is_first && (entry.spans.back().to >= observation.from || entry.spans.size() == kMostSpans);
  if (goes_on)
    entry.spans.back().to = seen.to;
  else
    entry.spans.push_back(seen);
  for (const std::uint64_t cookie : finding.subject.cookies)
    if (entry.cookies.size() < Subject::kMostCookies) entry.cookies.insert(cookie);
  entry.impact.connections =
      std::max({entry.impact.connections, finding.impact.connections, entry.cookies.size()});
  add_to(entry.impact.bytes, finding.impact.bytes);
  add_to(entry.impact.segments, finding.impact.segments);
  add_to(entry.impact.attempts, finding.impact.attempts);
  add_to(entry.impact.time, finding.impact.time);
}

void FindingLog::forget_least() {
  const std::vector<std::string> keys = ranked();
  for (std::size_t i = kMost; i < keys.size(); ++i) entries_.erase(keys[i]);
  left_out_ += keys.size() - kMost;
}

// What explains others takes the place of the worst of these.
std::vector<std::string> FindingLog::ranked() const {
  std::vector<const std::string*> keys;
  for (const auto& [key, entry] : entries_) keys.push_back(&key);
  std::ranges::stable_sort(keys, [this](const std::string* a, const std::string* b) {
    const Entry &left = entries_.at(*a), &right = entries_.at(*b);
    return cost_of(left.worst.severity, left.impact) > cost_of(right.worst.severity, right.impact);
  });
  std::vector<std::string> order;
  std::set<std::string> placed;
  const std::function<void(const std::string&)> place = [&](const std::string& key) {
    if (!placed.insert(key).second) return;
    const std::string& because = entries_.at(key).because;
    if (entries_.contains(because)) place(because);
    order.push_back(key);
  };
  for (const std::string* key : keys) place(*key);
  return order;
}

ReportFinding FindingLog::reported(const Entry& entry, std::int64_t offset) const {
  const auto real = [offset](Time time) { return time.time_since_epoch().count() + offset; };
  ReportFinding reported{.finding = entry.worst,
                         .who = subject_text(entry.worst.subject),
                         .subject = entry.subject,
                         .since_ns = real(entry.spans.front().from),
                         .until_ns = real(entry.spans.back().to),
                         .lasted = entry.spans.back().to >= end_,
                         .worst = {real(entry.worst_seen.from), real(entry.worst_seen.to)},
                         .windows = entry.windows};
  reported.finding.impact = entry.impact;
  for (const Seen& seen : entry.spans) reported.spans.push_back({real(seen.from), real(seen.to)});
  return reported;
}

std::vector<ReportFinding> FindingLog::findings(std::int64_t offset) const {
  std::vector<std::string> keys = ranked();
  if (keys.size() > kMost) keys.resize(kMost);
  std::map<std::string, std::size_t> places;
  std::vector<ReportFinding> findings;
  for (const std::string& key : keys) {
    const Entry& entry = entries_.at(key);
    places[key] = findings.size();
    ReportFinding& found = findings.emplace_back(reported(entry, offset));
    const auto cause = places.find(entry.because);
    if (cause == places.end()) continue;
    found.because = cause->second;
    Severity& severity = findings[cause->second].finding.severity;
    severity = std::max(severity, found.finding.severity);
  }
  return findings;
}

std::vector<std::string_view> FindingLog::checked() const {
  std::vector<std::string_view> ids;
  for (const Rule& rule : all_rules())
    if (checked_.contains(rule.id)) ids.push_back(rule.id);
  return ids;
}

std::vector<std::string_view> FindingLog::not_checked() const {
  std::vector<std::string_view> ids;
  for (const Rule& rule : all_rules())
    if (!checked_.contains(rule.id)) ids.push_back(rule.id);
  return ids;
}

}  // namespace netsonde
