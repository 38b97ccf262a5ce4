// SPDX-License-Identifier: Apache-2.0
#include "user/model/diagnosis/finding.h"

#include "user/base/text.h"

namespace netsonde {

std::string_view name_of(Severity severity) {
  switch (severity) {
    case Severity::Info: return "info";
    case Severity::Warning: return "warning";
    case Severity::Critical: return "critical";
  }
  return "info";
}

std::string_view name_of(Where where) {
  switch (where) {
    case Where::Application: return "application";
    case Where::Host: return "host";
    case Where::Network: return "network";
    case Where::Peer: return "peer";
  }
  return "network";
}

std::string_view name_of(Confidence confidence) {
  switch (confidence) {
    case Confidence::Low: return "low";
    case Confidence::Medium: return "medium";
    case Confidence::High: return "high";
  }
  return "low";
}

std::string human(const Evidence& evidence) {
  if (const auto* text = std::get_if<std::string>(&evidence.value)) return printable(*text);
  const auto* number = std::get_if<double>(&evidence.value);
  return human(number ? Value(*number) : Value(std::get<std::uint64_t>(evidence.value)),
               evidence.unit);
}

}  // namespace netsonde
