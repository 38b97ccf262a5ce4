// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "probes/lookup.h"
#include "probes/prober.h"
#include "user/base/loop.h"

#ifdef NETSONDE_HTTP3
#include "probes/http3_streams.h"
#include "probes/quic_connection.h"
#include "probes/quic_tls.h"
#endif

namespace netsonde {

#ifdef NETSONDE_HTTP3

// One attempt while it runs. What its connection did it looks at with tick(); once it has ended, by
// itself or by a limit, its timer hands it over: so never within a call of its owner.
class Http3Attempt {
 public:
  using OnEnd = std::function<void(Attempt)>;

  Http3Attempt(Loop& loop, const ProbeRequest& request);
  Http3Attempt(const Http3Attempt&) = delete;
  Http3Attempt& operator=(const Http3Attempt&) = delete;
  ~Http3Attempt();

  // The limits count from here; on_end may be the end of this object.
  Result<> begin(OnEnd on_end);
  // Where it leads, unless that was pinned; absent: that was the end.
  std::optional<Address> take_address(Lookup::Found found);
  // Once the address is known; why there are no credentials is the outcome. kept: a TLS session to
  // be resumed; empty: none.
  void connect(const Address& address, Result<const TlsCredentials*> credentials,
               const std::string& kept);
  // Of a connection that was made; empty: there is none to keep.
  const std::string& session_to_keep() const { return session_to_keep_; }
  // An end before there was any connection.
  Attempt unstarted(const Error& error);

 private:
  ProbePhase phase() const;
  Nanos limit_of(ProbePhase phase) const;
  Time since(ProbePhase phase) const;
  void tick();
  void on_timer();
  void arm();
  Failure failure_of(const QuicEnd& end) const;
  Failure late(ProbePhase phase) const;
  void finish(std::optional<Failure> failure);
  void fill_times(Time now);
  void fill_http();

  Loop& loop_;
  ProbeRequest request_;
  OnEnd on_end_;
  Attempt attempt_;
  bool ended_ = false;
  int timer_ = -1;
  std::optional<ProbePhase> armed_for_;
  std::string session_to_keep_;
  Http3Streams streams_;
  std::unique_ptr<TlsClient> tls_;
  std::optional<QuicConnection> connection_;  // last: it uses the others
};

#else

class TlsCredentials {};

// An attempt that cannot be made: only says so, when its turn has come.
class Http3Attempt {
 public:
  using OnEnd = std::function<void(Attempt)>;

  Http3Attempt(Loop& loop, const ProbeRequest& request);
  Http3Attempt(const Http3Attempt&) = delete;
  Http3Attempt& operator=(const Http3Attempt&) = delete;
  ~Http3Attempt();

  Result<> begin(OnEnd on_end);
  Attempt unstarted(const Error& error);

 private:
  void end();

  Loop& loop_;
  OnEnd on_end_;
  Attempt attempt_;
  int timer_ = -1;
};

#endif

}  // namespace netsonde
