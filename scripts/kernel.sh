#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# kernel.sh PACKAGE   Prints the folder that holds the Debian kernel package (or the one that a
# meta-package points to), unpacked. It is downloaded once and then kept below build/kernels;
# nothing is installed.
set -eu

PATH=$PATH:/usr/sbin:/sbin
package=${1:?usage: kernel.sh PACKAGE}
cache=$(dirname "$(realpath "$0")")/../build/kernels
mkdir -p "$cache"
folder=$(realpath "$cache")/$package

if [ ! -d "$folder" ]; then
    work=$(mktemp -d "$cache/.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    trap 'exit 130' HUP INT TERM

    real=$(apt-cache depends "$package" 2>/dev/null | sed -n 's/.*Depends: \(linux-image-.*\)/\1/p' | head -n 1)
    (cd "$work" && apt-get -qq -o APT::Sandbox::User=root download "${real:-$package}") >&2 || {
        echo "kernel.sh: cannot download ${real:-$package}; 'apt-get update' may help" >&2
        exit 1
    }
    dpkg-deb -x "$work"/*.deb "$work/root"
    depmod -b "$work/root" "$(ls "$work/root/lib/modules")"
    # Another run may have been faster.
    mv -T "$work/root" "$folder" 2>/dev/null || [ -d "$folder" ]
fi
echo "$folder"
