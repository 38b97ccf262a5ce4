// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "probes/lookup.h"
#include "tests/unit/dns_server_fixture.h"

namespace netsonde {

using Says = std::optional<DnsSays>;

inline constexpr unsigned kA = 1, kServfail = 2, kNxdomain = 3, kRefused = 5;

// One A record, and no AAAA.
inline Says one_address(const DnsServerFixture::Question& question) {
  if (question.type != kA) return DnsSays{.soa_minimum_s = 60};
  return DnsSays{.records = {a_record("192.0.2.1", 120)}};
}

inline DnsServerFixture::Answer always(const DnsSays& says) {
  return [says](const DnsServerFixture::Question&) -> Says { return says; };
}

inline Says silence(const DnsServerFixture::Question&) {
  return std::nullopt;
}

// A file with that content, for as long as it lives.
class SmallFile {
 public:
  explicit SmallFile(std::string_view content) {
    UniqueFd(mkstemp(path_.data()));
    std::ofstream(path_) << content;
  }
  SmallFile(const SmallFile&) = delete;
  SmallFile& operator=(const SmallFile&) = delete;
  ~SmallFile() { unlink(path_.c_str()); }
  const std::string& path() const { return path_; }

 private:
  std::string path_ = testing::TempDir() + "lookup_test.XXXXXX";
};

inline std::vector<std::string> texts(const std::vector<Address>& addresses) {
  std::vector<std::string> texts;
  for (const Address& address : addresses) texts.push_back(to_text(address));
  return texts;
}

class LookupTest : public testing::Test {
 protected:
  // Long enough for any answer that comes, or short where none does.
  static constexpr Nanos kPatience = std::chrono::seconds(5);
  static constexpr Nanos kImpatience = std::chrono::milliseconds(100);

  static LookupSettings asking(std::vector<std::string> servers, Nanos timeout = kPatience) {
    return {.servers = std::move(servers), .timeout = timeout, .hosts_file = "", .resolv_file = ""};
  }

  std::unique_ptr<Lookup> open(const LookupSettings& settings) {
    auto lookup = Lookup::open(loop_, settings);
    EXPECT_TRUE(lookup) << lookup.error().message();
    return std::move(lookup).value();
  }
  std::unique_ptr<Lookup> open(const DnsServerFixture& server, Nanos timeout = kPatience) {
    return open(asking({server.server()}, timeout));
  }

  // Runs the loop until that is so, or far too long.
  void run_until(const std::function<bool()>& is_so) {
    const Time deadline = kernel_now() + std::chrono::seconds(10);
    const auto timer = loop_.every(std::chrono::milliseconds(1), [&]() -> Result<> {
      if (is_so() || kernel_now() > deadline) loop_.stop();
      return {};
    });
    ASSERT_TRUE(timer);
    ASSERT_TRUE(loop_.run());
    loop_.forget(timer.value());
    EXPECT_TRUE(is_so()) << "waited for too long";
  }

  Lookup::Found find(Lookup& lookup, const std::string& name, bool fresh = false) {
    std::optional<Lookup::Found> result;
    lookup.find(name, fresh, [&](Lookup::Found found) { result = std::move(found); });
    if (!result) run_until([&] { return result.has_value(); });
    return result.value_or(Lookup::Found{});
  }

  static FailureKind kind_of(const Lookup::Found& found) {
    EXPECT_TRUE(found.failure);
    return found.failure ? found.failure->kind : FailureKind::Unsupported;
  }
  static std::string detail_of(const Lookup::Found& found) {
    EXPECT_TRUE(found.failure);
    return found.failure ? found.failure->detail : "";
  }

  Loop loop_ = Loop::open().value();
};

}  // namespace netsonde
