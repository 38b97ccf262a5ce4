// SPDX-License-Identifier: Apache-2.0
#include "user/measured.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>

#include "probes/target.h"
#include "user/base/json.h"

namespace netsonde {

namespace {

constexpr std::size_t kLongestLine = 1 << 20;

constexpr double kGreatest = 1e15;  // nothing that we measure is more

// Absent where the key is missing or holds something else, or what nobody can have measured.
std::optional<double> number_at(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number()) return std::nullopt;
  const double value = found->get<double>();
  return value >= 0 && value <= kGreatest ? std::optional(value) : std::nullopt;
}

std::string text_at(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

const Json& object_at(const Json& object, const char* key) {
  static const Json none = Json::object();
  const auto found = object.find(key);
  return found != object.end() && found->is_object() ? *found : none;
}

std::size_t count_at(const Json& object, const char* key) {
  return static_cast<std::size_t>(number_at(object, key).value_or(0));
}

Verdict verdict_named(std::string_view name) {
  for (const Verdict verdict : {Verdict::Better, Verdict::Worse, Verdict::Equivalent})
    if (name_of(verdict) == name) return verdict;
  return Verdict::Inconclusive;
}

MeasuredArm arm_of(const Json& row) {
  return {.factor = text_at(row, "factor"),
          .baseline = text_at(row, "baseline"),
          .arm = text_at(row, "arm"),
          .metric = text_at(row, "metric"),
          .blocks = count_at(row, "blocks"),
          .baseline_value = number_at(row, "baseline_median").value_or(0),
          .arm_value = number_at(row, "arm_median").value_or(0),
          .ratio = number_at(row, "ratio").value_or(1),
          .interval = {.low = number_at(row, "ratio_low").value_or(0),
                       .high = number_at(row, "ratio_high").value_or(0)},
          .verdict = verdict_named(text_at(row, "verdict"))};
}

class Reader {
 public:
  Result<> read(const std::string& path) {
    std::ifstream file(path);
    if (!file) return Error::from_errno("read " + printable(path));
    std::vector<char> line(kLongestLine);
    int number = 1;
    for (; file.getline(line.data(), static_cast<std::streamsize>(line.size())); ++number) {
      const std::string_view text(line.data());
      if (text.empty()) continue;
      const Json row = Json::parse(text, nullptr, false);
      if (!row.is_object() || !take(row)) return no_line(path, number);
    }
    if (file.bad()) return Error::from_errno("read " + printable(path));
    if (!file.eof()) return no_line(path, number);
    arms_.clear();  // of an experiment that was cut off: of what target, nobody knows
    return {};
  }

  std::vector<MeasuredEndpoint> finish() {
    for (auto& [target, gathered] : gathered_) finish(gathered);
    std::vector<MeasuredEndpoint> endpoints;
    for (const std::string& target : order_)
      endpoints.push_back(std::move(gathered_.at(target).endpoint));
    return endpoints;
  }

 private:
  static Error no_line(const std::string& path, int number) {
    return Error(fmt::format("{}:{}: is no line of probe --json or experiment --json",
                             printable(path), number));
  }

  struct OfAddress {
    ProbedAddress probed{};
    Statistics syn_rtt_us{}, tls_us{}, ttfb_us{}, total_us{};
    double sent = 0, retransmitted = 0;
  };
  struct Gathered {
    MeasuredEndpoint endpoint{};
    std::map<Address, OfAddress> addresses{};
    std::uint64_t failing = 0;  // in a row, now
  };

  bool take(const Json& row) {
    if (const Json& summary = object_at(row, "summary"); !summary.empty()) {
      take_summary(summary);
      return true;
    }
    if (row.contains("factor")) {
      const auto again = row.find("aa");
      const bool is_again = again != row.end() && again->is_boolean() && again->get<bool>();
      if (row.contains("ratio") && !is_again) arms_.push_back(arm_of(row));
      return true;
    }
    if (text_at(row, "target").empty() || !row.contains("failure")) return false;
    take_attempt(row);
    return true;
  }

  Gathered& of(const std::string& target) {
    const auto [found, added] = gathered_.try_emplace(target);
    if (added) {
      order_.push_back(target);
      found->second.endpoint.probed.target = target;
      if (const auto parsed = Target::parse(target))
        found->second.endpoint.probed.port = parsed.value().port;
    }
    return found->second;
  }

  void take_summary(const Json& summary) {
    const std::string url = text_at(summary, "url");
    if (url.empty()) return;
    Gathered& gathered = of(url);
    auto& arms = gathered.endpoint.probed.comparisons;
    arms.insert(arms.end(), arms_.begin(), arms_.end());
    arms_.clear();
    if (const auto address = parse_address(text_at(summary, "address")))
      gathered.addresses[*address].probed.address = *address;
  }

  void take_attempt(const Json& row) {
    Gathered& gathered = of(text_at(row, "target"));
    ProbedEndpoint& probed = gathered.endpoint.probed;
    const Json& failure = object_at(row, "failure");
    const bool failed = !failure.empty();
    ++probed.attempts;
    probed.failures += failed ? 1 : 0;
    gathered.failing = failed ? gathered.failing + 1 : 0;
    probed.longest_failing = std::max(probed.longest_failing, gathered.failing);
    if (failed) ++probed.failures_by_kind[text_at(failure, "kind")];
    if (const auto port = number_at(row, "port"); port && *port <= 65535 && probed.port == 0)
      probed.port = static_cast<std::uint16_t>(*port);
    if (!failed) {
      gathered.endpoint.total_us.add(number_at(row, "total_us"));
      gathered.endpoint.ttfb_us.add(number_at(row, "ttfb_us"));
      gathered.endpoint.bandwidth_mbps.add(number_at(row, "bandwidth_mbps"));
    }
    take_signs(probed, row);
    if (const auto address = parse_address(text_at(row, "address")))
      take_address(gathered.addresses[*address], *address, row, failed);
  }

  static void take_address(OfAddress& of, const Address& address, const Json& row, bool failed) {
    of.probed.address = address;
    ++of.probed.attempts;
    of.probed.failures += failed ? 1 : 0;
    const Json& kernel = object_at(row, "kernel");
    const double sent = number_at(kernel, "segments_sent").value_or(0);
    of.sent += sent;
    of.retransmitted += std::min(number_at(kernel, "retransmitted_segments").value_or(0), sent);
    if (failed) return;
    of.syn_rtt_us.add(number_at(kernel, "syn_rtt_us"));
    of.tls_us.add(number_at(row, "tls_us"));
    of.ttfb_us.add(number_at(row, "ttfb_us"));
    of.total_us.add(number_at(row, "total_us"));
  }

  // Of caches and networks in front of the server.
  static void take_signs(ProbedEndpoint& probed, const Json& row) {
    if (!number_at(row, "status")) return;
    ++probed.answers;
    const Json& http = object_at(row, "http");
    const auto note = [&probed](std::string sign) {
      if (std::ranges::find(probed.cdn_signs, sign) == probed.cdn_signs.end() &&
          probed.cdn_signs.size() < 8)
        probed.cdn_signs.push_back(std::move(sign));
    };
    const std::string cache = text_at(http, "cache"), via = text_at(http, "via");
    if (!via.empty()) note("Via: " + via);
    if (!cache.empty()) note(cache);
    for (const Json& name : object_at(row, "lookup").value("cnames", Json::array()))
      if (name.is_string()) note("CNAME " + name.get<std::string>());
    const auto age = number_at(http, "age_s");
    if (cache.empty() && !age) return;
    ++probed.cache_told;
    std::string upper = cache;
    std::ranges::transform(upper, upper.begin(), [](unsigned char c) { return std::toupper(c); });
    const bool hit = cache.empty() ? *age > 0 : upper.find("HIT") != std::string::npos;
    probed.cache_hits += hit ? 1 : 0;
  }

  static void finish(Gathered& gathered) {
    for (auto& [address, of] : gathered.addresses) {
      of.probed.syn_rtt_us = of.syn_rtt_us.quantile(0.5);
      of.probed.tls_us = of.tls_us.quantile(0.5);
      of.probed.ttfb_us = of.ttfb_us.quantile(0.5);
      of.probed.total_us = of.total_us.quantile(0.5);
      if (of.sent > 0) of.probed.loss_percent = 100 * of.retransmitted / of.sent;
      gathered.endpoint.probed.addresses.push_back(of.probed);
    }
  }

  std::vector<std::string> order_;
  std::map<std::string, Gathered> gathered_;
  std::vector<MeasuredArm> arms_;  // of the experiment that is being read
};

}  // namespace

Result<std::vector<MeasuredEndpoint>> read_measured(const std::vector<std::string>& paths) {
  Reader reader;
  for (const std::string& path : paths) TRY(reader.read(path));
  return reader.finish();
}

}  // namespace netsonde
