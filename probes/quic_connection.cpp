// SPDX-License-Identifier: Apache-2.0
#ifdef NETSONDE_HTTP3

#include "probes/quic_connection.h"

#include <fmt/format.h>
#include <gnutls/crypto.h>
#include <ngtcp2/ngtcp2_crypto.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>

namespace netsonde {

namespace {

constexpr std::size_t kLargestReceived = 2048;
constexpr std::size_t kSmallestPath = NGTCP2_MAX_UDP_PAYLOAD_SIZE;  // RFC 9000 14
constexpr std::size_t kServerIdBytes = 18;
constexpr int kMostAtOnce = 64;             // datagrams, before others have their turn
constexpr std::uint64_t kWindow = 1 << 20;  // to begin with, of the body
constexpr std::uint64_t kMostWindow = 6 << 20;
constexpr std::uint64_t kServerStreams = 8;  // HTTP/3 needs three

struct Congestion {
  std::string_view name;
  ngtcp2_cc_algo algorithm;
};

constexpr std::array kCongestion = {
    Congestion{.name = "cubic", .algorithm = NGTCP2_CC_ALGO_CUBIC},
    Congestion{.name = "reno", .algorithm = NGTCP2_CC_ALGO_RENO},
    Congestion{.name = "bbr", .algorithm = NGTCP2_CC_ALGO_BBR},
};

ngtcp2_tstamp timestamp(Time time) {
  return static_cast<ngtcp2_tstamp>(time.time_since_epoch().count());
}

ngtcp2_cid random_id(std::size_t bytes) {
  ngtcp2_cid id = {};
  id.datalen = bytes;
  gnutls_rnd(GNUTLS_RND_NONCE, id.data, bytes);
  return id;
}

ngtcp2_transport_params parameters() {
  ngtcp2_transport_params made;
  ngtcp2_transport_params_default(&made);
  made.initial_max_stream_data_bidi_local = kWindow;
  made.initial_max_stream_data_uni = 256 << 10;
  made.initial_max_data = kWindow;
  made.initial_max_streams_uni = kServerStreams;
  made.max_udp_payload_size = kLargestReceived;
  return made;
}

ngtcp2_addr address_of(UdpSocket::End& end) {
  return {.addr = reinterpret_cast<ngtcp2_sockaddr*>(&end.address), .addrlen = end.size};
}

}  // namespace

QuicConnection::QuicConnection(Loop& loop, TlsClient& tls, Http3Streams& streams,
                               OnChange on_change)
    : loop_(loop), tls_(tls), streams_(streams), on_change_(std::move(on_change)) {}

QuicConnection::~QuicConnection() {
  if (timer_ >= 0) loop_.forget(timer_);
  if (socket_.fd() >= 0) loop_.forget(socket_.fd());
}

ngtcp2_path QuicConnection::path() {
  return {.local = address_of(local_), .remote = address_of(remote_), .user_data = nullptr};
}

void QuicConnection::start(const Address& address, std::uint16_t port,
                           const SocketOptions& options) {
  times_.began = now_ = kernel_now();
  if (!options.congestion.empty()) congestion_ = options.congestion;
  if (std::ranges::find(kCongestion, congestion_, &Congestion::name) == kCongestion.end())
    return finish(FailureKind::Unsupported,
                  fmt::format("QUIC has no congestion control '{}' here; known: cubic, reno, bbr",
                              printable(congestion_)));
  if (const auto trouble = socket_.connect(address, port, options))
    return finish(failure_kind_of(*trouble), to_text(*trouble));
  if (const auto opened = open(); !opened)
    return finish(FailureKind::ConnectLocal, opened.error().message());
  write();
  rearm();
}

Result<> QuicConnection::open() {
  local_ = socket_.local_end();
  remote_ = socket_.remote_end();
  ngtcp2_settings settings;
  ngtcp2_settings_default(&settings);
  settings.cc_algo = std::ranges::find(kCongestion, congestion_, &Congestion::name)->algorithm;
  settings.initial_ts = timestamp(now_);
  settings.handshake_timeout = UINT64_MAX;     // that is for whoever has the limits
  settings.no_pmtud = !streams_.sends_body();  // what tries larger packets comes before the request
  settings.max_window = settings.max_stream_window = kMostWindow;
  const ngtcp2_transport_params offered = parameters();
  const ngtcp2_callbacks calls = callbacks();
  const ngtcp2_cid theirs = random_id(kServerIdBytes), ours = {};
  const ngtcp2_path where = path();
  ngtcp2_conn* quic = nullptr;
  if (const int error = ngtcp2_conn_client_new(&quic, &theirs, &ours, &where, NGTCP2_PROTO_VER_V1,
                                               &calls, &settings, &offered, nullptr, this))
    return Error(fmt::format("set up QUIC: {}", ngtcp2_strerror(error)));
  quic_.reset(quic);
  tls_.attach(quic);
  timer_ = TRY(loop_.every(Nanos(0), [this]() -> Result<> {
    on_timer();
    return {};
  }));
  return loop_.watch(socket_.fd(), [this]() -> Result<> {
    on_readable();
    return {};
  });
}

void QuicConnection::on_readable() {
  now_ = kernel_now();
  receive();
  write();
  rearm();
  on_change_();
}

void QuicConnection::on_timer() {
  now_ = kernel_now();
  if (ngtcp2_conn_get_expiry(quic_.get()) <= timestamp(now_)) {
    if (const int error = ngtcp2_conn_handle_expiry(quic_.get(), timestamp(now_))) fail(error);
    write();
  }
  rearm();
  on_change_();
}

void QuicConnection::receive() {
  std::array<std::uint8_t, kLargestReceived> buffer;
  const ngtcp2_path where = path();
  const ngtcp2_pkt_info info = {};
  int received = 0;
  for (; received < kMostAtOnce && !end_; ++received) {
    const auto datagram = socket_.receive(buffer);
    if (!datagram) break;
    if (datagram->bytes.empty()) continue;
    note_answer(*datagram);
    const int error = ngtcp2_conn_read_pkt(quic_.get(), &where, &info, datagram->bytes.data(),
                                           datagram->bytes.size(), timestamp(now_));
    if (error) fail(error);
  }
  if (received > 0) return;
  while (const auto trouble = socket_.trouble()) take_trouble(*trouble, 0);
}

void QuicConnection::note_answer(const UdpSocket::Datagram& datagram) {
  if (times_.answered) return;
  times_.answered = now_;
  if (!datagram.arrived_ns) return;
  const Nanos delay(now_.time_since_epoch().count() + realtime_offset_ns() - *datagram.arrived_ns);
  if (delay >= Nanos(0)) prober_delay_ = delay;
}

void QuicConnection::take_trouble(const UdpSocket::Trouble& trouble, std::size_t datagram_bytes) {
  if (trouble.error == EMSGSIZE) {
    // Larger ones are tries: what gets through is found out that way.
    if (datagram_bytes == 0 || datagram_bytes > kSmallestPath) return;
    return finish(
        FailureKind::ConnectUnreachable,
        fmt::format("the way there does not carry datagrams of {} bytes, which QUIC needs",
                    datagram_bytes));
  }
  if (!times_.answered) return finish(failure_kind_of(trouble), to_text(trouble));
  if (trouble.error == ECONNREFUSED)
    return finish(FailureKind::Reset, "nobody listens there any more: " + to_text(trouble));
  trouble_ = to_text(trouble);
}

void QuicConnection::write() {
  if (end_ || !quic_) return;
  now_ = kernel_now();  // what came took its time, and round trips are counted from here
  std::array<std::uint8_t, NGTCP2_MAX_PMTUD_UDP_PAYLOAD_SIZE> packet;
  const std::size_t quantum = ngtcp2_conn_get_send_quantum(quic_.get());
  for (std::size_t sent = 0; sent < quantum && !end_;) {
    const std::size_t bytes = write_packet(packet, now_);
    if (bytes == 0) break;
    // Before, not after: the peer may have answered by the time that send() returns.
    if (streams_.request_sent() && !times_.requested) times_.requested = kernel_now();
    send(std::span(packet).first(bytes));
    sent += bytes;
  }
  if (end_) return;
  // This paces what follows by the round trip: with none measured it would take 333 ms for it, and
  // hold back the request by 24 ms.
  if (times_.connected) ngtcp2_conn_update_pkt_tx_time(quic_.get(), timestamp(now_));
}

std::size_t QuicConnection::write_packet(std::span<std::uint8_t> packet, Time now) {
  Http3Streams::Outgoing outgoing;
  while (true) {
    if (!streams_.next(outgoing)) return fail(NGTCP2_ERR_CALLBACK_FAILURE), 0;
    const std::uint32_t flags =
        NGTCP2_WRITE_STREAM_FLAG_MORE | (outgoing.fin ? NGTCP2_WRITE_STREAM_FLAG_FIN : 0U);
    ngtcp2_ssize taken = -1;
    ngtcp2_pkt_info info = {};
    const ngtcp2_ssize written = ngtcp2_conn_writev_stream(
        quic_.get(), nullptr, &info, packet.data(), packet.size(), &taken, flags, outgoing.stream,
        reinterpret_cast<const ngtcp2_vec*>(outgoing.parts.data()), outgoing.count, timestamp(now));
    if (taken >= 0 && !streams_.sent(outgoing, static_cast<std::size_t>(taken)))
      return fail(NGTCP2_ERR_CALLBACK_FAILURE), 0;
    if (written >= 0) return static_cast<std::size_t>(written);
    switch (written) {
      case NGTCP2_ERR_WRITE_MORE: break;
      case NGTCP2_ERR_STREAM_DATA_BLOCKED: streams_.block(outgoing.stream); break;
      case NGTCP2_ERR_STREAM_SHUT_WR: streams_.shut(outgoing.stream); break;
      default: return fail(static_cast<int>(written)), 0;
    }
  }
}

void QuicConnection::send(std::span<const std::uint8_t> packet) {
  if (datagrams_sent_++ == 0) times_.began = kernel_now();
  if (const auto trouble = socket_.send(packet)) take_trouble(*trouble, packet.size());
}

void QuicConnection::rearm() {
  if (timer_ < 0) return;
  const ngtcp2_tstamp expiry = end_ ? UINT64_MAX : ngtcp2_conn_get_expiry(quic_.get());
  Nanos wait(0);  // never
  if (expiry != UINT64_MAX) {
    const auto left = static_cast<std::int64_t>(expiry) - now_.time_since_epoch().count();
    wait = std::max(Nanos(left), Nanos(1));
  }
  (void)loop_.set_interval(timer_, wait);
}

void QuicConnection::finish(FailureKind kind, std::string detail) {
  if (!end_) end_ = QuicEnd{.kind = kind, .detail = std::move(detail)};
}

void QuicConnection::fail(int error) {
  if (end_) return;
  error_ = error;
  end_ = end_of_error(error);
}

void QuicConnection::close() {
  const bool gone = reset_ || error_ == NGTCP2_ERR_DRAINING || error_ == NGTCP2_ERR_DROP_CONN ||
                    error_ == NGTCP2_ERR_IDLE_CLOSE;
  if (closed_ || gone || !quic_ || !times_.answered) return;
  closed_ = true;
  std::array<std::uint8_t, kSmallestPath> packet;
  const ngtcp2_connection_close_error reason = reason_to_close();
  ngtcp2_pkt_info info = {};
  const ngtcp2_ssize bytes = ngtcp2_conn_write_connection_close(
      quic_.get(), nullptr, &info, packet.data(), packet.size(), &reason, timestamp(kernel_now()));
  if (bytes > 0) (void)socket_.send(std::span(packet).first(static_cast<std::size_t>(bytes)));
}

KernelFacts QuicConnection::facts() const {
  KernelFacts facts;
  if (!quic_) return facts;
  facts.cookie = socket_.cookie();
  facts.segments_sent = datagrams_sent_;
  facts.congestion_control = "quic " + congestion_;
  facts.receive_buffer_bytes = socket_.receive_buffer_bytes();
  facts.dscp = socket_.dscp();
  facts.prober_delay = prober_delay_;
  ngtcp2_conn_stat figures;
  ngtcp2_conn_get_conn_stat(quic_.get(), &figures);
  if (figures.max_tx_udp_payload_size > 0)
    facts.cwnd_segments =
        static_cast<std::uint32_t>(figures.cwnd / figures.max_tx_udp_payload_size);
  if (figures.delivery_rate_sec > 0) facts.delivery_bytes_per_s = figures.delivery_rate_sec;
  if (figures.first_rtt_sample_ts == UINT64_MAX) return facts;
  facts.min_rtt = Nanos(static_cast<std::int64_t>(figures.min_rtt));
  facts.srtt = Nanos(static_cast<std::int64_t>(figures.smoothed_rtt));
  return facts;
}

}  // namespace netsonde

#endif
