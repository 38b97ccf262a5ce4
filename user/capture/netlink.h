// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <libmnl/libmnl.h>

#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "user/base/result.h"

namespace netsonde {

// A netlink message to the kernel: its header, then the bytes of a fixed structure, then
// attributes.
class NetlinkRequest {
 public:
  // Flags besides NLM_F_REQUEST: NLM_F_DUMP for a list, NLM_F_ACK for one answer.
  NetlinkRequest(std::uint16_t type, std::uint16_t flags);

  template <typename T>
  void put(const T& fixed) {
    make_room(sizeof(T));
    std::memcpy(mnl_nlmsg_put_extra_header(header(), sizeof(T)), &fixed, sizeof(T));
  }
  void put(std::uint16_t attribute, std::uint32_t value);
  void put(std::uint16_t attribute, const char* text);
  // With its type's flags.
  void put(std::uint16_t attribute, std::span<const char> bytes);

  nlmsghdr* header() { return reinterpret_cast<nlmsghdr*>(bytes_.data()); }

 private:
  void make_room(std::size_t size);

  std::vector<char> bytes_;  // which the heap aligns
};

// A socket to the kernel, in the network namespace that the thread had when it was opened. It keeps
// that namespace alive.
class NetlinkSocket {
 public:
  using Handler = std::function<void(const nlmsghdr&)>;

  static Result<NetlinkSocket> open(int protocol);

  // Has the kernel do something. Its own words are in the error, where it has any.
  Result<> tell(NetlinkRequest& request) { return tell(std::span(&request, 1)); }
  // All of them in one go, in their order: who ends us cannot come between two. The kernel also
  // does what follows one that it refuses; the error is of the first that it refused.
  Result<> tell(std::span<NetlinkRequest> requests);

  // Hands over each message of the answer. A list that changed while it was read is read again,
  // after another call of begin, and given up after some tries.
  Result<> ask(NetlinkRequest& request, const std::function<void()>& begin, const Handler& handler);

 private:
  struct Close {
    void operator()(mnl_socket* socket) const { mnl_socket_close(socket); }
  };
  enum class State { More, Done, Interrupted };

  Result<> receive_acknowledgement();
  Result<State> receive(const Handler& handler);
  Result<State> take(const nlmsghdr& message, const Handler& handler);

  std::unique_ptr<mnl_socket, Close> socket_;
  std::vector<char> buffer_;
  std::uint32_t sequence_ = 0;
  bool interrupted_ = false;
  bool tells_ = false;  // what it does not support was not done
};

// Whether it is all there, with so many bytes left of the answer. (That of libmnl takes a length of
// 2 GiB or more for a negative one, and its walk stands still.)
bool is_whole(const nlmsghdr& message, std::size_t left);

// Every attribute behind the fixed structure of a message, or inside another attribute.
using OnAttribute = std::function<void(const nlattr&)>;
void each_attribute(const nlmsghdr& message, std::size_t fixed, const OnAttribute& handler);
void each_attribute(const nlattr& nest, const OnAttribute& handler);

// The fixed structure; nothing when the message is too short.
template <typename T>
std::optional<T> fixed_part(const nlmsghdr& message) {
  if (mnl_nlmsg_get_payload_len(&message) < sizeof(T)) return std::nullopt;
  T fixed;
  std::memcpy(&fixed, mnl_nlmsg_get_payload(&message), sizeof(T));
  return fixed;
}

std::uint16_t type_of(const nlattr& attribute);
std::span<const char> bytes_of(const nlattr& attribute);

// The bytes of an attribute from the offset on; nothing when it has fewer.
template <typename T>
std::optional<T> payload(const nlattr& attribute, std::size_t offset = 0) {
  if (mnl_attr_get_payload_len(&attribute) < offset + sizeof(T)) return std::nullopt;
  T value;
  std::memcpy(&value, static_cast<const char*>(mnl_attr_get_payload(&attribute)) + offset,
              sizeof(T));
  return value;
}

// Empty when it is no terminated text.
std::string_view text_of(const nlattr& attribute);

}  // namespace netsonde
