// SPDX-License-Identifier: Apache-2.0
#include "user/model/diagnosis/news.h"

#include <fmt/format.h>

#include "bpf/events.h"

namespace netsonde {

namespace {

std::string identity(const Finding& finding) {
  const Subject& subject = finding.subject;
  std::string text = fmt::format("{}\n{}", finding.id, subject.part);
  if (!subject.connection) return text;
  const ev_conn& conn = *subject.connection;
  const auto service = conn.direction == EV_OUT ? conn.remote_port : conn.local_port;
  return text + fmt::format("\n{}\n{}\n{}", fixed_string(conn.comm), conn.direction, service);
}

}  // namespace

const Finding* FindingNews::add(std::int64_t now_ns, std::span<const Finding> findings) {
  std::erase_if(seen_, [now_ns](const auto& entry) { return now_ns - entry.second >= kForgetNs; });
  const Finding* news = nullptr;
  for (const Finding& finding : findings) {
    if (finding.severity < Severity::Warning) continue;
    const bool fresh = seen_.insert_or_assign(identity(finding), now_ns).second;
    if (fresh && !news) news = &finding;
  }
  return news;
}

}  // namespace netsonde
