// SPDX-License-Identifier: Apache-2.0
#pragma once

#ifdef NETSONDE_HTTP3

#include <nghttp3/nghttp3.h>
#include <ngtcp2/ngtcp2.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "probes/http3_response.h"
#include "probes/prober.h"

namespace netsonde {

// HTTP/3 over one QUIC connection: one request and its response. Whoever runs the connection hands
// over what comes and asks for what is to be sent. Functions that return false have found a
// failure, after which the connection is to be closed.
class Http3Streams {
 public:
  // What one stream wants to send now; stream -1: nothing.
  struct Outgoing {
    std::int64_t stream = -1;
    bool fin = false;
    std::array<nghttp3_vec, 8> parts{};
    std::size_t count = 0;
  };

  explicit Http3Streams(const ProbeRequest& request);
  Http3Streams(const Http3Streams&) = delete;
  Http3Streams& operator=(const Http3Streams&) = delete;

  // With the handshake done: opens the streams and queues the request. The connection ends before
  // this object, or is not used by it any more.
  bool start(ngtcp2_conn* quic);
  bool on_data(std::int64_t stream, std::span<const std::uint8_t> bytes, bool fin, Time now);
  bool on_acknowledged(std::int64_t stream, std::uint64_t bytes);
  bool on_closed(std::int64_t stream, std::uint64_t code);
  bool on_reset(std::int64_t stream, std::uint64_t code);
  bool on_room(std::int64_t stream);

  bool next(Outgoing& outgoing);
  bool sent(const Outgoing& outgoing, std::size_t bytes);
  // The peer takes no more of it for now, or never again.
  void block(std::int64_t stream) { nghttp3_conn_block_stream(http3_.get(), stream); }
  void shut(std::int64_t stream) { nghttp3_conn_shutdown_stream_write(http3_.get(), stream); }

  bool sends_body() const { return body_bytes_ > 0; }
  bool request_sent() const { return request_sent_; }
  // Of the request's body; until all of it is, those that the server acknowledged.
  std::uint64_t sent_body_bytes() const { return request_sent_ ? body_bytes_ : body_acknowledged_; }
  const Http3Response& response() const { return response_; }
  // When the first and the last byte of the response came.
  std::optional<Time> first_byte() const { return first_byte_; }
  std::optional<Time> last_byte() const { return last_byte_; }
  // Of the body, what came after whatever came with the first byte.
  std::uint64_t later_body_bytes() const { return response_.body_bytes() - first_body_bytes_; }
  const std::optional<Failure>& failure() const { return failure_; }
  // With what code to close the connection.
  std::uint64_t close_code() const { return close_code_; }

 private:
  struct Free {
    void operator()(nghttp3_conn* owned) const { nghttp3_conn_del(owned); }
  };

  static nghttp3_callbacks callbacks();
  bool open_streams();
  bool submit();
  bool fail(ProbePhase phase, FailureKind kind, std::string detail, std::uint64_t code);
  bool fail_in_library(int error);
  void consumed(std::int64_t stream, std::size_t bytes);

  static int on_header(nghttp3_conn*, std::int64_t stream, std::int32_t token, nghttp3_rcbuf* name,
                       nghttp3_rcbuf* value, std::uint8_t flags, void* self, void*) noexcept;
  static int on_begin_headers(nghttp3_conn*, std::int64_t stream, void* self, void*) noexcept;
  static int on_body(nghttp3_conn*, std::int64_t stream, const std::uint8_t* bytes,
                     std::size_t count, void* self, void*) noexcept;
  static int on_consumed(nghttp3_conn*, std::int64_t stream, std::size_t count, void* self,
                         void*) noexcept;
  static int on_end(nghttp3_conn*, std::int64_t stream, void* self, void*) noexcept;
  static int on_stop(nghttp3_conn*, std::int64_t stream, std::uint64_t code, void* self,
                     void*) noexcept;
  static int on_abort(nghttp3_conn*, std::int64_t stream, std::uint64_t code, void* self,
                      void*) noexcept;
  static int on_body_acknowledged(nghttp3_conn*, std::int64_t stream, std::uint64_t count,
                                  void* self, void*) noexcept;
  static nghttp3_ssize on_body_wanted(nghttp3_conn*, std::int64_t stream, nghttp3_vec* parts,
                                      std::size_t count, std::uint32_t* flags, void* self,
                                      void*) noexcept;

  const ProbeRequest& request_;
  ngtcp2_conn* quic_ = nullptr;
  std::int64_t stream_ = -1;  // that of the request
  std::uint64_t body_bytes_ = 0, body_left_ = 0, body_acknowledged_ = 0;
  bool request_sent_ = false;
  Http3Response response_;
  std::optional<Time> first_byte_, last_byte_;
  std::uint64_t first_body_bytes_ = 0;
  std::optional<Failure> failure_;
  std::uint64_t close_code_ = NGHTTP3_H3_NO_ERROR;
  std::unique_ptr<nghttp3_conn, Free> http3_;
};

}  // namespace netsonde

#endif
