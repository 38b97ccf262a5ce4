// SPDX-License-Identifier: Apache-2.0
// The hostile payload of one frame, without the file around it, whose description takes a hundred
// times as long to read.
#include <span>

#include "tests/fuzz/record_reader.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace netsonde;
  using namespace netsonde::recording;
  static const Translation same = Translation::of(own_layouts());
  if (size == 0) return 0;
  auto records = Records::decode(std::as_bytes(std::span(data + 1, size - 1)), same);
  if (!records) return 0;
  RecordReader reader;
  while (const auto record = records.value().next()) reader.take(data[0] & 1, *record);
  reader.look();
  return 0;
}
