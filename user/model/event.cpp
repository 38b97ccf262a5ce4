// SPDX-License-Identifier: Apache-2.0
#include "user/model/event.h"

#include <cerrno>
#include <cstring>
#include <string>
#include <type_traits>

namespace netsonde {

static_assert(sizeof(ev_header) == 16);
static_assert(sizeof(ev_conn) == 96);
static_assert(sizeof(ev_open) == 112);
static_assert(sizeof(ev_sample) == 424);
static_assert(sizeof(ev_retransmit) == 128);
static_assert(sizeof(ev_reset) == 120);
static_assert(sizeof(ev_drop) == 136);
static_assert(sizeof(ev_congestion_state) == 144);
static_assert(sizeof(ev_rtt) == 136);
static_assert(sizeof(ev_histogram) == 832);

namespace {

// The numbers of the kernel's enum that the uapi header does not give as such.
enum TcpState : std::uint8_t {
  kEstablished = 1,
  kSynSent,
  kSynRecv,
  kFinWait1,
  kFinWait2,
  kTimeWait,
  kClose,
  kCloseWait,
  kLastAck,
  kListen,
  kClosing,
  kNewSynRecv,
};

template <typename T>
Result<Event> decode_as(std::span<const std::byte> bytes) {
  if (bytes.size() < sizeof(T)) return Error("event is shorter than its kind");
  T event;
  std::memcpy(&event, bytes.data(), sizeof(event));
  return Event(event);
}

}  // namespace

Result<Event> decode(std::span<const std::byte> bytes) {
  ev_header header;
  if (bytes.size() < sizeof(header)) return Error("event is shorter than its header");
  std::memcpy(&header, bytes.data(), sizeof(header));
  if (header.size > bytes.size()) return Error("event is cut short");
  bytes = bytes.first(header.size);
  switch (header.kind) {
    case EV_CONNECT:
    case EV_ESTABLISHED:
    case EV_ACCEPT:
    case EV_LISTEN: return decode_as<ev_open>(bytes);
    case EV_CLOSE:
    case EV_LISTEN_CLOSE:
    case EV_SAMPLE: return decode_as<ev_sample>(bytes);
    case EV_RETRANSMIT: return decode_as<ev_retransmit>(bytes);
    case EV_RESET: return decode_as<ev_reset>(bytes);
    case EV_DROP: return decode_as<ev_drop>(bytes);
    case EV_CONGESTION_STATE: return decode_as<ev_congestion_state>(bytes);
    case EV_HISTOGRAM: return decode_as<ev_histogram>(bytes);
    case EV_RTT: return decode_as<ev_rtt>(bytes);
    case EV_TICK: return decode_as<ev_tick>(bytes);
    case EV_DROP_COUNT: return decode_as<ev_drop_count>(bytes);
    case EV_LISTEN_OVERFLOW: return decode_as<ev_listen_overflow>(bytes);
    default: return Error("event of unknown kind " + std::to_string(header.kind));
  }
}

std::span<const std::byte> encode(const Event& event) {
  return std::visit([](const auto& e) { return std::as_bytes(std::span(&e, 1)); }, event);
}

const ev_header& header_of(const Event& event) {
  return std::visit([](const auto& e) -> const ev_header& { return e.header; }, event);
}

Time time_of(const Event& event) {
  return time_from_ns(header_of(event).time_ns);
}

const ev_conn* connection_of(const Event& event) {
  return std::visit(
      [](const auto& e) -> const ev_conn* {
        if constexpr (requires { e.conn; })
          return &e.conn;
        else
          return nullptr;
      },
      event);
}

std::uint64_t cookie_of(const Event& event) {
  if (const auto* histogram = std::get_if<ev_histogram>(&event)) return histogram->cookie;
  const ev_conn* conn = connection_of(event);
  return conn ? conn->cookie : 0;
}

std::string_view name_of(ev_kind kind) {
  switch (kind) {
    case EV_CONNECT: return "connect";
    case EV_ESTABLISHED: return "established";
    case EV_ACCEPT: return "accept";
    case EV_LISTEN: return "listen";
    case EV_CLOSE: return "close";
    case EV_LISTEN_CLOSE: return "listen_close";
    case EV_SAMPLE: return "sample";
    case EV_RETRANSMIT: return "retransmit";
    case EV_RESET: return "reset";
    case EV_DROP: return "drop";
    case EV_CONGESTION_STATE: return "congestion_state";
    case EV_HISTOGRAM: return "histogram";
    case EV_RTT: return "rtt";
    case EV_TICK: return "tick";
    case EV_DROP_COUNT: return "drop_count";
    case EV_LISTEN_OVERFLOW: return "listen_overflow";
  }
  return "unknown";
}

std::string_view state_name(std::uint8_t tcp_state) {
  switch (tcp_state) {
    case kEstablished: return "ESTABLISHED";
    case kSynSent: return "SYN_SENT";
    case kSynRecv: return "SYN_RECV";
    case kFinWait1: return "FIN_WAIT1";
    case kFinWait2: return "FIN_WAIT2";
    case kTimeWait: return "TIME_WAIT";
    case kClose: return "CLOSED";
    case kCloseWait: return "CLOSE_WAIT";
    case kLastAck: return "LAST_ACK";
    case kListen: return "LISTEN";
    case kClosing: return "CLOSING";
    case kNewSynRecv: return "SYN_RECV";
    default: return "UNKNOWN";
  }
}

std::string_view congestion_state_name(std::uint8_t state) {
  static constexpr std::string_view kNames[] = {"open", "disorder", "cwr", "recovery", "loss"};
  return state < std::size(kNames) ? kNames[state] : "unknown";
}

std::string_view retransmit_name(std::uint8_t kind) {
  static constexpr std::string_view kNames[] = {"unknown", "rto", "fast", "tlp", "syn", "synack"};
  return kind < std::size(kNames) ? kNames[kind] : "unknown";
}

// A FIN that was answered is the orderly end whatever comes after it. A socket that leaves a state
// in which data could flow without an error and without a reset from the peer was aborted by this
// side.
std::string_view end_name(const ev_sample& close) {
  if (close.end & EV_END_RESET_RECEIVED)
    return close.old_state == kSynSent ? "refused" : "reset_received";
  switch (close.error) {
    case ETIMEDOUT: return "timeout";
    case ECONNREFUSED: return "refused";
    case EHOSTUNREACH:
    case ENETUNREACH: return "unreachable";
    default: break;
  }
  if (close.end & EV_END_RESET_SENT) return "reset_sent";
  switch (close.old_state) {
    case kFinWait2:
    case kTimeWait:
    case kLastAck:
    case kClosing: return "fin";
    case kSynSent: return "aborted";
    default: return "reset_sent";
  }
}

}  // namespace netsonde
