// SPDX-License-Identifier: Apache-2.0
#include "user/capture/host_reader.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>

#include "user/base/loop.h"
#include "user/capture/private_mount.h"
#include "user/capture/sys_devices.h"
#include "user/capture/words.h"
#include "user/capture/xdp.h"

namespace netsonde {

namespace {

void add_neighbours(std::string_view text, std::string_view prefix, ValueList& values) {
  static constexpr std::array kColumns = {
      StatColumn{.column = "entries", .same_in_each_row = true},
      StatColumn{.column = "table_fulls"},
      StatColumn{.column = "res_failed"},
      StatColumn{.column = "unresolved_discards"},
      StatColumn{.column = "forced_gc_runs"},
  };
  add_stat(text, prefix, kColumns, values);
}

void add_conntrack(std::string_view text, ValueList& values) {
  static constexpr std::array kColumns = {
      StatColumn{.column = "drop"},
      StatColumn{.column = "early_drop"},
      StatColumn{.column = "insert_failed"},
      StatColumn{.column = "invalid"},
  };
  add_stat(text, "conntrack.", kColumns, values);
}

// What a CPU did, and the time of it: idle time would do, did it not fall sometimes.
void add_cpus(std::string_view text, ValueList& values) {
  using std::chrono::milliseconds;
  const auto now = std::chrono::duration_cast<milliseconds>(kernel_now().time_since_epoch());
  values.add("cpu.clock_ms", static_cast<std::uint64_t>(now.count()));
  add_cpu_times(text, static_cast<std::uint64_t>(sysconf(_SC_CLK_TCK)), values);
}

// "max" is no limit.
void add_memory_of_cgroup(std::string_view text, std::string_view name, ValueList& values) {
  const std::string_view word = take_word(text);
  if (const auto bytes = number<std::uint64_t>(word))
    values.add(name, *bytes);
  else if (word != "max")
    values.not_understood();
}

// Where our own cgroup of version 2 is, below its root.
std::optional<std::string> own_cgroup(int proc) {
  static constexpr std::string_view kLabel = "0::/";
  const auto text = read_once(proc, "self/cgroup");
  std::string_view lines = text ? *text : std::string_view();
  while (!lines.empty()) {
    const std::string_view line = lines.substr(0, lines.find('\n'));
    lines.remove_prefix(std::min(line.size() + 1, lines.size()));
    if (!line.starts_with(kLabel)) continue;
    const std::string path = "./" + std::string(line.substr(kLabel.size())) + "/";
    // Outside of our cgroup namespace.
    return path.find("/../") == std::string::npos ? std::optional(path) : std::nullopt;
  }
  return std::nullopt;
}

UniqueFd open_directory(const std::string& path) {
  return UniqueFd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

// what: that which it shows, for whom it is refused.
UniqueFd mounted_or_none(const char* type, std::string_view what,
                         std::vector<std::string>& not_read) {
  auto mounted = mount_privately(type);
  if (mounted) return std::move(mounted).value();
  not_read.push_back(std::string(what) + ": " + mounted.error().message());
  return {};
}

}  // namespace

HostReader::HostReader(UniqueFd proc, UniqueFd sys, UniqueFd cgroups)
    : proc_(std::move(proc)),
      sys_(std::move(sys)),
      cgroups_(std::move(cgroups)),
      interrupts_(proc_.get(), "interrupts", KeptFile::Size::Table),
      settings_(proc_.get()) {}

Result<HostReader> HostReader::open(const std::string& root) {
  UniqueFd proc = open_directory(root + "/proc");
  if (!proc) return Error::from_errno("open " + root + "/proc");
  const bool real = root.empty();
  std::vector<std::string> refused;
  UniqueFd sys = real ? mounted_or_none("sysfs", "/sys (interrupts and queues of devices)", refused)
                      : open_directory(root + "/sys");
  UniqueFd cgroups = real ? mounted_or_none("cgroup2", "cgroup2 (memory of our own)", refused)
                          : open_directory(root + "/sys/fs/cgroup");
  HostReader reader(std::move(proc), std::move(sys), std::move(cgroups));
  reader.not_read_ = std::move(refused);
  reader.open_tables();
  if (real) TRY(reader.open_sockets());
  return reader;
}

void HostReader::open_tables() {
  const auto open_table = [this](int directory, const std::string& path, Parse parse,
                                 KeptFile::Size size = KeptFile::Size::Table) {
    tables_.push_back({KeptFile(directory, path, size), parse});
  };
  const auto open_net = [&](const char* name, Parse parse) {
    open_table(proc_.get(), std::string("thread-self/net/") + name, parse);
  };
  open_net("snmp", [](auto text, auto& values) { add_snmp(text, "snmp", values); });
  open_net("netstat", [](auto text, auto& values) { add_snmp(text, "netstat", values); });
  open_net("snmp6", add_snmp6);
  open_net("softnet_stat", add_softnet);
  open_net("sockstat", add_sockstat);
  open_net("sockstat6", add_sockstat);
  open_net("stat/arp_cache",
           [](auto text, auto& values) { add_neighbours(text, "neigh.ipv4.", values); });
  open_net("stat/ndisc_cache",
           [](auto text, auto& values) { add_neighbours(text, "neigh.ipv6.", values); });
  open_net("stat/nf_conntrack", add_conntrack);
  open_table(proc_.get(), "meminfo", add_meminfo);
  open_table(proc_.get(), "stat", add_cpus);
  const auto cgroup = own_cgroup(proc_.get());
  if (!cgroup) return;
  open_table(
      cgroups_.get(), *cgroup + "memory.current",
      [](auto text, auto& values) { add_memory_of_cgroup(text, "cgroup.memory.current", values); },
      KeptFile::Size::Value);
  open_table(
      cgroups_.get(), *cgroup + "memory.max",
      [](auto text, auto& values) { add_memory_of_cgroup(text, "cgroup.memory.max", values); },
      KeptFile::Size::Value);
}

Result<> HostReader::open_sockets() {
  route_ = TRY(RouteNetlink::open());
  ethtool_ = TRY(Ethtool::open());
  time_waits_ = TRY(TimeWaits::open());
  return {};
}

const std::vector<HostValue>& HostReader::read() {
  values_.restart();
  for (Table& table : tables_)
    if (const auto text = table.file.read(buffer_)) table.parse(*text, values_);
  settings_.read(buffer_, values_);
  read_time_waits();
  read_devices();
  read_irqs();
  return values_.finish();
}

void HostReader::read_devices() {
  if (!route_) return;
  if (!route_->read_devices(values_)) return values_.not_understood();
  if (!route_->read_qdiscs(values_)) values_.not_understood();
}

void HostReader::read_time_waits() {
  const auto waiting = values_.value("sockstat.tcp.tw");
  if (time_waits_ && waiting)
    time_waits_->add(*waiting, settings_.local_ports(), kernel_now(), values_);
}

std::vector<std::string> HostReader::device_names() const {
  if (!route_) return SysDevices(sys_.get()).names();
  std::vector<std::string> names;
  for (const Device& device : route_->devices()) names.push_back(device.name);
  return names;
}

void HostReader::find_irqs() {
  const auto text = interrupts_.read(buffer_);
  irqs_ = SysDevices(sys_.get()).irqs(device_names(), text.value_or(""));
  irqs_of_ = route_ ? route_->devices() : std::vector<Device>();
}

void HostReader::read_irqs() {
  if (!irqs_of_ || (route_ && *irqs_of_ != route_->devices())) find_irqs();
  if (irqs_.empty()) return;
  if (const auto text = interrupts_.read(buffer_)) add_interrupts(*text, irqs_, values_);
}

HostSetup HostReader::read_slow() {
  HostSetup setup{.values = {}, .texts = {}, .not_read = not_read_};
  ValueList counted_by_read;
  setup_unreadable_ = 0;
  if (route_ && !route_->read_devices(counted_by_read)) ++setup_unreadable_;
  const SysDevices devices(sys_.get());
  for (const std::string& device : device_names()) {
    setup_unreadable_ += devices.add_device(device, setup);
    if (ethtool_) ethtool_->add(device, setup);
  }
  if (route_) add_xdp(route_->devices(), setup.values);
  setup_unreadable_ += devices.add_bypass(setup);
  add_texts(setup);
  find_irqs();
  return setup;
}

void HostReader::add_texts(HostSetup& setup) const {
  const auto add = [&](const char* name, const char* path) {
    if (const auto text = read_once(proc_.get(), path)) setup.texts.push_back({name, "", *text});
  };
  add("setting.tcp_congestion_control", "sys/net/ipv4/tcp_congestion_control");
  add("setting.tcp_available_congestion_control", "sys/net/ipv4/tcp_available_congestion_control");
  add("setting.default_qdisc", "sys/net/core/default_qdisc");
  add("setting.ip_local_reserved_ports", "sys/net/ipv4/ip_local_reserved_ports");
}

}  // namespace netsonde
