// SPDX-License-Identifier: Apache-2.0
#include "user/sinks/attempts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <vector>

namespace netsonde {

namespace {

constexpr int kLongestText =
    64;  // of what others say, in columns: a line must not drown in a header

std::string cut(std::string_view untrusted) {
  const std::string text = printable(untrusted);
  return fit(text, std::min(display_width(text), kLongestText));
}

// What is said of one thing, in order; what there is nothing to say of is left out.
class Words {
 public:
  void add(std::string words) {
    if (!words.empty()) words_.push_back(std::move(words));
  }
  // What others say, behind what it is; nothing where they say nothing.
  void add_text(std::string_view what, std::string_view untrusted) {
    if (!untrusted.empty()) add(fmt::format("{}{}", what, cut(untrusted)));
  }
  std::string text(std::string_view separator = ", ") const {
    return fmt::format("{}", fmt::join(words_, separator));
  }

 private:
  std::vector<std::string> words_;
};

std::string size_text(std::uint64_t bytes) {
  return short_bytes(static_cast<double>(bytes)) + "B";
}

std::string times_text(std::uint64_t count) {
  return count == 1 ? "once" : count == 2 ? "twice" : fmt::format("{} times", count);
}

std::string endpoint(const Address& address, std::uint16_t port) {
  std::string text = to_text(address);
  if (port == 0) return text;
  return address.is_ipv4() ? fmt::format("{}:{}", text, port) : fmt::format("[{}]:{}", text, port);
}

// "  connect   10.1ms  SYN answered after 10.0ms"
std::string row(std::string_view label, const std::optional<Nanos>& time, const Words& words) {
  std::string line = fmt::format("  {:<8}  {}  {}", label,
                                 fit(time ? short_duration(*time) : "-", 7, true), words.text());
  line.erase(line.find_last_not_of(' ') + 1);
  return line + "\n";
}

std::string hop_text(const Hop& hop) {
  Words words;
  words.add(printable(hop.url));
  if (hop.address) words.add(endpoint(*hop.address, hop.port));
  words.add(fmt::format("{} to {}", hop.status ? fmt::to_string(*hop.status) : "-",
                        printable(hop.location)));
  words.add(short_duration(hop.times.total));
  return words.text("  ") + "\n";
}

std::string head_text(const Attempt& attempt) {
  Words words;
  words.add(printable(attempt.target));
  if (attempt.address) words.add(endpoint(*attempt.address, attempt.port));
  if (const auto& http = attempt.http; http && http->status) {
    words.add(fmt::format("HTTP{}{} {}", http->version.empty() ? "" : "/", cut(http->version),
                          *http->status));
    words.add(size_text(http->body_bytes));
  }
  if (attempt.attempt > 1) words.add(fmt::format("attempt {}", attempt.attempt));
  return words.text("  ") + "\n";
}

std::string addresses_text(const Attempt& attempt) {
  const std::vector<Address>& addresses = attempt.lookup->addresses;
  if (!attempt.lookup->records.empty()) return cut(attempt.lookup->records.front());
  if (addresses.empty()) return "no address";
  // Of a name server that was asked about another name, the address is none of these.
  const bool among =
      attempt.address && std::ranges::find(addresses, *attempt.address) != addresses.end();
  const Address& shown = among ? *attempt.address : addresses.front();
  return fmt::format("{} {}{}", shown.is_ipv4() ? "A" : "AAAA", to_text(shown),
                     addresses.size() > 1 ? fmt::format(" (one of {})", addresses.size()) : "");
}

std::string source_text(const LookupFacts& lookup) {
  if (lookup.cached) return "from our cache";
  if (lookup.server.empty()) return "without asking";
  return fmt::format("from {}{}", cut(lookup.server), lookup.tcp ? " over TCP" : "");
}

std::string dns_row(const Attempt& attempt) {
  if (!attempt.times.dns && !attempt.lookup) return {};
  Words words;
  if (const auto& lookup = attempt.lookup) {
    words.add(fmt::format("{} {}", addresses_text(attempt), source_text(*lookup)));
    if (lookup->ttl_s) words.add(fmt::format("TTL {}s", *lookup->ttl_s));
    if (lookup->rcode != "NOERROR") words.add_text("", lookup->rcode);
    for (const std::string& name : lookup->cnames) words.add_text("alias of ", name);
  }
  return row("dns", attempt.times.dns, words);
}

std::string connect_row(const Attempt& attempt) {
  const auto& kernel = attempt.kernel;
  const bool sent_again = kernel && kernel->syn_retransmits.value_or(0) > 0;
  if (!attempt.times.connect && !attempt.reused && !sent_again) return {};
  Words words;
  if (attempt.reused) words.add("the connection was there before");
  if (kernel && kernel->syn_rtt)
    words.add(fmt::format("SYN answered after {}", short_duration(*kernel->syn_rtt)));
  if (sent_again) words.add(fmt::format("SYN sent again {}", times_text(*kernel->syn_retransmits)));
  if (kernel && kernel->prober_delay)
    words.add(fmt::format("prober delay {}", short_duration(*kernel->prober_delay)));
  return row("connect", attempt.times.connect, words);
}

std::string days_text(std::int64_t days_left) {
  const std::int64_t days = std::abs(days_left);
  const std::string_view s = days == 1 ? "" : "s";
  return days_left < 0 ? fmt::format("certificate EXPIRED {} day{} ago", days, s)
                       : fmt::format("certificate valid for {} day{}", days, s);
}

std::string tls_row(const Attempt& attempt) {
  if (!attempt.times.tls && !attempt.tls) return {};
  Words words;
  if (const auto& tls = attempt.tls) {
    const bool both = !tls->version.empty() && !tls->cipher.empty();
    words.add_text("", tls->version + (both ? " " : "") + tls->cipher);
    words.add_text("", tls->alpn);
    if (tls->resumed.value_or(false)) words.add("resumed");
    if (tls->days_left) words.add(days_text(*tls->days_left));
    const bool rejected = attempt.failure && attempt.failure->kind == FailureKind::TlsCertificate;
    if (rejected && !tls->chain.empty()) {
      words.add_text("of ", tls->chain.front().subject);
      words.add_text("issued by ", tls->chain.front().issuer);
    }
  }
  return row("tls", attempt.times.tls, words);
}

std::string request_row(const Attempt& attempt) {
  if (!attempt.times.request) return {};
  Words words;
  if (attempt.http && attempt.http->sent_bytes) words.add(size_text(attempt.http->sent_bytes));
  return row("request", attempt.times.request, words);
}

std::string ttfb_row(const Attempt& attempt) {
  if (!attempt.times.ttfb) return {};
  Words words;
  if (const auto& http = attempt.http) {
    words.add_text("", http->content_type);
    words.add_text("from ", http->server);
    words.add_text("via ", http->via);
    words.add_text("cache ", http->cache);
    if (http->age_s) words.add(fmt::format("age {}s", *http->age_s));
    if (http->retry_after_s) words.add(fmt::format("retry after {}s", *http->retry_after_s));
  }
  return row("ttfb", attempt.times.ttfb, words);
}

std::string transfer_row(const Attempt& attempt) {
  if (!attempt.times.transfer) return {};
  Words words;
  if (const auto& http = attempt.http) {
    if (http->bandwidth_mbps) words.add(fmt::format("{:.1f} Mbit/s", *http->bandwidth_mbps));
    if (http->encoding.empty()) {
      words.add(size_text(http->wire_bytes));
    } else {
      words.add(fmt::format("{} {} on the wire", cut(http->encoding), size_text(http->wire_bytes)));
      words.add(fmt::format("{} decoded", size_text(http->body_bytes)));
    }
  }
  return row("transfer", attempt.times.transfer, words);
}

// A part without a time of its own, in lines of at most 100 columns.
std::string facts_row(std::string_view label, const Words& words) {
  constexpr int kColumns = 88;  // behind the label
  const std::string facts = words.text();
  if (facts.empty()) return {};
  std::string text;
  for (const std::string& line : wrap(facts, kColumns))
    text += fmt::format("  {:<8}  {}\n", text.empty() ? label : "", line);
  return text;
}

std::string kernel_row(const Attempt& attempt) {
  if (!attempt.kernel) return {};
  const KernelFacts& kernel = *attempt.kernel;
  Words words;
  if (kernel.min_rtt) words.add(fmt::format("min RTT {}", short_duration(*kernel.min_rtt)));
  if (kernel.srtt) words.add(fmt::format("srtt {}", short_duration(*kernel.srtt)));
  words.add_text("", kernel.congestion_control);
  if (kernel.cwnd_segments) words.add(fmt::format("cwnd {}", *kernel.cwnd_segments));
  if (kernel.delivery_bytes_per_s)
    words.add(fmt::format("delivery {}/s", size_text(*kernel.delivery_bytes_per_s)));
  if (kernel.receive_buffer_bytes)
    words.add(fmt::format("receive buffer {}", size_text(*kernel.receive_buffer_bytes)));
  if (kernel.dscp.value_or(0) != 0) words.add(fmt::format("DSCP {}", *kernel.dscp));
  if (kernel.segments_sent && kernel.retransmitted_segments)
    words.add(fmt::format("{} of {} segments retransmitted", *kernel.retransmitted_segments,
                          *kernel.segments_sent));
  return facts_row("kernel", words);
}

// Those that are the same as one.
void add_counted(Words& words, std::string_view what, const std::vector<std::string>& texts) {
  for (auto text = texts.begin(); text != texts.end(); ++text) {
    if (std::find(texts.begin(), text, *text) != text) continue;
    const auto count = static_cast<std::uint64_t>(std::count(text, texts.end(), *text));
    words.add(fmt::format("{}: {}{}", what, cut(*text),
                          count == 1 ? "" : fmt::format(" ({})", times_text(count))));
  }
}

std::string witness_row(const Attempt& attempt) {
  if (!attempt.witness) return {};
  const WitnessFacts& witness = *attempt.witness;
  Words words;
  if (witness.handshake) words.add(fmt::format("handshake {}", short_duration(*witness.handshake)));
  add_counted(words, "retransmit", witness.retransmits);
  add_counted(words, "drop", witness.drops);
  add_counted(words, "reset", witness.resets);
  if (witness.retransmits.empty() && witness.drops.empty() && witness.resets.empty())
    words.add("no retransmit, drop or reset");
  if (witness.lost_events) words.add(fmt::format("{} events lost meanwhile", witness.lost_events));
  return facts_row("witness", words);
}

std::string failure_row(const Attempt& attempt) {
  if (!attempt.failure) return {};
  const Failure& failure = *attempt.failure;
  return fmt::format("  FAILED  {} in {}{}{}\n", name_of(failure.kind), name_of(failure.phase),
                     failure.detail.empty() ? "" : ": ", printable(failure.detail));
}

}  // namespace

std::string to_text(const Attempt& attempt) {
  std::string text;
  for (const Hop& hop : attempt.hops) text += hop_text(hop);
  text += head_text(attempt);
  for (const auto part : {dns_row, connect_row, tls_row, request_row, ttfb_row, transfer_row})
    text += part(attempt);
  if (attempt.echo) text += row("echo", attempt.echo, {});
  text += row("total", attempt.times.total, {});
  for (const auto part : {kernel_row, witness_row, failure_row}) text += part(attempt);
  return text;
}

}  // namespace netsonde
