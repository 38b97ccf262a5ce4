#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# run.sh BUILD   Builds, lints, runs every test; ends with "N passed, N failed, N skipped".
set -u
. tests/results.sh
build=$1
logs=$build/logs
mkdir -p "$logs"
passed=0 failed=0 skipped=0

started=$(date +%s)
section() { printf '\n== %s (after %s s)\n' "$*" $(($(date +%s) - started)); }

# One check that either holds or does not.
check() {
    name=$1
    shift
    if "$@"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED: $name"
    fi
}

# count LOG STATUS   Adds up what a plain closing line, or else GoogleTest, says at the end of the log.
count() {
    closing=$(closing_of "$1")
    # A run that died, or printed no result at all, is a failure of its own.
    if [ -z "$closing" ] || { [ "$2" -ne 0 ] && [ "${closing#* passed, 0 failed}" != "$closing" ]; }; then
        failed=$((failed + 1))
        echo "FAILED: the run behind $1 ended with status $2"
    fi
    # shellcheck disable=SC2086 # its words
    set -- ${closing:-0 passed, 0 failed, 0 skipped}
    passed=$((passed + $1)) failed=$((failed + $3)) skipped=$((skipped + $5))
}

# run NAME COMMAND...   Keeps what it prints, and its status, in a log.
run() {
    log=$logs/$1.log
    shift
    { "$@" 2>&1; echo "exit status $?"; } >"$log"
}

# show NAME   Failures, skips and the result of a log; counts them.
show() {
    log=$logs/$1.log
    status=$(sed -n 's/^exit status //p' "$log" | tail -n 1)
    grep -E '^not ok|^skip |\[  FAILED  \]|\[  SKIPPED \]|Skipped|: Failure|^  ?(Expected|Actual|Which is)|passed, |^passed only when run again|\[  PASSED  \]' "$log"
    count "$log" "$status"
}

suite() {
    run "$@"
    show "$1"
}

section build
make --no-print-directory BUILD="$build" -j"$(nproc)" "$build/netsonde" "$build/netsonde.8" "$build/unit-tests" "$build/bpf-tests" || {
    echo "0 passed, 1 failed, 0 skipped"
    exit 1
}
section lint
check lint scripts/lint.sh "$build"
section unit tests
suite unit tests/twice.sh "$build/unit-tests"
section BPF tests on this kernel
suite bpf tests/twice.sh "$build/bpf-tests"
section command line
suite cli tests/cli/run.sh "$build/netsonde"
# An emulated machine takes one processor.
kernels=$(sed 's/#.*//' tests/kernels)
for kernel in $kernels; do
    run "vm-$kernel" tests/vm.sh "$build" "$kernel" &
done
wait
for kernel in $kernels; do
    section "BPF tests on $kernel"
    show "vm-$kernel"
done

echo
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
