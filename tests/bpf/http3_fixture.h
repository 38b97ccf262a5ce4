// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>

#include "probes/http3.h"
#include "tests/bpf/long_path.h"
#include "tests/bpf/sandbox.h"
#include "tests/bpf/web_server.h"

namespace netsonde::test {

// Asks a server at the address, from within the namespace.
class Http3Fixture : public testing::Test {
 protected:
  void SetUp() override {
    std::string missing = Http3Prober::missing();
    if (missing.empty()) missing = WebServer::missing();
    if (!missing.empty()) GTEST_SKIP() << missing;
    begin();
  }
  virtual void begin() = 0;
  virtual WebServer& server() = 0;

  void open_prober() {
    lookup_ = Lookup::open(loop_, {.servers = {"127.0.0.1:9"}, .hosts_file = server().hosts_file()})
                  .value();
    prober_ = std::make_unique<Http3Prober>(loop_, *lookup_);
  }

  ProbeRequest request_for(const std::string& uri, std::uint16_t port = WebServer::kPort) {
    ProbeRequest request;
    request.target = Target::parse("h3://name.test:" + std::to_string(port) + uri).value();
    ProbeLimits& limits = request.limits;
    limits.total = limits.dns = limits.connect = limits.tls = limits.response = kDeadline;
    request.http.ca_file = server().ca_file();
    return request;
  }

  Attempt attempt(const ProbeRequest& request) {
    std::optional<Attempt> made;
    prober_->start(request, [&](Attempt attempt) {
      made = std::move(attempt);
      loop_.stop();
    });
    EXPECT_TRUE(loop_.run());
    return made.value();
  }

  // With a failure, which is said.
  Failure failure_of(const ProbeRequest& request) {
    return attempt(request).failure.value_or(Failure{.detail = "it went well"});
  }

  Loop loop_ = std::move(Loop::open()).value();
  std::unique_ptr<Lookup> lookup_;
  std::unique_ptr<Http3Prober> prober_;
};

// The server is that of all tests, each of which asks for a URI of its own.
class Http3Test : public Http3Fixture {
 protected:
  struct Stage {
    Namespace space = Namespace::create();
    WebServer server{space, "127.0.0.1"};
  };

  static void TearDownTestSuite() { stage().reset(); }
  static std::unique_ptr<Stage>& stage() {
    static std::unique_ptr<Stage> made;
    return made;
  }

  void begin() override {
    if (!stage()) stage() = std::make_unique<Stage>();
    inside_.emplace(space());
    open_prober();
  }
  WebServer& server() override { return stage()->server; }
  const Namespace& space() { return stage()->space; }

  std::optional<Inside> inside_;
};

// The server is at the far end of a path, and ends with the test.
class Http3PathTest : public Http3Fixture {
 protected:
  struct Stage {
    LongPath path;
    WebServer server{path.far(), LongPath::kFar};
    Inside inside{path.near()};
  };

  void begin() override {
    stage_.emplace();
    open_prober();
  }
  WebServer& server() override { return stage_->server; }
  PathShape& shape() { return stage_->path.shape(); }

  std::optional<Stage> stage_;
};

}  // namespace netsonde::test
