#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# twice.sh COMMAND...   GoogleTest's tests by COMMAND. What failed is run once more, alone, and counts
# as failed when it fails again; what passed only then is named. A run that died, or took too long, has
# no result that another one could complete.
#   TIME_LIMIT=1200   where COMMAND obeys it: seconds for the first run; a quarter of it for the second
set -eu
. tests/results.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' HUP INT TERM

# run LOG COMMAND...   Shows what the tests print and keeps it in the log; their status.
run() {
    run_log=$1
    shift
    {
        ended=0
        "$@" 2>&1 || ended=$?
        echo "$ended" >"$run_log.status"
    } | tee "$run_log"
    return "$(cat "$run_log.status")"
}

first=0
run "$work/first" "$@" --gtest_color=no --gtest_brief=1 || first=$?
[ "$first" -ne 0 ] || exit 0
[ -n "$(number_in "$work/first" PASSED)" ] && [ -n "$(failed_in "$work/first")" ] || exit "$first"

failed_in "$work/first" >"$work/failed"
echo "running again what failed: $(paste -sd ' ' "$work/failed")"
[ -z "${TIME_LIMIT-}" ] || export TIME_LIMIT=$((TIME_LIMIT / 4))
second=0
run "$work/second" "$@" --gtest_color=no "--gtest_filter=$(paste -sd : "$work/failed")" || second=$?
passed_in "$work/second" >"$work/passed"
sed 's/^/passed only when run again: /' "$work/passed"
failed=$(($(wc -l <"$work/failed") - $(wc -l <"$work/passed")))
skipped=$(number_in "$work/first" SKIPPED)
echo "$(($(number_in "$work/first" PASSED) + $(wc -l <"$work/passed"))) passed, $failed failed," \
    "${skipped:-0} skipped"
[ "$failed" -eq 0 ] && exit "$second"
exit 1
