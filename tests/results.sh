# shellcheck shell=sh
# SPDX-License-Identifier: Apache-2.0
# What the log of a run of tests says; to be sourced.

# failed_in LOG, passed_in LOG   The names of GoogleTest's tests that failed; that passed, where all
# are named (not with --gtest_brief).
names_in() { sed -n 's/.*\[ *'"$2"' *\] \([A-Za-z0-9_/]*\.[A-Za-z0-9_/]*\).*/\1/p' "$1" | sort -u; }
failed_in() { names_in "$1" FAILED; }
passed_in() { names_in "$1" OK; }

# number_in LOG PASSED|SKIPPED   How many there are of these.
number_in() { sed -n 's/.*\[ *'"$2"' *\] \([0-9]*\) test.*/\1/p' "$1" | tail -n 1; }

# closing_of LOG   "N passed, N failed, N skipped": its own such line, or what GoogleTest says. With
# --gtest_brief that does not number those that failed. Nothing for a run without a result.
closing_of() {
    sed -n 's/^\([0-9]* passed, [0-9]* failed, [0-9]* skipped\).*/\1/p' "$1" | tail -n 1 | grep . && return
    passed_there=$(number_in "$1" PASSED)
    [ -z "$passed_there" ] || printf '%d passed, %d failed, %d skipped\n' "$passed_there" \
        "$(failed_in "$1" | wc -l)" "$(number_in "$1" SKIPPED)"
}
