#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# vm.sh BUILD [KERNEL...]   The BPF tests as the only program on other kernels: those named, or all in
# tests/kernels. The clock of an emulated machine is at the mercy of whatever else its host does: what
# failed is run once more, alone in a fresh machine.
#   TIME_LIMIT=1200   seconds for each kernel; a quarter of it to run again
set -eu
build=$1
shift
[ $# -gt 0 ] || set -- $(sed 's/#.*//' tests/kernels)
export EXTRA_FILES="$(command -v ip) $(command -v tc) $(command -v nft) $(command -v ss)"
no_servers='Http3*' # they need servers that the guest does not have
export TIME_LIMIT="${TIME_LIMIT:-1200}"

status=0
for kernel; do
    tests/twice.sh scripts/vm.sh "$kernel" "$build/bpf-tests" "--gtest_filter=-$no_servers" || status=$?
done
exit $status
