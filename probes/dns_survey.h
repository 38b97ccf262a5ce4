// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "probes/dns_client.h"

namespace netsonde {

// What one server answered to one question.
struct DnsRow {
  std::string name;
  DnsType type = DnsType::A;
  std::string server;
  // The first complete answer; over TCP where UDP's was cut.
  std::optional<DnsMessage> answer{};
  // As of DnsReply, of the first question without an answer; beside answers where only some failed.
  // Where nothing was asked, as of the server's last question.
  std::string failure{}, detail{};
  std::uint64_t asked = 0, unanswered = 0;
  std::optional<Nanos> first{};  // nobody knows what the server had in its cache then
  std::vector<Nanos> again{};    // right after, from a cache if it has one
  std::optional<Nanos> tcp{};
  std::string tcp_failure{};
  std::optional<std::size_t> udp_bytes{};  // of the first answer over UDP, as what follows
  bool truncated = false;
  std::optional<std::uint16_t> edns_bytes{};   // what the server takes; absent: no EDNS
  std::optional<std::uint16_t> plain_rcode{};  // without EDNS
};

struct DnsSurveySettings {
  std::vector<std::string> names;
  std::vector<DnsType> types;
  std::vector<std::string> servers;
  Nanos timeout = std::chrono::seconds(2);
  std::uint64_t count = 5;  // of each question over UDP
};

// Asks each server the same, in turn, one question at a time: over UDP, over TCP and without EDNS.
// A server that left two questions in a row unanswered is asked no more.
class DnsSurvey {
 public:
  static Result<std::unique_ptr<DnsSurvey>> open(Loop& loop, const DnsSurveySettings& settings);

  // Calls back when all is asked.
  void start(std::function<void()> on_end);
  // What is known by now: by name, type and server, in the order of the settings.
  const std::vector<DnsRow>& rows() const { return rows_; }

 private:
  enum class How : std::uint8_t { Udp, Tcp, WithoutEdns };
  struct Step {
    std::size_t row, client;
    How how;
  };

  // Questions in a row without an answer, and how the last one went.
  struct Silence {
    unsigned questions = 0;
    std::string failure{};
  };

  void plan(std::uint64_t count);
  void next();
  void ask_one();
  void take(const Step& step, DnsReply reply);

  std::vector<std::unique_ptr<DnsClient>> clients_;
  std::vector<Silence> silences_;  // by client
  std::vector<DnsRow> rows_;
  std::vector<Step> steps_;
  std::size_t step_ = 0;
  bool asking_ = false, again_ = false;  // in next(); once more
  std::function<void()> on_end_;
};

// Whether two servers say the same: the code and the records, whatever their order and TTLs.
bool same_answer(const DnsMessage& a, const DnsMessage& b);

}  // namespace netsonde
