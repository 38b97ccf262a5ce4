#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# vm.sh BUILD [KERNEL...]   The BPF tests as the only program on other kernels: those named, or all in
# tests/kernels.
set -eu
build=$1
shift
[ $# -gt 0 ] || set -- $(sed 's/#.*//' tests/kernels)
export EXTRA_FILES="$(command -v ip) $(command -v tc) $(command -v nft) $(command -v ss)"
export TIME_LIMIT="${TIME_LIMIT:-600}"
status=0
for kernel; do
    scripts/vm.sh "$kernel" "$build/bpf-tests" --gtest_brief=1 --gtest_color=no || status=$?
done
exit $status
