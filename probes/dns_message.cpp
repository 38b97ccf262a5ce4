// SPDX-License-Identifier: Apache-2.0
#include "probes/dns_message.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cstring>

#include "probes/dns_svcb.h"

namespace netsonde {

namespace {

constexpr std::uint16_t kOpt = 41;  // EDNS (RFC 6891)
constexpr std::size_t kLongestName = 255;

struct TypeName {
  DnsType type;
  std::string_view name;
};

constexpr TypeName kTypes[] = {
    {DnsType::A, "A"},     {DnsType::NS, "NS"},       {DnsType::CNAME, "CNAME"},
    {DnsType::SOA, "SOA"}, {DnsType::PTR, "PTR"},     {DnsType::MX, "MX"},
    {DnsType::TXT, "TXT"}, {DnsType::AAAA, "AAAA"},   {DnsType::SRV, "SRV"},
    {DnsType::CAA, "CAA"}, {DnsType::HTTPS, "HTTPS"},
};

constexpr std::array<std::string_view, 11> kRcodes = {"NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN",
                                                      "NOTIMP",  "REFUSED", "YXDOMAIN", "YXRRSET",
                                                      "NXRRSET", "NOTAUTH", "NOTZONE"};

Error damaged(std::string_view what) {
  return Error("the DNS answer is damaged: " + std::string(what));
}

void append_label(std::string& name, std::span<const std::byte> label) {
  if (!name.empty()) name += '.';
  for (const std::byte byte : label) {
    const auto c = static_cast<unsigned char>(byte);
    if (std::isalnum(c) || c == '-' || c == '_' || c == '*')
      name += static_cast<char>(c);
    else
      name += fmt::format("\\{:03}", c);
  }
}

// Takes values from the message, in network order, and never beyond its end.
class Reader {
 public:
  explicit Reader(std::span<const std::byte> message, std::size_t at = 0)
      : message_(message), at_(at) {}

  std::size_t at() const { return at_; }
  std::size_t left() const { return message_.size() - at_; }

  Result<std::uint16_t> u16() { return static_cast<std::uint16_t>(TRY(number(2))); }
  Result<std::uint32_t> u32() { return static_cast<std::uint32_t>(TRY(number(4))); }

  Result<std::span<const std::byte>> bytes(std::size_t count) {
    if (count > left()) return damaged("it ends early");
    const auto taken = message_.subspan(at_, count);
    at_ += count;
    return taken;
  }

  Result<std::string> name() {
    std::string name;
    std::size_t at = at_, wire_bytes = 1;
    bool jumped = false;
    while (true) {
      if (at >= message_.size()) return damaged("a name ends early");
      const auto length = static_cast<std::size_t>(message_[at]);
      if (length >= 0xc0) {
        if (at + 1 >= message_.size()) return damaged("a name ends early");
        const std::size_t target =
            ((length & 0x3f) << 8) | static_cast<std::size_t>(message_[at + 1]);
        if (!jumped) at_ = at + 2;
        if (target >= at) return damaged("a name points forwards");
        jumped = true;
        at = target;
        continue;
      }
      if (length > 63) return damaged("a name has a label of an unknown kind");
      if (length == 0) break;
      if (length > message_.size() - at - 1) return damaged("a name ends early");
      if ((wire_bytes += length + 1) > kLongestName) return damaged("a name is too long");
      append_label(name, message_.subspan(at + 1, length));
      at += length + 1;
    }
    if (!jumped) at_ = at + 1;
    return name;
  }

 private:
  Result<std::uint32_t> number(std::size_t width) {
    std::uint32_t value = 0;
    for (const std::byte byte : TRY(bytes(width)))
      value = (value << 8) | static_cast<std::uint32_t>(byte);
    return value;
  }

  std::span<const std::byte> message_;
  std::size_t at_;
};

Address address_of(std::span<const std::byte> bytes) {
  Address address;
  if (bytes.size() == 4) address.bytes[10] = address.bytes[11] = 0xff;
  std::memcpy(address.bytes.data() + 16 - bytes.size(), bytes.data(), bytes.size());
  return address;
}

std::string hex_of(std::span<const std::byte> bytes) {
  std::string text = fmt::format("\\# {}{}", bytes.size(), bytes.empty() ? "" : " ");
  for (const std::byte byte : bytes) text += fmt::format("{:02x}", static_cast<unsigned>(byte));
  return text;
}

Result<std::string> strings_of(std::span<const std::byte> data) {
  std::string text;
  Reader reader(data);
  while (reader.left() > 0) {
    const auto length = static_cast<std::size_t>(TRY(reader.bytes(1))[0]);
    const auto part = TRY(reader.bytes(length));
    const std::string_view characters(reinterpret_cast<const char*>(part.data()), part.size());
    text += fmt::format("{}\"{}\"", text.empty() ? "" : " ", printable(characters));
  }
  return text;
}

// Absent where it is no service binding (RFC 9460).
std::optional<std::string> service_of(Reader& reader) {
  const auto priority = reader.u16();
  if (!priority) return std::nullopt;
  const auto target = reader.name();
  if (!target) return std::nullopt;
  const auto rest = reader.bytes(reader.left());
  const auto parameters = rest ? service_parameters(rest.value()) : std::nullopt;
  if (!parameters) return std::nullopt;
  return fmt::format("{} {}{}{}", priority.value(), target.value().empty() ? "." : target.value(),
                     parameters->empty() ? "" : " ", *parameters);
}

// data: that of the record, which begins at `at` of the whole message, where its names may point
// to.
Result<std::string> text_of(DnsType type, std::span<const std::byte> message, std::size_t at,
                            std::span<const std::byte> data) {
  Reader reader(message.first(at + data.size()), at);
  switch (type) {
    case DnsType::NS:
    case DnsType::CNAME:
    case DnsType::PTR: return reader.name();
    case DnsType::MX: {
      const std::uint16_t preference = TRY(reader.u16());
      return fmt::format("{} {}", preference, TRY(reader.name()));
    }
    case DnsType::SRV: {
      const std::uint16_t priority = TRY(reader.u16()), weight = TRY(reader.u16());
      const std::uint16_t port = TRY(reader.u16());
      return fmt::format("{} {} {} {}", priority, weight, port, TRY(reader.name()));
    }
    case DnsType::TXT: return strings_of(data);
    case DnsType::HTTPS: return service_of(reader).value_or(hex_of(data));
    default: return hex_of(data);
  }
}

struct RawRecord {
  DnsRecord record;
  std::uint16_t type = 0, klass = 0;
  std::uint32_t ttl = 0;
  std::size_t at = 0;  // of its data
  std::span<const std::byte> data;
};

Result<RawRecord> read_record(Reader& reader) {
  RawRecord raw;
  raw.record.name = TRY(reader.name());
  raw.type = TRY(reader.u16());
  raw.klass = TRY(reader.u16());
  raw.ttl = TRY(reader.u32());
  const std::uint16_t length = TRY(reader.u16());
  raw.at = reader.at();
  raw.data = TRY(reader.bytes(length));
  return raw;
}

Result<DnsRecord> finished(RawRecord raw, std::span<const std::byte> message) {
  DnsRecord& record = raw.record;
  record.type = static_cast<DnsType>(raw.type);
  record.ttl_s = raw.ttl > 0x7fffffff ? 0 : raw.ttl;  // RFC 2181 8
  const std::size_t wanted = record.type == DnsType::A ? 4 : record.type == DnsType::AAAA ? 16 : 0;
  if (wanted != 0) {
    if (raw.data.size() != wanted) return damaged("an address has the wrong length");
    record.address = address_of(raw.data);
    record.data = to_text(*record.address);
  } else {
    record.data = TRY(text_of(record.type, message, raw.at, raw.data));
  }
  return std::move(raw.record);
}

Result<std::uint32_t> minimum_of(std::span<const std::byte> message, const RawRecord& soa) {
  Reader reader(message.first(soa.at + soa.data.size()), soa.at);
  TRY(reader.name());
  TRY(reader.name());
  TRY(reader.bytes(16));  // serial, refresh, retry, expire
  return TRY(reader.u32());
}

}  // namespace

std::string to_text(DnsType type) {
  const auto* known = std::ranges::find(kTypes, type, &TypeName::type);
  return known != std::end(kTypes) ? std::string(known->name)
                                   : fmt::format("TYPE{}", static_cast<unsigned>(type));
}

std::optional<DnsType> parse_dns_type(std::string_view text) {
  std::string upper(text);
  std::ranges::transform(upper, upper.begin(), [](unsigned char c) { return std::toupper(c); });
  const auto* known = std::ranges::find(kTypes, upper, &TypeName::name);
  if (known != std::end(kTypes)) return known->type;
  if (!upper.starts_with("TYPE")) return std::nullopt;
  std::uint16_t number = 0;
  const char* end = upper.data() + upper.size();
  const auto parsed = std::from_chars(upper.data() + 4, end, number);
  if (parsed.ec != std::errc() || parsed.ptr != end) return std::nullopt;
  return static_cast<DnsType>(number);
}

std::string rcode_text(std::uint16_t rcode) {
  return rcode < kRcodes.size() ? std::string(kRcodes[rcode]) : fmt::format("RCODE{}", rcode);
}

Result<DnsMessage> parse_dns(std::span<const std::byte> bytes) {
  Reader reader(bytes);
  DnsMessage message;
  message.id = TRY(reader.u16());
  const std::uint16_t flags = TRY(reader.u16());
  message.response = flags & 0x8000;
  message.authoritative = flags & 0x0400;
  message.truncated = flags & 0x0200;
  message.authenticated = flags & 0x0020;
  message.rcode = flags & 0xf;
  const std::uint16_t questions = TRY(reader.u16()), answers = TRY(reader.u16());
  const std::uint16_t authorities = TRY(reader.u16()), additional = TRY(reader.u16());
  for (unsigned i = 0; i < questions; ++i) {
    TRY(reader.name());
    TRY(reader.bytes(4));
  }
  // What was cut off is not there, whatever the counts say.
  const auto ended = [&] { return message.truncated && reader.left() == 0; };
  for (unsigned i = 0; i < answers && !ended(); ++i)
    message.answers.push_back(TRY(finished(TRY(read_record(reader)), bytes)));
  for (unsigned i = 0; i < authorities && !ended(); ++i) {
    const RawRecord raw = TRY(read_record(reader));
    if (static_cast<DnsType>(raw.type) != DnsType::SOA) continue;
    message.negative_ttl_s = std::min(TRY(minimum_of(bytes, raw)), raw.ttl);
  }
  for (unsigned i = 0; i < additional && !ended(); ++i) {
    const RawRecord raw = TRY(read_record(reader));
    if (raw.type != kOpt) continue;
    message.edns_udp_bytes = raw.klass;
    message.rcode = static_cast<std::uint16_t>(message.rcode | (raw.ttl >> 24 << 4));
  }
  return message;
}

}  // namespace netsonde
