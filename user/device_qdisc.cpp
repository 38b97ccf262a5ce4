// SPDX-License-Identifier: Apache-2.0
#include "user/device_qdisc.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>

#include "tuner/qdisc_kind.h"
#include "user/base/text.h"
#include "user/capture/qdiscs.h"

namespace netsonde {

namespace {

constexpr std::uint32_t kLinkHeader = 14;  // bytes, of Ethernet

RootQdisc qdisc_of(const std::string& kind, std::uint32_t handle, std::uint64_t bytes_per_s) {
  RootQdisc wanted{.kind = kind, .handle = handle, .bytes_per_s = bytes_per_s};
  if (!bytes_per_s) return wanted;
  const ShaperQueue queue = shaper_queue(bytes_per_s);
  wanted.burst = queue.burst;
  if (kind == "tbf") {
    wanted.limit = queue.limit;
  } else {
    wanted.inner = kInnerQdisc.name;
    wanted.inner_handle = kInnerQdisc.handle;
  }
  return wanted;
}

// Whether it is an htb that is only being set up.
bool is_unfinished(const RootQdisc& root) {
  return root.kind == "htb" && handle_of_qdisc(root.kind) == root.handle && !root.has_more &&
         (!root.bytes_per_s || !root.inner_handle);
}

// The handle stays when somebody changes only the parameters. A burst the kernel gives as the time
// that it takes, in steps of its clock.
bool is_ours(const RootQdisc& root) {
  if (handle_of_qdisc(root.kind) != root.handle) return false;
  const RootQdisc wanted = qdisc_of(root.kind, root.handle, root.bytes_per_s);
  const std::uint32_t apart =
      std::max(root.burst, wanted.burst) - std::min(root.burst, wanted.burst);
  return !root.has_more && root.limit == wanted.limit && apart <= 100 + wanted.burst / 100 &&
         root.inner_handle == wanted.inner_handle && root.inner == wanted.inner;
}

// Whether the kernel would attach it again once ours is gone: of a device with several queues mq,
// of one without any none; else what net.core.default_qdisc says now.
bool comes_again(const std::string& kind) {
  if (kind == "mq" || kind == "noqueue") return true;
  std::ifstream file("/proc/sys/net/core/default_qdisc");
  std::string standard;
  return !(file >> standard) || standard == kind;
}

std::string as_tc_shows(const RootQdisc& root) {
  std::string text = fmt::format("{} {:x}:", root.kind, root.handle >> 16);
  if (root.bytes_per_s) text += fmt::format(" rate {}bit", 8 * root.bytes_per_s);
  if (root.burst) text += fmt::format(" burst {}", root.burst);
  if (root.limit) text += fmt::format(" limit {}", root.limit);
  if (!root.inner.empty()) text += fmt::format(" with {} inside", root.inner);
  return text;
}

}  // namespace

Result<std::string> read_qdisc(std::uint32_t device) {
  Qdiscs qdiscs = TRY(Qdiscs::open());
  const auto root = TRY(qdiscs.root(device));
  if (!root || root->handle == 0)
    return root && !comes_again(root->kind) ? fmt::format("{} {}", kDefaultQdisc, root->kind)
                                            : std::string(kDefaultQdisc);
  if (is_unfinished(*root)) return std::string(kUnfinishedQdisc);
  if (!is_ours(*root)) return as_tc_shows(*root);
  if (!root->bytes_per_s) return root->kind;
  return to_text(Shaper{.kind = root->kind, .bytes_per_s = root->bytes_per_s});
}

Result<> write_qdisc(const Link& device, std::string_view value) {
  Qdiscs qdiscs = TRY(Qdiscs::open());
  const auto root = TRY(qdiscs.root(device.index));
  const bool is_default = !root || root->handle == 0;
  if (!is_default && !is_ours(*root) && !is_unfinished(*root))
    return Error("somebody else has attached " + as_tc_shows(*root));
  if (value == kDefaultQdisc)
    return is_default ? Result<>() : qdiscs.remove(device.index, root->handle);
  const auto shaper = shaper_in(value);
  const std::string kind(shaper ? shaper->kind : value);
  const std::uint64_t rate = shaper ? shaper->bytes_per_s : 0;
  const auto handle = handle_of_qdisc(kind);
  if (!handle) return Error("nobody knows such a discipline");
  if (!is_default && root->handle == *handle && is_ours(*root) && root->bytes_per_s == rate)
    return {};
  const RootQdisc wanted = qdisc_of(kind, *handle, rate);
  if (wanted.kind == "tbf" && wanted.burst < device.mtu + kLinkHeader)
    return Error(
        fmt::format("tbf drops what is larger than the {} bytes that it sends at once, and a "
                    "packet of {} has up to {}: take htb",
                    wanted.burst, printable(device.name), device.mtu + kLinkHeader));
  auto attached = qdiscs.attach(device.index, wanted, root);
  if (!attached && !wanted.inner.empty())
    return std::move(attached).error().while_doing("set it up with " + wanted.inner + " inside");
  return attached;
}

}  // namespace netsonde
