// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "tuner/change_engine.h"

namespace netsonde {

// A crash: nothing of the run that met it goes on.
struct Killed {};

// Counts steps, and lets the run die before or after one of them has had its effect.
class Fate {
 public:
  static constexpr int kNever = -1;

  Fate() = default;
  // Of step n: 2n dies before it, 2n + 1 after it.
  explicit Fate(int cut) : cut_(cut) {}

  template <typename Step>
  auto step(Step&& take) {
    const int now = 2 * steps_++;
    if (now == cut_) throw Killed();
    auto result = take();
    if (now + 1 == cut_) throw Killed();
    return result;
  }
  int cuts() const { return 2 * steps_; }

 private:
  int cut_ = kNever;
  int steps_ = 0;
};

using Values = std::map<std::pair<std::string, std::string>, std::string>;  // scope's name and key

// A kernel with settings, of which nothing dies but who uses it.
class FakeKernel : public Settings {
 public:
  Values values{};
  // What the kernel makes of a value.
  std::function<std::string(std::string_view key, std::string value)> takes =
      [](std::string_view, std::string value) { return value; };
  // Why a value cannot be written; empty: it can.
  std::function<std::string(std::string_view key, std::string_view value)> refuses =
      [](std::string_view, std::string_view) { return std::string(); };
  std::set<std::string> read_only{}, unreadable{};
  std::function<void()> after_write = [] {};
  std::vector<std::string> written{};  // keys, in order
  Fate* fate = nullptr;

  std::string& at(const std::string& key) { return values[{"", key}]; }

  Result<std::optional<std::string>> read(const ChangeScope& scope, std::string_view key) override {
    return fate->step([&]() -> Result<std::optional<std::string>> {
      if (unreadable.contains(std::string(key))) return Error("Input/output error");
      const auto found = values.find({scope.name, std::string(key)});
      if (found == values.end()) return std::optional<std::string>();
      return std::optional(found->second);
    });
  }
  Result<bool> can_be_written(const ChangeScope&, std::string_view key) override {
    return fate->step([&]() -> Result<bool> { return !read_only.contains(std::string(key)); });
  }
  Result<> write(const ChangeScope& scope, const Tunable& tunable,
                 std::string_view value) override {
    return fate->step([&]() -> Result<> {
      TRY(check_value(tunable, value));
      const std::string problem = refuses(tunable.key, value);
      if (!problem.empty()) return Error(problem);
      values[{scope.name, std::string(tunable.key)}] = takes(tunable.key, std::string(value));
      written.emplace_back(tunable.key);
      after_write();
      return {};
    });
  }
};

inline const Instant kNow{.time_ns = 1'700'000'000'000'000'000, .boottime_ns = 5, .boot = "one"};

// A host, its journal, and one run of netsonde on it after the other.
struct TunedHost {
  FakeKernel kernel{};
  std::string disk{};
  bool disk_is_full = false;

  // Runs the work with what the journal tells; false: it was killed.
  bool run(Fate& fate, const std::function<void(ChangeEngine&, Ledger&)>& work) {
    kernel.fate = &fate;
    auto ledger = Ledger::read(disk);
    if (!ledger) throw std::runtime_error(ledger.error().message());
    disk.resize(ledger.value().length());
    ChangeEngine engine(kernel, ledger.value(), [&](const Record& record) {
      return fate.step([&]() -> Result<> {
        if (disk_is_full) return Error("No space left on device");
        disk += to_line(record);
        return {};
      });
    });
    try {
      work(engine, ledger.value());
      return true;
    } catch (const Killed&) {
      return false;
    }
  }
  void run(const std::function<void(ChangeEngine&, Ledger&)>& work) {
    Fate fate;
    run(fate, work);
  }
  Ledger ledger() const { return Ledger::read(disk).value(); }
};

inline Proposal proposal(const std::string& key, const std::string& from, const std::string& to) {
  const bool own = find_tunable(key)->scope == ScopeKind::Namespace;
  Proposal made{.key = key, .from = from, .to = to};
  if (own) made.scope = {.kind = ScopeKind::Namespace, .name = "4026531840", .cookie = 1};
  return made;
}

}  // namespace netsonde
