// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "user/model/event.h"
#include "user/model/value.h"

namespace netsonde {

enum class Severity : std::uint8_t { Info, Warning, Critical };
// Whose doing it is.
enum class Where : std::uint8_t { Application, Host, Network, Peer };
enum class Confidence : std::uint8_t { Low, Medium, High };

std::string_view name_of(Severity severity);      // "critical", "warning", "info"
std::string_view name_of(Where where);            // "application", "host", "network", "peer"
std::string_view name_of(Confidence confidence);  // "low", "medium", "high"

// One measured figure. The field is that of the field table, or what the host calls it.
struct Evidence {
  std::string field;
  std::variant<std::uint64_t, double, std::string> value;
  Unit unit = Unit::None;
};
// For a person: "1.25ms", "3.4Mi".
std::string human(const Evidence& evidence);

// Who suffers. One connection or listener has an identity; several share a process and a remote
// end; a part of the host has a name.
struct Subject {
  static constexpr std::size_t kMostCookies = 1000;

  std::optional<ev_conn> connection;     // of the worst where there are several
  std::vector<std::uint64_t> cookies{};  // of the connections, worst first; at most so many
  std::size_t connections = 0;
  std::size_t processes = 0;  // of the same name; 0: unknown
  std::string part;           // "eth0", "cpu3"; empty: the host, where there is no connection
};

// What it cost in the time observed; what was not measured is absent.
struct Impact {
  std::size_t connections = 0;
  std::optional<std::uint64_t> bytes{};
  std::optional<std::uint64_t> segments{};
  std::optional<std::uint64_t> attempts{};  // connections that did not come about, or came late
  std::optional<Nanos> time{};  // summed over the connections; where they wait at once: once
};

// A diagnosis: what is wrong, with whom, since when, on what evidence, what would help.
struct Finding {
  std::string_view id{};
  std::string_view because{};  // id of another finding, of the same connections, that explains it
  Severity severity = Severity::Info;
  Where where = Where::Network;
  Subject subject{};
  Time since{};  // the earliest evidence, or the begin of the observation when older
  Impact impact{};
  std::vector<Evidence> evidence{};
  Confidence confidence = Confidence::High;
  std::string doubt{};  // why the confidence is not high
  std::string text{};
  std::string advice{};
  std::vector<std::string_view> tunables{};
};

}  // namespace netsonde
