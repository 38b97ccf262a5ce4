// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "user/base/fd.h"

namespace netsonde {

// A file of /proc or /sys that is read again and again: it stays open, and is opened anew when it
// was not there yet or cannot be read any more.
class KeptFile {
 public:
  enum class Size { Value, Table };  // a few words, got with one read; or anything

  // The directory's descriptor is not owned.
  KeptFile(int directory, std::string path, Size size)
      : directory_(directory), path_(std::move(path)), size_(size) {}

  // Its content now, in the buffer; nothing when there is no such file.
  std::optional<std::string_view> read(std::string& buffer);

 private:
  bool read_open_file(std::string& buffer, std::size_t& length) const;

  int directory_ = -1;
  std::string path_;
  Size size_ = Size::Table;
  UniqueFd fd_;
};

// Reads a file once. Spaces at its end are cut off.
std::optional<std::string> read_once(int directory, const std::string& path);

}  // namespace netsonde
