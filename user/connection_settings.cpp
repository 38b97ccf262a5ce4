// SPDX-License-Identifier: Apache-2.0
#include "user/connection_settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

#include "tuner/catalogue_connection.h"
#include "user/base/text.h"

namespace netsonde {

namespace {

std::uint64_t number_of(std::string_view text) {
  std::uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

opt_request request_for(const ChangeScope& scope) {
  opt_request request{};
  request.cookie = number_of(scope.name);
  return request;
}

// What is unlimited is so for the kernel too: it takes 32 bits of ~0 for that.
void ask_for(opt_request& request, std::string_view key, std::string_view value) {
  if (key == kConnectionCongestion) {
    request.option = OPT_CONGESTION;
    std::copy_n(value.begin(), std::min(value.size(), sizeof(request.name) - 1), request.name);
    return;
  }
  request.option = key == kConnectionPacing ? OPT_MAX_PACING_RATE : OPT_WINDOW_CLAMP;
  request.number = static_cast<std::uint32_t>(number_of(value));
}

Error refusal(const ChangeScope& scope, std::string_view key, std::string_view value, int error) {
  if (key == kConnectionCongestion && error == ENOENT)
    return Error(
        fmt::format("{}: {} is not available in netns {}", key, printable(value), scope.netns));
  return Error::from_errno(fmt::format("set {} of {} to {}", key, to_text(scope), printable(value)),
                           error);
}

Result<std::string> pacing_of(std::uint64_t rate) {
  if (rate == ~0ULL) return fmt::to_string(kUnlimitedPacing);
  if (rate != kUnlimitedPacing) return fmt::to_string(rate);
  return Error(
      fmt::format("{}: a limit of {} bytes/s could not be written back", kConnectionPacing, rate));
}

}  // namespace

Result<std::string> value_of(std::string_view key, const opt_values& values) {
  if (key == kConnectionPacing) return pacing_of(values.max_pacing_rate);
  if (key == kConnectionClamp) return fmt::to_string(values.window_clamp);
  return normal_value(fixed_string(values.congestion));
}

Result<SocketWalk*> ConnectionSettings::walk() {
  if (!walk_) walk_ = TRY(SocketWalk::open());
  return &*walk_;
}

Result<std::optional<opt_answer>> ConnectionSettings::visit(const ChangeScope& scope,
                                                            const opt_request& request) {
  SocketWalk* walk = TRY(this->walk());
  std::optional<opt_answer> answer;
  TRY(enter_(scope, [&]() -> Result<> {
    answer = TRY(walk->visit(scope.cookie, request));
    return {};
  }));
  return answer;
}

Result<std::optional<std::string>> ConnectionSettings::read(const ChangeScope& scope,
                                                            std::string_view key) {
  const std::optional<opt_answer> answer = TRY(visit(scope, request_for(scope)));
  if (!answer) return std::optional<std::string>();
  return std::optional(TRY(value_of(key, answer->values)));
}

Result<bool> ConnectionSettings::can_be_written(const ChangeScope&, std::string_view) {
  return true;
}

Result<> ConnectionSettings::write(const ChangeScope& scope, const Tunable& tunable,
                                   std::string_view value) {
  TRY(check_value(tunable, value));
  opt_request request = request_for(scope);
  ask_for(request, tunable.key, value);
  const std::optional<opt_answer> answer = TRY(visit(scope, request));
  if (!answer) return Error(fmt::format("{}: {} has closed", tunable.key, to_text(scope)));
  if (answer->error) return refusal(scope, tunable.key, value, -answer->error);
  return {};
}

Result<std::vector<opt_values>> ConnectionSettings::list(const ChangeScope& space) {
  SocketWalk* walk = TRY(this->walk());
  std::vector<opt_values> found;
  TRY(enter_(space, [&]() -> Result<> {
    found = TRY(walk->list());
    return {};
  }));
  return found;
}

}  // namespace netsonde
