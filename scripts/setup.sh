#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# setup.sh [build|test|bench|all]   Installs what building (and testing, comparing with others, and
# linting) needs on Debian or Ubuntu. Silent and quick when nothing is missing; only then root is not
# needed.
set -eu

build="clang llvm libbpf-dev libelf-dev zlib1g-dev libzstd-dev libsqlite3-dev g++ make pkg-config libfmt-dev libcli11-dev
    nlohmann-json3-dev libc-ares-dev libcurl4-openssl-dev libssl-dev libncurses-dev libmnl-dev libtomlplusplus-dev"
lint="clang-format clang-tidy cppcheck"
test="protobuf-compiler libgtest-dev libgmock-dev libclang-rt-dev iproute2 nftables iperf3 tmux zsh procps python3
    busybox-static cpio kmod xz-utils strace unbound bind9-dnsutils nginx-light caddy curl openssl"
peers="libbpf-tools bpftrace bpfcc-tools zstd prometheus-blackbox-exporter wrk nghttp2-client dnsperf"
# HTTP/3: later distributions have another interface (scripts/has-http3.sh).
! grep -q '^VERSION_CODENAME=bookworm' /etc/os-release ||
    build="$build libngtcp2-dev libngtcp2-crypto-gnutls-dev libnghttp3-dev libgnutls28-dev"
# Ubuntu has Chromium as a snap alone.
! grep -q '^ID=debian' /etc/os-release || test="$test chromium chromium-driver"
[ "$(uname -m)" != x86_64 ] || test="$test qemu-system-x86"
case ${1:-all} in
    build) wanted=$build ;;
    test) wanted="$build $test" ;;
    bench) wanted="$build $test $peers" ;;
    all) wanted="$build $lint $test" ;;
    *) echo "usage: setup.sh [build|test|bench|all]" >&2; exit 2 ;;
esac
PATH=$PATH:/usr/sbin:/sbin
bpftool=${BPFTOOL:-bpftool}

# shellcheck disable=SC2086 # one word per package
missing=$({
    dpkg-query -W -f '${db:Status-Status} ${Package}\n' $wanted 2>/dev/null || true
    printf 'wanted %s\n' $wanted
} | awk '$1 == "installed" { have[$2] } $1 == "wanted" && !($2 in have) { printf "%s ", $2 }')
"$bpftool" version >/dev/null 2>&1 || missing="${missing}bpftool"
[ -n "$missing" ] || exit 0

# Ubuntu has no package bpftool (or none that works without those of the running kernel).
real_packages() {
    for package in $missing; do
        if [ "$package" != bpftool ] || apt-cache policy bpftool | grep -q 'Candidate: [^(]'; then
            echo "$package"
        else
            echo linux-tools-common linux-tools-generic
            apt-cache pkgnames "linux-tools-$(uname -r)" | grep -x "linux-tools-$(uname -r)" || true
        fi
    done
}

# A web server that our tests start must not begin to serve this host.
keep_caddy_from_starting() {
    case " $missing" in *" caddy "*) ;; *) return 0 ;; esac
    unit=/etc/systemd/system/caddy.service
    [ ! -d "${unit%/*}" ] || [ -e "$unit" ] || [ -L "$unit" ] || ln -s /dev/null "$unit"
}

# What tests need as programs of theirs is not to serve this host.
keep_services_down() {
    policy=/usr/sbin/policy-rc.d
    [ ! -e $policy ] || return 0
    printf '#!/bin/sh\nexit 101\n' >$policy
    chmod 755 $policy
    trap 'rm -f $policy' EXIT
    trap 'exit 1' HUP INT TERM
}

install() {
    # shellcheck disable=SC2046 # one word per package
    DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 -qqy \
        install --no-install-recommends $(real_packages) >/dev/null
}

if ! command -v apt-get >/dev/null; then
    echo "setup.sh: no apt-get here; please install what these Debian packages hold: $missing" >&2
    exit 1
elif [ "$(id -u)" != 0 ]; then
    echo "setup.sh: as root, please: apt-get install $missing" >&2
    exit 1
fi
echo "installing $missing"
keep_services_down
keep_caddy_from_starting
install 2>/dev/null || { apt-get -qq update && install; }
"$bpftool" version >/dev/null 2>&1 || {
    echo "setup.sh: bpftool is not made for kernel $(uname -r); set BPFTOOL to one of:" \
        /usr/lib/linux-tools/*/bpftool >&2
    exit 1
}
