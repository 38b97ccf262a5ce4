// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ares.h>

#include <functional>
#include <list>
#include <memory>
#include <string>

#include "user/base/loop.h"
#include "user/base/text.h"

namespace netsonde {

// Names of addresses (PTR records), looked up in the background on the loop with the system's
// resolvers. Nothing is asked before the first resolve().
class NameResolver {
 public:
  // The name as the server gave it: untrusted bytes. Empty: there is none, or nobody answered.
  using OnName = std::function<void(const Address&, std::string)>;

  NameResolver(Loop& loop, OnName on_name) : loop_(loop), on_name_(std::move(on_name)) {}
  NameResolver(const NameResolver&) = delete;
  NameResolver& operator=(const NameResolver&) = delete;

  // Fails when no resolver can be set up; a name that cannot be found is no failure.
  Result<> resolve(const Address& address);

 private:
  struct Request {
    NameResolver* resolver;
    Address address;
  };
  struct Destroy {
    void operator()(ares_channel channel) const { ares_destroy(channel); }
  };

  Result<> open();
  void process(ares_socket_t readable, ares_socket_t writable);
  static void on_socket(void* resolver, ares_socket_t socket, int readable, int writable) noexcept;
  static void on_answer(void* request, int status, int timeouts, hostent* host) noexcept;

  Loop& loop_;
  OnName on_name_;
  std::list<Request> requests_;
  std::unique_ptr<ares_channeldata, Destroy> channel_;  // last: its end still answers requests
};

}  // namespace netsonde
