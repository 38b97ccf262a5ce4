#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# vm.sh BUILD [KERNEL...]   The BPF tests as the only program on other kernels: those named, or all in
# tests/kernels. The clock of an emulated machine is at the mercy of whatever else its host does: what
# failed is run once more, alone in a fresh machine, and counts as failed when it fails again.
#   TIME_LIMIT=1200   seconds for each kernel; a quarter of it to run again
set -eu
. tests/results.sh
build=$1
shift
[ $# -gt 0 ] || set -- $(sed 's/#.*//' tests/kernels)
export EXTRA_FILES="$(command -v ip) $(command -v tc) $(command -v nft) $(command -v ss)"
limit=${TIME_LIMIT:-1200}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' HUP INT TERM

# run LIMIT LOG KERNEL ARG...   Shows what the tests print and keeps it in the log; their status.
run() {
    run_log=$2
    {
        ended=0
        TIME_LIMIT=$1 scripts/vm.sh "$3" "$build/bpf-tests" --gtest_color=no "$4" 2>&1 || ended=$?
        echo "$ended" >"$run_log.status"
    } | tee "$run_log"
    return "$(cat "$run_log.status")"
}

# run_again KERNEL LOG   Those that failed by the log; the closing line of both runs together.
run_again() {
    failed_in "$2" >"$work/failed"
    echo "running again what failed: $(paste -sd ' ' "$work/failed")"
    run $((limit / 4)) "$work/second" "$1" "--gtest_filter=$(paste -sd : "$work/failed")" || true
    passed_in "$work/second" >"$work/passed"
    sed 's/^/passed only when run again: /' "$work/passed"
    failed=$(($(wc -l <"$work/failed") - $(wc -l <"$work/passed")))
    echo "$(($(number_in "$2" PASSED) + $(wc -l <"$work/passed"))) passed, $failed failed," \
        "$(($(number_in "$2" SKIPPED))) skipped"
    [ "$failed" -eq 0 ]
}

# A run that died, or took too long, has no result that another one could complete.
tests_on() {
    first=0
    run "$limit" "$work/first" "$1" --gtest_brief=1 || first=$?
    [ "$first" -ne 0 ] || return 0
    [ -n "$(number_in "$work/first" PASSED)" ] && [ -n "$(failed_in "$work/first")" ] || return "$first"
    run_again "$1" "$work/first"
}

status=0
for kernel; do
    tests_on "$kernel" || status=$?
done
exit $status
