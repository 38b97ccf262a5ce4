// SPDX-License-Identifier: Apache-2.0
#include "user/capture/kernel.h"

#include <bpf/btf.h>
#include <fcntl.h>
#include <sys/utsname.h>

#include <algorithm>
#include <array>
#include <climits>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <fstream>
#include <memory>

#include "user/capture/private_mount.h"

namespace netsonde {

namespace {

struct FreeBtf {
  void operator()(btf* types) const { btf__free(types); }
};

// How many arguments a tracepoint hands to a program, its own first one (a cookie) not counted.
int arguments_of(const btf* types, const char* tracepoint) {
  const std::string name = std::string("btf_trace_") + tracepoint;
  const int id = btf__find_by_name_kind(types, name.c_str(), BTF_KIND_TYPEDEF);
  if (id < 0) return 0;
  const btf_type* pointer = btf__type_by_id(types, btf__type_by_id(types, id)->type);
  const btf_type* function = btf__type_by_id(types, pointer->type);
  return btf_is_func_proto(function) ? btf_vlen(function) - 1 : 0;
}

std::map<std::uint32_t, std::string> enum_names(const btf* types, const char* name,
                                                std::string_view prefix) {
  std::map<std::uint32_t, std::string> names;
  const int id = btf__find_by_name_kind(types, name, BTF_KIND_ENUM);
  if (id < 0) return names;
  const btf_type* type = btf__type_by_id(types, id);
  const struct btf_enum* values = btf_enum(type);
  for (int i = 0; i < btf_vlen(type); ++i) {
    std::string_view value = btf__name_by_offset(types, values[i].name_off);
    if (value.starts_with(prefix)) value.remove_prefix(prefix.size());
    names.emplace(static_cast<std::uint32_t>(values[i].val), value);
  }
  return names;
}

std::uint32_t kernel_ticks_per_second() {
  timespec resolution = {};
  clock_getres(CLOCK_MONOTONIC_COARSE, &resolution);  // one tick of the kernel
  return resolution.tv_nsec > 0 ? static_cast<std::uint32_t>(1'000'000'000 / resolution.tv_nsec)
                                : 250;
}

// A cgroup2 file handle: the id of the cgroup behind the C header.
class Handle {
 public:
  explicit Handle(std::uint64_t id) {
    constexpr int kFileIdKernfs = 0xfe;
    get()->handle_bytes = sizeof(id);
    get()->handle_type = kFileIdKernfs;
    std::memcpy(&bytes_[sizeof(file_handle)], &id, sizeof(id));
  }

  file_handle* get() { return reinterpret_cast<file_handle*>(bytes_.data()); }
  std::uint64_t id() const {
    std::uint64_t id = 0;
    std::memcpy(&id, &bytes_[sizeof(file_handle)], sizeof(id));
    return id;
  }

 private:
  alignas(
      file_handle) std::array<unsigned char, sizeof(file_handle) + sizeof(std::uint64_t)> bytes_{};
};

}  // namespace

Result<KernelFeatures> KernelFeatures::read() {
  const std::unique_ptr<btf, FreeBtf> types(btf__load_vmlinux_btf());
  if (!types)
    return Error::from_errno(
        "read the kernel's BTF (/sys/kernel/btf/vmlinux; needs CONFIG_DEBUG_INFO_BTF)");
  KernelFeatures features;
  utsname name = {};
  uname(&name);
  features.release = name.release;
  features.kfree_skb_has_socket = arguments_of(types.get(), "kfree_skb") >= 4;
  features.send_reset_has_reason = arguments_of(types.get(), "tcp_send_reset") >= 3;
  features.retransmit_skb_has_error = arguments_of(types.get(), "tcp_retransmit_skb") >= 3;
  features.ticks_per_second = kernel_ticks_per_second();
  features.drop_reasons = enum_names(types.get(), "skb_drop_reason", "SKB_DROP_REASON_");
  features.reset_reasons = enum_names(types.get(), "sk_rst_reason", "SK_RST_REASON_");
  return features;
}

Symbols Symbols::read() {
  Symbols symbols;
  std::ifstream file("/proc/kallsyms");
  std::string line;
  while (std::getline(file, line)) {
    std::uint64_t address = 0;
    char kind = 0;
    std::array<char, 256> name{};
    if (std::sscanf(line.c_str(), "%lx %c %255s", &address, &kind, name.data()) != 3) continue;
    if (!address || (kind != 't' && kind != 'T')) continue;
    symbols.by_address_.emplace_back(address, static_cast<std::uint32_t>(symbols.names_.size()));
    symbols.names_.append(name.data()).push_back('\0');
  }
  std::sort(symbols.by_address_.begin(), symbols.by_address_.end());
  return symbols;
}

std::string Symbols::find(std::uint64_t address) const {
  const auto after = std::upper_bound(
      by_address_.begin(), by_address_.end(), address,
      [](std::uint64_t value, const auto& symbol) { return value < symbol.first; });
  return after == by_address_.begin() ? std::string()
                                      : std::string(&names_[std::prev(after)->second]);
}

Result<CgroupRoot> CgroupRoot::open() {
  CgroupRoot cgroups;
  cgroups.root_ = TRY(mount_privately("cgroup2"));
  return cgroups;
}

std::string CgroupRoot::path_of(std::uint64_t id) const {
  Handle handle(id);
  const UniqueFd cgroup(open_by_handle_at(root_.get(), handle.get(), O_PATH | O_CLOEXEC));
  if (!cgroup) return {};
  std::array<char, PATH_MAX> path{};
  const std::string link = "/proc/self/fd/" + std::to_string(cgroup.get());
  const ssize_t length = readlink(link.c_str(), path.data(), path.size() - 1);
  if (length <= 0) return {};
  return std::string(path.data(), static_cast<std::size_t>(length));
}

std::uint64_t CgroupRoot::id_of(std::string_view path) const {
  Handle handle(0);
  int mount = 0;
  const std::string below = "." + std::string(path.starts_with('/') ? "" : "/") + std::string(path);
  if (name_to_handle_at(root_.get(), below.c_str(), handle.get(), &mount, 0)) return 0;
  return handle.id();
}

}  // namespace netsonde
