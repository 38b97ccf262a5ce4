// SPDX-License-Identifier: Apache-2.0
#ifdef NETSONDE_HTTP3

#include "probes/http3_streams.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <string_view>
#include <vector>

#include "probes/quic_errors.h"
#include "user/base/text.h"

namespace netsonde {

namespace {

constexpr std::size_t kPieceBytes = 16 << 10;
constexpr std::array<std::uint8_t, kPieceBytes> kPiece = {};

std::string lower(std::string_view text) {
  std::string made(text);
  std::ranges::transform(made, made.begin(), [](unsigned char c) { return std::tolower(c); });
  return made;
}

const std::uint8_t* bytes_of(std::string_view text) {
  return reinterpret_cast<const std::uint8_t*>(text.data());
}

std::string_view text_of(nghttp3_rcbuf* buffer) {
  const nghttp3_vec bytes = nghttp3_rcbuf_get_buf(buffer);
  return {reinterpret_cast<const char*>(bytes.base), bytes.len};
}

bool has_body(const HttpOptions& http) {
  return http.send_bytes > 0 && http.method != "GET" && http.method != "HEAD";
}

using Header = std::pair<std::string, std::string>;

// Those that the request gives replace ours; "Host" is :authority here (RFC 9114 4.3.1).
std::vector<Header> headers_of(const ProbeRequest& request) {
  std::vector<Header> headers = {{":method", request.http.method},
                                 {":scheme", "https"},
                                 {":authority", request.target.authority()},
                                 {":path", request.target.path.empty() ? "/" : request.target.path},
                                 {"accept", "*/*"},
                                 {"user-agent", "netsonde/" NETSONDE_VERSION}};
  if (!request.http.encoding.empty())
    headers.emplace_back("accept-encoding", request.http.encoding);
  if (has_body(request.http))
    headers.emplace_back("content-length", std::to_string(request.http.send_bytes));
  const std::size_t ours = headers.size();
  for (const auto& [given, value] : request.http.headers) {
    const std::string name = lower(given) == "host" ? ":authority" : lower(given);
    const auto end = headers.begin() + static_cast<std::ptrdiff_t>(ours);
    const auto same = std::find_if(headers.begin(), end,
                                   [&name](const Header& header) { return header.first == name; });
    if (same != end)
      same->second = value;
    else
      headers.emplace_back(name, value);
  }
  return headers;
}

nghttp3_nv entry_of(const Header& header) {
  return {.name = const_cast<std::uint8_t*>(bytes_of(header.first)),
          .value = const_cast<std::uint8_t*>(bytes_of(header.second)),
          .namelen = header.first.size(),
          .valuelen = header.second.size(),
          .flags = NGHTTP3_NV_FLAG_NONE};
}

bool may_be_sent(const Header& header) {
  return (header.first.starts_with(':') ||
          nghttp3_check_header_name(bytes_of(header.first), header.first.size())) &&
         nghttp3_check_header_value(bytes_of(header.second), header.second.size());
}

Http3Streams& streams_of(void* self) {
  return *static_cast<Http3Streams*>(self);
}

}  // namespace

Http3Streams::Http3Streams(const ProbeRequest& request)
    : request_(request),
      body_bytes_(has_body(request.http) ? request.http.send_bytes : 0),
      body_left_(body_bytes_),
      response_(request.limits.body_bytes) {}

bool Http3Streams::fail(ProbePhase phase, FailureKind kind, std::string detail,
                        std::uint64_t code) {
  if (failure_) return false;
  failure_ = Failure{.phase = phase, .kind = kind, .detail = std::move(detail)};
  close_code_ = code;
  return false;
}

bool Http3Streams::fail_in_library(int error) {
  const ProbePhase phase = response_.has_status() ? ProbePhase::Transfer : ProbePhase::Response;
  return fail(phase, FailureKind::HttpMalformed,
              fmt::format("the server's HTTP/3 makes no sense: {}", nghttp3_strerror(error)),
              nghttp3_err_infer_quic_app_error_code(error));
}

nghttp3_callbacks Http3Streams::callbacks() {
  nghttp3_callbacks callbacks = {};
  callbacks.acked_stream_data = on_body_acknowledged;
  callbacks.begin_headers = on_begin_headers;
  callbacks.recv_header = on_header;
  callbacks.recv_data = on_body;
  callbacks.deferred_consume = on_consumed;
  callbacks.end_stream = on_end;
  callbacks.stop_sending = on_stop;
  callbacks.reset_stream = on_abort;
  return callbacks;
}

bool Http3Streams::start(ngtcp2_conn* quic) {
  quic_ = quic;
  nghttp3_settings settings;
  nghttp3_settings_default(&settings);
  settings.max_field_section_size = Http3Response::kMostHeaderBytes;
  const nghttp3_callbacks calls = callbacks();
  nghttp3_conn* http3 = nullptr;
  if (const int error = nghttp3_conn_client_new(&http3, &calls, &settings, nullptr, this))
    return fail_in_library(error);
  http3_.reset(http3);
  return open_streams() && submit();
}

bool Http3Streams::open_streams() {
  std::int64_t control = -1, encoder = -1, decoder = -1;
  if (ngtcp2_conn_open_uni_stream(quic_, &control, nullptr) ||
      ngtcp2_conn_open_uni_stream(quic_, &encoder, nullptr) ||
      ngtcp2_conn_open_uni_stream(quic_, &decoder, nullptr) ||
      ngtcp2_conn_open_bidi_stream(quic_, &stream_, nullptr))
    return fail(ProbePhase::Request, FailureKind::HttpMalformed,
                "the server lets no streams be opened", NGHTTP3_H3_GENERAL_PROTOCOL_ERROR);
  int error = nghttp3_conn_bind_control_stream(http3_.get(), control);
  if (!error) error = nghttp3_conn_bind_qpack_streams(http3_.get(), encoder, decoder);
  return !error || fail_in_library(error);
}

bool Http3Streams::submit() {
  const std::vector<Header> headers = headers_of(request_);
  std::vector<nghttp3_nv> entries;
  for (const Header& header : headers) {
    if (!may_be_sent(header))
      return fail(ProbePhase::Request, FailureKind::Unsupported,
                  fmt::format("HTTP/3 has no header '{}: {}'", printable(header.first),
                              printable(header.second)),
                  NGHTTP3_H3_NO_ERROR);
    entries.push_back(entry_of(header));
  }
  const nghttp3_data_reader reader = {.read_data = on_body_wanted};
  const int error =
      nghttp3_conn_submit_request(http3_.get(), stream_, entries.data(), entries.size(),
                                  body_left_ ? &reader : nullptr, nullptr);
  return !error || fail_in_library(error);
}

bool Http3Streams::on_data(std::int64_t stream, std::span<const std::uint8_t> bytes, bool fin,
                           Time now) {
  if (stream == stream_) {
    if (!first_byte_) first_byte_ = now;
    last_byte_ = now;
  }
  const nghttp3_ssize taken =
      nghttp3_conn_read_stream(http3_.get(), stream, bytes.data(), bytes.size(), fin);
  if (first_byte_ == now) first_body_bytes_ = response_.body_bytes();
  if (failure_) return false;
  if (taken < 0 && stream == stream_ && fin && response_.is_short())
    return fail(ProbePhase::Transfer, FailureKind::HttpTruncated,
                "the body ended after " + response_.progress(), NGHTTP3_H3_MESSAGE_ERROR);
  if (taken < 0) return fail_in_library(static_cast<int>(taken));
  consumed(stream, static_cast<std::size_t>(taken));
  return true;
}

void Http3Streams::consumed(std::int64_t stream, std::size_t bytes) {
  ngtcp2_conn_extend_max_stream_offset(quic_, stream, bytes);
  ngtcp2_conn_extend_max_offset(quic_, bytes);
}

bool Http3Streams::on_acknowledged(std::int64_t stream, std::uint64_t bytes) {
  const int error = nghttp3_conn_add_ack_offset(http3_.get(), stream, bytes);
  return !error || fail_in_library(error);
}

bool Http3Streams::on_closed(std::int64_t stream, std::uint64_t code) {
  const int error = nghttp3_conn_close_stream(http3_.get(), stream, code);
  return !error || error == NGHTTP3_ERR_STREAM_NOT_FOUND || fail_in_library(error);
}

bool Http3Streams::on_reset(std::int64_t stream, std::uint64_t code) {
  if (stream == stream_ && !response_.ended()) {
    const bool begun = response_.has_status();
    return fail(begun ? ProbePhase::Transfer : ProbePhase::Response,
                begun ? FailureKind::HttpTruncated : FailureKind::Reset,
                fmt::format("the server gave up the response: {}{}", http3_error_text(code),
                            begun ? ", after " + response_.progress() : ""),
                NGHTTP3_H3_NO_ERROR);
  }
  const int error = nghttp3_conn_shutdown_stream_read(http3_.get(), stream);
  return !error || fail_in_library(error);
}

bool Http3Streams::on_room(std::int64_t stream) {
  const int error = nghttp3_conn_unblock_stream(http3_.get(), stream);
  return !error || fail_in_library(error);
}

bool Http3Streams::next(Outgoing& outgoing) {
  outgoing = {};
  if (!http3_ || ngtcp2_conn_get_max_data_left(quic_) == 0) return true;
  int fin = 0;
  const nghttp3_ssize count = nghttp3_conn_writev_stream(
      http3_.get(), &outgoing.stream, &fin, outgoing.parts.data(), outgoing.parts.size());
  if (count < 0) return fail_in_library(static_cast<int>(count));
  outgoing.count = static_cast<std::size_t>(count);
  outgoing.fin = fin != 0;
  return true;
}

bool Http3Streams::sent(const Outgoing& outgoing, std::size_t bytes) {
  const int error = nghttp3_conn_add_write_offset(http3_.get(), outgoing.stream, bytes);
  const bool all = bytes == nghttp3_vec_len(outgoing.parts.data(), outgoing.count);
  if (outgoing.stream == stream_ && outgoing.fin && all) request_sent_ = true;
  return !error || fail_in_library(error);
}

int Http3Streams::on_begin_headers(nghttp3_conn*, std::int64_t stream, void* self, void*) noexcept {
  if (stream == streams_of(self).stream_) streams_of(self).response_.begin_headers();
  return 0;
}

int Http3Streams::on_header(nghttp3_conn*, std::int64_t stream, std::int32_t, nghttp3_rcbuf* name,
                            nghttp3_rcbuf* value, std::uint8_t, void* self, void*) noexcept {
  Http3Streams& streams = streams_of(self);
  if (stream != streams.stream_) return 0;
  auto failure = streams.response_.add_header(text_of(name), text_of(value));
  if (!failure) return 0;
  streams.fail(failure->phase, failure->kind, failure->detail, NGHTTP3_H3_EXCESSIVE_LOAD);
  return NGHTTP3_ERR_CALLBACK_FAILURE;
}

int Http3Streams::on_body(nghttp3_conn*, std::int64_t stream, const std::uint8_t*,
                          std::size_t count, void* self, void*) noexcept {
  Http3Streams& streams = streams_of(self);
  streams.consumed(stream, count);
  if (stream != streams.stream_) return 0;
  auto failure = streams.response_.add_body(count);
  if (!failure) return 0;
  streams.fail(failure->phase, failure->kind, failure->detail, NGHTTP3_H3_REQUEST_CANCELLED);
  return NGHTTP3_ERR_CALLBACK_FAILURE;
}

int Http3Streams::on_consumed(nghttp3_conn*, std::int64_t stream, std::size_t count, void* self,
                              void*) noexcept {
  streams_of(self).consumed(stream, count);
  return 0;
}

int Http3Streams::on_end(nghttp3_conn*, std::int64_t stream, void* self, void*) noexcept {
  if (stream == streams_of(self).stream_) streams_of(self).response_.end();
  return 0;
}

int Http3Streams::on_stop(nghttp3_conn*, std::int64_t stream, std::uint64_t code, void* self,
                          void*) noexcept {
  ngtcp2_conn_shutdown_stream_read(streams_of(self).quic_, stream, code);
  return 0;
}

int Http3Streams::on_abort(nghttp3_conn*, std::int64_t stream, std::uint64_t code, void* self,
                           void*) noexcept {
  ngtcp2_conn_shutdown_stream_write(streams_of(self).quic_, stream, code);
  return 0;
}

int Http3Streams::on_body_acknowledged(nghttp3_conn*, std::int64_t, std::uint64_t count, void* self,
                                       void*) noexcept {
  streams_of(self).body_acknowledged_ += count;
  return 0;
}

nghttp3_ssize Http3Streams::on_body_wanted(nghttp3_conn*, std::int64_t, nghttp3_vec* parts,
                                           std::size_t count, std::uint32_t* flags, void* self,
                                           void*) noexcept {
  Http3Streams& streams = streams_of(self);
  std::size_t filled = 0;
  for (; filled < count && streams.body_left_ > 0; ++filled) {
    const std::size_t bytes = std::min<std::uint64_t>(streams.body_left_, kPiece.size());
    parts[filled] = {.base = const_cast<std::uint8_t*>(kPiece.data()), .len = bytes};
    streams.body_left_ -= bytes;
  }
  if (streams.body_left_ == 0) *flags |= NGHTTP3_DATA_FLAG_EOF;
  return static_cast<nghttp3_ssize>(filled);
}

}  // namespace netsonde

#endif
