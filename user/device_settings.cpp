// SPDX-License-Identifier: Apache-2.0
#include "user/device_settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <sstream>

#include "tuner/qdisc_kind.h"
#include "tuner/scope_name.h"
#include "user/capture/device_files.h"
#include "user/capture/links.h"
#include "user/capture/private_mount.h"
#include "user/device_qdisc.h"

namespace netsonde {

namespace {

using Found = std::optional<std::string>;

// Absent: it is gone, be it that another one has its index or its name.
Result<std::optional<Link>> find_device(Links& links, const ChangeScope& scope) {
  auto link = TRY(scope.index ? links.at(scope.index) : links.find(scope.name));
  if (!link || scope.is_device(link->name, link->index, link->address)) return link;
  // By its index it may be the same, or another that has taken it.
  if (scope.address.empty() && link->address.empty())
    return Error(fmt::format("{} may be called {} now: it has no address to know it by",
                             printable(scope.name), printable(link->name)));
  return std::optional<Link>();
}

Result<Found> read_queue_length(const Link& link) {
  return Found(std::to_string(link.queue_length));
}

Result<> write_queue_length(Links& links, const Link& link, std::string_view value) {
  std::uint32_t packets = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), packets);
  if (error != std::errc() || end != value.data() + value.size()) return Error("no such length");
  return links.set_queue_length(link, packets);
}

// A value for each file, in their order; absent where one of them has none.
Result<Found> read_files(const DeviceFiles& files, const std::vector<std::string>& names) {
  std::string values;
  for (const std::string& name : names) {
    const auto value = TRY(files.read(name));
    if (!value) return Found();
    values += (values.empty() ? "" : " ") + *value;
  }
  return values.empty() ? Found() : Found(values);
}

// One after the other: who undoes it finds what was there in some, and what was wanted in others.
Result<> write_files(const DeviceFiles& files, const std::vector<std::string>& names,
                     std::string_view values) {
  std::istringstream words{std::string(values)};
  std::vector<std::string> wanted;
  for (std::string word; words >> word;) wanted.push_back(word);
  if (wanted.size() != names.size())
    return Error(fmt::format("it takes {}, a mask for each queue; here are {}", names.size(),
                             wanted.size()));
  for (std::size_t i = 0; i < names.size(); ++i) TRY(files.write(names[i], wanted[i]));
  return {};
}

// In sysfs: one file, or one for each queue of a direction.
struct FileSetting {
  std::string_view key{}, direction{}, file{};

  std::vector<std::string> names(const DeviceFiles& files) const {
    if (direction.empty()) return {std::string(file)};
    std::vector<std::string> names = files.queues(direction);
    for (std::string& name : names) name += "/" + std::string(file);
    return names;
  }
};

constexpr std::array kFileSettings = {
    FileSetting{.key = "device.rps_cpus", .direction = "rx", .file = "rps_cpus"},
    FileSetting{.key = "device.threaded_napi", .direction = "", .file = "threaded"},
    FileSetting{.key = "device.xps_cpus", .direction = "tx", .file = "xps_cpus"},
};

struct LinkSetting {
  std::string_view key{};
  Result<Found> (*read)(const Link&) = nullptr;
  Result<> (*write)(Links&, const Link&, std::string_view) = nullptr;
};

constexpr std::array kLinkSettings = {
    LinkSetting{.key = kQdiscKey,
                .read = [](const Link& link) -> Result<Found> {
                  return Found(TRY(read_qdisc(link.index)));
                },
                .write = [](Links&, const Link& link,
                            std::string_view value) { return write_qdisc(link, value); }},
    LinkSetting{.key = "device.txqueuelen", .read = read_queue_length, .write = write_queue_length},
};

template <typename Table>
auto find_in(const Table& table, std::string_view key) {
  const auto found =
      std::ranges::find_if(table, [key](const auto& setting) { return setting.key == key; });
  return found == table.end() ? nullptr : &*found;
}

}  // namespace

Result<int> DeviceSettings::sys(std::uint64_t cookie) {
  if (sys_ && sys_cookie_ == cookie) return sys_.get();
  sys_ = TRY(mount_privately("sysfs"));
  sys_cookie_ = cookie;
  return sys_.get();
}

Result<std::optional<std::string>> DeviceSettings::read_here(const ChangeScope& scope,
                                                             std::string_view key) {
  Links links = TRY(Links::open());
  const auto link = TRY(find_device(links, scope));
  if (!link) return Found();
  if (const LinkSetting* setting = find_in(kLinkSettings, key)) return setting->read(*link);
  const FileSetting* setting = find_in(kFileSettings, key);
  if (!setting) return Found();
  const int root = TRY(sys(scope.cookie));
  const auto files = TRY(DeviceFiles::open(root, link->name));
  if (files) return read_files(*files, setting->names(*files));
  if (TRY(find_device(links, scope)))
    return Error(printable(link->name) + " was renamed meanwhile: try again");
  return Found();
}

Result<> DeviceSettings::write_here(const ChangeScope& scope, std::string_view key,
                                    std::string_view value) {
  Links links = TRY(Links::open());
  const auto link = TRY(find_device(links, scope));
  if (!link) return Error("it is gone");
  if (const LinkSetting* setting = find_in(kLinkSettings, key))
    return setting->write(links, *link, value);
  const FileSetting* setting = find_in(kFileSettings, key);
  const int root = TRY(sys(scope.cookie));
  const auto files = TRY(DeviceFiles::open(root, link->name));
  if (!setting || !files) return Error("it is gone");
  return write_files(*files, setting->names(*files), value);
}

Result<std::optional<std::string>> DeviceSettings::read(const ChangeScope& scope,
                                                        std::string_view key) {
  TRY(check_scope_name(ScopeKind::Device, scope.name));
  std::optional<std::string> value;
  TRY(enter_(scope, [&]() -> Result<> {
    value = TRY(read_here(scope, key));
    return {};
  }));
  const Tunable* tunable = find_tunable(key);
  if (value && tunable) value = normal_value(*tunable, *value);
  return value;
}

Result<bool> DeviceSettings::can_be_written(const ChangeScope& scope, std::string_view key) {
  const auto value = TRY(read(scope, key));
  const Tunable* tunable = find_tunable(key);
  return value && tunable && check_value(*tunable, *value);
}

Result<> DeviceSettings::write(const ChangeScope& scope, const Tunable& tunable,
                               std::string_view value) {
  TRY(check_scope_name(ScopeKind::Device, scope.name));
  TRY(check_value(tunable, value));
  const std::string doing = fmt::format("set {} of {} to {}", tunable.key, scope.name, value);
  Result<> written;
  const bool there = TRY(enter_(scope, [&]() -> Result<> {
    written = write_here(scope, tunable.key, value);
    return {};
  }));
  if (!there) return Error(fmt::format("{}: {} is gone", tunable.key, to_text(scope)));
  if (!written) return std::move(written).error().while_doing(doing);
  return {};
}

Result<> DeviceSettings::check_name(const ChangeScope& scope) {
  std::optional<Link> link;
  TRY(enter_(scope, [&]() -> Result<> {
    Links links = TRY(Links::open());
    link = TRY(find_device(links, scope));
    return {};
  }));
  if (!link || link->name == scope.name) return {};
  return Error(fmt::format("{} is called {} by now: make a new plan", to_text(scope), link->name));
}

Result<std::vector<std::string>> DeviceSettings::names(const ChangeScope& space) {
  std::vector<std::string> names;
  TRY(enter_(space, [&]() -> Result<> {
    Links links = TRY(Links::open());
    for (Link& link : TRY(links.all()))
      if (check_scope_name(ScopeKind::Device, link.name)) names.push_back(std::move(link.name));
    return {};
  }));
  return names;
}

}  // namespace netsonde
