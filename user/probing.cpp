// SPDX-License-Identifier: Apache-2.0
#include "user/probing.h"

#include <fmt/format.h>
#include <unistd.h>

#include "probes/dns_prober.h"
#include "probes/http3.h"
#include "probes/http_prober.h"
#include "probes/icmp_prober.h"
#include "probes/tcp_prober.h"
#include "probes/ws_prober.h"
#include "user/capture/live.h"

namespace netsonde {

Result<std::unique_ptr<Probing>> Probing::open(const ProbingSettings& settings) {
  std::unique_ptr<Probing> probing(new Probing());
  TRY(probing->open_session(settings));
  TRY(probing->open_probers(settings));
  return probing;
}

Result<std::unique_ptr<Probing>> Probing::open_on(Loop& loop, const ProbingSettings& settings) {
  std::unique_ptr<Probing> probing(new Probing());
  probing->running_ = &loop;
  TRY(probing->open_probers(settings));
  return probing;
}

Result<> Probing::open_probers(const ProbingSettings& settings) {
  lookup_ = TRY(Lookup::open(loop(), settings.lookup));
  transfers_ = TRY(Transfers::open(loop(), settings.transfer));
  return {};
}

// What cannot be watched is said, and the rest measured all the same.
Result<> Probing::open_session(const ProbingSettings& settings) {
  if (settings.bpf) {
    const auto missing = missing_capabilities();
    if (missing.empty()) {
      if (!settings.everybody) filter_ = TRY(Filter::parse(fmt::format("pid = {}", getpid())));
      auto opened = Session::open(
          {.opens = true, .symbols_first = true, .sample_connections = settings.everybody},
          filter_);
      if (opened) {
        session_.emplace(std::move(opened).value());
        session_->add_sink(witness_);
        return {};
      }
      without_bpf_ = opened.error().message();
    } else {
      without_bpf_ = fmt::format("needs {}", fmt::join(missing, ", "));
    }
  } else {
    without_bpf_ = "not wanted";
  }
  loop_.emplace(TRY(Loop::open()));
  TRY(loop_->take_signals([this]() -> Result<> {
    loop_->stop();
    return {};
  }));
  return {};
}

Loop& Probing::loop() {
  if (running_) return *running_;
  return session_ ? session_->loop() : *loop_;
}

Prober& Probing::prober_of(Scheme scheme) {
  std::unique_ptr<Prober>& prober = probers_[scheme];
  if (prober) return *prober;
  switch (scheme) {
    case Scheme::Http:
    case Scheme::Https: prober = std::make_unique<HttpProber>(loop(), *lookup_, *transfers_); break;
    case Scheme::Ws:
    case Scheme::Wss: prober = std::make_unique<WsProber>(loop(), *lookup_, *transfers_); break;
    case Scheme::Http3: prober = std::make_unique<Http3Prober>(loop(), *lookup_); break;
    case Scheme::Tcp: prober = std::make_unique<TcpProber>(loop(), *lookup_); break;
    case Scheme::Dns: prober = std::make_unique<DnsProber>(loop(), *lookup_); break;
    case Scheme::Icmp: prober = std::make_unique<IcmpProber>(loop(), *lookup_); break;
  }
  return *prober;
}

Result<> Probing::prepare(std::span<const ProbeRequest> requests) {
  for (const ProbeRequest& request : requests) {
    const Scheme scheme = request.target.scheme;
    if (scheme == Scheme::Https || scheme == Scheme::Wss) TRY(transfers_->trust(request.http));
  }
  return {};
}

Result<> Probing::add_witness(Attempt& attempt) {
  if (!session_) return {};
  TRY(session_->drain());
  if (attempt.kernel) attempt.witness = witness_.take(attempt.kernel->cookie);
  return {};
}

Result<> Probing::run(std::function<Result<>()> begin) {
  if (session_) {
    session_->when_started(std::move(begin));
    return session_->run();
  }
  TRY(loop_->after(Nanos(1), std::move(begin)));
  return loop_->run();
}

void Probing::stop() {
  stopped_ = true;
  if (session_)
    session_->stop();
  else
    loop_->stop();
}

}  // namespace netsonde
