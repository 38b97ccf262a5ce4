// SPDX-License-Identifier: Apache-2.0
#include "probes/dns_survey.h"

#include <algorithm>
#include <utility>

namespace netsonde {

namespace {

constexpr unsigned kGiveUpAfter = 2;

std::vector<std::string> records_of(const DnsMessage& message) {
  std::vector<std::string> records;
  for (const DnsRecord& record : message.answers)
    records.push_back(to_text(record.type) + " " + record.data);
  std::ranges::sort(records);
  return records;
}

void note_answer(DnsRow& row, DnsMessage message) {
  const bool better = !row.answer || (row.answer->truncated && !message.truncated);
  if (better) row.answer = std::move(message);
}

// A server that did not answer the first question knew of it all the same.
void note_udp(DnsRow& row, const DnsReply& reply) {
  if (row.asked == 1)
    row.first = reply.took;
  else
    row.again.push_back(reply.took);
  if (row.udp_bytes) return;
  row.udp_bytes = reply.bytes;
  row.truncated = reply.message->truncated;
  row.edns_bytes = reply.message->edns_udp_bytes;
}

}  // namespace

Result<std::unique_ptr<DnsSurvey>> DnsSurvey::open(Loop& loop, const DnsSurveySettings& settings) {
  auto survey = std::make_unique<DnsSurvey>();
  for (const std::string& server : settings.servers)
    survey->clients_.push_back(TRY(DnsClient::open(loop, server, settings.timeout)));
  survey->silences_.resize(survey->clients_.size());
  for (const std::string& name : settings.names)
    for (const DnsType type : settings.types)
      for (const std::string& server : settings.servers)
        survey->rows_.push_back({.name = name, .type = type, .server = server});
  survey->plan(settings.count);
  return survey;
}

void DnsSurvey::plan(std::uint64_t count) {
  const std::size_t servers = clients_.size();
  for (std::size_t first = 0; first < rows_.size(); first += servers) {
    const auto add = [&](How how) {
      for (std::size_t i = 0; i < servers; ++i)
        steps_.push_back({.row = first + i, .client = i, .how = how});
    };
    for (std::uint64_t round = 0; round < count; ++round) add(How::Udp);
    add(How::Tcp);
    add(How::WithoutEdns);
  }
}

void DnsSurvey::start(std::function<void()> on_end) {
  on_end_ = std::move(on_end);
  next();
}

// A reply that comes at once makes no deeper call: the round here goes on.
void DnsSurvey::next() {
  again_ = true;
  if (std::exchange(asking_, true)) return;
  while (std::exchange(again_, false)) ask_one();
  asking_ = false;
}

void DnsSurvey::ask_one() {
  while (step_ < steps_.size() && silences_[steps_[step_].client].questions >= kGiveUpAfter) {
    const Step& step = steps_[step_++];
    DnsRow& row = rows_[step.row];
    if (row.asked != 0) continue;
    row.failure = silences_[step.client].failure;
    row.detail = "not asked: two questions in a row got no answer";
  }
  if (step_ == steps_.size()) return on_end_();
  const Step& step = steps_[step_++];
  DnsRow& row = rows_[step.row];
  ++row.asked;
  clients_[step.client]->ask({.name = row.name,
                              .type = row.type,
                              .tcp = step.how == How::Tcp,
                              .edns = step.how != How::WithoutEdns},
                             [this, &step](DnsReply reply) {
                               take(step, std::move(reply));
                               next();
                             });
}

void DnsSurvey::take(const Step& step, DnsReply reply) {
  DnsRow& row = rows_[step.row];
  Silence& silence = silences_[step.client];
  const bool silent = reply.failure == "dns-timeout" || reply.failure == "dns-unreachable";
  silence = {.questions = silent ? silence.questions + 1 : 0, .failure = reply.failure};
  if (!reply.message) {
    ++row.unanswered;
    if (step.how == How::Tcp) row.tcp_failure = reply.failure;
    if (row.failure.empty()) row.detail = std::move(reply.detail);
    if (row.failure.empty()) row.failure = std::move(reply.failure);
    return;
  }
  if (step.how == How::WithoutEdns) {
    row.plain_rcode = reply.message->rcode;
    return;
  }
  if (step.how == How::Tcp) {
    row.tcp = reply.took;
  } else {
    note_udp(row, reply);
  }
  note_answer(row, *std::move(reply.message));
}

bool same_answer(const DnsMessage& a, const DnsMessage& b) {
  return a.rcode == b.rcode && records_of(a) == records_of(b);
}

}  // namespace netsonde
