// SPDX-License-Identifier: Apache-2.0
#include "tests/bpf/path.h"

#include <exception>
#include <string_view>

namespace netsonde::test {

Path::Path() {
  for (const Namespace* space : {&near_, &far_}) {
    const Inside inside(*space);
    set_ipv4("../ipv6/conf/default/disable_ipv6", "1");  // no packets but the tests' own
  }
  run_in(near_, "/sbin/ip link add near type veth peer name far netns " + far_.path());
  run_in(near_, std::string("/sbin/ip address add ") + kNear + "/24 dev near");
  run_in(far_, std::string("/sbin/ip address add ") + kFar + "/24 dev far");
  run_in(near_, "/sbin/ip link set near up");
  run_in(far_, "/sbin/ip link set far up");
  const Inside inside(near_);
  must(wait_until([] {
         return output_of("/sbin/ip -o link show near").find("state UP") != std::string::npos;
       }),
       "wait for the path to come up");
}

Socket Path::listen_far() const {
  const Inside inside(far_);
  return listen_on({.address = kFar});
}

Rule::Rule(const Namespace& space, const std::string& hook, const std::string& match,
           const std::string& verdict)
    : space_(space) {
  const std::string kNft = "/usr/sbin/nft ";
  run_in(space_, kNft + "add table inet test");
  run_in(space_, kNft + "add chain inet test rules { type filter hook " + hook + " priority 0 ; }");
  run_in(space_, kNft + "add rule inet test rules " + match + " counter " + verdict);
}

Rule::~Rule() {
  try {
    run_in(space_, "/usr/sbin/nft delete table inet test");
  } catch (const std::exception&) {
    // The table goes with its namespace.
  }
}

std::uint64_t Rule::packets() const {
  const Inside inside(space_);
  const std::string rules = output_of("/usr/sbin/nft list table inet test");
  const std::string_view kLabel = "counter packets ";
  const std::size_t at = rules.find(kLabel);
  must(at != std::string::npos, "find a counter in the table inet test");
  return std::stoull(rules.substr(at + kLabel.size()));
}

std::string packets_to(const Socket& listener) {
  return "tcp dport " + std::to_string(listener.port());
}

std::string packets_from(const Socket& listener) {
  return "tcp sport " + std::to_string(listener.port());
}

void run_in(const Namespace& space, const std::string& command) {
  const Inside inside(space);
  run(command);
}

std::uint64_t kernel_counter_in(const Namespace& space, const std::string& name) {
  const Inside inside(space);
  return kernel_counter(name);
}

}  // namespace netsonde::test
