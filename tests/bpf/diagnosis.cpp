// SPDX-License-Identifier: Apache-2.0
#include "tests/bpf/diagnosis.h"

#include <sys/socket.h>
#include <unistd.h>

#include <array>

#include "user/base/loop.h"

namespace netsonde::test {

DiagnosisTest::DiagnosisTest() : observer_(kernel_now()) {
  capture_.also(path_.far());
  capture_.live().want_all_histograms(true);
  capture_.tell(observer_);
  capture_.pass();
}

DiagnosisTest::~DiagnosisTest() {
  capture_.live().want_all_histograms(false);
}

void DiagnosisTest::flow(const Talk& client, const Talk& server, const Talk& prepare_client,
                         const Talk& prepare_listener) {
  Socket listener = path_.listen_far();
  if (prepare_listener) prepare_listener(listener);
  const std::uint16_t port = listener.port();
  flows_.push_back({.client = Child([&] {
                      const Socket socket = Socket::make();
                      if (prepare_client) prepare_client(socket);
                      socket.connect_to({.address = LongPath::kFar, .port = port});
                      client(socket);
                    }),
                    .server = Child([&] {
                      const Socket socket = listener.accept();
                      listener.close();
                      server(socket);
                    })});
}

void DiagnosisTest::look(int times) {
  for (int i = 0; i < times; ++i) {
    const Time next = kernel_now() + std::chrono::milliseconds(100);
    capture_.wait([next] { return kernel_now() >= next; });
    capture_.pass(false);
  }
}

Diagnosis DiagnosisTest::diagnose_now() {
  const Snapshot snapshot(capture_.store());
  return diagnose(observer_.observe(snapshot, Filter()));
}

std::optional<Finding> DiagnosisTest::find(std::string_view id) {
  for (Finding& finding : diagnose_now().findings)
    if (finding.id == id) return std::move(finding);
  return std::nullopt;
}

std::optional<Finding> DiagnosisTest::wait_for(std::string_view id, const Wanted& wanted) {
  std::optional<Finding> finding;
  const bool in_time = wait_until([&] {
    look(1);
    finding = find(id);
    return finding && (!wanted || wanted(*finding));
  });
  return in_time ? finding : std::nullopt;
}

std::string DiagnosisTest::found() {
  std::string text;
  for (const Finding& finding : diagnose_now().findings) {
    text += "\n" + std::string(finding.id) + ": " + finding.text;
    for (const Evidence& figure : finding.evidence)
      text += " " + figure.field + "=" + human(figure);
  }
  return text;
}

void send_on(const Socket& socket) {
  const std::string bytes(64 * 1024, 's');
  while (send(socket.fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL) > 0) {
  }
}

void read_on(const Socket& socket) {
  std::array<char, 64 * 1024> buffer;
  while (recv(socket.fd(), buffer.data(), buffer.size(), 0) > 0) {
  }
}

void use_cubic(const Socket& socket) {
  setsockopt(socket.fd(), IPPROTO_TCP, TCP_CONGESTION, "cubic", 5);
}

void do_nothing(const Socket&) {
  pause();
}

double value_of(const Finding& finding, std::string_view field) {
  for (const Evidence& figure : finding.evidence) {
    if (figure.field != field) continue;
    if (const auto* number = std::get_if<double>(&figure.value)) return *number;
    if (const auto* count = std::get_if<std::uint64_t>(&figure.value))
      return static_cast<double>(*count);
  }
  return 0;
}

}  // namespace netsonde::test
