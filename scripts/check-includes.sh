#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Fails on an include that runs the wrong way. Each folder: what its files may include of the project.
set -eu

allowed() {
    case $1 in
    bpf) echo 'bpf/' ;;
    user/base) echo 'user/base/' ;;
    user/model | user/model/diagnosis | user/model/recording) echo 'bpf/events.h user/base/ user/model/' ;;
    user/capture) echo 'bpf/events.h bpf/socket_options.h user/base/ user/model/ user/capture/' ;;
    user/sinks | user/sinks/tui | user/sinks/export | user/sinks/report) echo 'user/base/ user/model/ user/sinks/' ;;
    tuner) echo 'user/base/ user/model/ tuner/' ;;
    probes) echo 'user/base/ user/model/ probes/' ;;
    *) echo '*' ;;
    esac
}

# Each library has one owner.
owner() {
    case $1 in
    bpf/libbpf.h | bpf/bpf.h | bpf/btf.h | libmnl/*) echo user/capture ;;
    curl/* | openssl/*) echo probes ;;
    ares*) echo probes ;;
    ngtcp2/* | nghttp3/* | gnutls/*) echo probes ;;
    CLI/*) echo user ;;
    nlohmann/*) echo user/base ;;
    ncurses* | curses.h | term.h) echo user/sinks/tui ;;
    sqlite3.h) echo user/sinks/export ;;
    toml++/*) echo tuner ;;
    zstd.h) echo user/model/recording ;;
    *) echo '*' ;;
    esac
}

status=0
for file in $(git ls-files 'bpf/*' 'user/*' 'tuner/*' 'probes/*' | grep -E '\.(c|h|cpp)$'); do
    folder=$(dirname "$file")
    for include in $(sed -n 's/^#include "\([^"]*\/[^"]*\)".*/\1/p' "$file"); do
        ok=0
        for prefix in $(allowed "$folder"); do
            [ "$prefix" = '*' ] && ok=1
            case $include in "$prefix"*) ok=1 ;; esac
        done
        [ $ok = 1 ] || { echo "$file may not include $include"; status=1; }
    done
    case $folder in bpf) continue ;; esac
    for include in $(sed -n 's/^#include <\([^>]*\)>.*/\1/p' "$file"); do
        home=$(owner "$include")
        [ "$home" = '*' ] || [ "$home" = "$folder" ] || { echo "$file may not include <$include>, which belongs to $home"; status=1; }
    done
done
exit $status
