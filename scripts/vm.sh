#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# vm.sh KERNEL PROGRAM [ARG...]   Boots KERNEL (a package name as in tests/kernels, or a folder that
# kernel.sh printed) under qemu with little in it but PROGRAM, runs it as root, prints what it
# prints and exits as it does: 124 after TIME_LIMIT seconds, 125 when the machine itself failed.
#   EXTRA_FILES="/sbin/ip /usr/sbin/nft"   more programs and files, at the same path in the guest
#   TIME_LIMIT=300
#   ACCEL=kvm                               where the host can. Emulated processors take turns: in
#                                           threads of their own they meet half-patched kernel code.
#   VIRTUAL_TIME=1                          an emulated processor of 1 GHz whose clock counts instructions:
#                                           nothing else on the host distorts it, and idle time is skipped
set -eu

modules="veth tun tcp_bbr nf_tables nft_numgen nft_counter nft_limit nft_reject_inet
    sch_netem sch_tbf sch_fq sch_htb sch_fq_codel tcp_diag"
[ $# -ge 2 ] || { echo "usage: vm.sh KERNEL PROGRAM [ARG...]" >&2; exit 2; }
PATH=$PATH:/usr/sbin:/sbin
name=$1 program=$(realpath -s "$2") limit=${TIME_LIMIT:-300} vm=
shift 2
kernel=$name
[ -d "$kernel" ] || kernel=$("$(dirname "$(realpath "$0")")/kernel.sh" "$name")
release=$(ls "$kernel/lib/modules")

work=$(mktemp -d)
trap '[ -z "$vm" ] || kill "$vm" 2>/dev/null || true; rm -rf "$work"' EXIT
trap 'exit 130' HUP INT TERM
guest=$work/guest

# A file, or all of a folder, and the libraries linked with it, at the same places in the guest.
add() {
    [ -e "$1" ] || { echo "vm.sh: $1: no such file" >&2; exit 125; }
    cp -rL --parents "$1" "$guest"
    libraries=$(find -L "$1" -type f \( -name '*.so*' -o -perm -u+x \) -exec ldd {} + 2>/dev/null |
        sed -n 's/.* => \(\/[^ ]*\) (.*/\1/p; s/^\s*\(\/[^ ]*\) (.*/\1/p' | sort -u)
    # shellcheck disable=SC2086 # one word per library
    [ -z "$libraries" ] || cp -L --parents $libraries "$guest"
}

# In the order in which they must be loaded.
add_modules() {
    mkdir "$guest/modules"
    for module in $modules; do
        modprobe -d "$kernel" -S "$release" --show-depends "$module" 2>/dev/null || true
    done | sed -n 's/^insmod \([^ ]*\).*/\1/p' | awk '!seen[$0]++' | while read -r file; do
        to=$guest/modules/$(basename "$file" .xz)
        case $file in *.xz) xz -dc "$file" >"$to" ;; *) cp "$file" "$to" ;; esac
        echo "insmod /modules/${to##*/}"
    done
}

quoted() {
    for word; do
        printf " '%s'" "$(printf %s "$word" | sed "s/'/'\\\\''/g")"
    done
}

mkdir -p "$guest/usr/bin" "$guest/usr/lib" "$guest/usr/lib64" "$guest/proc" "$guest/sys" \
    "$guest/dev" "$guest/tmp" "$guest/run" "$guest/var/lib" "$guest/etc/sysctl.d"
ln -s usr/bin "$guest/bin"
ln -s usr/bin "$guest/sbin"
ln -s bin "$guest/usr/sbin"
ln -s usr/lib "$guest/lib"
ln -s usr/lib64 "$guest/lib64"
ln -s ../run "$guest/var/run"
for file in /bin/dash "$(command -v busybox)" "$program" ${EXTRA_FILES:-}; do
    add "$(realpath -s "$file")"
done
ln -sf dash "$guest/bin/sh" # busybox's shell would prefer its own ip and tc to the real ones

# Kernel messages and the exit status go to the first serial line, the program's output to the second.
cat >"$guest/init" <<EOF
#!/bin/sh
export PATH=/bin HOME=/tmp
busybox mount -t proc proc /proc
busybox --install -s /bin 2>/dev/null
mount -t devtmpfs dev /dev
mount -t sysfs sys /sys
mount -t cgroup2 cgroup /sys/fs/cgroup
mount -t bpf bpf /sys/fs/bpf
mount -t tracefs tracing /sys/kernel/tracing
$(add_modules)
busybox ip link set lo up
stty -F /dev/ttyS1 raw
(cd /tmp && exec$(quoted "$program" "$@")) </dev/null >/dev/ttyS1 2>&1
echo "exit status \$?"
poweroff -f
EOF
chmod +x "$guest/init"
(cd "$guest" && find . | cpio --quiet -o -H newc) >"$work/initrd"
rm -rf "$guest"

# shellcheck disable=SC2086 # two words or none
timeout --foreground "$limit" qemu-system-x86_64 -machine q35 -accel "${ACCEL:-tcg,thread=single}" -cpu max \
    ${VIRTUAL_TIME:+-icount shift=0,sleep=off} -smp 2 -m 1G -nodefaults -no-reboot -display none -serial "file:$work/console" -serial stdio \
    -kernel "$(echo "$kernel"/boot/vmlinuz-*)" -initrd "$work/initrd" \
    -append "console=ttyS0 quiet panic=-1 mitigations=off" </dev/null &
vm=$!
wait "$vm" && ended=0 || ended=$?
vm=
status=$(tr -d '\r' <"$work/console" | sed -n 's/^exit status //p')
[ -z "$status" ] || exit "$status"
tail -n 150 "$work/console" >&2
if [ "$ended" = 124 ]; then
    echo "vm.sh: $name: $program did not end within $limit s" >&2
    exit 124
fi
echo "vm.sh: $name: the machine ended without an exit status" >&2
exit 125
