// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "user/base/result.h"

namespace netsonde {

// What one line of sysctl's files says.
struct Assignment {
  std::string key{};    // with dots: "net.core.somaxconn"; a pattern where the file has one
  std::string value{};  // with single spaces
  std::string file{};   // its path; bytes of others, like key and value
  unsigned line = 0;
  bool revokes = false;  // "-key" without a value: at boot nothing is written to it
  bool at_boot = true;   // false: only "sysctl --system" and "sysctl -p" read the file
};

// The files of sysctl.d(5), as systemd-sysctl reads them at boot: of several with one name that of
// the first folder, all in the order of their names, the last line for a key counts, patterns only
// for keys that no line names. /etc/sysctl.conf, where no file of the folders is a link to it, is
// read at boot only by hosts that run without systemd; then it is the last.
class DropIns {
 public:
  // The root stands in front of every path. Cannot fail: see not_read().
  static DropIns read(const std::string& root = "");

  // Null where nothing is written to the key at boot. Lives as long as this object.
  const Assignment* find(std::string_view key) const;
  // What overrides a line for the key in a file of that name ("90-netsonde.conf"), in their order.
  std::vector<Assignment> later_than(std::string_view file_name, std::string_view key) const;

  // What may say more than is known here, and why: "/etc/sysctl.d/x.conf: Permission denied".
  const std::vector<std::string>& not_read() const { return not_read_; }

 private:
  struct Line {
    Assignment assignment{};
    std::string path{};       // below /proc/sys
    std::string file_name{};  // without its folder
    bool in_force = true;
  };

  std::map<std::string, std::string> files_below(const std::string& root);
  void add_files_of(const std::string& folder, std::map<std::string, std::string>& files);
  void read_file(const std::string& path, const std::string& name, bool at_boot);
  void take(Line line);
  bool overrule_before(const Line& line);

  std::vector<Line> lines_;                              // in the order of the files
  std::unordered_map<std::string, std::size_t> latest_;  // in lines_, by path
  std::vector<std::string> not_read_;
};

// Our own file.
inline constexpr std::string_view kPersistedName = "90-netsonde.conf";
inline constexpr std::string_view kPersistedPath = "/etc/sysctl.d/90-netsonde.conf";

struct Persisted {
  std::string key{}, value{};
  std::string comment{};  // why; control characters are escaped, so that it stays in its line
};

// Writes the file whole, so that readers see the old or the new one. Fails on a file of that name
// that somebody else wrote, on a key that is there twice, and on what cannot stand in one line.
Result<> write_persisted(std::vector<Persisted> settings, const std::string& root = "");
// By key; empty when there is none. Fails on somebody else's.
Result<std::vector<Persisted>> read_persisted(const std::string& root = "");
// False: there was none. Fails on somebody else's.
Result<bool> remove_persisted(const std::string& root = "");

}  // namespace netsonde
