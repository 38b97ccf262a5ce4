// SPDX-License-Identifier: Apache-2.0
#include "user/doctor_host.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>
#include <string_view>

#include "user/base/text.h"
#include "user/capture/host_reader.h"

namespace netsonde {

namespace {

// Of what is read at each tick, that which is no counter.
constexpr std::array<std::string_view, 5> kSteady = {"device.mtu", "device.up", "device.rx_queues",
                                                     "device.tx_queues", "device.txqueuelen"};

struct Known {
  std::map<std::pair<std::string, std::string>, std::uint64_t> values;  // by name and instance
  std::map<std::pair<std::string, std::string>, std::string> texts;

  explicit Known(const HostSetup& setup) {
    for (const HostValue& v : setup.values) values.emplace(std::pair(v.name, v.instance), v.value);
    for (const HostText& t : setup.texts) texts.emplace(std::pair(t.name, t.instance), t.text);
  }

  std::optional<std::uint64_t> value(const std::string& name, const std::string& instance) const {
    const auto found = values.find({name, instance});
    return found == values.end() ? std::nullopt : std::optional(found->second);
  }
  std::string shown(const std::string& name, const std::string& instance) const {
    const auto number = value(name, instance);
    return number ? std::to_string(*number) : "-";
  }
  std::string text(const std::string& name, const std::string& instance) const {
    const auto found = texts.find({name, instance});
    return found == texts.end() ? "-" : printable(found->second);
  }
  std::set<std::string> instances(std::string_view name) const {
    std::set<std::string> all;
    for (const auto& [key, value] : values)
      if (key.first == name) all.insert(key.second);
    return all;
  }
};

// "1 of 8": what is and what could be.
std::string of_most(const Known& known, const std::string& name, const std::string& device) {
  const auto now = known.value(name, device), most = known.value(name + "_max", device);
  if (!now) return "-";
  return most ? fmt::format("{} of {}", *now, *most) : std::to_string(*now);
}

// Those that are off and could be on.
std::string offloads_off(const Known& known, const std::string& device) {
  std::string off;
  for (const char* name : {"tso", "gso", "gro", "rx-checksum", "tx-checksum"}) {
    const std::string field = std::string("offload.") + name;
    if (known.value(field, device) == 0 && known.value(field + ".fixed", device) == 0)
      off += (off.empty() ? "" : ",") + std::string(name);
  }
  return off.empty() ? "-" : off;
}

std::string xdp(const Known& known, const std::string& device) {
  if (known.value("bypass.xdp_attached", device).value_or(0)) return "attached";
  const auto able = known.value("bypass.xdp", device);
  if (!able) return "-";
  return !*able                                                   ? "no"
         : known.value("bypass.xsk_zerocopy", device).value_or(0) ? "zero-copy"
                                                                  : "yes";
}

std::string yes_or_no(std::optional<std::uint64_t> value) {
  return !value ? "-" : *value ? "yes" : "no";
}

std::string bypass_text(const Known& known) {
  std::string drivers, pages;
  for (const std::string& driver : known.instances("bypass.driver"))
    if (known.value("bypass.driver", driver).value_or(0))
      drivers += (drivers.empty() ? "" : ", ") + driver;
  for (const std::string& size : known.instances("hugepages.total"))
    pages += fmt::format("{}{} of {}", pages.empty() ? "" : ", ",
                         known.shown("hugepages.total", size), size);
  return fmt::format(
      "kernel bypass        IOMMU {}; huge pages {}; drivers for user space {}; busy poll {} us\n",
      yes_or_no(known.value("bypass.iommu", "")), pages.empty() ? "-" : pages,
      drivers.empty() ? "none loaded" : drivers, known.shown("setting.busy_poll", ""));
}

template <typename Item>
void add(Json& json, const Item& item, const Json& value) {
  const std::size_t slash = std::min(item.instance.find('/'), item.instance.size());
  if (item.instance.empty())
    json["host"][item.name] = value;
  else
    json["devices"][item.instance.substr(0, slash)][item.name + item.instance.substr(slash)] =
        value;
}

bool is_of_device(std::string_view name) {
  return name.starts_with("device.") || name.starts_with("offload.") || name.starts_with("ring.") ||
         name.starts_with("channels.") || name.starts_with("bypass.xdp") ||
         name.starts_with("bypass.xsk");
}

}  // namespace

Result<HostSetup> examine_devices() {
  HostReader reader = TRY(HostReader::open());
  const std::vector<HostValue> values = reader.read();
  HostSetup setup = reader.read_slow();
  for (const HostValue& value : values) {
    const bool steady = std::find(kSteady.begin(), kSteady.end(), value.name) != kSteady.end();
    if (steady || value.name.starts_with("limit.") || value.name.starts_with("setting."))
      setup.values.push_back(value);
  }
  return setup;
}

Json to_json(const HostSetup& setup) {
  Json json{{"devices", Json::object()}, {"host", Json::object()}};
  const auto put = [&json](const auto& item, const Json& value) {
    if (is_of_device(item.name) || item.instance.empty()) return add(json, item, value);
    json["host"][item.name + " " + item.instance] = value;
  };
  for (const HostValue& value : setup.values) put(value, value.value);
  for (const HostText& text : setup.texts) put(text, text.text);
  json["not_read"] = setup.not_read;
  return json;
}

std::string to_text(const HostSetup& setup) {
  const Known known(setup);
  std::string text =
      fmt::format("{:<14} {:<12} {:>7} {:>6} {:>9} {:>13} {:<10} {}\n", "DEVICE", "DRIVER",
                  "Mbit/s", "MTU", "QUEUES", "RX RING", "XDP", "OFFLOADS OFF");
  for (const std::string& device : known.instances("device.mtu"))
    text += fmt::format(
        "{:<14} {:<12} {:>7} {:>6} {:>9} {:>13} {:<10} {}\n", printable(device),
        known.text("device.driver", device), known.shown("device.speed", device),
        known.shown("device.mtu", device), of_most(known, "channels.combined", device),
        of_most(known, "ring.rx", device), xdp(known, device), offloads_off(known, device));
  text += bypass_text(known);
  for (const std::string& what : setup.not_read)
    text += fmt::format("{:<20} {}\n", "not read", what);
  return text;
}

}  // namespace netsonde
