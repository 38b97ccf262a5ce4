// SPDX-License-Identifier: Apache-2.0
#include "probes/lookup.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstring>
#include <fstream>
#include <iterator>

namespace netsonde {

namespace {

constexpr std::uint16_t kNoError = 0, kServfail = 2, kNxdomain = 3;
constexpr unsigned kMostTurns = 8;  // questions for where the CNAME of an answer leads
constexpr std::size_t kMostCnames = 32;
constexpr std::size_t kLongestLabel = 63, kLongestName = 253;  // RFC 1035 2.3.4, as text

// Missing, or no file: empty.
std::string content_of(const std::string& path) {
  if (path.empty()) return {};
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string lower_case(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return std::tolower(c); });
  return lower;
}

bool same_name(std::string_view a, std::string_view b) {
  return std::ranges::equal(
      a, b, [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

// What may be asked for. Backslashes are escapes of what came in an answer, and onion names are
// never asked for (RFC 7686).
bool is_name(std::string_view name) {
  if (name.size() > kLongestName || name.ends_with(".onion")) return false;
  if (name.find('\\') != std::string_view::npos || name.find('\0') != std::string_view::npos)
    return false;
  while (true) {
    const std::string_view label = name.substr(0, name.find('.'));
    if (label.empty() || label.size() > kLongestLabel) return false;
    if (label.size() == name.size()) return true;
    name.remove_prefix(label.size() + 1);
  }
}

// RFC 6761 6.3: these never leave the host.
bool is_localhost(std::string_view lower) {
  if (lower.ends_with('.')) lower.remove_suffix(1);
  return lower == "localhost" || lower.ends_with(".localhost");
}

// Sends nothing: connecting a UDP socket only looks for the way.
bool has_route(const Address& address) {
  const UniqueFd socket(::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in6 to = {};
  to.sin6_family = AF_INET6;
  to.sin6_port = htons(53);
  std::memcpy(&to.sin6_addr, address.bytes.data(), address.bytes.size());
  return socket && connect(socket.get(), reinterpret_cast<const sockaddr*>(&to), sizeof(to)) == 0;
}

void put_in_order(std::vector<Address>& addresses) {
  const auto is_ipv6 = [](const Address& address) { return !address.is_ipv4(); };
  const auto first = std::ranges::find_if(addresses, is_ipv6);
  if (first == addresses.end()) return;
  const bool ipv6_first = has_route(*first);
  std::stable_partition(addresses.begin(), addresses.end(),
                        [&](const Address& address) { return is_ipv6(address) == ipv6_first; });
}

Failure failed(FailureKind kind, std::string detail) {
  return {.phase = ProbePhase::Dns, .kind = kind, .detail = std::move(detail)};
}

}  // namespace

std::string follow_aliases(const DnsMessage& answer, std::string name, DnsType type,
                           LookupFacts& facts) {
  const auto note_ttl = [&](const DnsRecord& record) {
    facts.ttl_s = std::min(facts.ttl_s.value_or(record.ttl_s), record.ttl_s);
  };
  const auto is_alias = [&](const DnsRecord& record) {
    return record.type == DnsType::CNAME && same_name(record.name, name);
  };
  while (facts.cnames.size() < kMostCnames) {
    const auto alias = std::ranges::find_if(answer.answers, is_alias);
    if (alias == answer.answers.end()) break;
    note_ttl(*alias);
    name = alias->data;
    facts.cnames.push_back(name);
  }
  for (const DnsRecord& record : answer.answers) {
    if (record.type != type || !same_name(record.name, name)) continue;
    note_ttl(record);
    if (record.address)
      facts.addresses.push_back(*record.address);
    else
      facts.records.push_back(fmt::format("{} {}", to_text(type), record.data));
  }
  return name;
}

// What becomes of one of A and AAAA.
struct Lookup::Half {
  DnsType type = DnsType::A;
  std::string name{};  // asked for now: a candidate, or where its CNAMEs lead
  unsigned turns = 0;
  std::size_t server = 0;
  bool tcp = false;     // is asked for over TCP
  LookupFacts facts{};  // without an address and a failure: there is none
  std::optional<Failure> failure{};
};

// A name that is being looked up.
struct Lookup::Search {
  struct Waiting {
    OnFound on_found;
    Time asked;
  };

  Key key;
  std::vector<Waiting> waiting{};
  std::vector<std::string> candidates{};
  std::size_t next = 0;  // candidate
  std::array<Half, 2> halves{};
  unsigned pending = 0;           // halves
  std::string server{};           // the last that was asked
  std::optional<Time> sent{};     // the first question, known with its answer
  std::optional<Found> failed{};  // the candidate whose failure says most

  bool fresh() const { return key.second; }
};

namespace {

// "SERVFAIL from 192.0.2.53:53 for www.example.test"; server: empty for the cache.
std::string said(std::string_view what, const std::string& server, const std::string& name) {
  return fmt::format("{} from {} for {}", what, server.empty() ? "the cache" : server,
                     printable(name));
}

// Why a server gave no answer.
Failure failure_of(const DnsReply& reply, const std::string& server, const std::string& name,
                   bool tcp, Nanos timeout) {
  const FailureKind kind = parse_failure_kind(reply.failure).value_or(FailureKind::DnsMalformed);
  const std::string_view over = tcp ? " over TCP" : "";
  switch (kind) {
    case FailureKind::DnsTimeout:
      return failed(
          kind, fmt::format("no answer{} from {} within {:g}s", over, server, seconds(timeout)));
    case FailureKind::DnsUnreachable:
      return failed(kind, fmt::format("{} cannot be reached{}", server, over));
    default: break;
  }
  return failed(kind, said("nonsense", server, name) + ": " + printable(reply.detail));
}

// The facts of both halves as those of one lookup: of the first that has addresses, and what the
// other adds.
LookupFacts joined(const LookupFacts& a, const LookupFacts& aaaa) {
  const bool a_leads = !a.addresses.empty() || aaaa.addresses.empty();
  LookupFacts facts = a_leads ? a : aaaa;
  const LookupFacts& other = a_leads ? aaaa : a;
  facts.tcp = a.tcp || aaaa.tcp;
  if (facts.server.empty()) facts.server = other.server;
  if (other.addresses.empty()) return facts;
  facts.ttl_s = std::min(facts.ttl_s, other.ttl_s);
  facts.addresses.insert(facts.addresses.end(), other.addresses.begin(), other.addresses.end());
  return facts;
}

// How much a failure says of a name that was looked for in several domains: that it exists is more
// than that it does not, and that it could not be found out more than both.
int weight_of(FailureKind kind) {
  if (kind == FailureKind::DnsNxdomain || kind == FailureKind::DnsName) return 0;
  return kind == FailureKind::DnsNoAddress ? 1 : 2;
}

// Whether the next domain is worth a question: the servers do answer.
bool may_go_on(FailureKind kind) {
  return weight_of(kind) < 2 || kind == FailureKind::DnsServfail || kind == FailureKind::DnsRefused;
}

}  // namespace

Lookup::Lookup(const LookupSettings& settings)
    : timeout_(settings.timeout),
      hosts_(HostsFile::parse(content_of(settings.hosts_file))),
      search_list_(SearchList::parse(content_of(settings.resolv_file))),
      cache_(settings.cache_answers) {}

Lookup::~Lookup() = default;

Result<std::unique_ptr<Lookup>> Lookup::open(Loop& loop, const LookupSettings& settings) {
  std::unique_ptr<Lookup> lookup(new Lookup(settings));
  lookup->servers_ = TRY(DnsServers::open(
      loop, settings.servers.empty() ? TRY(system_dns_servers()) : settings.servers,
      settings.timeout));
  return lookup;
}

// What neither the cache nor a server needs to be asked.
std::vector<Address> Lookup::known(const std::string& name) const {
  if (const auto address = parse_address(name)) return {*address};
  std::vector<Address> addresses = hosts_.find(name);
  if (addresses.empty() && is_localhost(lower_case(name)))
    addresses = {*parse_address("::1"), *parse_address("127.0.0.1")};
  put_in_order(addresses);
  return addresses;
}

void Lookup::find(const std::string& name, bool fresh, OnFound on_found) {
  const Time asked = kernel_now();
  Found found{.facts = {.addresses = known(name)}};
  if (!found.facts.addresses.empty()) {
    found.took = kernel_now() - asked;
    return on_found(std::move(found));
  }
  const Key key(lower_case(name), fresh);
  std::unique_ptr<Search>& search = searches_[key];
  const bool begins = !search;
  if (begins) search = std::make_unique<Search>(Search{.key = key});
  search->waiting.push_back({.on_found = std::move(on_found), .asked = asked});
  if (!begins) return;
  search->candidates = search_list_.candidates(key.first);
  next_candidate(*search);
}

void Lookup::next_candidate(Search& search) {
  const std::string& name = search.candidates[search.next++];
  search.halves = {Half{.type = DnsType::A, .name = name},
                   Half{.type = DnsType::AAAA, .name = name}};
  search.pending = 2;
  ask(search, search.halves[0]);
  ask(search, search.halves[1]);  // which may end the search
}

void Lookup::ask(Search& search, Half& half) {
  if (!is_name(half.name))
    return end_half(search, half,
                    failed(FailureKind::DnsName,
                           fmt::format("'{}' is no name that DNS has", printable(half.name))));
  const DnsMessage* kept =
      search.fresh() ? nullptr : cache_.find(half.name, half.type, kernel_now());
  if (kept) return take_answer(search, half, *kept, "");
  half.tcp = false;
  send(search, half);
}

void Lookup::send(Search& search, Half& half) {
  search.server = half.facts.server = servers_->name(half.server);
  half.facts.rcode.clear();
  // What was begun is brought to its end first.
  servers_->ask(half.server, {.name = half.name, .type = half.type, .tcp = half.tcp},
                search.sent.has_value(), [this, &search, &half](const DnsReply& reply) {
                  if (!search.sent) search.sent = kernel_now() - reply.took;
                  take(search, half, reply);
                });
}

void Lookup::take(Search& search, Half& half, const DnsReply& reply) {
  const std::string& server = servers_->name(half.server);
  if (!reply.message)
    return ask_next_server(search, half, failure_of(reply, server, half.name, half.tcp, timeout_));
  const DnsMessage& answer = *reply.message;
  if (answer.truncated && !half.tcp) {
    half.tcp = true;
    return send(search, half);
  }
  half.facts.tcp = half.facts.tcp || half.tcp;
  half.facts.rcode = rcode_text(answer.rcode);
  if (answer.rcode == kNoError || answer.rcode == kNxdomain) {
    cache_.keep(half.name, half.type, answer, kernel_now());
    return take_answer(search, half, answer, server);
  }
  const FailureKind kind =
      answer.rcode == kServfail ? FailureKind::DnsServfail : FailureKind::DnsRefused;
  ask_next_server(search, half, failed(kind, said(half.facts.rcode, server, half.name)));
}

void Lookup::ask_next_server(Search& search, Half& half, Failure failure) {
  if (half.server + 1 < servers_->size()) {
    ++half.server;
    half.tcp = false;
    return send(search, half);
  }
  if (servers_->size() > 1) failure.detail += fmt::format(" ({} servers asked)", servers_->size());
  end_half(search, half, std::move(failure));
}

// server: empty when the answer comes from the cache.
void Lookup::take_answer(Search& search, Half& half, const DnsMessage& answer,
                         const std::string& server) {
  half.facts.rcode = rcode_text(answer.rcode);
  std::string end = follow_aliases(answer, half.name, half.type, half.facts);
  if (answer.rcode == kNxdomain) {
    half.facts.addresses.clear();
    return end_half(search, half, failed(FailureKind::DnsNxdomain, said("NXDOMAIN", server, end)));
  }
  if (!half.facts.addresses.empty()) return end_half(search, half);
  if (half.turns == kMostTurns || half.facts.cnames.size() == kMostCnames)
    return end_half(
        search, half,
        failed(FailureKind::DnsMalformed, said("CNAMEs without an end", server, half.name)));
  // With a SOA the answer is about where the CNAMEs lead, too (RFC 2308 2.2).
  if (end.empty() || same_name(end, half.name) || answer.negative_ttl_s)
    return end_half(search, half);
  ++half.turns;
  half.name = std::move(end);
  ask(search, half);
}

void Lookup::end_half(Search& search, Half& half, std::optional<Failure> failure) {
  half.failure = std::move(failure);
  if (--search.pending == 0) end_candidate(search);
}

// That a name does not exist is so whatever else was asked of it.
Lookup::Found Lookup::failure_of_both(const Half& a, const Half& aaaa) {
  const bool is_gone = aaaa.failure && aaaa.failure->kind == FailureKind::DnsNxdomain;
  const Half& worse = is_gone || !a.failure ? aaaa : a;
  Found found{.facts = worse.facts, .failure = worse.failure};
  if (!found.failure)
    found.failure =
        failed(FailureKind::DnsNoAddress, said("neither A nor AAAA", found.facts.server, a.name));
  return found;
}

void Lookup::end_candidate(Search& search) {
  const auto& [a, aaaa] = search.halves;
  Found found{.facts = joined(a.facts, aaaa.facts)};
  if (found.facts.addresses.empty()) found = failure_of_both(a, aaaa);
  if (found.facts.server.empty()) found.facts.server = search.server;  // of another candidate
  found.facts.cached = search.server.empty();
  if (!found.failure) {
    put_in_order(found.facts.addresses);
    return finish(search, found);
  }
  const FailureKind kind = found.failure->kind;
  if (!search.failed || weight_of(kind) >= weight_of(search.failed->failure->kind))
    search.failed = std::move(found);
  if (may_go_on(kind) && search.next < search.candidates.size()) return next_candidate(search);
  finish(search, *std::move(search.failed));
}

void Lookup::finish(Search& search, const Found& found) {
  const auto ended = searches_.extract(search.key);
  const Time now = kernel_now();
  for (const Search::Waiting& waiting : ended.mapped()->waiting) {
    Found own = found;
    own.took = now - std::max(waiting.asked, search.sent.value_or(waiting.asked));
    waiting.on_found(std::move(own));
  }
}

}  // namespace netsonde
