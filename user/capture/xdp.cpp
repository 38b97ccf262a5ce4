// SPDX-License-Identifier: Apache-2.0
#include "user/capture/xdp.h"

#include <linux/genetlink.h>
#include <linux/if_link.h>

#include <algorithm>
#include <array>
#include <optional>

namespace netsonde {

namespace {

// linux/netdev.h came with 6.3; systems older than that build this too.
constexpr std::uint8_t kNetdevDevGet = 1;
constexpr std::uint16_t kNetdevDevIfindex = 1;
constexpr std::uint16_t kNetdevDevXdpFeatures = 3;

struct Feature {
  std::uint64_t bit;
  const char* name;
};

constexpr std::array kFeatures = {
    Feature{.bit = 1, .name = "bypass.xdp"},
    Feature{.bit = 2, .name = "bypass.xdp_redirect"},
    Feature{.bit = 8, .name = "bypass.xsk_zerocopy"},
};

std::optional<std::uint16_t> family_id(NetlinkSocket& socket) {
  NetlinkRequest request(GENL_ID_CTRL, NLM_F_ACK);
  request.put(genlmsghdr{.cmd = CTRL_CMD_GETFAMILY, .version = 1, .reserved = 0});
  request.put(CTRL_ATTR_FAMILY_NAME, "netdev");
  std::optional<std::uint16_t> id;
  const auto result = socket.ask(
      request, [] {},
      [&id](const nlmsghdr& message) {
        each_attribute(message, sizeof(genlmsghdr), [&id](const nlattr& attribute) {
          if (type_of(attribute) == CTRL_ATTR_FAMILY_ID) id = payload<std::uint16_t>(attribute);
        });
      });
  return result ? id : std::nullopt;
}

void add_features(const nlmsghdr& message, std::span<const Device> devices,
                  std::vector<HostValue>& values) {
  std::optional<std::uint32_t> index;
  std::optional<std::uint64_t> features;
  each_attribute(message, sizeof(genlmsghdr), [&](const nlattr& attribute) {
    if (type_of(attribute) == kNetdevDevIfindex) index = payload<std::uint32_t>(attribute);
    if (type_of(attribute) == kNetdevDevXdpFeatures) features = payload<std::uint64_t>(attribute);
  });
  const auto device = std::find_if(devices.begin(), devices.end(),
                                   [&](const Device& known) { return known.index == index; });
  if (!features || device == devices.end()) return;
  for (const Feature& feature : kFeatures)
    values.push_back({feature.name, device->name, *features & feature.bit ? 1U : 0U});
}

}  // namespace

void add_xdp(std::span<const Device> devices, std::vector<HostValue>& values) {
  for (const Device& device : devices)
    values.push_back(
        {"bypass.xdp_attached", device.name, device.xdp != XDP_ATTACHED_NONE ? 1U : 0U});
  auto socket = NetlinkSocket::open(NETLINK_GENERIC);
  if (!socket) return;
  const auto family = family_id(socket.value());
  if (!family) return;
  NetlinkRequest request(*family, NLM_F_DUMP);
  request.put(genlmsghdr{.cmd = kNetdevDevGet, .version = 1, .reserved = 0});
  const std::size_t before = values.size();
  const auto begin = [&] { values.resize(before); };
  if (!socket.value().ask(request, begin,
                          [&](const nlmsghdr& message) { add_features(message, devices, values); }))
    begin();
}

}  // namespace netsonde
