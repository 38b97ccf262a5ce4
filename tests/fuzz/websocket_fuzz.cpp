// SPDX-License-Identifier: Apache-2.0
// What a hostile WebSocket server answers: a head, or frames after it.
#include <cstdint>
#include <string_view>

#include "probes/websocket.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace netsonde;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto answer = parse_upgrade(bytes);
  if (answer && (answer.value().status < 0 || answer.value().status > 999)) __builtin_trap();
  std::string_view rest = bytes;
  while (true) {
    const auto header = parse_frame_header(rest);
    if (!header || !header.value()) break;
    const FrameHeader& frame = *header.value();
    if (frame.header_bytes == 0 || frame.header_bytes > rest.size()) __builtin_trap();
    rest.remove_prefix(frame.header_bytes);
    if (frame.payload_bytes > rest.size()) break;
    const std::string_view payload = rest.substr(0, frame.payload_bytes);
    if (frame.op == WebSocketOp::Close && close_status(payload) > 65535) __builtin_trap();
    rest.remove_prefix(frame.payload_bytes);
  }
  return 0;
}
