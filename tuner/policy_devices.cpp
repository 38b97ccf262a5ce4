// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "tuner/policy_rules.h"
#include "tuner/qdisc_kind.h"

namespace netsonde::policy {

namespace {

constexpr std::string_view kFair = kInnerQdisc.name;
constexpr std::array<std::string_view, 5> kShortQueues = {"fq_codel", "cake", "codel", "fq_pie",
                                                          "pie"};
constexpr double kBelowPath = 0.95;

bool has_kind(const Question& question, std::string_view kind) {
  return question.input.has_qdisc && question.input.has_qdisc(kind);
}

// The queue is called "eth0/pfifo_fast/root" where the kernel has attached it; the name of a device
// has no slash.
Decision own_queue(const Question& question) {
  const std::string queue = word_of(question.finding, "qdisc").value_or("");
  const std::size_t first = queue.find('/'), last = queue.rfind('/');
  if (first == last || !question.input.device) return Error("which queue it is is not known");
  const std::string kind = queue.substr(first + 1, last - first - 1);
  if (queue.substr(last + 1) != "root")
    return Error(
        fmt::format("{} is not the kernel's own at the root: who attached it decides", queue));
  if (std::ranges::find(kShortQueues, kind) != kShortQueues.end())
    return Error(fmt::format("{} keeps its queue short already, by its own parameters", queue));
  if (!has_kind(question, kFair)) return Error(fmt::format("this kernel has no {}", kFair));
  CurrentSetting now = TRY(current(question, question.input.device(queue.substr(0, first))));
  if (now.value == kFair) return Error(fmt::format("is {} already", kFair));
  return Step{.now = std::move(now),
              .word = std::string(kFair),
              .expected = "short waits for all that leaves by the device, at the same rate",
              .verify = "rtt_p99_us falls, and qdisc.backlog_bytes with it; read back"};
}

// To three digits, downward.
std::uint64_t rounded_down(double bytes_per_s) {
  const double step = std::pow(10, std::floor(std::log10(8 * bytes_per_s)) - 2);
  return static_cast<std::uint64_t>(std::floor(8 * bytes_per_s / step) * step / 8);
}

struct BeforePath {
  Shaper shaper{};
  std::string waits{};
};

// htb keeps the flows apart with what it has inside; the one line of tbf is as full as that of the
// path, with the same flows.
Result<BeforePath> shaper_of(const Question& question, std::uint64_t bytes_per_s) {
  if (has_kind(question, "htb") && has_kind(question, kFair))
    return BeforePath{.shaper = {.kind = "htb", .bytes_per_s = bytes_per_s},
                      .waits = "each flow for itself and not for long"};
  if (!has_kind(question, "tbf"))
    return Error(fmt::format("this kernel has neither htb and {} nor tbf", kFair));
  const double line_us = 1e6 * shaper_queue(bytes_per_s).limit / static_cast<double>(bytes_per_s);
  if (measured(question.finding, "standing_queue_us").value_or(0) <= line_us)
    return Error(
        fmt::format("tbf would let {:.0f} ms wait, no less than the path does; htb and {}, "
                    "which keep that short, this kernel lacks",
                    line_us / 1000, kFair));
  return BeforePath{.shaper = {.kind = "tbf", .bytes_per_s = bytes_per_s},
                    .waits = fmt::format("for {:.0f} ms at most", line_us / 1000)};
}

// A queue that stands on the path stands here once less is sent than the path takes.
Decision queue_before_path(const Question& question) {
  const auto taken = measured(question.finding, "path_bytes_per_s");
  if (!taken || *taken <= 0 || !question.input.device)
    return Error("how much the path takes is not known");
  if (question.input.goal != Goal::Latency)
    return Error("a shaper takes the queue from the path for a part of the rate: --goal latency");
  const auto [shaper, waits] = TRY(shaper_of(question, rounded_down(kBelowPath * *taken)));
  CurrentSetting now = TRY(
      current(question, question.input.device(word_of(question.finding, "device").value_or(""))));
  if (shaper_in(now.value))
    return Error(
        fmt::format("is {} already: what the path takes shows only without it, and others "
                    "may be who fills the queue",
                    now.value));
  return Step{
      .now = std::move(now),
      .word = to_text(shaper),
      .expected =
          fmt::format("the path's queue is empty, unless others fill it or the path gets slower: "
                      "this is 5% less than it took, for all that leaves by the device; what is "
                      "more waits here, {}",
                      waits),
      .verify =
          "rtt_p99_us falls towards min_rtt_us, and what is delivered by no more than 5%; read "
          "back"};
}

}  // namespace

Decision queue_of_device(const Question& question) {
  return has(question.finding, "qdisc") ? own_queue(question) : queue_before_path(question);
}

}  // namespace netsonde::policy
