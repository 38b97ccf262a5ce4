// SPDX-License-Identifier: Apache-2.0
// Plans, profiles and journals: files that nobody vouches for. The first byte chooses; lines of a
// journal get their checksums here, or no input would ever come past these.
#include <fmt/format.h>
#include <zlib.h>

#include <cstdlib>
#include <string_view>

#include "tuner/ledger.h"
#include "tuner/profile.h"
#include "tuner/scope_name.h"

using namespace netsonde;

namespace {

std::string with_checksums(std::string_view lines) {
  std::string journal;
  while (!lines.empty()) {
    const std::size_t end = std::min(lines.find('\n'), lines.size());
    const std::string_view line = lines.substr(0, end);
    journal += fmt::format(
        "{:08x} {}\n", crc32_z(0, reinterpret_cast<const Bytef*>(line.data()), line.size()), line);
    lines.remove_prefix(std::min(end + 1, lines.size()));
  }
  return journal;
}

// Whatever is accepted may be written to the kernel.
void check(const Proposal& proposal) {
  const Tunable* tunable = find_tunable(proposal.key);
  if (!tunable || !check_value(*tunable, proposal.from) || !check_value(*tunable, proposal.to) ||
      tunable->scope != proposal.scope.kind ||
      !check_scope_name(proposal.scope.kind, proposal.scope.name))
    std::abort();
}

void check(const ProfileSetting& setting) {
  const Tunable* tunable = find_tunable(setting.key);
  if (!tunable || !is_sysctl(*tunable) || !check_value(*tunable, setting.value)) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] % 3 == 0) {
    const auto plan = plan_from(text);
    if (plan)
      for (const Proposal& one : plan.value().proposals) check(one);
  } else if (data[0] % 3 == 1) {
    const auto profile = profile_from(text, "fuzz", "fuzz.toml");
    if (profile)
      for (const ProfileSetting& one : profile.value().settings) check(one);
  } else {
    const auto ledger = Ledger::read(with_checksums(text));
    if (ledger)
      for (const ChangeSet& set : ledger.value().sets())
        for (const Change& one : set.changes) check(one.proposal);
  }
  return 0;
}
