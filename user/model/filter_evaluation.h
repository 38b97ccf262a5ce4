// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "user/model/filter_parser.h"

namespace netsonde {

// What an expression is about: a row, or whatever else has the fields of its vocabulary.
class FilterSubject {
 public:
  virtual ~FilterSubject() = default;
  virtual Value value_of(const Field& field) const = 0;
};

// Whether the expression holds. For every event of a trace: allocates nothing.
bool holds(const FilterNode& node, const FilterSubject& subject);

}  // namespace netsonde
