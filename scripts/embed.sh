#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# embed.sh CSS JS   A header with both files as text, and the hashes by which the page's own policy
# allows them.
set -eu

hash() { sha256sum <"$1" | cut -c-64 | tr a-f A-F | basenc --base16 -d | base64; }
embed() { printf 'inline constexpr std::string_view k%s = R"___(%s\n)___";\ninline constexpr std::string_view k%sHash = "sha256-%s";\n' \
    "$1" "$(cat "$2")" "$1" "$(hash "$2")"; }

printf '#pragma once\n#include <string_view>\nnamespace netsonde {\n'
embed ReportStyle "$1"
embed ReportScript "$2"
printf '}\n'
