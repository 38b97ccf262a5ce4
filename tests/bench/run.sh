#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# run.sh BUILD [PART...]   Builds what the benchmark needs and runs it, in a network and a mount
# namespace of its own: an hour and more, or these parts alone. QUICK=1: shorter, with wider intervals.
set -eu
build=${1:-build}
[ $# -eq 0 ] || shift
[ "$(id -u)" = 0 ] || { echo "run.sh: loading BPF programs needs root" >&2; exit 1; }
tools="$build/tests/bench/work $build/tests/bench/load $build/tests/bench/scale $build/tests/bench/diagnosis
    $build/tests/bench/recording $build/tests/bench/path"
# shellcheck disable=SC2086 # one word per target
make --no-print-directory BUILD="$build" all $tools
case " $* " in *" virtual "*) scripts/kernel.sh linux-image-6.12-cloud-amd64 >/dev/null ;; esac

# Connections that the churn closes must not hold their ports for a minute. Some peers want tracefs.
# shellcheck disable=SC2016 # expanded by the inner shell
exec unshare --net --mount sh -euc '
    ip link set lo up
    echo 1024 >/proc/sys/net/ipv4/tcp_max_tw_buckets
    mount -t tracefs tracefs /sys/kernel/tracing
    exec python3 tests/bench/bench.py "$@"' sh "$build" "$@"
