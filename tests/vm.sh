#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# vm.sh BUILD [KERNEL...]   On other kernels, those named or all in tests/kernels: the BPF tests as the only
# program, then the command line tests that change settings of the whole host, or need disciplines that not
# every host has. The clock of an emulated machine is at the mercy of whatever else its host does: what failed
# is run once more, of the BPF tests alone in a fresh machine. Ends with "N passed, N failed, N skipped".
#   TIME_LIMIT=1200   seconds for the BPF tests on each kernel; a quarter of it to run again, half for the others
set -eu
. tests/results.sh
build=$(realpath "$1")
shift
# shellcheck disable=SC2046 # one word per kernel
[ $# -gt 0 ] || set -- $(sed 's/#.*//' tests/kernels)
PATH=$PATH:/usr/sbin:/sbin
network="$(command -v ip) $(command -v tc) $(command -v nft) $(command -v ss)"
no_servers='Http3*' # they need servers that the guest does not have
limit=${TIME_LIMIT:-1200}
python=$(PATH=/usr/bin:$PATH command -v python3)
library=$("$python" -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')
cli=$(realpath tests/cli)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' HUP INT TERM
passed=0 failed=0 skipped=0 status=0

# run COMMAND...   Shows what it prints, and adds up what that says.
run() {
    {
        ended=0
        "$@" 2>&1 || ended=$?
        echo "$ended" >"$work/status"
    } | tee "$work/log"
    ended=$(cat "$work/status")
    [ "$ended" -eq 0 ] || status=$ended
    # shellcheck disable=SC2046 # its words
    set -- $(closing_of "$work/log" || true)
    if [ $# -lt 5 ]; then
        [ "$status" -ne 0 ] || status=1 # without a result it has not passed
        return 0
    fi
    passed=$((passed + $1)) failed=$((failed + $3)) skipped=$((skipped + $5))
}

for kernel; do
    run env EXTRA_FILES="$network" TIME_LIMIT="$limit" \
        tests/twice.sh scripts/vm.sh "$kernel" "$build/bpf-tests" "--gtest_filter=-$no_servers"
    run env EXTRA_FILES="$python $library $network $(command -v strace) $(command -v sysctl) $build/netsonde $cli" TIME_LIMIT=$((limit / 2)) \
        scripts/vm.sh "$kernel" "$(command -v env)" DEADLINE=60 "$python" -B "$cli/main.py" "$build/netsonde" tune_host tune_qdiscs
done
echo "$passed passed, $failed failed, $skipped skipped"
exit "$status"
