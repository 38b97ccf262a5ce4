#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# lint.sh BUILD   Formatting, include directions, licence lines, clang-tidy and cppcheck. Prints only faults.
set -eu
build=$1
status=0
sources=$(git ls-files '*.cpp' '*.h' '*.c' ':!vmlinux')

# shellcheck disable=SC2086
clang-format --dry-run -Werror $sources || status=1
scripts/check-includes.sh || status=1

for file in $sources $(git ls-files '*.sh' Makefile); do
    head -n 3 "$file" | grep -q SPDX-License-Identifier || { echo "$file: no SPDX line"; status=1; }
done

# Two types of one name in one namespace, each in another header, are undefined behaviour that no tool tells of.
# shellcheck disable=SC2046
twice=$(grep -oE '^(struct|class|enum class) [A-Za-z0-9]+ (: |final |\{$)' $(git ls-files 'user/*.h' 'tuner/*.h' 'probes/*.h' ':!user/model/recording') |
    sed -E 's/^([^:]*):(enum )?[a-z]+ ([A-Za-z0-9]+) .*/\1 \3/' | sort -u | awk '{ print $2 }' | sort | uniq -d)
[ -z "$twice" ] || { echo "defined in two headers:" $twice; status=1; }

# The system's own headers are not ours to judge: only files below user, tuner, probes and tests are.
flags="-std=c++20 -I. -I$build -DNETSONDE_VERSION=\\\"\\\" $([ -z "$(scripts/has-http3.sh)" ] || echo -DNETSONDE_HTTP3)"
# shellcheck disable=SC2086
git ls-files 'user/*.cpp' 'tuner/*.cpp' 'probes/*.cpp' |
    xargs -P "$(nproc)" -n 4 sh -c 'clang-tidy --quiet --warnings-as-errors="*" "$@" -- '"$flags"' 2>/dev/null' _ || status=1
# shellcheck disable=SC2046
cppcheck --quiet --std=c++20 --language=c++ --enable=warning,performance,portability --inline-suppr \
    --suppress=missingInclude --suppress=unknownMacro --error-exitcode=1 -j "$(nproc)" -I. \
    $(git ls-files 'user/*.cpp' 'tuner/*.cpp' 'probes/*.cpp') || status=1
exit $status
