// SPDX-License-Identifier: Apache-2.0
#include "probes/factors.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <set>
#include <utility>

namespace netsonde {

namespace {

using Wrong = std::optional<std::string>;

// Of a request alone; a unit is in force when all of its requests are.
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

Arm kept_arm(const FactorSettings& settings, std::string name, std::string advice) {
  Arm arm = arm_of(settings, std::move(name), std::move(advice));
  arm.request.http.fresh = false;
  return arm;
}

Wrong not_kept(const Attempt& attempt) {
  return unless(attempt.reused, "a new connection was opened");
}

std::vector<Arm> reuse(const FactorSettings& settings) {
  Arm fresh = arm_of(settings, "new", "open a connection for each request");
  fresh.not_in_force = each([](const Attempt& attempt) {
    return unless(!attempt.reused, "the connection was there before");
  });
  Arm kept = kept_arm(settings, "kept", "keep connections open and use them again");
  kept.not_in_force = each(not_kept);
  return {fresh, kept};
}

std::vector<Arm> http(const FactorSettings& settings) {
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

ReadBack connections(std::size_t wanted) {
  return [wanted](std::span<const Attempt> unit) -> Wrong {
    std::set<std::uint64_t> cookies;
    for (const Attempt& attempt : unit) {
      if (!attempt.kernel || attempt.kernel->cookie == 0) return "which connection is not known";
      cookies.insert(attempt.kernel->cookie);
    }
    return unless(cookies.size() == wanted, fmt::format("{} connections", cookies.size()));
  };
}

std::vector<Arm> multiplex(const FactorSettings& settings) {
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

std::vector<Arm> batch(const FactorSettings& settings) {
  Arm many = kept_arm(settings, fmt::format("{} requests", settings.requests),
                      "ask for each thing with a request of its own");
  many.requests = settings.requests;
  many.not_in_force = each(not_kept);
  Arm one = kept_arm(settings, "1 request", "ask for all of it with one request");
  one.request.target = *settings.batch;
  one.not_in_force = each(not_kept);
  return {many, one};
}

std::vector<Arm> encoding(const FactorSettings& settings) {
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

Wrong not_asked(const Attempt& attempt) {
  const bool asked = attempt.lookup && !attempt.lookup->cached && !attempt.lookup->server.empty();
  return unless(asked, "no server was asked for the name");
}

std::vector<Arm> dns(const FactorSettings& settings) {
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

std::vector<Arm> resolver(const FactorSettings& settings) {
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

std::vector<Arm> address(const FactorSettings& settings) {
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

std::vector<Arm> tls(const FactorSettings& settings) {
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

// What the kernel says of the socket must be as wanted.
template <typename T>
ReadBack kernel_says(const char* what, T wanted,
                     std::function<std::optional<T>(const KernelFacts&)> get) {
  return each([=](const Attempt& attempt) -> Wrong {
    const auto found = attempt.kernel ? get(*attempt.kernel) : std::nullopt;
    if (!found) return fmt::format("the kernel does not tell {}", what);
    return unless(*found == wanted, fmt::format("{} is {}", what, *found));
  });
}

std::vector<Arm> congestion(const FactorSettings& settings) {
  std::vector<Arm> arms;
  for (const std::string& name : settings.congestion_controls) {
    Arm arm = arm_of(settings, name, "set net.ipv4.tcp_congestion_control=" + name);
    arm.request.socket.congestion = name;
    arm.not_in_force = kernel_says<std::string>(
        "congestion control", name,
        [](const KernelFacts& facts) { return std::optional(facts.congestion_control); });
    arms.push_back(std::move(arm));
  }
  return arms;
}

// The kernel's own way first, then each value; set: brings one about, and how to see it.
std::vector<Arm> numeric(const FactorSettings& settings, std::vector<std::uint64_t> usual,
                         std::string advice_default, const std::function<void(Arm&, int)>& set) {
  Arm untouched = arm_of(settings, "default", std::move(advice_default));
  std::vector<Arm> arms = {untouched};
  for (const std::uint64_t value : settings.values.empty() ? usual : settings.values) {
    Arm arm = arm_of(settings, fmt::format("{}", value), "");
    set(arm, static_cast<int>(value));
    arms.push_back(std::move(arm));
  }
  return arms;
}

std::vector<Arm> receive_buffer(const FactorSettings& settings) {
  const auto set = [](Arm& arm, int bytes) {
    arm.advice = fmt::format("set SO_RCVBUF to {}", bytes);
    arm.request.socket.receive_buffer = bytes;
    // The kernel takes twice as much as it is asked for, up to twice net.core.rmem_max.
    arm.not_in_force = kernel_says<std::uint64_t>(
        "the receive buffer (net.core.rmem_max is its limit)",
        2 * static_cast<std::uint64_t>(bytes), [](const KernelFacts& facts) {
          return std::optional<std::uint64_t>(facts.receive_buffer_bytes);
        });
  };
  return numeric(settings, {64 << 10, 256 << 10, 1 << 20}, "leave the receive buffer to the kernel",
                 set);
}

std::vector<Arm> notsent_lowat(const FactorSettings& settings) {
  const auto set = [](Arm& arm, int bytes) {
    arm.advice = fmt::format("set TCP_NOTSENT_LOWAT to {}", bytes);
    arm.request.socket.notsent_lowat = bytes;
    arm.not_in_force = kernel_says<std::uint64_t>(
        "TCP_NOTSENT_LOWAT", static_cast<std::uint64_t>(bytes), [](const KernelFacts& facts) {
          return std::optional<std::uint64_t>(facts.notsent_lowat_bytes);
        });
  };
  return numeric(settings, {16 << 10, 128 << 10}, "leave TCP_NOTSENT_LOWAT alone", set);
}

std::vector<Arm> dscp(const FactorSettings& settings) {
  const auto set = [](Arm& arm, int mark) {
    arm.advice = fmt::format("mark packets with DSCP {}", mark);
    arm.request.socket.dscp = mark;
    arm.not_in_force =
        kernel_says<int>("DSCP", mark, [](const KernelFacts& facts) { return facts.dscp; });
  };
  return numeric(settings, {8, 46}, "leave packets unmarked", set);
}

std::vector<Arm> nodelay(const FactorSettings& settings) {
  const auto nagle = [&](bool delay, const char* name, const char* advice) {
    Arm arm = arm_of(settings, name, advice);
    arm.request.socket.delay = delay;
    arm.not_in_force = kernel_says<bool>("TCP_NODELAY", !delay,
                                         [](const KernelFacts& facts) { return facts.nodelay; });
    return arm;
  };
  return {nagle(false, "on", "set TCP_NODELAY"), nagle(true, "off", "leave TCP_NODELAY off")};
}

std::string without_body(const FactorSettings& settings) {
  return settings.request.http.send_bytes ? "" : "is about what is sent: --method PUT --send SIZE";
}

std::string without_batch(const FactorSettings& settings) {
  if (!settings.batch) return "needs the larger request: --batch URL";
  const Target &small = settings.request.target, &large = *settings.batch;
  const bool same = small.scheme == large.scheme && small.authority() == large.authority();
  return same ? "" : "asks one server: --batch must lead to the same";
}

std::string without_servers(const FactorSettings& settings) {
  return settings.servers.empty() ? "needs to know whom to ask: --server ADDRESS" : "";
}

std::string too_many_bytes(const FactorSettings& settings) {
  const bool ok = std::ranges::all_of(
      settings.values, [](std::uint64_t value) { return value >= 1 && value <= 1 << 30; });
  return ok ? "" : "is from 1 byte to 1GiB";
}

std::string no_lowat(const FactorSettings& settings) {
  const std::string missing = without_body(settings);
  return missing.empty() ? too_many_bytes(settings) : missing;
}

std::string no_mark(const FactorSettings& settings) {
  const bool ok =
      std::ranges::all_of(settings.values, [](std::uint64_t value) { return value < 64; });
  return ok ? "" : "is from 0 to 63";
}

struct Row {
  std::string_view name, question;
  std::vector<Arm> (*arms)(const FactorSettings&);
  std::optional<Metric> metric{};                           // beside times
  std::string (*problem)(const FactorSettings&) = nullptr;  // with the settings; empty: none
};

constexpr std::array kFactors = {
    Row{.name = "reuse",
        .question = "a new connection for each request, or one that is kept",
        .arms = reuse},
    Row{.name = "http",
        .question = "the version of HTTP, each request on a new connection",
        .arms = http},
    Row{.name = "multiplex",
        .question = "requests at once, each on a connection of its own or all on one",
        .arms = multiplex},
    Row{.name = "batch",
        .question = "small requests one after the other, or one that is larger",
        .arms = batch,
        .problem = without_batch},
    Row{.name = "encoding",
        .question = "bodies as they are, or compressed",
        .arms = encoding,
        .metric = Metric::WireBytes},
    Row{.name = "dns", .question = "the name asked for each time, or kept", .arms = dns},
    Row{.name = "resolver",
        .question = "who is asked for the name, and the address that it gives",
        .arms = resolver,
        .problem = without_servers},
    Row{.name = "address", .question = "each address of the name", .arms = address},
    Row{.name = "tls", .question = "full handshakes, or sessions that are resumed", .arms = tls},
    Row{.name = "congestion",
        .question = "the congestion control of what is sent",
        .arms = congestion,
        .metric = Metric::Bandwidth,
        .problem = without_body},
    Row{.name = "rcvbuf",
        .question = "the size of the receive buffer",
        .arms = receive_buffer,
        .metric = Metric::Bandwidth,
        .problem = too_many_bytes},
    Row{.name = "notsent-lowat",
        .question = "how much may wait unsent in the kernel",
        .arms = notsent_lowat,
        .metric = Metric::Bandwidth,
        .problem = no_lowat},
    Row{.name = "dscp", .question = "how packets are marked", .arms = dscp, .problem = no_mark},
    Row{.name = "nodelay",
        .question = "small segments sent at once, or held back (Nagle)",
        .arms = nodelay},
};

}  // namespace

const std::vector<std::string>& factor_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (const Row& row : kFactors) all.emplace_back(row.name);
    return all;
  }();
  return names;
}

Result<Factor> make_factor(std::string_view name, const FactorSettings& settings) {
  const auto* row = std::ranges::find(kFactors, name, &Row::name);
  if (row == kFactors.end())
    return Error(fmt::format("'{}' is no factor; there are {}", printable(name),
                             fmt::join(factor_names(), ", ")));
  if (const std::string problem = row->problem ? row->problem(settings) : ""; !problem.empty())
    return Error(fmt::format("{} {}", name, problem));
  Factor factor{.name = std::string(row->name),
                .question = std::string(row->question),
                .metrics = {Metric::Total, Metric::Ttfb},
                .arms = row->arms(settings)};
  // Of several requests there is no first byte.
  if (std::ranges::any_of(factor.arms, [](const Arm& arm) { return arm.requests > 1; }))
    factor.metrics = {Metric::Total};
  if (row->metric) factor.metrics.push_back(*row->metric);
  return factor;
}

std::vector<std::string> congestion_controls() {
  std::string first, name;
  std::ifstream("/proc/sys/net/ipv4/tcp_congestion_control") >> first;
  std::vector<std::string> all;
  if (!first.empty()) all.push_back(first);
  std::ifstream available("/proc/sys/net/ipv4/tcp_available_congestion_control");
  while (available >> name)
    if (name != first) all.push_back(name);
  return all;
}

}  // namespace netsonde
