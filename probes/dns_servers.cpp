// SPDX-License-Identifier: Apache-2.0
#include "probes/dns_servers.h"

#include <fmt/format.h>

#include <utility>

#include "user/base/text.h"

namespace netsonde {

namespace {

// Questions that may wait at a socket, which loses them beyond some 250. What was not answered
// within a moment is no longer there: the server waits for somebody else.
constexpr unsigned kMostUnanswered = 64;
constexpr Nanos kMoment = std::chrono::milliseconds(50);

std::string with_port(const std::string& server) {
  const auto address = parse_address(server);
  if (!address) return server;
  const std::string text = to_text(*address);
  return address->is_ipv4() ? text + ":53" : fmt::format("[{}]:53", text);
}

}  // namespace

Result<std::unique_ptr<DnsServers>> DnsServers::open(Loop& loop,
                                                     const std::vector<std::string>& servers,
                                                     Nanos timeout) {
  std::unique_ptr<DnsServers> opened(new DnsServers(loop));
  for (const std::string& server : servers)
    opened->clients_.push_back(TRY(DnsClient::open(loop, with_port(server), timeout)));
  opened->timer_ = TRY(loop.every(kMoment, [self = opened.get()]() -> Result<> {
    self->begin_moment();
    return {};
  }));
  return opened;
}

DnsServers::~DnsServers() {
  if (timer_ >= 0) loop_.forget(timer_);
}

// Not sooner than a moment after the last, as the timer would have it after a standstill.
void DnsServers::begin_moment() {
  const Time now = kernel_now();
  if (now - moment_ < kMoment) return;
  moment_ = now;
  unanswered_ = 0;
  send();
}

void DnsServers::ask(std::size_t server, DnsQuestion question, bool next, OnReply on_reply) {
  waiting_.insert(
      next ? waiting_.begin() : waiting_.end(),
      {.server = server, .question = std::move(question), .on_reply = std::move(on_reply)});
  send();
}

// A reply that comes at once makes no deeper call: the round here goes on.
void DnsServers::send() {
  if (std::exchange(sending_, true)) return;
  while (unanswered_ < kMostUnanswered && !waiting_.empty()) send_one();
  sending_ = false;
}

void DnsServers::send_one() {
  Waiting first = std::move(waiting_.front());
  waiting_.pop_front();
  ++unanswered_;
  clients_[first.server]->ask(
      first.question,
      [this, moment = moment_, on_reply = std::move(first.on_reply)](const DnsReply& reply) {
        if (moment == moment_) --unanswered_;
        on_reply(reply);
        send();
      });
}

}  // namespace netsonde
