// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>

namespace netsonde {

// The parameters of an HTTPS record as text (RFC 9460 2.1): "alpn=h2,h3 ipv4hint=192.0.2.1"; a key
// without a name here is keyNNNNN. Absent where they are not as the RFC has them: too short, out of
// order.
std::optional<std::string> service_parameters(std::span<const std::byte> bytes);

}  // namespace netsonde
