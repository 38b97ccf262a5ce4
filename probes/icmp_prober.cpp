// SPDX-License-Identifier: Apache-2.0
#include "probes/icmp_prober.h"

#include <fmt/format.h>
#include <linux/errqueue.h>
#include <linux/icmp.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <optional>
#include <string>

#include "probes/socket_address.h"
#include "probes/socket_facts.h"

namespace netsonde {

namespace {

constexpr std::size_t kLongestMessage = 256;  // ours are shorter, whatever is before them
constexpr int kMostAtOnce = 32;

std::int64_t epoch_ns() {
  timespec now = {};
  clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

Result<> turn_on(int fd, int level, int name) {
  const int on = 1;
  if (setsockopt(fd, level, name, &on, sizeof(on))) return Error::from_errno("set up ICMP");
  return {};
}

// Nothing but echo replies; errors come by another way.
Result<> filter_raw(int fd, bool ipv6) {
  icmp6_filter filter_v6;
  ICMP6_FILTER_SETBLOCKALL(&filter_v6);
  ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &filter_v6);
  const icmp_filter filter_v4 = {.data = ~(1U << ICMP_ECHOREPLY)};
  const int failed =
      ipv6 ? setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &filter_v6, sizeof(filter_v6))
           : setsockopt(fd, IPPROTO_RAW, ICMP_FILTER, &filter_v4, sizeof(filter_v4));
  if (failed) return Error::from_errno("filter ICMP");
  return {};
}

Failure failure_of(FailureKind kind, std::string detail) {
  return {.phase = ProbePhase::Connect, .kind = kind, .detail = std::move(detail)};
}

Failure local_failure(const Error& error) {
  return failure_of(FailureKind::ConnectLocal, error.message());
}

UniqueFd new_socket(int type, bool ipv6) {
  return UniqueFd(socket(ipv6 ? AF_INET6 : AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC,
                         ipv6 ? int{IPPROTO_ICMPV6} : int{IPPROTO_ICMP}));
}

bool is_time_exceeded(const sock_extended_err& error) {
  return error.ee_type ==
             (error.ee_origin == SO_EE_ORIGIN_ICMP ? ICMP_TIME_EXCEEDED : ICMP6_TIME_EXCEEDED) &&
         error.ee_code == 0;
}

template <typename T>
bool copy_from(const cmsghdr* header, std::size_t offset, T& to) {
  if (header->cmsg_len < CMSG_LEN(offset + sizeof(to))) return false;
  std::memcpy(&to, CMSG_DATA(header) + offset, sizeof(to));
  return true;
}

}  // namespace

// What came, and what the kernel says of it.
struct IcmpProber::Message {
  std::array<std::byte, kLongestMessage> buffer;
  std::span<const std::byte> bytes{};  // of the buffer
  std::optional<std::int64_t> stamp_ns{};
  std::optional<sock_extended_err> error{};
  std::optional<Address> offender{};  // who sent the error

  // The errno.
  int receive(int fd, int flags);

 private:
  void note(const cmsghdr* header);
  void note_offender(const cmsghdr* header);
};

int IcmpProber::Message::receive(int fd, int flags) {
  alignas(cmsghdr) std::array<std::byte, 512> control;
  iovec part = {.iov_base = buffer.data(), .iov_len = buffer.size()};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t size = recvmsg(fd, &message, flags);
  if (size < 0) return errno;
  bytes = std::span(buffer).first(static_cast<std::size_t>(size));
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header))
    note(header);
  return 0;
}

void IcmpProber::Message::note(const cmsghdr* header) {
  const auto is = [header](int level, int type) {
    return header->cmsg_level == level && header->cmsg_type == type;
  };
  timespec stamp = {};
  if (is(SOL_SOCKET, SCM_TIMESTAMPNS) && copy_from(header, 0, stamp))
    stamp_ns = stamp.tv_sec * 1'000'000'000LL + stamp.tv_nsec;
  sock_extended_err said = {};
  if (!is(IPPROTO_IP, IP_RECVERR) && !is(IPPROTO_IPV6, IPV6_RECVERR)) return;
  if (!copy_from(header, 0, said)) return;
  error = said;
  note_offender(header);
}

// Its address follows the error (ip(7), IP_RECVERR).
void IcmpProber::Message::note_offender(const cmsghdr* header) {
  SocketAddress from;
  auto* v4 = reinterpret_cast<sockaddr_in*>(&from.bytes);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&from.bytes);
  constexpr std::size_t kBehind = sizeof(sock_extended_err);
  if (copy_from(header, kBehind, *v6) || copy_from(header, kBehind, *v4))
    offender = address_of(from);
}

IcmpProber::IcmpProber(Loop& loop, Lookup& lookup)
    : loop_(loop), lookup_(lookup), stamping_(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
  (void)turn_on(stamping_.get(), SOL_SOCKET, SO_TIMESTAMPNS);
}

IcmpProber::~IcmpProber() {
  for (const auto& [id, run] : runs_) loop_.forget(run.socket.get());
}

void IcmpProber::start(const ProbeRequest& request, OnAttempt on_attempt) {
  const std::uint64_t id = ++last_id_;
  const auto on_end = [this, id, on_attempt = std::move(on_attempt)](Attempt attempt) {
    runs_.erase(id);
    on_attempt(std::move(attempt));
  };
  Run& run = runs_.try_emplace(id, loop_, request, on_end).first->second;
  const auto exists = [this, id] { return runs_.contains(id); };
  run.common.find_address(lookup_, exists,
                          [this, &run](const Address& address) { send_to(run, address); });
  if (exists()) run.common.started();
}

void IcmpProber::send_to(Run& run, const Address& address) {
  run.common.attempt().address = address;
  run.echo = IcmpEcho::make(!address.is_ipv4());
  if (auto failure = open_socket(run)) return finish(run, std::move(failure));
  if (const auto prepared = prepare(run); !prepared)
    return finish(run, local_failure(prepared.error()));
  const SocketAddress to = socket_address(address, 0);
  if (connect(run.socket.get(), to.get(), to.size) != 0) {
    const int error = errno;
    const bool no_route = error == ENETUNREACH || error == EHOSTUNREACH;
    return finish(
        run, failure_of(no_route ? FailureKind::ConnectUnreachable : FailureKind::ConnectLocal,
                        Error::from_errno("find a way to " + to_text(address), error).message()));
  }
  const auto bytes = run.echo.bytes();
  run.sent = kernel_now();
  run.sent_ns = epoch_ns();
  if (send(run.socket.get(), bytes.data(), bytes.size(), 0) < 0)
    finish(run, local_failure(Error::from_errno("send an echo request")));
}

std::optional<Failure> IcmpProber::open_socket(Run& run) {
  run.socket = new_socket(SOCK_DGRAM, run.echo.ipv6);
  run.raw = !run.socket && (errno == EACCES || errno == EPERM || errno == EPROTONOSUPPORT);
  if (run.raw)
    run.socket = new_socket(SOCK_RAW, run.echo.ipv6);
  else
    run.echo.identifier = 0;
  if (run.socket) return std::nullopt;
  if (errno != EPERM && errno != EACCES) return local_failure(Error::from_errno("make a socket"));
  return failure_of(FailureKind::Unsupported,
                    "no ping socket for this group (net.ipv4.ping_group_range), and no raw one "
                    "without CAP_NET_RAW");
}

Result<> IcmpProber::prepare(Run& run) {
  const int fd = run.socket.get();
  const ProbeRequest& request = run.common.request();
  if (run.raw) TRY(filter_raw(fd, run.echo.ipv6));
  TRY(turn_on(fd, SOL_SOCKET, SO_TIMESTAMPNS));
  TRY(run.echo.ipv6 ? turn_on(fd, IPPROTO_IPV6, IPV6_RECVERR)
                    : turn_on(fd, IPPROTO_IP, IP_RECVERR));
  if (request.socket.dscp) TRY(apply_dscp(fd, *request.socket.dscp));
  if (request.socket.hops) TRY(apply_hops(fd, *request.socket.hops));
  TRY(loop_.watch(fd, [this, &run]() -> Result<> {
    on_ready(run);
    return {};
  }));
  return run.common.within(request.limits.response, [this, &run] { give_up(run); });
}

void IcmpProber::give_up(Run& run) {
  finish(run, Failure{.phase = ProbePhase::Response,
                      .kind = FailureKind::EchoTimeout,
                      .detail = fmt::format("no echo from {} within {}",
                                            to_text(*run.common.attempt().address),
                                            short_duration(kernel_now() - run.sent))});
}

// What a raw socket is told may be meant for somebody else, pending errors too: only a message with
// our own numbers counts. What is left is heard of again.
void IcmpProber::on_ready(Run& run) {
  const Time now = kernel_now();
  const int fd = run.socket.get();
  for (const int flags : {int{MSG_ERRQUEUE}, 0}) {
    for (int i = 0; i < kMostAtOnce; ++i) {
      Message message;
      const int error = message.receive(fd, flags);
      if (error == EAGAIN) break;
      if (error == 0 && (flags ? take_error(run, message, now) : take_reply(run, message, now)))
        return;
    }
  }
}

bool IcmpProber::take_error(Run& run, const Message& message, Time now) {
  if (!message.error || !run.echo.is_quoted_by(message.bytes)) return false;
  const sock_extended_err& error = *message.error;
  if (error.ee_origin != SO_EE_ORIGIN_ICMP && error.ee_origin != SO_EE_ORIGIN_ICMP6) return false;
  if (run.common.request().socket.hops && message.offender && is_time_exceeded(error)) {
    run.common.attempt().address = *message.offender;
    note_echo(run, message, now);
    finish(run, {});
    return true;
  }
  finish(run, failure_of(FailureKind::ConnectUnreachable,
                         fmt::format("{}, said {} after {}",
                                     icmp_text(run.echo.ipv6, error.ee_type, error.ee_code),
                                     message.offender ? to_text(*message.offender) : "somebody",
                                     short_duration(now - run.sent))));
  return true;
}

bool IcmpProber::take_reply(Run& run, const Message& message, Time now) {
  const bool with_header = run.raw && !run.echo.ipv6;
  if (!run.echo.is_answered_by(with_header ? without_ipv4_header(message.bytes) : message.bytes))
    return false;
  note_echo(run, message, now);
  finish(run, {});
  return true;
}

void IcmpProber::note_echo(Run& run, const Message& message, Time now) {
  Nanos& echo = run.common.attempt().echo.emplace(now - run.sent);
  // A stamp from outside of that time is of a clock that was set meanwhile.
  const Nanos by_kernel(message.stamp_ns.value_or(-1) - run.sent_ns);
  if (by_kernel > Nanos(0) && by_kernel < echo) echo = by_kernel;
}

void IcmpProber::finish(Run& run, std::optional<Failure> failure) {
  loop_.forget(run.socket.get());
  run.socket.reset();
  run.common.finish(std::move(failure));
}

}  // namespace netsonde
