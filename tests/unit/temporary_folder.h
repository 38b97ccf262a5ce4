// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>

namespace netsonde {

// A folder that goes with whoever has it.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    // mkdtemp() puts a name of its own in place of the last six characters.
    std::string name = std::filesystem::temp_directory_path() / "netsonde-XXXXXX";
    if (!mkdtemp(name.data())) throw std::runtime_error("make a temporary folder");
    path_ = name;
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace netsonde
