#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# embed-profiles.sh FOLDER   A header with the tuning profiles of the folder as text.
set -eu

printf '#pragma once\n#include <array>\n#include <string_view>\nnamespace netsonde {\n'
printf 'struct ProfileText {\n  std::string_view name, text;\n};\n'
printf 'inline constexpr auto kProfileTexts = std::to_array<ProfileText>({\n'
for file in "$1"/*.toml; do
    printf '{"%s", R"___(%s\n)___"},\n' "$(basename "$file" .toml)" "$(cat "$file")"
done
printf '});\n}\n'
