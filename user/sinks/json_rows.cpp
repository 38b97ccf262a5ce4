// SPDX-License-Identifier: Apache-2.0
#include "user/sinks/json_rows.h"

#include <array>
#include <utility>
#include <vector>

namespace netsonde {

namespace {

constexpr std::array<std::string_view, 10> kLossNames = {
    "records",    "events",       "samples", "state_memory", "histograms",
    "drop_kinds", "rate_limited", "missed",  "retransmits",  "not_recorded"};
static_assert(kLossNames.size() == EV_LOSSES);

// What every event says of its connection.
const std::vector<const Field*>& identity_fields() {
  static const std::vector<const Field*> kFields =
      parse_fields(
          "cookie,family,local_address,local_port,remote_address,remote_port,state,direction,netns,"
          "pid,comm,owner_source,uid,cgroup,container,opened_at,age_s")
          .value();
  return kFields;
}

// What a close tells besides.
const std::vector<const Field*>& close_fields() {
  static const std::vector<const Field*> kFields =
      parse_fields(
          "tx_bytes,rx_bytes,srtt_us,min_rtt_us,rtt_p50_us,rtt_p90_us,rtt_p99_us,rtt_samples,"
          "tx_segments,rx_segments,retransmitted_segments,retransmitted_bytes,retransmits_rto,"
          "retransmits_fast,retransmits_tlp,retransmits_syn,retransmits_unknown,retransmits_"
          "spurious,drops,"
          "congestion_control,handshake_us,busy_ms,receive_window_limited_ms,"
          "send_buffer_limited_ms,cwnd_segments")
          .value();
  return kFields;
}

// A key that is new, which spares the search for an old one.
void add(Json& object, std::string_view key, Json value) {
  object.get_ref<Json::object_t&>().emplace_back(std::string(key), std::move(value));
}

void add_fields(Json& json, const Row& row, std::span<const Field* const> chosen) {
  for (const Field* field : chosen) add(json, field->id, to_json(field->get(row)));
}

Json null_or(std::uint64_t value, bool known) {
  return known ? Json(value) : Json(nullptr);
}

struct EventJson {
  Json& json;
  const Store& store;

  void operator()(const ev_sample& e) const {
    Connection closed;
    closed.last = e;
    closed.sampled = true;
    closed.closed_ns = e.header.time_ns;
    if (const Connection* known = store.find(e.conn.cookie)) closed.rtt = known->rtt;
    const Row row{closed, store.names(), time_from_ns(e.header.time_ns),
                  store.tick().realtime_offset_ns};
    if (e.header.kind == EV_LISTEN_CLOSE) {
      add(json, "listen_overflows", e.sk_drops);
      return;
    }
    add(json, "duration_us",
        null_or((e.header.time_ns - e.conn.start_ns) / 1000, e.conn.start_ns != 0));
    add(json, "end", end_name(e));
    add_fields(json, row, close_fields());
  }
  void operator()(const ev_retransmit& e) const {
    add(json, "kind", retransmit_name(e.kind));
    add(json, "segments", e.segments);
    add(json, "bytes", null_or(e.bytes, e.kind != EV_RETRANSMIT_SYNACK));
    add(json, "sequence", null_or(e.sequence, e.kind != EV_RETRANSMIT_SYNACK));
    add(json, "error", null_or(e.error, e.error != 0));
    add(json, "congestion_state", congestion_state_name(e.ca_state));
  }
  void operator()(const ev_reset& e) const {
    add(json, "sent", e.sent != 0);
    add(json, "reason",
        e.reason == EV_NO_REASON ? Json(nullptr) : Json(store.names().reset_reason(e.reason)));
  }
  void operator()(const ev_drop& e) const {
    const std::string reason = store.names().drop_reason(e.reason);
    const std::string_view location = store.names().symbol(e.location);
    const BenignDrop* benign = benign_drop(reason, location);
    add(json, "reason", reason);
    add(json, "location", location.empty() ? Json(nullptr) : Json(location));
    add(json, "harmful", benign == nullptr);
    add(json, "why_benign", benign ? Json(benign->why) : Json(nullptr));
    add(json, "incoming", e.incoming != 0);
    add(json, "length", e.length);
    add(json, "sequence", null_or(e.sequence, e.conn.remote_port != 0));
  }
  void operator()(const ev_congestion_state& e) const {
    add(json, "from", congestion_state_name(e.old_state));
    add(json, "to", congestion_state_name(e.new_state));
    add(json, "undone", e.undone != 0);
    add(json, "cwnd_segments", e.cwnd);
    add(json, "ssthresh_segments", null_or(e.ssthresh, e.ssthresh < 0x7fffffff));
    add(json, "rtt_us", null_or(e.rtt_us, e.srtt_us != 0));
    add(json, "srtt_us", null_or(e.srtt_us, e.srtt_us != 0));
    add(json, "min_rtt_us", null_or(e.min_rtt_us, e.srtt_us != 0));
  }
  void operator()(const ev_rtt& e) const {
    add(json, "rtt_us", e.rtt_us);
    add(json, "srtt_us", e.srtt_us);
    add(json, "cwnd_segments", e.cwnd);
    add(json, "ssthresh_segments", null_or(e.ssthresh, e.ssthresh < 0x7fffffff));
    add(json, "in_flight_segments", e.in_flight);
    add(json, "send_window_bytes", e.snd_wnd);
  }
  void operator()(const ev_listen_overflow& e) const {
    add(json, "count", e.count);
    add(json, "accept_queue", e.queued);
    add(json, "backlog", e.backlog);
  }
  template <typename Other>
  void operator()(const Other&) const {}
};

}  // namespace

Json to_json(const Value& value) {
  return std::visit(
      [](const auto& v) -> Json {
        using T = std::decay_t<decltype(v)>;
        if constexpr (std::is_same_v<T, std::monostate>)
          return nullptr;
        else if constexpr (std::is_same_v<T, Address>)
          return to_text(v);
        else if constexpr (std::is_same_v<T, Timestamp>)
          return rfc3339(v.ns);
        else
          return v;
      },
      value);
}

Json to_json(const Row& row, std::span<const Field* const> chosen) {
  Json json = Json::object();
  if (chosen.empty())
    for (const Field& field : fields()) add(json, field.id, to_json(field.get(row)));
  add_fields(json, row, chosen);
  return json;
}

Json to_json(const Totals& t) {
  Json states = Json::object();
  for (std::size_t state = 0; state < t.by_state.size(); ++state)
    if (t.by_state[state])
      states[std::string(state_name(static_cast<std::uint8_t>(state)))] = t.by_state[state];
  const auto optional = [](const std::optional<double>& value) {
    return value ? Json(*value) : Json(nullptr);
  };
  return {{"connections", t.connections},
          {"listeners", t.listeners},
          {"states", states},
          {"tx_bytes_per_s", t.tx_rate},
          {"rx_bytes_per_s", t.rx_rate},
          {"tx_segments_per_s", t.segments_out_rate},
          {"rx_segments_per_s", t.segments_in_rate},
          {"retransmitted_segments_per_s", t.retransmit_rate},
          {"retransmit_percent", optional(t.retransmit_percent)},
          {"rtt_p50_us", optional(t.rtt_p50_us)},
          {"rtt_p99_us", optional(t.rtt_p99_us)},
          {"opened_per_s", t.opened_rate},
          {"closed_per_s", t.closed_rate},
          {"drops_per_s", t.drop_rate},
          {"benign_drops_per_s", t.benign_drop_rate},
          {"resets_sent_per_s", t.resets_sent_rate},
          {"resets_received_per_s", t.resets_received_rate},
          {"listen_overflows_per_s", t.listen_overflow_rate},
          {"closed_not_kept", t.closed_not_kept},
          {"vanished", t.vanished}};
}

Json identity_to_json(const ev_conn& conn, const Snapshot& snapshot) {
  Connection connection;
  connection.last.conn = conn;
  return to_json(snapshot.row(connection), identity_fields());
}

Json losses_to_json(const ev_tick& tick) {
  Json json = Json::object();
  for (std::size_t cause = 0; cause < kLossNames.size(); ++cause)
    json[std::string(kLossNames[cause])] = tick.lost[cause];
  return json;
}

Json to_json(const Event& event, const Store& store) {
  const ev_header& header = header_of(event);
  Json json = Json::object();
  add(json, "time",
      rfc3339(static_cast<std::int64_t>(header.time_ns) + store.tick().realtime_offset_ns));
  add(json, "event", name_of(static_cast<ev_kind>(header.kind)));
  if (const ev_conn* conn = connection_of(event)) {
    Connection connection;
    connection.last.conn = *conn;
    // A packet without a socket still shows whose it is when exactly its connection is known.
    if (!conn->cookie)
      if (const Connection* known = store.find(*conn)) connection.last.conn = known->last.conn;
    const Row row{connection, store.names(), time_from_ns(header.time_ns),
                  store.tick().realtime_offset_ns};
    add_fields(json, row, identity_fields());
    if (!connection.last.conn.cookie) {
      json["cookie"] = nullptr;
      json["state"] = nullptr;
    }
  }
  std::visit(EventJson{json, store}, event);
  return json;
}

}  // namespace netsonde
