// SPDX-License-Identifier: Apache-2.0
#include "tests/bpf/sandbox.h"

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <vector>

namespace netsonde::test {

namespace {

constexpr const char* kOwnNamespace = "/proc/thread-self/ns/net";

void bring_loopback_up() {
  const UniqueFd any(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request = {};
  std::strcpy(request.ifr_name, "lo");
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  must(any && ioctl(any.get(), SIOCSIFFLAGS, &request) == 0, "bring loopback up");
}

std::vector<std::string> words_of(const std::string& command) {
  std::istringstream stream(command);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

[[noreturn]] void execute(const std::vector<std::string>& words, int output) {
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  dup2(output, STDOUT_FILENO);
  dup2(output, STDERR_FILENO);
  execv(arguments[0], arguments.data());
  _exit(127);
}

// Two lines per group: the names, then the values.
void read_counters(const std::string& path, std::map<std::string, std::uint64_t>& counters) {
  std::ifstream file(path);
  std::string names, values;
  while (std::getline(file, names) && std::getline(file, values)) {
    std::istringstream name_stream(names), value_stream(values);
    std::string group, same_group, name;
    name_stream >> group;
    value_stream >> same_group;
    group.pop_back();
    long long value = 0;
    while (name_stream >> name && value_stream >> value)
      counters[group + name] = static_cast<std::uint64_t>(value);
  }
}

}  // namespace

void must(bool ok, std::string_view step) {
  if (!ok) throw std::runtime_error(std::string(step) + ": " + std::strerror(errno));
}

Namespace Namespace::current() {
  Namespace space;
  space.fd_ = UniqueFd(open(kOwnNamespace, O_RDONLY | O_CLOEXEC));
  struct stat status = {};
  must(space.fd_ && fstat(space.fd_.get(), &status) == 0, "open network namespace");
  space.inode_ = static_cast<std::uint32_t>(status.st_ino);
  return space;
}

Namespace Namespace::create() {
  const Namespace before = current();
  must(unshare(CLONE_NEWNET) == 0, "make a network namespace (needs root)");
  bring_loopback_up();
  Namespace space = current();
  must(setns(before.fd(), CLONE_NEWNET) == 0, "return to the network namespace");
  return space;
}

std::string Namespace::path() const {
  return "/proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(fd_.get());
}

Inside::Inside(const Namespace& space) : before_(Namespace::current()) {
  must(setns(space.fd(), CLONE_NEWNET) == 0, "enter a network namespace");
}

Inside::~Inside() {
  setns(before_.fd(), CLONE_NEWNET);
}

std::string output_of(const std::string& command) {
  std::array<int, 2> ends{};
  must(pipe2(ends.data(), O_CLOEXEC) == 0, "make a pipe");
  const UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  const std::vector<std::string> words = words_of(command);
  const pid_t child = fork();
  if (child == 0) execute(words, writer.get());
  writer.reset();
  std::string text;
  std::array<char, 4096> part{};
  for (ssize_t n = 0; (n = read(reader.get(), part.data(), part.size())) > 0;)
    text.append(part.data(), static_cast<std::size_t>(n));
  int status = 0;
  must(child > 0 && waitpid(child, &status, 0) == child, command);
  if (status) throw std::runtime_error(command + ": " + text);
  return text;
}

void run(const std::string& command) {
  output_of(command);
}

void set_ipv4(const std::string& key, const std::string& value) {
  std::ofstream file("/proc/sys/net/ipv4/" + key);
  file << value << std::flush;
  must(file.good(), "set net.ipv4." + key);
}

std::map<std::string, std::uint64_t> kernel_counters() {
  std::map<std::string, std::uint64_t> counters;
  for (const char* file : {"snmp", "netstat"})
    read_counters(std::string("/proc/thread-self/net/") + file, counters);
  return counters;
}

std::uint64_t kernel_counter(const std::string& name) {
  const auto counters = kernel_counters();
  const auto found = counters.find(name);
  must(found != counters.end(), "find the kernel's counter " + name);
  return found->second;
}

bool is_slow_machine() {
  std::ifstream file("/proc/cpuinfo");
  std::stringstream text;
  text << file.rdbuf();
  return text.str().find("QEMU TCG") != std::string::npos;
}

}  // namespace netsonde::test
