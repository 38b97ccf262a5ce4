// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "user/model/filter_evaluation.h"

namespace netsonde {
namespace {

using ::testing::StartsWith;

constexpr std::array kSizes = {
    Field{.id = "width_ms", .alias = "width", .title = "", .help = "", .unit = Unit::Milliseconds},
    Field{.id = "height", .alias = "", .title = "", .help = ""},
};
constexpr Vocabulary kShapes = {.expression = "condition", .fields = kSizes, .lists = "the ruler"};

// Something that is no row.
class Shape : public FilterSubject {
 public:
  explicit Shape(std::map<std::string_view, Value> values) : values_(std::move(values)) {}

  Value value_of(const Field& field) const override {
    const auto found = values_.find(field.id);
    return found == values_.end() ? Value() : found->second;
  }

 private:
  std::map<std::string_view, Value> values_;
};

bool holds_for(std::string_view text, const Shape& shape) {
  const auto node = parse_filter(text, kShapes);
  if (!node) ADD_FAILURE() << node.error().message();
  return node && holds(node.value(), shape);
}

std::string error_of(std::string_view text) {
  const auto node = parse_filter(text, kShapes);
  return node ? "no error" : node.error().message();
}

TEST(FilterVocabulary, JudgesWhateverHasItsFields) {
  const Shape shape({{"width_ms", 20.5}, {"height", std::uint64_t{3}}});
  EXPECT_TRUE(holds_for("width > 20ms and height = 3", shape));
  EXPECT_FALSE(holds_for("width > 20ms and height = 4", shape));
  EXPECT_TRUE(holds_for("not (width_ms < 0.02s) and height in 1, 3", shape));
}

TEST(FilterVocabulary, WhatTheSubjectDoesNotHaveFailsItsComparison) {
  const Shape shape({{"height", std::uint64_t{3}}});
  EXPECT_FALSE(holds_for("width < 20ms", shape));
  EXPECT_FALSE(holds_for("width >= 20ms", shape));
  EXPECT_TRUE(holds_for("width = null", shape));
}

TEST(FilterVocabulary, AFieldThatNoRowHasIsANumber) {
  EXPECT_EQ(kind_of(kSizes[1]), FieldKind::Number);
  EXPECT_THAT(error_of("height = tall"), StartsWith("expected a number for 'height'"));
}

TEST(FilterVocabulary, KnowsNoFieldOfRows) {
  EXPECT_THAT(error_of("srtt > 5ms"), StartsWith("unknown field 'srtt'"));
  EXPECT_THAT(error_of("port = 443"), StartsWith("unknown field 'port'"));
}

TEST(FilterVocabulary, SuggestsTheNearestOfItsOwn) {
  EXPECT_THAT(error_of("heigth = 3"), StartsWith("unknown field 'heigth', did you mean 'height'?"));
  EXPECT_EQ(find_field("height", kSizes), &kSizes[1]);
  EXPECT_EQ(nearest_field("widh", kSizes), "width");
}

TEST(FilterVocabulary, NamesWhatListsItsFields) {
  EXPECT_THAT(error_of("quuxquuxquux"),
              StartsWith("unknown field 'quuxquuxquux'; the ruler lists"));
}

TEST(FilterVocabulary, ErrorsCallTheExpressionByItsName) {
  EXPECT_THAT(error_of("height = 3 height"), StartsWith("expected 'and', 'or' or the end of the "
                                                        "condition\n"));
  EXPECT_THAT(error_of(std::string(5000, 'x')), StartsWith("expected a condition of at most 4096"));
}

}  // namespace
}  // namespace netsonde
