#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# run.sh BUILD   Builds, lints, runs every test; ends with "N passed, N failed, N skipped".
set -u
build=$1
logs=$build/logs
mkdir -p "$logs"
passed=0 failed=0 skipped=0

section() { printf '\n== %s\n' "$*"; }

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

# count LOG STATUS   Adds up what GoogleTest, or a plain closing line, says at the end of the log.
count() {
    good=$(sed -n 's/.*\[  PASSED  \] \([0-9]*\) test.*/\1/p; s/^\([0-9]*\) passed, .*/\1/p' "$1" | tail -n 1)
    bad=$(sed -n 's/.*\[  FAILED  \] \([0-9]*\) test.*/\1/p; s/^[0-9]* passed, \([0-9]*\) failed.*/\1/p' "$1" | tail -n 1)
    left=$(sed -n 's/.*\[  SKIPPED \] \([0-9]*\) test.*/\1/p; s/^[0-9]* passed, [0-9]* failed, \([0-9]*\) skipped.*/\1/p' "$1" | tail -n 1)
    passed=$((passed + ${good:-0}))
    failed=$((failed + ${bad:-0}))
    skipped=$((skipped + ${left:-0}))
    # A run that died, or printed no result at all, is a failure of its own.
    if [ -z "$good" ] || { [ "$2" -ne 0 ] && [ "${bad:-0}" -eq 0 ]; }; then
        failed=$((failed + 1))
        echo "FAILED: the run behind $1 ended with status $2"
    fi
}

# suite NAME COMMAND...   Shows failures and skips as they come, keeps everything in a log.
suite() {
    log=$logs/$1.log
    shift
    { "$@" 2>&1; echo "exit status $?"; } >"$log"
    status=$(sed -n 's/^exit status //p' "$log" | tail -n 1)
    grep -E '^not ok|^skip |\[  FAILED  \]|\[  SKIPPED \]|Skipped|: Failure|^  ?(Expected|Actual|Which is)|passed, |\[  PASSED  \]' "$log"
    count "$log" "$status"
}

section build
make --no-print-directory BUILD="$build" -j"$(nproc)" "$build/netsonde" "$build/netsonde.8" "$build/unit-tests" "$build/bpf-tests" || {
    echo "0 passed, 1 failed, 0 skipped"
    exit 1
}
section lint
check lint scripts/lint.sh "$build"
section unit tests
suite unit "$build/unit-tests" --gtest_brief=1 --gtest_color=no
section BPF tests on this kernel
suite bpf "$build/bpf-tests" --gtest_brief=1 --gtest_color=no
section command line
suite cli tests/cli/run.sh "$build/netsonde"
for kernel in $(sed 's/#.*//' tests/kernels); do
    section "BPF tests on $kernel"
    suite "vm-$kernel" tests/vm.sh "$build" "$kernel"
done

echo
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
