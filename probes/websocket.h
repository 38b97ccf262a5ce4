// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "probes/target.h"
#include "user/base/result.h"

namespace netsonde {

// The client's side of the WebSocket protocol (RFC 6455), as far as a ping needs it. What comes is
// untrusted bytes.

// 16 random bytes in base64.
std::string new_websocket_key();
// What a server answers to that key as Sec-WebSocket-Accept.
std::string websocket_accept(std::string_view key);

// The request with which a connection becomes a WebSocket.
std::string upgrade_request(const Target& target, std::string_view key,
                            const std::vector<std::pair<std::string, std::string>>& headers);

struct UpgradeAnswer {
  int status = 0;
  std::string version{};             // "1.1"
  std::vector<std::string> lines{};  // of the headers
  std::string accept{};              // Sec-WebSocket-Accept
  bool upgrades = false;             // Upgrade and Connection say so
};
// Fails on what is no head of an HTTP/1 answer; head: up to and without its empty line.
Result<UpgradeAnswer> parse_upgrade(std::string_view head);

enum class WebSocketOp : std::uint8_t {
  Continuation = 0,
  Text = 1,
  Binary = 2,
  Close = 8,
  Ping = 9,
  Pong = 10
};

// Masked, as clients must; payload: at most 125 bytes.
std::string control_frame(WebSocketOp op, std::string_view payload);

struct FrameHeader {
  WebSocketOp op = WebSocketOp::Text;
  std::size_t header_bytes = 0;
  std::uint64_t payload_bytes = 0;
};
// Of the frame with which the bytes begin; absent while they are too few. Fails on what no server
// may send.
Result<std::optional<FrameHeader>> parse_frame_header(std::string_view bytes);

// The status of a close frame's payload; 1005 without one.
unsigned close_status(std::string_view payload);

}  // namespace netsonde
