// SPDX-License-Identifier: Apache-2.0
#include "probes/tcp_prober.h"

#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "probes/socket_address.h"
#include "probes/socket_facts.h"

namespace netsonde {

namespace {

int pending_error(int fd) {
  int error = 0;
  socklen_t size = sizeof(error);
  return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) ? errno : error;
}

}  // namespace

TcpProber::~TcpProber() {
  for (const auto& [id, run] : runs_) loop_.forget(run.socket.get());
}

void TcpProber::start(const ProbeRequest& request, OnAttempt on_attempt) {
  const std::uint64_t id = ++last_id_;
  const auto on_end = [this, id, on_attempt = std::move(on_attempt)](Attempt attempt) {
    runs_.erase(id);
    on_attempt(std::move(attempt));
  };
  Run& run = runs_.try_emplace(id, loop_, request, on_end).first->second;
  const auto exists = [this, id] { return runs_.contains(id); };
  run.common.find_address(lookup_, exists,
                          [this, &run](const Address& address) { connect_to(run, address); });
  if (exists()) run.common.started();
}

// Prepared to the last before connect(): what comes after it is the prober's part in the time.
void TcpProber::connect_to(Run& run, const Address& address) {
  Attempt& attempt = run.common.attempt();
  attempt.address = address;
  const SocketAddress to = socket_address(address, attempt.port);
  if (const auto opened = open_socket(run, to.family()); !opened)
    return finish(run,
                  Failure{.kind = FailureKind::ConnectLocal, .detail = opened.error().message()});
  run.called = kernel_now();
  if (connect(run.socket.get(), to.get(), to.size) != 0 && errno != EINPROGRESS)
    on_failure(run, errno);
}

Result<> TcpProber::open_socket(Run& run, int family) {
  run.socket = UniqueFd(socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!run.socket) return Error::from_errno("make a socket");
  const ProbeRequest& request = run.common.request();
  TRY(apply(run.socket.get(), request.socket));
  const auto ready = [this, &run]() -> Result<> {
    on_ready(run);
    return {};
  };
  TRY(loop_.watch(run.socket.get(), ready, EPOLLOUT));
  return run.common.within(request.limits.connect, [this, &run] { on_failure(run, ETIMEDOUT); });
}

void TcpProber::on_ready(Run& run) {
  const Time now = kernel_now();
  const int fd = run.socket.get();
  if (const int error = pending_error(fd)) return on_failure(run, error);
  const auto counters = read_counters(fd);
  // An event of an earlier socket with the same number.
  if (counters && counters->state == TCP_SYN_SENT) return;
  Attempt& attempt = run.common.attempt();
  attempt.times.connect = now - run.called;
  if (counters) {
    attempt.kernel = facts_of(fd, *counters);
    note_handshake(*attempt.kernel, *counters, attempt.times.connect);
  }
  finish(run, {});
}

void TcpProber::on_failure(Run& run, int error) {
  const Nanos after = kernel_now() - run.called;
  Attempt& attempt = run.common.attempt();
  const auto counters = read_counters(run.socket.get());
  if (counters) {
    attempt.kernel = facts_of(run.socket.get(), *counters);
    note_handshake(*attempt.kernel, *counters, {});
  }
  finish(run, connect_failure({.error = error,
                               .address = *attempt.address,
                               .port = attempt.port,
                               .after = after,
                               .counters = counters}));
}

void TcpProber::finish(Run& run, std::optional<Failure> failure) {
  loop_.forget(run.socket.get());
  run.socket.reset();
  run.common.finish(std::move(failure));
}

}  // namespace netsonde
