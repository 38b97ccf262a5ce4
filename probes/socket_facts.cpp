// SPDX-License-Identifier: Apache-2.0
#include "probes/socket_facts.h"

#include <fmt/format.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <system_error>

#include "probes/socket_address.h"

namespace netsonde {

namespace {

constexpr std::uint8_t kSynSent =
    2;  // TCP_SYN_SENT, for <netinet/tcp.h> is not to be had beside the kernel's

constexpr std::uint32_t kNoMinRtt = ~0U;  // what the kernel starts with

template <typename T>
std::optional<T> option_of(int fd, int level, int name) {
  T value = {};
  socklen_t size = sizeof(value);
  if (getsockopt(fd, level, name, &value, &size) || size != sizeof(value)) return std::nullopt;
  return value;
}

// As far as this kernel filled it.
struct RawInfo {
  tcp_info info = {};
  socklen_t size = sizeof(info);

  template <typename T>
  std::optional<T> get(const T& member) const {
    const auto end =
        reinterpret_cast<const std::byte*>(&member + 1) - reinterpret_cast<const std::byte*>(&info);
    if (static_cast<std::size_t>(end) > size) return std::nullopt;
    return member;
  }
};

template <typename T>
std::optional<T> nonzero(std::optional<T> value) {
  return value && *value != 0 ? value : std::nullopt;
}

std::optional<Nanos> time_of(std::optional<std::uint32_t> us) {
  if (!us || *us == 0 || *us == kNoMinRtt) return std::nullopt;
  return std::chrono::microseconds(*us);
}

std::string congestion_of(int fd) {
  std::array<char, 16> name{};  // TCP_CA_NAME_MAX
  socklen_t size = name.size();
  if (getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name.data(), &size)) return {};
  return std::string(fixed_string(std::span(name).first(size)));
}

bool is_ipv6(int fd) {
  return option_of<int>(fd, SOL_SOCKET, SO_DOMAIN) == AF_INET6;
}

std::optional<int> dscp_of(int fd) {
  const auto field = is_ipv6(fd) ? option_of<int>(fd, IPPROTO_IPV6, IPV6_TCLASS)
                                 : option_of<int>(fd, IPPROTO_IP, IP_TOS);
  if (!field) return std::nullopt;
  return *field >> 2;
}

Result<> set(int fd, int level, int name, int value, std::string_view doing) {
  if (setsockopt(fd, level, name, &value, sizeof(value))) return Error::from_errno(doing);
  return {};
}

Result<> set_congestion(int fd, const std::string& name) {
  if (setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name.data(),
                 static_cast<socklen_t>(name.size())) == 0)
    return {};
  const int error = errno;
  return Error::from_errno(
      fmt::format("set congestion control '{}' (see net.ipv4.tcp_{}_congestion_control)",
                  printable(name), error == EPERM ? "allowed" : "available"),
      error);
}

std::string syns_text(const FailedConnect& failed) {
  const std::uint32_t count = failed.counters ? failed.counters->total_retrans + 1 : 0;
  if (count == 0) return "the SYN";
  return count == 1 ? "1 SYN" : fmt::format("{} SYNs", count);
}

// Before the first SYN: whoever answered, it was this host.
bool nothing_was_sent(const FailedConnect& failed) {
  return failed.counters && failed.counters->segments_out == 0U;
}

FailureKind kind_of(const FailedConnect& failed) {
  switch (failed.error) {
    case ECONNREFUSED: return FailureKind::ConnectRefused;
    case ETIMEDOUT: return FailureKind::ConnectTimeout;
    case ECONNRESET: return FailureKind::Reset;
    case ENETUNREACH:
    case EHOSTUNREACH: return FailureKind::ConnectUnreachable;
    // What the kernel makes of other ICMP errors; EACCES is ICMPv6's "administratively prohibited".
    case EHOSTDOWN:
    case ENONET:
    case ENOPROTOOPT:
    case EOPNOTSUPP:
    case EPROTO:
    case EACCES:
      if (failed.counters && !nothing_was_sent(failed)) return FailureKind::ConnectUnreachable;
      return FailureKind::ConnectLocal;
    default: return FailureKind::ConnectLocal;
  }
}

std::string detail_of(const FailedConnect& failed, FailureKind kind) {
  const std::string where = endpoint_text(failed.address, failed.port),
                    after = short_duration(failed.after);
  const std::string reason = std::generic_category().message(failed.error);
  switch (kind) {
    case FailureKind::ConnectRefused: return fmt::format("refused by {} after {}", where, after);
    case FailureKind::ConnectTimeout:
      return fmt::format("no answer to {} within {}", syns_text(failed), after);
    case FailureKind::Reset: return fmt::format("reset by {} after {}", where, after);
    case FailureKind::ConnectUnreachable:
      if (nothing_was_sent(failed)) return fmt::format("no route to {}: {}", where, reason);
      return fmt::format("{} is unreachable, known after {}: {}", where, after, reason);
    default: return fmt::format("connect to {}: {}", where, reason);
  }
}

}  // namespace

std::optional<SocketCounters> read_counters(int fd) {
  RawInfo raw;
  if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &raw.info, &raw.size)) return std::nullopt;
  if (!raw.get(raw.info.tcpi_total_retrans)) return std::nullopt;
  return SocketCounters{.state = raw.info.tcpi_state,
                        .retransmits = raw.info.tcpi_retransmits,
                        .total_retrans = raw.info.tcpi_total_retrans,
                        .cwnd_segments = raw.info.tcpi_snd_cwnd,
                        .srtt = time_of(raw.info.tcpi_rtt),
                        .min_rtt = time_of(raw.get(raw.info.tcpi_min_rtt)),
                        .segments_out = raw.get(raw.info.tcpi_segs_out),
                        .data_segments_out = raw.get(raw.info.tcpi_data_segs_out),
                        .bytes_acked = raw.get(raw.info.tcpi_bytes_acked),
                        .delivery_bytes_per_s = nonzero(raw.get(raw.info.tcpi_delivery_rate)),
                        .receive_rtt = time_of(raw.get(raw.info.tcpi_rcv_rtt))};
}

KernelFacts facts_of(int fd, const SocketCounters& now,
                     const std::optional<SocketCounters>& before) {
  KernelFacts facts;
  facts.cookie = option_of<std::uint64_t>(fd, SOL_SOCKET, SO_COOKIE).value_or(0);
  facts.min_rtt = now.min_rtt;
  facts.srtt = now.srtt;
  // The kernel's counters have 32 bits: so do their differences.
  const SocketCounters base = before.value_or(SocketCounters{});
  facts.answered = now.state != kSynSent;
  if (now.segments_out) facts.segments_sent = *now.segments_out - base.segments_out.value_or(0);
  facts.retransmitted_segments = now.total_retrans - base.total_retrans;
  facts.congestion_control = congestion_of(fd);
  facts.cwnd_segments = now.cwnd_segments;
  facts.delivery_bytes_per_s = now.delivery_bytes_per_s;
  facts.receive_buffer_bytes = option_of<std::uint32_t>(fd, SOL_SOCKET, SO_RCVBUF);
  facts.notsent_lowat_bytes = option_of<std::uint32_t>(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT);
  facts.dscp = dscp_of(fd);
  const auto nodelay = option_of<int>(fd, IPPROTO_TCP, TCP_NODELAY);
  if (nodelay) facts.nodelay = *nodelay != 0;
  return facts;
}

void note_handshake(KernelFacts& facts, const SocketCounters& connected,
                    std::optional<Nanos> since_connect) {
  if (connected.data_segments_out != 0U) return;
  facts.syn_retransmits = connected.total_retrans;
  if (connected.total_retrans != 0 || !connected.srtt) return;
  facts.syn_rtt = connected.srtt;
  if (since_connect) facts.prober_delay = std::max(*since_connect - *connected.srtt, Nanos(0));
}

Result<> apply(int fd, const SocketOptions& options) {
  TRY(set(fd, IPPROTO_TCP, TCP_NODELAY, options.delay ? 0 : 1, "set TCP_NODELAY"));
  if (!options.congestion.empty()) TRY(set_congestion(fd, options.congestion));
  if (options.receive_buffer)
    TRY(set(fd, SOL_SOCKET, SO_RCVBUF, *options.receive_buffer, "set SO_RCVBUF"));
  if (options.notsent_lowat)
    TRY(set(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, *options.notsent_lowat, "set TCP_NOTSENT_LOWAT"));
  if (options.dscp) TRY(apply_dscp(fd, *options.dscp));
  if (options.hops) TRY(apply_hops(fd, *options.hops));
  return {};
}

Result<> apply_dscp(int fd, int dscp) {
  const std::string doing = fmt::format("set DSCP {}", dscp);
  TRY(set(fd, IPPROTO_IP, IP_TOS, dscp << 2, doing));
  if (is_ipv6(fd)) TRY(set(fd, IPPROTO_IPV6, IPV6_TCLASS, dscp << 2, doing));
  return {};
}

Result<> apply_hops(int fd, int hops) {
  const std::string doing = fmt::format("set a limit of {} hops", hops);
  if (!is_ipv6(fd)) return set(fd, IPPROTO_IP, IP_TTL, hops, doing);
  return set(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, hops, doing);
}

Failure connect_failure(const FailedConnect& failed) {
  const FailureKind kind = kind_of(failed);
  return {.phase = ProbePhase::Connect, .kind = kind, .detail = detail_of(failed, kind)};
}

}  // namespace netsonde
