// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "probes/factors.h"

namespace netsonde {

// The arms of each factor, the baseline first.

// What was otherwise; absent: nothing.
using Wrong = std::optional<std::string>;

Wrong unless(bool holds, std::string wrong);
// A unit is in force when each of its requests is.
ReadBack each(std::function<Wrong(const Attempt&)> one);
// As the settings say, to the first address, on a new connection.
Arm arm_of(const FactorSettings& settings, std::string name, std::string advice);

std::vector<Arm> reuse_arms(const FactorSettings& settings);
std::vector<Arm> http_arms(const FactorSettings& settings);
std::vector<Arm> multiplex_arms(const FactorSettings& settings);
std::vector<Arm> batch_arms(const FactorSettings& settings);
std::vector<Arm> encoding_arms(const FactorSettings& settings);
std::vector<Arm> dns_arms(const FactorSettings& settings);
std::vector<Arm> resolver_arms(const FactorSettings& settings);
std::vector<Arm> address_arms(const FactorSettings& settings);
std::vector<Arm> tls_arms(const FactorSettings& settings);
std::vector<Arm> congestion_arms(const FactorSettings& settings);
std::vector<Arm> receive_buffer_arms(const FactorSettings& settings);
std::vector<Arm> notsent_lowat_arms(const FactorSettings& settings);
std::vector<Arm> dscp_arms(const FactorSettings& settings);
std::vector<Arm> nodelay_arms(const FactorSettings& settings);

}  // namespace netsonde
