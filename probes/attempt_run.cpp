// SPDX-License-Identifier: Apache-2.0
#include "probes/attempt_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace netsonde {

Result<> Deadline::set(Nanos delay, std::function<void()> on_late) {
  const Nanos positive = std::max(delay, Nanos(1));
  if (timer_ < 0)
    timer_ = TRY(loop_.every(positive, [this]() -> Result<> {
      expire();
      return {};
    }));
  else
    TRY(loop_.set_interval(timer_, positive));
  on_late_ = std::move(on_late);
  return {};
}

void Deadline::stop() {
  loop_.forget(std::exchange(timer_, -1));
}

// What is called may end this object.
void Deadline::expire() {
  stop();
  const auto on_late = std::move(on_late_);
  on_late();
}

AttemptRun::AttemptRun(Loop& loop, const ProbeRequest& request, Prober::OnAttempt on_attempt)
    : request_(request), on_attempt_(std::move(on_attempt)), deadline_(loop) {
  attempt_.began = kernel_now();
  attempt_.target = request.target.text;
  attempt_.port = request.target.port;
}

Nanos AttemptRun::left() const {
  return std::max(request_.limits.total - (kernel_now() - attempt_.began), Nanos(1));
}

Result<> AttemptRun::within(Nanos limit, std::function<void()> on_late) {
  return deadline_.set(std::min(limit, left()), std::move(on_late));
}

void AttemptRun::find_address(Lookup& lookup, std::function<bool()> exists,
                              std::function<void(const Address&)> on_address) {
  if (request_.pinned) return on_address(*request_.pinned);
  if (const auto literal = parse_address(request_.target.host)) return on_address(*literal);
  // The lookup has a limit of its own for each question.
  const auto limited = within(request_.limits.total, [this] {
    finish(Failure{.phase = ProbePhase::Dns,
                   .kind = FailureKind::DnsTimeout,
                   .detail = fmt::format("no address within {}",
                                         short_duration(kernel_now() - attempt_.began))});
  });
  if (!limited)
    return finish(Failure{.phase = ProbePhase::Dns,
                          .kind = FailureKind::ConnectLocal,
                          .detail = limited.error().message()});
  lookup.find(
      request_.target.host, request_.fresh_lookup,
      [this, exists = std::move(exists), on_address = std::move(on_address)](Lookup::Found found) {
        if (exists()) take(std::move(found), on_address);
      });
}

void AttemptRun::take(Lookup::Found found, const std::function<void(const Address&)>& on_address) {
  deadline_.stop();
  attempt_.lookup = std::move(found.facts);
  if (found.failure) return finish(std::move(found.failure));
  attempt_.times.dns = found.took;
  if (attempt_.lookup->addresses.empty())
    return finish(Failure{.phase = ProbePhase::Dns,
                          .kind = FailureKind::DnsNoAddress,
                          .detail = "the name has no address"});
  const Address first = attempt_.lookup->addresses.front();  // they may go within the call
  on_address(first);
}

void AttemptRun::finish(std::optional<Failure> failure) {
  if (starting_) return finish_later(std::move(failure));
  note_end(std::move(failure));
  report();
}

void AttemptRun::finish_later(std::optional<Failure> failure) {
  note_end(std::move(failure));
  if (!deadline_.set(Nanos(0), [this] { report(); })) report();
}

void AttemptRun::note_end(std::optional<Failure> failure) {
  attempt_.failure = std::move(failure);
  attempt_.times.total = kernel_now() - attempt_.began;
}

void AttemptRun::report() {
  const auto on_attempt = std::move(on_attempt_);
  on_attempt(std::move(attempt_));
}

}  // namespace netsonde
