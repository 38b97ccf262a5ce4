// SPDX-License-Identifier: Apache-2.0
#include "probes/name_resolver.h"

#include <netdb.h>

#include "probes/ares_socket.h"

namespace netsonde {

namespace {

constexpr int kTimeoutMs = 1000;
constexpr int kTries = 2;
constexpr Nanos kCheckTimeouts = std::chrono::milliseconds(250);

}  // namespace

Result<> NameResolver::open() {
  ares_options options = {};
  options.timeout = kTimeoutMs;
  options.tries = kTries;
  options.sock_state_cb = on_socket;
  options.sock_state_cb_data = this;
  ares_channel channel = nullptr;
  const int status = ares_init_options(
      &channel, &options, ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB);
  if (status != ARES_SUCCESS)
    return Error(std::string("set up name resolution: ") + ares_strerror(status));
  channel_.reset(channel);
  TRY(loop_.every(kCheckTimeouts, [this]() -> Result<> {
    process(ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    return {};
  }));
  return {};
}

void NameResolver::process(ares_socket_t readable, ares_socket_t writable) {
  ares_process_fd(channel_.get(), readable, writable);
}

void NameResolver::on_socket(void* resolver, ares_socket_t socket, int readable,
                             int writable) noexcept {
  auto* self = static_cast<NameResolver*>(resolver);
  follow_socket(self->loop_, socket, readable, writable,
                [self](ares_socket_t in, ares_socket_t out) { self->process(in, out); });
}

void NameResolver::on_answer(void* request, int status, int, hostent* host) noexcept {
  auto* answered = static_cast<Request*>(request);
  NameResolver* self = answered->resolver;
  const Address address = answered->address;
  self->requests_.remove_if([answered](const Request& r) { return &r == answered; });
  if (status == ARES_EDESTRUCTION) return;
  self->on_name_(address, status == ARES_SUCCESS && host->h_name ? host->h_name : "");
}

Result<> NameResolver::resolve(const Address& address) {
  if (!channel_) TRY(open());
  Request& request = requests_.emplace_back(Request{.resolver = this, .address = address});
  const bool ipv4 = address.is_ipv4();
  ares_gethostbyaddr(channel_.get(), address.bytes.data() + (ipv4 ? 12 : 0), ipv4 ? 4 : 16,
                     ipv4 ? AF_INET : AF_INET6, on_answer, &request);
  return {};
}

}  // namespace netsonde
