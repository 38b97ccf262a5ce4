// SPDX-License-Identifier: Apache-2.0
#include <clocale>
#include <cstdio>
#include <variant>

#include "user/cli.h"
#include "user/controller.h"

using namespace netsonde;

int main(int count, char** arguments) {
  std::setlocale(LC_CTYPE, "");
  auto parsed = parse_arguments(count, arguments);
  if (const auto* answer = std::get_if<Answer>(&parsed)) {
    std::fputs(answer->text.c_str(), answer->status ? stderr : stdout);
    return answer->status;
  }
  auto status = run(std::get<Options>(parsed));
  if (status) return status.value();
  std::fprintf(stderr, "netsonde: %s\n", status.error().message().c_str());
  return 1;
}
