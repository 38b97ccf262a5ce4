// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ares.h>
#include <sys/epoll.h>

#include <functional>

#include "user/base/loop.h"

namespace netsonde {

// For c-ares's callback about its sockets: has the loop call process(readable, writable), with
// ARES_SOCKET_BAD where the socket is not meant, for as long as c-ares wants to hear of it.
inline void follow_socket(Loop& loop, ares_socket_t socket, bool readable, bool writable,
                          std::function<void(ares_socket_t, ares_socket_t)> process) {
  if (!readable && !writable) return loop.forget(socket);
  const ares_socket_t for_reading = readable ? socket : ARES_SOCKET_BAD;
  const ares_socket_t for_writing = writable ? socket : ARES_SOCKET_BAD;
  // A socket that cannot be watched answers nothing: its questions run into their timeout.
  (void)loop.watch(
      socket,
      [process = std::move(process), for_reading, for_writing]() -> Result<> {
        process(for_reading, for_writing);
        return {};
      },
      (readable ? EPOLLIN : 0U) | (writable ? EPOLLOUT : 0U));
}

}  // namespace netsonde
