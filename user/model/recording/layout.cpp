// SPDX-License-Identifier: Apache-2.0
#include "user/model/recording/layout.h"

#include <algorithm>
#include <string_view>
#include <type_traits>

#include "user/model/event.h"
#include "user/model/recording/format.h"
#include "user/model/recording/records.h"

namespace netsonde::recording {

namespace {

using Fields = std::vector<FieldLayout>;

template <typename Member>
constexpr std::uint32_t elements() {
  if constexpr (std::is_array_v<Member>) return std::extent_v<Member>;
  return 1;
}

template <typename Member>
FieldLayout field(const char* name, std::size_t offset) {
  using Element = std::remove_all_extents_t<Member>;
  static_assert(std::is_arithmetic_v<Element>);
  return {.name = name,
          .offset = static_cast<std::uint32_t>(offset),
          .width = sizeof(Element),
          .count = elements<Member>()};
}

// One member of a struct; F(T, a) is "a" at its place.
#define F(type, member) field<decltype(type::member)>(#member, offsetof(type, member))

// Members of a struct that is a member itself.
Fields within(const std::string& name, std::size_t offset, Fields fields) {
  for (FieldLayout& field : fields) {
    field.name = name + "." + field.name;
    field.offset += static_cast<std::uint32_t>(offset);
  }
  return fields;
}

Fields joined(std::initializer_list<Fields> parts) {
  Fields all;
  for (const Fields& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

Fields header() {
  return within("header", 0,
                {F(ev_header, time_ns), F(ev_header, kind), F(ev_header, size), F(ev_header, cpu)});
}

Fields conn() {
  return within(
      "conn", sizeof(ev_header),
      {F(ev_conn, cookie), F(ev_conn, local), F(ev_conn, remote), F(ev_conn, local_port),
       F(ev_conn, remote_port), F(ev_conn, netns), F(ev_conn, start_ns), F(ev_conn, cgroup),
       F(ev_conn, uid), F(ev_conn, pid), F(ev_conn, owner), F(ev_conn, direction),
       F(ev_conn, state), F(ev_conn, deep), F(ev_conn, pad), F(ev_conn, comm)});
}

Fields sample_counters() {
  return {F(ev_sample, established_ns),
          F(ev_sample, tx_bytes),
          F(ev_sample, rx_bytes),
          F(ev_sample, retransmitted_bytes),
          F(ev_sample, pacing_rate),
          F(ev_sample, segs_out),
          F(ev_sample, segs_in),
          F(ev_sample, data_segs_out),
          F(ev_sample, data_segs_in),
          F(ev_sample, retransmitted),
          F(ev_sample, retransmits_unknown),
          F(ev_sample, retransmits_rto),
          F(ev_sample, retransmits_fast),
          F(ev_sample, retransmits_tlp),
          F(ev_sample, retransmits_syn),
          F(ev_sample, dsack_dups),
          F(ev_sample, undos),
          F(ev_sample, recoveries),
          F(ev_sample, losses),
          F(ev_sample, delivered),
          F(ev_sample, delivered_ce),
          F(ev_sample, lost),
          F(ev_sample, reord_seen),
          F(ev_sample, rcv_ooopack),
          F(ev_sample, drops),
          F(ev_sample, sk_drops)};
}

Fields sample_gauges() {
  return {F(ev_sample, srtt_us),
          F(ev_sample, rttvar_us),
          F(ev_sample, min_rtt_us),
          F(ev_sample, rto_us),
          F(ev_sample, rcv_rtt_us),
          F(ev_sample, cwnd),
          F(ev_sample, ssthresh),
          F(ev_sample, in_flight),
          F(ev_sample, mss),
          F(ev_sample, rcv_mss),
          F(ev_sample, advmss),
          F(ev_sample, reordering),
          F(ev_sample, snd_wnd),
          F(ev_sample, rcv_wnd),
          F(ev_sample, delivery_segs),
          F(ev_sample, delivery_us),
          F(ev_sample, send_queue),
          F(ev_sample, not_sent),
          F(ev_sample, receive_queue),
          F(ev_sample, sndbuf),
          F(ev_sample, rcvbuf),
          F(ev_sample, wmem_queued),
          F(ev_sample, rmem_alloc),
          F(ev_sample, backlog),
          F(ev_sample, busy_ms),
          F(ev_sample, rwnd_limited_ms),
          F(ev_sample, sndbuf_limited_ms),
          F(ev_sample, last_sent_ms),
          F(ev_sample, last_received_ms),
          F(ev_sample, last_ack_ms),
          F(ev_sample, rtt_samples),
          F(ev_sample, first_rtts),
          F(ev_sample, options),
          F(ev_sample, snd_wscale),
          F(ev_sample, rcv_wscale),
          F(ev_sample, ca_state),
          F(ev_sample, backoff),
          F(ev_sample, probes),
          F(ev_sample, old_state),
          F(ev_sample, error),
          F(ev_sample, end),
          F(ev_sample, pad),
          F(ev_sample, congestion),
          F(ev_sample, idle_restarts),
          F(ev_sample, restart_cwnd_before),
          F(ev_sample, restart_cwnd_after),
          F(ev_sample, restart_pause_ms),
          F(ev_sample, pad2)};
}

Fields sample() {
  return joined({header(), conn(), sample_counters(), sample_gauges()});
}

Fields retransmit() {
  return joined({header(),
                 conn(),
                 {F(ev_retransmit, segments), F(ev_retransmit, bytes), F(ev_retransmit, sequence),
                  F(ev_retransmit, error), F(ev_retransmit, kind), F(ev_retransmit, ca_state)}});
}

Fields reset() {
  return joined({header(), conn(), {F(ev_reset, reason), F(ev_reset, sent), F(ev_reset, pad)}});
}

Fields drop() {
  return joined(
      {header(),
       conn(),
       {F(ev_drop, location), F(ev_drop, reason), F(ev_drop, length), F(ev_drop, sequence),
        F(ev_drop, protocol), F(ev_drop, flags), F(ev_drop, incoming)}});
}

Fields congestion_state() {
  return joined({header(),
                 conn(),
                 {F(ev_congestion_state, cwnd), F(ev_congestion_state, ssthresh),
                  F(ev_congestion_state, old_state), F(ev_congestion_state, new_state),
                  F(ev_congestion_state, undone), F(ev_congestion_state, pad),
                  F(ev_congestion_state, rtt_us), F(ev_congestion_state, srtt_us),
                  F(ev_congestion_state, rttvar_us), F(ev_congestion_state, min_rtt_us)}});
}

Fields rtt() {
  return joined({header(),
                 conn(),
                 {F(ev_rtt, rtt_us), F(ev_rtt, srtt_us), F(ev_rtt, cwnd), F(ev_rtt, ssthresh),
                  F(ev_rtt, in_flight), F(ev_rtt, snd_wnd)}});
}

Fields histogram() {
  return joined({header(),
                 {F(ev_histogram, cookie), F(ev_histogram, samples), F(ev_histogram, pad),
                  F(ev_histogram, buckets)}});
}

Fields tick_values() {
  return {F(ev_tick, realtime_offset_ns),
          F(ev_tick, lost),
          F(ev_tick, benign_drops),
          F(ev_tick, cpu_ns),
          F(ev_tick, bpf_ns_per_s),
          F(ev_tick, complete),
          F(ev_tick, sampled),
          F(ev_tick, pad)};
}

Fields drop_count() {
  return joined({header(),
                 within("key", offsetof(ev_drop_count, key),
                        {F(ev_drop_key, location), F(ev_drop_key, reason), F(ev_drop_key, netns),
                         F(ev_drop_key, protocol), F(ev_drop_key, pad)}),
                 {F(ev_drop_count, count)}});
}

Fields store_state() {
  return joined({header(),
                 within("tick", offsetof(rec_store, tick), joined({header(), tick_values()})),
                 {F(rec_store, interval_ns), F(rec_store, last_pass_ns),
                  F(rec_store, last_complete_ns), F(rec_store, vanished)}});
}

Fields connection_state() {
  return joined({sample(),
                 {F(rec_connection, closed_ns),
                  F(rec_connection, sampled_ns),
                  F(rec_connection, base_tx),
                  F(rec_connection, base_rx),
                  F(rec_connection, base_time_ns),
                  F(rec_connection, base_segs_out),
                  F(rec_connection, base_segs_in),
                  F(rec_connection, base_retransmitted),
                  F(rec_connection, base_sk_drops),
                  F(rec_connection, base_drops),
                  F(rec_connection, base_busy_ms),
                  F(rec_connection, base_rwnd_ms),
                  F(rec_connection, base_sndbuf_ms),
                  F(rec_connection, tx_rate),
                  F(rec_connection, rx_rate),
                  F(rec_connection, retransmit_rate),
                  F(rec_connection, drop_rate),
                  F(rec_connection, rtt_p50),
                  F(rec_connection, rtt_p90),
                  F(rec_connection, rtt_p99),
                  F(rec_connection, rtt_count),
                  F(rec_connection, limit),
                  F(rec_connection, flags),
                  F(rec_connection, kind),
                  F(rec_connection, pad3)}});
}

Fields host() {
  return joined({header(), {F(rec_host, reading), F(rec_host, count)}});
}

template <typename Record>
RecordLayout layout(std::string_view name, std::uint16_t kind, Fields fields,
                    bool open_ended = false) {
  static_assert(sizeof(Record) % sizeof(std::uint32_t) == 0, "records are made of words");
  return {.name = std::string(name),
          .kind = kind,
          .size = sizeof(Record),
          .open_ended = open_ended,
          .fields = std::move(fields)};
}

template <typename Record>
RecordLayout event(ev_kind kind, Fields fields) {
  return layout<Record>(name_of(kind), static_cast<std::uint16_t>(kind), std::move(fields));
}

std::vector<RecordLayout> make_layouts() {
  const Fields open = joined({header(), conn()});
  return {
      event<ev_open>(EV_CONNECT, open),
      event<ev_open>(EV_ESTABLISHED, open),
      event<ev_open>(EV_ACCEPT, open),
      event<ev_open>(EV_LISTEN, open),
      event<ev_sample>(EV_CLOSE, sample()),
      event<ev_sample>(EV_LISTEN_CLOSE, sample()),
      event<ev_sample>(EV_SAMPLE, sample()),
      event<ev_retransmit>(EV_RETRANSMIT, retransmit()),
      event<ev_reset>(EV_RESET, reset()),
      event<ev_drop>(EV_DROP, drop()),
      event<ev_congestion_state>(EV_CONGESTION_STATE, congestion_state()),
      event<ev_histogram>(EV_HISTOGRAM, histogram()),
      event<ev_rtt>(EV_RTT, rtt()),
      event<ev_tick>(EV_TICK, joined({header(), tick_values()})),
      event<ev_drop_count>(EV_DROP_COUNT, drop_count()),
      layout<rec_name>("name", kName,
                       joined({header(), {F(rec_name, number), F(rec_name, of), F(rec_name, pad)}}),
                       true),
      layout<rec_host>("host_all", kHostAll, host(), true),
      layout<rec_host>("host_news", kHostNews, host(), true),
      layout<ev_header>("snapshot", kSnapshot, header()),
      layout<rec_store>("store_state", kStoreState, store_state()),
      layout<rec_connection>("connection_state", kConnectionState, connection_state()),
  };
}
#undef F

}  // namespace

std::span<const RecordLayout> own_layouts() {
  static const std::vector<RecordLayout> layouts = make_layouts();
  return layouts;
}

const RecordLayout* own_layout(std::uint16_t kind) {
  const auto layouts = own_layouts();
  const auto found = std::ranges::find(layouts, kind, &RecordLayout::kind);
  return found == layouts.end() ? nullptr : &*found;
}

Json to_json(std::span<const RecordLayout> layouts) {
  Json all = Json::array();
  for (const RecordLayout& layout : layouts) {
    Json fields = Json::array();
    for (const FieldLayout& field : layout.fields)
      fields.push_back({field.name, field.offset, field.width, field.count});
    all.push_back({{"name", layout.name},
                   {"kind", layout.kind},
                   {"size", layout.size},
                   {"open_ended", layout.open_ended},
                   {"fields", std::move(fields)}});
  }
  return all;
}

}  // namespace netsonde::recording
