// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "tuner/policy_rules.h"
#include "user/base/text.h"

namespace netsonde::policy {

namespace {

constexpr std::int64_t kBlock = 64 << 10;  // bytes that sizes are multiples of
constexpr std::uint64_t kMemoryShare = 32;
constexpr double kProducts = 4;  // of rate and round trip; half of a buffer is the kernel's own
constexpr double kGrown = 0.9;   // of the maximum

std::optional<double> first_measured(const Finding& finding,
                                     std::initializer_list<std::string_view> fields) {
  for (const std::string_view field : fields)
    if (const auto value = measured(finding, field)) return value;
  return std::nullopt;
}

// Of one connection: where there are several, both figures are sums.
std::optional<double> received_per_s(const Finding& finding) {
  const auto bytes = measured(finding, "rx_bytes");
  if (!bytes || !finding.impact.time || finding.impact.time->count() <= 0) return std::nullopt;
  return *bytes / std::chrono::duration<double>(*finding.impact.time).count();
}

// Bytes on their way: rate times the path's round trip; 0 where one of them was not measured.
double product_of(const Finding& finding) {
  const auto sent = measured(finding, "delivery_bytes_per_s");
  const auto rate = sent ? sent : received_per_s(finding);
  const auto rtt_us = first_measured(finding, {"min_rtt_us", "receive_rtt_us", "srtt_us"});
  return rate && rtt_us ? *rate * *rtt_us / 1e6 : 0;
}

Result<std::int64_t> next_size(const Question& question, const CurrentSetting& now) {
  const std::int64_t today = now.numbers.back();
  const std::int64_t memory = TRY(most_in_memory(question.input, kMemoryShare, 1));
  const std::int64_t most = std::min(now.tunable->ceiling, memory) / kBlock * kBlock;
  const double wanted = std::clamp(kProducts * product_of(question.finding),
                                   2 * static_cast<double>(today), 4 * static_cast<double>(today));
  const auto blocks = static_cast<std::int64_t>(std::ceil(wanted / static_cast<double>(kBlock)));
  const std::int64_t to = std::min({blocks * kBlock, 4 * today, most});
  if (to > today) return to;
  return Error(fmt::format("its maximum is {}B, and one socket may take no more than {}B here ({})",
                           short_bytes(static_cast<double>(today)),
                           short_bytes(static_cast<double>(most)),
                           memory < now.tunable->ceiling ? "a 32nd of the memory" : "the ceiling"));
}

// The third number, where the buffer has grown to it.
Decision larger_maximum(const Question& question, CurrentSetting now, std::optional<double> buffer,
                        const Outlook& outlook) {
  const auto today = static_cast<double>(now.numbers.back());
  if (!buffer) return Error("how large the buffer is was not measured");
  if (*buffer < kGrown * today)
    return Error(
        fmt::format("the buffer of {}B has not grown to its maximum of {}B: raising that "
                    "does nothing",
                    short_bytes(*buffer), short_bytes(today)));
  const std::int64_t to = TRY(next_size(question, now));
  Step step{.now = std::move(now),
            .expected = std::string(outlook.expected),
            .verify = std::string(outlook.verify)};
  step.to = {step.now.numbers[0], step.now.numbers[1], to};
  return step;
}

// Without autotuning a buffer keeps the size that it began with.
Decision larger_window(const Question& question, CurrentSetting now, std::optional<double> buffer,
                       const Outlook& outlook) {
  if (value_at(question, now.scope, "net.ipv4.tcp_moderate_rcvbuf") == "0")
    return Error("tcp_moderate_rcvbuf is 0: no buffer grows to its maximum");
  return larger_maximum(question, std::move(now), buffer, outlook);
}

std::string peer_of(const Finding& finding) {
  const std::optional<ev_conn>& connection = finding.subject.connection;
  return connection ? to_text(Address::from(connection->remote)) : "unknown";
}

constexpr Outlook kReceiver{
    .expected =
        "windows of connections opened later grow further; under the limit only a lower "
        "bound of rate times round trip could be measured",
    .verify =
        "receive_buffer_bytes and rx_bytes of new connections exceed what they were; "
        "read back"};
constexpr Outlook kPeerHere{
    .expected =
        "the receiver, on this host, opens its window further on connections opened later; "
        "under the limit only a lower bound of the need could be measured",
    .verify = "waited_for_window_ms and share_percent of new connections fall; read back"};
constexpr Outlook kSender{
    .expected =
        "more may be on its way before a program waits; under the limit only a lower bound "
        "of rate times round trip could be measured",
    .verify = "waited_for_buffer_ms and share_percent of the connections fall; read back"};

}  // namespace

Decision receive_window(const Question& question) {
  const Finding& finding = question.finding;
  if (has(finding, "peer.receive_queue_bytes"))
    return Error("the application at the other end does not read: a larger buffer only fills too");
  if (!finding.because.empty())
    return Error(fmt::format("{} explains it: a larger buffer only fills too", finding.because));
  if (const auto own = measured(finding, "receive_buffer_bytes"))
    return larger_window(question, TRY(current(question)), own, kReceiver);
  const auto inode = measured(finding, "peer.netns");
  if (!inode) return Error("the receiver decides, and it is another host: " + peer_of(finding));
  return larger_window(question, TRY(current(question, static_cast<std::uint64_t>(*inode))),
                       measured(finding, "peer.receive_buffer_bytes"), kPeerHere);
}

Decision send_buffer(const Question& question) {
  return larger_maximum(question, TRY(current(question)),
                        measured(question.finding, "send_buffer_bytes"), kSender);
}

}  // namespace netsonde::policy
