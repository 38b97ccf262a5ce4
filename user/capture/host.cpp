// SPDX-License-Identifier: Apache-2.0
#include "user/capture/host.h"

#include <sys/resource.h>
#include <sys/utsname.h>

#include <array>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

namespace netsonde {

namespace {

std::string read_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

// "sch_fq_codel.ko.xz" and "/kernel/net/sched/sch_fq_codel.ko" name fq_codel.
void add_modules(const std::string& list, std::set<std::string>& qdiscs) {
  std::ifstream file(list);
  std::string line;
  while (std::getline(file, line)) {
    const std::size_t begin = line.find("/sch_");
    const std::size_t end = line.find(".ko", begin == std::string::npos ? 0 : begin);
    if (begin != std::string::npos && end != std::string::npos)
      qdiscs.insert(line.substr(begin + 5, end - begin - 5));
  }
}

// The name before a suffix, or nothing.
std::string stem(const std::string& name, std::string_view suffix) {
  return name.ends_with(suffix) ? name.substr(0, name.size() - suffix.size()) : std::string();
}

// Every queueing discipline has functions named after it; no other code has all four. The padding
// before each function has a symbol too.
void add_loaded(std::set<std::string>& qdiscs) {
  static constexpr std::array<std::string_view, 4> kFunctions = {"_enqueue", "_dequeue", "_dump",
                                                                 "_reset"};
  std::map<std::string, std::set<std::string_view>> found;
  std::ifstream file("/proc/kallsyms");
  std::string line, address, kind, name;
  while (std::getline(file, line)) {
    std::istringstream(line) >> address >> kind >> name;
    for (const std::string_view suffix : kFunctions)
      if (const std::string before = stem(name, suffix);
          !before.empty() && !before.starts_with("__pfx_"))
        found[before].insert(suffix);
  }
  for (const auto& [qdisc, functions] : found)
    if (functions.size() == kFunctions.size()) qdiscs.insert(qdisc);
}

}  // namespace

std::vector<std::string> congestion_controls() {
  std::istringstream words(read_line("/proc/sys/net/ipv4/tcp_available_congestion_control"));
  std::vector<std::string> names;
  for (std::string name; words >> name;) names.push_back(name);
  return names;
}

std::vector<std::string> available_qdiscs() {
  std::set<std::string> qdiscs;
  utsname name = {};
  uname(&name);
  const std::string modules = std::string("/lib/modules/") + name.release;
  add_modules(modules + "/modules.builtin", qdiscs);
  add_modules(modules + "/modules.dep", qdiscs);
  add_loaded(qdiscs);
  for (const char* always : {"noop", "noqueue"}) qdiscs.erase(always);
  return {qdiscs.begin(), qdiscs.end()};
}

std::vector<Advice> host_advice() {
  std::vector<Advice> advice;
  const auto check = [&advice](const std::string& path, const std::string& setting, auto&& bad,
                               const char* text) {
    const std::string value = read_line(path);
    if (!value.empty() && bad(value)) advice.push_back({setting, value, text});
  };
  check(
      "/proc/sys/net/core/bpf_jit_enable", "net.core.bpf_jit_enable",
      [](const std::string& v) { return v == "0"; },
      "BPF programs are interpreted, several times slower; sysctl -w net.core.bpf_jit_enable=1");
  check(
      "/proc/sys/kernel/kptr_restrict", "kernel.kptr_restrict",
      [](const std::string& v) { return v == "2"; },
      "the place of a drop cannot be named; sysctl -w kernel.kptr_restrict=1");
  rlimit files = {};
  if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < 256)
    advice.push_back({"ulimit -n", std::to_string(files.rlim_cur),
                      "too few descriptors for all programs; ulimit -n 1024"});
  return advice;
}

}  // namespace netsonde
