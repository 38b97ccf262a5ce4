// SPDX-License-Identifier: Apache-2.0
#include "user/capture/ethtool.h"

#include <linux/ethtool.h>
#include <linux/if.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <span>
#include <string_view>

#include "user/base/text.h"

namespace netsonde {

namespace {

// One offload and the kernel's features that make it up: on when one is, fixed when all are.
struct Offload {
  std::string_view name;
  std::array<std::string_view, 3> features;
};

constexpr std::array kOffloads = {
    Offload{.name = "tso", .features = {"tx-tcp-segmentation", "tx-tcp6-segmentation"}},
    Offload{.name = "gso", .features = {"tx-generic-segmentation"}},
    Offload{.name = "gro", .features = {"rx-gro"}},
    Offload{.name = "gro-hw", .features = {"rx-gro-hw"}},
    Offload{.name = "lro", .features = {"rx-lro"}},
    Offload{.name = "rx-checksum", .features = {"rx-checksum"}},
    Offload{.name = "tx-checksum",
            .features = {"tx-checksum-ipv4", "tx-checksum-ip-generic", "tx-checksum-ipv6"}},
    Offload{.name = "scatter-gather", .features = {"tx-scatter-gather"}},
    Offload{.name = "rx-hash", .features = {"rx-hashing"}},
    Offload{.name = "ntuple", .features = {"rx-ntuple-filter"}},
    Offload{.name = "udp-gso", .features = {"tx-udp-segmentation"}},
};

// A structure of the kernel that ends with an array as long as asked for.
template <typename Head, typename Item>
class Sized {
 public:
  explicit Sized(std::size_t items) : bytes_(sizeof(Head) + items * sizeof(Item)) {}

  Head* head() { return reinterpret_cast<Head*>(bytes_.data()); }
  Item item(std::size_t index) const {
    Item value;
    std::memcpy(&value, &bytes_[sizeof(Head) + index * sizeof(Item)], sizeof(Item));
    return value;
  }

 private:
  std::vector<char> bytes_;
};

using StringSetSize = Sized<ethtool_sset_info, std::uint32_t>;
using StringSet = Sized<ethtool_gstrings, std::array<char, ETH_GSTRING_LEN>>;
using FeatureBits = Sized<ethtool_gfeatures, ethtool_get_features_block>;

// The masks hold up to 127 words each; three of them follow.
using LinkSettings = Sized<ethtool_link_settings, std::array<std::uint32_t, std::size_t{3} * 127>>;

struct FeatureState {
  bool known = false;
  bool active = false;
  bool fixed = true;
};

void include(const ethtool_get_features_block& block, std::uint32_t bit, FeatureState& state) {
  state.known = true;
  state.active = state.active || (block.active & bit);
  state.fixed = state.fixed && (!(block.available & bit) || (block.never_changed & bit));
}

// A maximum of 0: the driver has no such thing.
void add_limited(const std::string& name, const std::string& device, std::uint32_t now,
                 std::uint32_t most, HostSetup& setup) {
  if (!most) return;
  setup.values.push_back({name, device, now});
  setup.values.push_back({name + "_max", device, most});
}

}  // namespace

Result<Ethtool> Ethtool::open() {
  Ethtool ethtool;
  ethtool.socket_ = UniqueFd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!ethtool.socket_) return Error::from_errno("open a socket for ethtool");
  return ethtool;
}

void Ethtool::add(const std::string& device, HostSetup& setup) const {
  if (device.size() >= IFNAMSIZ) return;
  add_driver(device, setup);
  add_speed(device, setup);
  add_features(device, setup);
  add_rings(device, setup);
  add_channels(device, setup);
}

bool Ethtool::ask(const std::string& device, void* command) const {
  ifreq request = {};
  device.copy(request.ifr_name, IFNAMSIZ - 1);
  request.ifr_data = static_cast<char*>(command);
  return ioctl(socket_.get(), SIOCETHTOOL, &request) == 0;
}

void Ethtool::add_driver(const std::string& device, HostSetup& setup) const {
  ethtool_drvinfo info = {};
  info.cmd = ETHTOOL_GDRVINFO;
  if (!ask(device, &info)) return;
  setup.texts.push_back({"device.driver", device, std::string(fixed_string(info.driver))});
  if (const auto version = fixed_string(info.fw_version); !version.empty() && version != "N/A")
    setup.texts.push_back({"device.firmware", device, std::string(version)});
}

void Ethtool::add_speed(const std::string& device, HostSetup& setup) const {
  LinkSettings settings(1);
  // The first answer is how long the masks are, as a negative number.
  settings.head()->cmd = ETHTOOL_GLINKSETTINGS;
  if (!ask(device, settings.head()) || settings.head()->link_mode_masks_nwords >= 0) return;
  const auto words = static_cast<std::int8_t>(-settings.head()->link_mode_masks_nwords);
  *settings.head() = {};
  settings.head()->cmd = ETHTOOL_GLINKSETTINGS;
  settings.head()->link_mode_masks_nwords = words;
  if (!ask(device, settings.head())) return;
  const std::uint32_t speed = settings.head()->speed;
  if (speed != 0 && speed != static_cast<std::uint32_t>(SPEED_UNKNOWN))
    setup.values.push_back({"device.speed", device, speed});
  if (settings.head()->duplex != DUPLEX_UNKNOWN)
    setup.texts.push_back(
        {"device.duplex", device, settings.head()->duplex == DUPLEX_FULL ? "full" : "half"});
}

std::vector<std::string> Ethtool::feature_names(const std::string& device) const {
  StringSetSize size(1);
  size.head()->cmd = ETHTOOL_GSSET_INFO;
  size.head()->sset_mask = 1ULL << ETH_SS_FEATURES;
  if (!ask(device, size.head()) || !size.head()->sset_mask) return {};
  const std::uint32_t count = std::min(size.item(0), 1024U);
  StringSet set(count);
  set.head()->cmd = ETHTOOL_GSTRINGS;
  set.head()->string_set = ETH_SS_FEATURES;
  set.head()->len = count;
  if (!ask(device, set.head())) return {};
  std::vector<std::string> names;
  for (std::size_t i = 0; i < std::min(count, set.head()->len); ++i)
    names.emplace_back(fixed_string(set.item(i)));
  return names;
}

void Ethtool::add_features(const std::string& device, HostSetup& setup) const {
  const std::vector<std::string> names = feature_names(device);
  const std::size_t blocks = (names.size() + 31) / 32;
  if (blocks == 0) return;
  FeatureBits bits(blocks);
  bits.head()->cmd = ETHTOOL_GFEATURES;
  bits.head()->size = static_cast<std::uint32_t>(blocks);
  if (!ask(device, bits.head()) || bits.head()->size < blocks) return;
  for (const Offload& offload : kOffloads) {
    FeatureState state;
    for (std::size_t i = 0; i < names.size(); ++i)
      if (!names[i].empty() &&
          std::count(offload.features.begin(), offload.features.end(), names[i]))
        include(bits.item(i / 32), 1U << (i % 32), state);
    if (!state.known) continue;
    const std::string name = "offload." + std::string(offload.name);
    setup.values.push_back({name, device, state.active ? 1U : 0U});
    setup.values.push_back({name + ".fixed", device, state.fixed ? 1U : 0U});
  }
}

void Ethtool::add_rings(const std::string& device, HostSetup& setup) const {
  ethtool_ringparam rings = {};
  rings.cmd = ETHTOOL_GRINGPARAM;
  if (!ask(device, &rings)) return;
  add_limited("ring.rx", device, rings.rx_pending, rings.rx_max_pending, setup);
  add_limited("ring.tx", device, rings.tx_pending, rings.tx_max_pending, setup);
}

void Ethtool::add_channels(const std::string& device, HostSetup& setup) const {
  ethtool_channels channels = {};
  channels.cmd = ETHTOOL_GCHANNELS;
  if (!ask(device, &channels)) return;
  add_limited("channels.rx", device, channels.rx_count, channels.max_rx, setup);
  add_limited("channels.tx", device, channels.tx_count, channels.max_tx, setup);
  add_limited("channels.combined", device, channels.combined_count, channels.max_combined, setup);
}

}  // namespace netsonde
