// SPDX-License-Identifier: Apache-2.0
#include "probes/websocket.h"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <sys/random.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>

namespace netsonde {

namespace {

constexpr std::string_view kGuid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";  // RFC 6455 1.3
constexpr unsigned kFinal = 0x80, kReserved = 0x70, kOp = 0x0f, kMasked = 0x80, kLength = 0x7f;
constexpr std::size_t kLongestControl = 125;
constexpr unsigned kNoStatus = 1005;

template <std::size_t N>
std::array<unsigned char, N> random_bytes() {
  std::array<unsigned char, N> bytes{};
  (void)!getrandom(bytes.data(), bytes.size(), 0);  // never short for so few (random(4))
  return bytes;
}

std::string base64(std::span<const unsigned char> bytes) {
  std::string text(4 * ((bytes.size() + 2) / 3) + 1, '\0');  // EVP ends it with a zero
  EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), bytes.data(),
                  static_cast<int>(bytes.size()));
  text.pop_back();
  return text;
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n";
  const std::size_t begin = text.find_first_not_of(kBlank);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlank) - begin + 1);
}

bool same_text(std::string_view a, std::string_view b) {
  return std::ranges::equal(
      a, b, [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

// Whether a comma separated list names it.
bool has_token(std::string_view list, std::string_view token) {
  while (!list.empty()) {
    const std::size_t end = std::min(list.find(','), list.size());
    if (same_text(trimmed(list.substr(0, end)), token)) return true;
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return false;
}

// "HTTP/1.1 101 Switching Protocols"
Result<UpgradeAnswer> parse_status_line(std::string_view line) {
  constexpr std::string_view kBegin = "HTTP/1.";
  const std::size_t space = line.find(' ');
  UpgradeAnswer answer;
  if (!line.starts_with(kBegin) || space != kBegin.size() + 1 || line.size() < space + 4)
    return Error("what the server answers is not HTTP/1");
  answer.version = line.substr(5, space - 5);
  const char* end = line.data() + space + 4;
  const auto [at, error] = std::from_chars(line.data() + space + 1, end, answer.status);
  if (error != std::errc() || at != end || answer.status < 100)
    return Error("the answer has no status");
  return answer;
}

// As libcurl has it for http: without the port where it is the scheme's own.
std::string host_of(Target target) {
  if (target.port == (target.scheme == Scheme::Wss ? 443 : 80)) target.port = 0;
  return target.authority();
}

// Of so many bytes, the first first.
std::uint64_t number_in(std::string_view bytes) {
  std::uint64_t value = 0;
  for (const char byte : bytes) value = value << 8 | static_cast<unsigned char>(byte);
  return value;
}

}  // namespace

std::string new_websocket_key() {
  return base64(random_bytes<16>());
}

std::string websocket_accept(std::string_view key) {
  const std::string text = fmt::format("{}{}", key, kGuid);
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha1(), nullptr);
  return base64(std::span(digest).first(size));
}

std::string upgrade_request(const Target& target, std::string_view key,
                            const std::vector<std::pair<std::string, std::string>>& headers) {
  std::string request = fmt::format(
      "GET {} HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Key: {}\r\nSec-WebSocket-Version: 13\r\nUser-Agent: netsonde/{}\r\n",
      target.path.empty() ? "/" : target.path, host_of(target), key, NETSONDE_VERSION);
  for (const auto& [name, value] : headers) request += fmt::format("{}: {}\r\n", name, value);
  return request + "\r\n";
}

Result<UpgradeAnswer> parse_upgrade(std::string_view head) {
  std::size_t end = std::min(head.find('\n'), head.size());
  UpgradeAnswer answer = TRY(parse_status_line(trimmed(head.substr(0, end))));
  bool upgrade = false, connection = false;
  while (end < head.size()) {
    head.remove_prefix(end + 1);
    end = std::min(head.find('\n'), head.size());
    const std::string_view line = trimmed(head.substr(0, end));
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    const std::string_view name = line.substr(0, colon), value = trimmed(line.substr(colon + 1));
    if (same_text(name, "upgrade")) upgrade = upgrade || same_text(value, "websocket");
    if (same_text(name, "connection")) connection = connection || has_token(value, "upgrade");
    if (same_text(name, "sec-websocket-accept")) answer.accept = value;
    answer.lines.emplace_back(line);
  }
  answer.upgrades = upgrade && connection;
  return answer;
}

std::string control_frame(WebSocketOp op, std::string_view payload) {
  const auto mask = random_bytes<4>();
  std::string frame;
  frame += static_cast<char>(kFinal | static_cast<unsigned>(op));
  frame += static_cast<char>(kMasked | payload.size());
  frame.append(mask.begin(), mask.end());
  for (std::size_t i = 0; i < payload.size(); ++i)
    frame += static_cast<char>(static_cast<unsigned char>(payload[i]) ^ mask[i % mask.size()]);
  return frame;
}

Result<std::optional<FrameHeader>> parse_frame_header(std::string_view bytes) {
  if (bytes.size() < 2) return std::optional<FrameHeader>();
  const auto first = static_cast<unsigned char>(bytes[0]);
  const auto second = static_cast<unsigned char>(bytes[1]);
  const unsigned op = first & kOp, length = second & kLength;
  const bool control = op >= static_cast<unsigned>(WebSocketOp::Close);
  if (first & kReserved) return Error("a frame with reserved bits");
  if (second & kMasked) return Error("a masked frame from the server");
  if (op > (control ? 10U : 2U)) return Error(fmt::format("a frame of unknown kind {}", op));
  if (control && (length > kLongestControl || !(first & kFinal)))
    return Error("a control frame that is long or in pieces");
  FrameHeader header{
      .op = static_cast<WebSocketOp>(op), .header_bytes = 2, .payload_bytes = length};
  const std::size_t more = length == 127 ? 8 : length == 126 ? 2 : 0;
  if (more == 0) return std::optional(header);
  if (bytes.size() < 2 + more) return std::optional<FrameHeader>();
  header.header_bytes += more;
  header.payload_bytes = number_in(bytes.substr(2, more));
  return std::optional(header);
}

unsigned close_status(std::string_view payload) {
  return payload.size() < 2 ? kNoStatus : static_cast<unsigned>(number_in(payload.substr(0, 2)));
}

}  // namespace netsonde
