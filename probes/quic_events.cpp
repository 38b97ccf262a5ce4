// SPDX-License-Identifier: Apache-2.0
#ifdef NETSONDE_HTTP3

#include <fmt/format.h>
#include <gnutls/crypto.h>
#include <ngtcp2/ngtcp2_crypto.h>

#include <algorithm>

#include "probes/quic_connection.h"

// What the QUIC library tells a connection, and how it ends.

namespace netsonde {

namespace {

constexpr std::size_t kMostVersions = 8;  // of those that a server speaks, in words

bool fill_random(std::span<std::uint8_t> bytes) {
  return gnutls_rnd(GNUTLS_RND_NONCE, bytes.data(), bytes.size()) >= 0;
}

void on_random(std::uint8_t* bytes, std::size_t count, const ngtcp2_rand_ctx*) noexcept {
  fill_random(std::span(bytes, count));
}

int on_new_id(ngtcp2_conn*, ngtcp2_cid* id, std::uint8_t* token, std::size_t bytes,
              void*) noexcept {
  id->datalen = bytes;
  const bool filled = fill_random(std::span(id->data, bytes)) &&
                      fill_random(std::span(token, NGTCP2_STATELESS_RESET_TOKENLEN));
  return filled ? 0 : NGTCP2_ERR_CALLBACK_FAILURE;
}

QuicConnection& connection_of(void* self) {
  return *static_cast<QuicConnection*>(self);
}

int result_of(bool ok) {
  return ok ? 0 : NGTCP2_ERR_CALLBACK_FAILURE;
}

}  // namespace

ngtcp2_callbacks QuicConnection::callbacks() {
  ngtcp2_callbacks callbacks = {};
  callbacks.client_initial = ngtcp2_crypto_client_initial_cb;
  callbacks.recv_crypto_data = ngtcp2_crypto_recv_crypto_data_cb;
  callbacks.handshake_completed = on_handshake;
  callbacks.recv_version_negotiation = on_versions;
  callbacks.encrypt = ngtcp2_crypto_encrypt_cb;
  callbacks.decrypt = ngtcp2_crypto_decrypt_cb;
  callbacks.hp_mask = ngtcp2_crypto_hp_mask_cb;
  callbacks.recv_stream_data = on_stream_data;
  callbacks.acked_stream_data_offset = on_stream_acknowledged;
  callbacks.stream_close = on_stream_closed;
  callbacks.recv_stateless_reset = on_stateless_reset;
  callbacks.recv_retry = ngtcp2_crypto_recv_retry_cb;
  callbacks.rand = on_random;
  callbacks.get_new_connection_id = on_new_id;
  callbacks.update_key = ngtcp2_crypto_update_key_cb;
  callbacks.stream_reset = on_stream_reset;
  callbacks.extend_max_stream_data = on_stream_room;
  callbacks.delete_crypto_aead_ctx = ngtcp2_crypto_delete_crypto_aead_ctx_cb;
  callbacks.delete_crypto_cipher_ctx = ngtcp2_crypto_delete_crypto_cipher_ctx_cb;
  callbacks.get_path_challenge_data = ngtcp2_crypto_get_path_challenge_data_cb;
  callbacks.version_negotiation = ngtcp2_crypto_version_negotiation_cb;
  return callbacks;
}

int QuicConnection::on_handshake(ngtcp2_conn* quic, void* self) noexcept {
  QuicConnection& connection = connection_of(self);
  connection.times_.connected = kernel_now();
  return result_of(connection.streams_.start(quic));
}

int QuicConnection::on_versions(ngtcp2_conn*, const ngtcp2_pkt_hd*, const std::uint32_t* versions,
                                std::size_t count, void* self) noexcept {
  std::string& text = connection_of(self).versions_;
  for (const std::uint32_t version : std::span(versions, std::min(count, kMostVersions)))
    text += fmt::format("{}{:#x}", text.empty() ? "" : ", ", version);
  return 0;
}

int QuicConnection::on_stream_data(ngtcp2_conn*, std::uint32_t flags, std::int64_t stream,
                                   std::uint64_t, const std::uint8_t* bytes, std::size_t count,
                                   void* self, void*) noexcept {
  QuicConnection& connection = connection_of(self);
  return result_of(connection.streams_.on_data(
      stream, std::span(bytes, count), flags & NGTCP2_STREAM_DATA_FLAG_FIN, connection.now_));
}

int QuicConnection::on_stream_acknowledged(ngtcp2_conn*, std::int64_t stream, std::uint64_t,
                                           std::uint64_t count, void* self, void*) noexcept {
  return result_of(connection_of(self).streams_.on_acknowledged(stream, count));
}

int QuicConnection::on_stream_closed(ngtcp2_conn*, std::uint32_t flags, std::int64_t stream,
                                     std::uint64_t code, void* self, void*) noexcept {
  const bool given = flags & NGTCP2_STREAM_CLOSE_FLAG_APP_ERROR_CODE_SET;
  return result_of(
      connection_of(self).streams_.on_closed(stream, given ? code : NGHTTP3_H3_NO_ERROR));
}

int QuicConnection::on_stream_reset(ngtcp2_conn*, std::int64_t stream, std::uint64_t,
                                    std::uint64_t code, void* self, void*) noexcept {
  return result_of(connection_of(self).streams_.on_reset(stream, code));
}

int QuicConnection::on_stream_room(ngtcp2_conn*, std::int64_t stream, std::uint64_t, void* self,
                                   void*) noexcept {
  return result_of(connection_of(self).streams_.on_room(stream));
}

int QuicConnection::on_stateless_reset(ngtcp2_conn*, const ngtcp2_pkt_stateless_reset*,
                                       void* self) noexcept {
  connection_of(self).reset_ = true;
  return 0;
}

QuicEnd QuicConnection::end_of_error(int error) const {
  const bool connected = times_.connected.has_value();
  if (reset_)
    return {.kind = FailureKind::Reset, .detail = "the server does not know the connection"};
  switch (error) {
    case NGTCP2_ERR_DRAINING: {
      ngtcp2_connection_close_error said;
      ngtcp2_conn_get_connection_close_error(quic_.get(), &said);
      const auto* reason = reinterpret_cast<const char*>(said.reason);
      return end_of(
          {.application = said.type == NGTCP2_CONNECTION_CLOSE_ERROR_CODE_TYPE_APPLICATION,
           .code = said.error_code,
           .reason = reason ? std::string(reason, said.reasonlen) : std::string()},
          connected);
    }
    case NGTCP2_ERR_IDLE_CLOSE:
      return {.kind = FailureKind::HttpTimeout, .detail = "nothing came for as long as agreed on"};
    case NGTCP2_ERR_RECV_VERSION_NEGOTIATION:
      return {.kind = FailureKind::TlsProtocol,
              .detail = fmt::format("the server speaks QUIC versions {}, not 1", versions_)};
    case NGTCP2_ERR_CRYPTO:
      if (!tls_.distrust().empty())
        return {.kind = FailureKind::TlsCertificate, .detail = tls_.distrust()};
      return {.kind = FailureKind::TlsProtocol,
              .detail = gnutls_strerror(ngtcp2_conn_get_tls_error(quic_.get()))};
    case NGTCP2_ERR_CALLBACK_FAILURE:
      if (const auto& failure = streams_.failure())
        return {.kind = failure->kind, .detail = failure->detail};
      [[fallthrough]];
    default:
      return {
          .kind = connected ? FailureKind::HttpMalformed : FailureKind::TlsProtocol,
          .detail = fmt::format("the server's QUIC makes no sense: {}", ngtcp2_strerror(error))};
  }
}

ngtcp2_connection_close_error QuicConnection::reason_to_close() const {
  ngtcp2_connection_close_error reason;
  ngtcp2_connection_close_error_default(&reason);
  if (error_ == NGTCP2_ERR_CRYPTO)
    ngtcp2_connection_close_error_set_transport_error_tls_alert(
        &reason, ngtcp2_conn_get_tls_alert(quic_.get()), nullptr, 0);
  else if (error_ != 0 && !streams_.failure())
    ngtcp2_connection_close_error_set_transport_error_liberr(&reason, error_, nullptr, 0);
  else
    ngtcp2_connection_close_error_set_application_error(&reason, streams_.close_code(), nullptr, 0);
  return reason;
}

}  // namespace netsonde

#endif
