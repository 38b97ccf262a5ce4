// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <set>
#include <utility>

#include "probes/arms.h"

namespace netsonde {

ReadBack each(std::function<Wrong(const Attempt&)> one) {
  return [one = std::move(one)](std::span<const Attempt> unit) -> Wrong {
    for (const Attempt& attempt : unit)
      if (auto wrong = one(attempt)) return wrong;
    return std::nullopt;
  };
}

Wrong unless(bool holds, std::string wrong) {
  return holds ? std::nullopt : Wrong(std::move(wrong));
}

Arm arm_of(const FactorSettings& settings, std::string name, std::string advice) {
  Arm arm{.name = std::move(name), .advice = std::move(advice), .request = settings.request};
  if (!settings.addresses.empty()) arm.request.pinned = settings.addresses.front();
  return arm;
}

namespace {

Arm kept_arm(const FactorSettings& settings, std::string name, std::string advice) {
  Arm arm = arm_of(settings, std::move(name), std::move(advice));
  arm.request.http.fresh = false;
  return arm;
}

Wrong not_kept(const Attempt& attempt) {
  return unless(attempt.reused, "a new connection was opened");
}

ReadBack connections(std::size_t wanted) {
  return [wanted](std::span<const Attempt> unit) -> Wrong {
    std::set<std::uint64_t> cookies;
    for (const Attempt& attempt : unit) {
      if (!attempt.kernel || attempt.kernel->cookie == 0) return "which connection is not known";
      cookies.insert(attempt.kernel->cookie);
    }
    const std::size_t used = cookies.size();
    return unless(used == wanted, fmt::format("{} connection{}", used, used == 1 ? "" : "s"));
  };
}

Wrong not_asked(const Attempt& attempt) {
  const bool asked = attempt.lookup && !attempt.lookup->cached && !attempt.lookup->server.empty();
  return unless(asked, "no server was asked for the name");
}

}  // namespace

std::vector<Arm> reuse_arms(const FactorSettings& settings) {
  Arm fresh = arm_of(settings, "new", "open a connection for each request");
  fresh.not_in_force = each([](const Attempt& attempt) {
    return unless(!attempt.reused, "the connection was there before");
  });
  Arm kept = kept_arm(settings, "kept", "keep connections open and use them again");
  kept.not_in_force = each(not_kept);
  return {fresh, kept};
}

std::vector<Arm> http_arms(const FactorSettings& settings) {
  const auto version = [&](HttpVersion wanted, const std::string& name) {
    Arm arm = arm_of(settings, name, "use HTTP/" + name);
    arm.request.http.version = wanted;
    arm.not_in_force = each([name](const Attempt& attempt) {
      return unless(attempt.http && attempt.http->version == name,
                    fmt::format("HTTP/{} was spoken", attempt.http ? attempt.http->version : "?"));
    });
    return arm;
  };
  Arm quic = version(HttpVersion::Http3, "3");
  if (settings.request.target.scheme == Scheme::Https) quic.request.target.scheme = Scheme::Http3;
  return {version(HttpVersion::Http1, "1.1"), version(HttpVersion::Http2, "2"), quic};
}

std::vector<Arm> multiplex_arms(const FactorSettings& settings) {
  const auto at_once = [&](Arm arm, std::size_t wanted) {
    arm.request.http.version = HttpVersion::Http2;
    arm.requests = settings.requests;
    arm.at_once = true;
    arm.new_pool = true;
    arm.not_in_force = connections(wanted);
    return arm;
  };
  const auto count = settings.requests;
  return {
      at_once(arm_of(settings, fmt::format("{} connections", count),
                     "open a connection for each request at once"),
              count),
      at_once(kept_arm(settings, "1 connection", "send requests at once over one connection"), 1)};
}

std::vector<Arm> batch_arms(const FactorSettings& settings) {
  Arm many = kept_arm(settings, fmt::format("{} requests", settings.requests),
                      "ask for each thing with a request of its own");
  many.requests = settings.requests;
  many.not_in_force = each(not_kept);
  Arm one = kept_arm(settings, "1 request", "ask for all of it with one request");
  one.request.target = *settings.batch;
  one.not_in_force = each(not_kept);
  return {many, one};
}

std::vector<Arm> encoding_arms(const FactorSettings& settings) {
  std::vector<Arm> arms;
  for (const std::string name : {"identity", "gzip", "br", "zstd"}) {
    const bool none = name == "identity";
    Arm arm = kept_arm(settings, name, none ? "send bodies as they are" : "compress with " + name);
    if (!none) arm.request.http.encoding = name;
    arm.not_in_force = each([name, none](const Attempt& attempt) {
      const std::string granted = attempt.http ? attempt.http->encoding : "";
      return unless(granted == name || (none && granted.empty()),
                    granted.empty() ? "the server did not encode"
                                    : fmt::format("the server granted {}", granted));
    });
    arms.push_back(std::move(arm));
  }
  return arms;
}

std::vector<Arm> dns_arms(const FactorSettings& settings) {
  Arm cold = arm_of(settings, "cold", "ask for the name each time");
  cold.lookup = ArmLookup{.servers = settings.servers};
  cold.request.fresh_lookup = true;
  cold.not_in_force = each(not_asked);
  Arm cached = arm_of(settings, "cached", "keep answers of DNS for as long as they are valid");
  cached.lookup = ArmLookup{.servers = settings.servers};
  cached.not_in_force = each([](const Attempt& attempt) {
    return unless(attempt.lookup && attempt.lookup->cached, "the name was not in our cache");
  });
  return {cold, cached};
}

std::vector<Arm> resolver_arms(const FactorSettings& settings) {
  std::vector<Arm> arms;
  const auto add = [&](const std::string& name, std::vector<std::string> servers) {
    Arm arm = arm_of(settings, name, "ask the resolver " + name);
    arm.lookup = ArmLookup{.servers = std::move(servers), .hosts_file = false};
    arm.request.fresh_lookup = true;
    arm.request.pinned.reset();
    arm.not_in_force = each(not_asked);
    arms.push_back(std::move(arm));
  };
  if (settings.servers.size() == 1) add("system", {});
  for (const std::string& server : settings.servers) add(server, {server});
  return arms;
}

std::vector<Arm> address_arms(const FactorSettings& settings) {
  std::vector<Arm> arms;
  for (const Address& address : settings.addresses) {
    Arm arm = arm_of(settings, to_text(address), "connect to " + to_text(address));
    arm.request.pinned = address;
    arm.not_in_force = each([address](const Attempt& attempt) {
      return unless(attempt.address == address, "another address was used");
    });
    arms.push_back(std::move(arm));
  }
  return arms;
}

std::vector<Arm> tls_arms(const FactorSettings& settings) {
  const auto handshake = [&](bool resumed, const char* name, const char* advice) {
    Arm arm = arm_of(settings, name, advice);
    arm.request.http.resume_tls = resumed;
    arm.not_in_force = each([resumed](const Attempt& attempt) -> Wrong {
      if (!attempt.tls || !attempt.tls->resumed) return "there was no TLS";
      return unless(*attempt.tls->resumed == resumed,
                    resumed ? "the session was not resumed" : "a session was resumed");
    });
    return arm;
  };
  return {handshake(false, "full", "make full handshakes"),
          handshake(true, "resumed", "keep sessions of TLS and resume them")};
}

}  // namespace netsonde
