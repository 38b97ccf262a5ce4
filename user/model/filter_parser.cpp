// SPDX-License-Identifier: Apache-2.0
#include "user/model/filter_parser.h"

#include <fmt/format.h>
#include <strings.h>

#include <cctype>
#include <string>
#include <utility>

#include "user/base/text.h"
#include "user/model/filter_lexer.h"

namespace netsonde {

namespace {

constexpr std::string_view kEitherPort = "port";

struct Operator {
  TokenKind token;
  Comparator comparator;
  bool negated = false;
};

constexpr std::array kOperators = {
    Operator{.token = TokenKind::Equal, .comparator = Comparator::Equal},
    Operator{.token = TokenKind::In, .comparator = Comparator::Equal},
    Operator{.token = TokenKind::NotEqual, .comparator = Comparator::Equal, .negated = true},
    Operator{.token = TokenKind::Less, .comparator = Comparator::Less},
    Operator{.token = TokenKind::LessEqual, .comparator = Comparator::LessEqual},
    Operator{.token = TokenKind::Greater, .comparator = Comparator::Greater},
    Operator{.token = TokenKind::GreaterEqual, .comparator = Comparator::GreaterEqual},
    Operator{.token = TokenKind::Match, .comparator = Comparator::Match},
    Operator{.token = TokenKind::NotMatch, .comparator = Comparator::Match, .negated = true},
};

const Operator* find_operator(TokenKind token) {
  for (const Operator& candidate : kOperators)
    if (candidate.token == token) return &candidate;
  return nullptr;
}

struct KindTraits {
  std::string_view name;
  std::string_view operators;
  bool ordered = false;
  bool matched = false;
};

KindTraits traits_of(FieldKind kind) {
  switch (kind) {
    case FieldKind::Text: return {.name = "text", .operators = "= != in ~ !~", .matched = true};
    case FieldKind::Number:
      return {.name = "a number", .operators = "= != in < <= > >=", .ordered = true};
    case FieldKind::Flag: return {.name = "yes or no", .operators = "= !="};
    case FieldKind::Address: return {.name = "an address", .operators = "= != in"};
    case FieldKind::Time:
      return {.name = "a time", .operators = "= != in < <= > >=", .ordered = true};
  }
  return {};
}

bool fits(Comparator comparator, const KindTraits& traits) {
  if (comparator == Comparator::Equal) return true;
  return comparator == Comparator::Match ? traits.matched : traits.ordered;
}

// The kinds of token behind a field that is not compared with anything.
bool ends_comparison(TokenKind kind) {
  return kind == TokenKind::End || kind == TokenKind::And || kind == TokenKind::Or ||
         kind == TokenKind::Close;
}

bool is_null(const Token& token) {
  return token.kind == TokenKind::Word &&
         (token.text == "-" || strcasecmp(token.text.c_str(), "null") == 0);
}

// Words of the language are values only in quotes.
std::string quote_hint(const Token& token) {
  const bool word = !token.text.empty() && std::isalpha(static_cast<unsigned char>(token.text[0]));
  return word ? fmt::format(" (to mean the text, write \"{}\")", token.text) : "";
}

Result<Operand> parse_pattern(const std::string& pattern, bool ignore_case) {
  return Operand(TRY(Regex::compile(pattern, ignore_case)));
}

class Parser {
 public:
  Parser(std::string_view expression, std::vector<Token> tokens, const Vocabulary& vocabulary)
      : expression_(expression), tokens_(std::move(tokens)), vocabulary_(vocabulary) {}

  Result<FilterNode> parse() {
    FilterNode root = TRY(alternatives());
    if (peek().kind != TokenKind::End)
      return fail(peek(),
                  fmt::format("expected 'and', 'or' or the end of the {}", vocabulary_.expression));
    return root;
  }

 private:
  const Token& peek() const { return tokens_[next_]; }
  const Token& take() { return tokens_[peek().kind == TokenKind::End ? next_ : next_++]; }
  bool take_if(TokenKind kind) {
    if (peek().kind != kind) return false;
    take();
    return true;
  }
  Error fail(const Token& at, std::string_view what) const {
    return filter_error(expression_, at.offset, what);
  }

  Result<FilterNode> alternatives() {
    return several(TokenKind::Or, FilterNode::Kind::Any, &Parser::conjunction);
  }
  Result<FilterNode> conjunction() {
    return several(TokenKind::And, FilterNode::Kind::All, &Parser::term);
  }

  // Flat, however many there are: a long filter is not a deep one.
  Result<FilterNode> several(TokenKind separator, FilterNode::Kind kind,
                             Result<FilterNode> (Parser::*part)()) {
    FilterNode first = TRY((this->*part)());
    if (peek().kind != separator) return first;
    FilterNode node{.kind = kind, .children = {}, .comparison = {}};
    node.children.push_back(std::move(first));
    while (take_if(separator)) node.children.push_back(TRY((this->*part)()));
    return node;
  }

  Result<FilterNode> term() {
    const Token& token = peek();
    const bool opens = token.kind == TokenKind::Open && token.text == "(";
    if (token.kind != TokenKind::Not && !opens) return comparison();
    if (++depth_ > kDeepestFilter)
      return fail(token, fmt::format("expected at most {} levels of 'not' and parentheses",
                                     kDeepestFilter));
    take();
    FilterNode node = TRY(opens ? group(token) : negation());
    --depth_;
    return node;
  }

  Result<FilterNode> negation() {
    FilterNode node{.kind = FilterNode::Kind::Not, .children = {}, .comparison = {}};
    node.children.push_back(TRY(term()));
    return node;
  }

  Result<FilterNode> group(const Token& open) {
    FilterNode node = TRY(alternatives());
    TRY(close(open));
    return node;
  }

  Result<> close(const Token& open) {
    const std::string_view closing = open.text == "(" ? ")" : "}";
    if (peek().kind != TokenKind::Close || peek().text != closing)
      return fail(peek(), fmt::format("expected '{}'", closing));
    take();
    return {};
  }

  Result<FilterNode> comparison() {
    FilterNode node;
    const Token& name = take();
    node.comparison.fields = TRY(fields_named(name));
    if (!ends_comparison(peek().kind)) TRY(compare(node.comparison, name.text));
    return node;
  }

  using Fields = std::array<const Field*, 2>;  // as of a Comparison; none for an unknown name

  Fields find(std::string_view name) const {
    const std::span<const Field> fields = vocabulary_.fields;
    if (name == kEitherPort)
      return {find_field("local_port", fields), find_field("remote_port", fields)};
    return {find_field(name, fields), nullptr};
  }

  Result<Fields> fields_named(const Token& name) const {
    if (name.kind != TokenKind::Word) return fail(name, "expected a field, 'not' or '('");
    if (const Fields found = find(name.text); found[0]) return found;
    const std::string_view nearest = nearest_field(name.text, vocabulary_.fields);
    return fail(name,
                fmt::format("unknown field '{}'{}", printable(name.text),
                            nearest.empty() ? fmt::format("; {} lists them", vocabulary_.lists)
                                            : fmt::format(", did you mean '{}'?", nearest)));
  }

  Result<> compare(Comparison& comparison, std::string_view name) {
    const Field& field = *comparison.fields[0];
    const FilterTarget target{
        .name = name, .kind = kind_of(field), .unit = field.unit, .words = words_of(field)};
    const bool opposite = take_if(TokenKind::Not);
    const Token& sign = take();
    const Operator* op = find_operator(sign.kind);
    if (opposite && sign.kind != TokenKind::In) return fail(sign, "expected 'in' after 'not'");
    if (!op) return fail(sign, fmt::format("expected a comparison operator after '{}'", name));
    const KindTraits traits = traits_of(target.kind);
    if (!fits(op->comparator, traits))
      return fail(sign, fmt::format("expected one of {} after '{}', which is {}", traits.operators,
                                    name, traits.name));
    comparison.comparator = op->comparator;
    comparison.negated = op->negated != opposite;
    comparison.ignore_case = !target.words.empty();
    return operands(comparison, target);
  }

  Result<> operands(Comparison& comparison, const FilterTarget& target) {
    const bool may_be_list = comparison.comparator == Comparator::Equal;
    const Token& open = peek();
    const bool enclosed = may_be_list && take_if(TokenKind::Open);
    do comparison.operands.push_back(TRY(operand(comparison, target)));
    while (may_be_list && take_if(TokenKind::Comma));
    if (enclosed) TRY(close(open));
    return {};
  }

  Result<Operand> operand(const Comparison& comparison, const FilterTarget& target) {
    const Token& token = take();
    // "in" is a direction, too.
    if (token.kind != TokenKind::Word && token.kind != TokenKind::Quoted &&
        token.kind != TokenKind::In)
      return fail(token,
                  fmt::format("expected a value for '{}'{}", target.name, quote_hint(token)));
    if (is_null(token)) {
      if (comparison.comparator == Comparator::Equal) return Operand();
      return fail(token, "expected a value; null is only = or !=");
    }
    auto parsed = comparison.comparator == Comparator::Match
                      ? parse_pattern(token.text, comparison.ignore_case)
                      : parse_operand(target, with_unit(token, target));
    if (!parsed) return fail(token, parsed.error().message());
    return parsed;
  }

  // The unit may stand apart: "50 ms".
  std::string with_unit(const Token& number, const FilterTarget& target) {
    const bool bare = target.kind == FieldKind::Number && number.kind == TokenKind::Word &&
                      number.text.find_first_not_of("0123456789.") == std::string::npos;
    const bool unit = peek().kind == TokenKind::Word && !find(peek().text)[0];
    return bare && unit ? number.text + take().text : number.text;
  }

  std::string_view expression_;
  std::vector<Token> tokens_;
  const Vocabulary& vocabulary_;
  std::size_t next_ = 0;
  int depth_ = 0;
};

}  // namespace

Result<FilterNode> parse_filter(std::string_view expression, const Vocabulary& vocabulary) {
  if (expression.size() > kLongestFilter) {
    const std::string begin = fit(printable(expression.substr(0, 80)), 60);
    return filter_error(begin, begin.size() - 1,
                        fmt::format("expected a {} of at most {} bytes, this one has {}",
                                    vocabulary.expression, kLongestFilter, expression.size()));
  }
  return Parser(expression, TRY(tokenize(expression)), vocabulary).parse();
}

}  // namespace netsonde
