# SPDX-License-Identifier: Apache-2.0
"""tune on the settings of a whole host, and under a wall clock that jumps: only in a machine of its own, which
scripts/vm.sh boots. Settings are read by sysctl(8)."""

import contextlib
import json
import os
import socket
import time

from harness import enter_network, eventually, expect, fact, run, succeed, tool
from limited import SOMAXCONN, bursts_of_clients, value
from traffic import Peer
from tuned import LONG, LOOKS, QUICK, Auto, apply, guard, kill_guard, killed, own_files, own_host, status

BACKLOG, CONGESTION = "net.core.netdev_max_backlog", "net.ipv4.tcp_congestion_control"
WORDS = {"net.core.default_qdisc": ("pfifo_fast", "fq"), "net.core.flow_limit_cpu_bitmap": ("0", "1"),
         "net.ipv4.tcp_allowed_congestion_control": ("reno", "reno cubic")}
ALLOWED, DISCIPLINE = "net.ipv4.tcp_allowed_congestion_control", "net.core.default_qdisc"
HOUR = 3600

with open("/proc/1/cmdline", encoding="ascii") as init:
    if init.read() != "/bin/sh\0/init\0":
        raise RuntimeError("writes settings of the whole host: only in the machine of scripts/vm.sh")


def whole_host():
    """The machine's first network namespace."""
    descriptor = os.open("/proc/1/ns/net", os.O_RDONLY)
    enter_network(descriptor)
    os.close(descriptor)
    own_files()


def changed(one):
    """Another value of a setting, within its bounds."""
    key, now = one["key"], value(one["key"])
    if key in WORDS:
        return next(word for word in WORDS[key] if word != now)
    if one["ceiling"] < 1000:
        return "50" if now == "0" else "0"
    numbers = [int(number) for number in now.split()]
    return " ".join(str(2 * number if 0 < 2 * number <= one["ceiling"] else max(number // 2, 1024)) for number in numbers)


def settings():
    """What each setting of the whole host is here, and another value of it."""
    listed = [one for one in succeed("tune", "list", "--json", "--all").json() if one["scope"] == "host" and one["available"]]
    before = {one["key"]: value(one["key"]) for one in listed}
    after = {one["key"]: changed(one) for one in listed}
    assert len(before) >= 15 and BACKLOG in before and all(before[key] != after[key] for key in before), (before, after)
    return before, after


def sets(wanted):
    return [word for key, to in wanted.items() for word in ("--set", f"{key}={to}")]


def values(keys):
    return {key: value(key) for key in keys}


@contextlib.contextmanager
def clock_ahead(seconds):
    """The wall clock jumps, and back in the end."""
    def jump(by):
        time.clock_settime(time.CLOCK_REALTIME, time.time() + by)
    jump(seconds)
    try:
        yield
    finally:
        jump(-seconds)


# --- every setting of the host -------------------------------------------------------------------


@fact
def every_setting_of_the_host_is_changed_and_goes_back_to_the_letter():
    whole_host()
    before, after = settings()
    apply(*sets(after), *LONG)
    expect(values(after), after, "sysctl")
    succeed("tune", "rollback")
    expect(values(before), before, "sysctl, afterwards")


@fact
def the_guard_undoes_all_of_them_at_the_deadline():
    whole_host()
    before, after = settings()
    apply(*sets(after), "--confirm-within", "10s")  # longer than it takes to look at them all
    expect((values(after), guard() is not None), (after, True), "sysctl and guard")
    eventually(lambda: guard() is None, "the end of the guard")
    expect((values(before), status()["state"]), (before, "rolled-back"), "sysctl and state")


@fact
def killed_in_the_middle_of_them_they_are_undone_by_recover():
    whole_host()
    before, after = settings()
    seen = set()
    for number in (3, 9, 15, 21):
        killed("write", number, "tune", "apply", "--yes", *sets(after), *LONG)
        if guard():
            kill_guard()
        seen.add(sum(value(key) != before[key] for key in before))
        run("tune", "recover")
        expect((values(before), status()["state"] == "needs-recovery"), (before, False), f"killed at write {number}")
    assert seen - {0, len(before)}, f"never killed in the middle: {seen}"


@fact
def the_default_of_the_host_becomes_bbr_and_cubic_again():
    whole_host()
    tool("sysctl", "-qw", f"{ALLOWED}=reno cubic")
    allowed = value(ALLOWED)
    expect((value(CONGESTION), allowed), ("cubic", "reno cubic"), "before")
    apply("--set", f"{CONGESTION}=bbr", *LONG)
    expect((value(CONGESTION), of_new_socket()), ("bbr", "bbr"), "sysctl and a new socket")
    expect([row["key"] for row in status()["changes"]], [ALLOWED, CONGESTION], "what was changed")
    succeed("tune", "rollback")
    expect((value(CONGESTION), of_new_socket(), value(ALLOWED)), ("cubic", "cubic", allowed), "afterwards")


@fact
def a_discipline_that_the_kernel_would_not_attach_again_is_left_alone():
    whole_host()
    before = value(DISCIPLINE)
    tool("ip", "tuntap", "add", "dev", "d0", "mode", "tun")
    tool("ip", "link", "set", "d0", "up")
    there = tool("tc", "qdisc", "show", "dev", "d0")
    try:
        tool("sysctl", "-qw", f"{DISCIPLINE}={'fq' if before != 'fq' else 'pfifo_fast'}")
        done = run("tune", "apply", "--yes", "--set", "device.qdisc@d0=tbf:100Mbit", *LONG)
        expect((done.status, tool("tc", "qdisc", "show", "dev", "d0")), (1, there), "status and discipline")
    finally:
        tool("sysctl", "-qw", f"{DISCIPLINE}={before}")
        tool("ip", "link", "del", "d0")


def of_new_socket():
    with socket.socket() as new:
        return new.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16).rstrip(b"\0").decode()


# --- a wall clock that jumps ---------------------------------------------------------------------


def undone_in_time(jump):
    whole_host()
    begun = time.monotonic()
    before = value(BACKLOG)
    apply("--set", f"{BACKLOG}=4321", "--confirm-within", "6s")
    with clock_ahead(jump):
        told = status()
        assert told["state"] == "pending" and 0 <= told["seconds_left"] <= 6, told
        expect(value(BACKLOG), "4321", "sysctl after the jump")
        eventually(lambda: value(BACKLOG) == before, "the deadline", 6 + (begun + 6 - time.monotonic()))
        assert time.monotonic() >= begun + 6, f"undone after {time.monotonic() - begun} s"
        eventually(lambda: guard() is None, "the end of the guard")
        expect((status()["state"], [one["outcome"] for one in succeed("tune", "log", "--json").json()]), ("rolled-back", ["rolled-back"]), "told")


@fact
def a_clock_set_an_hour_ahead_brings_no_deadline_early():
    undone_in_time(HOUR)


@fact
def a_clock_set_an_hour_back_brings_no_deadline_late():
    undone_in_time(-HOUR)


@fact
def what_is_pending_can_be_confirmed_after_the_clock_has_jumped():
    for jump in (HOUR, -HOUR):
        whole_host()
        before = value(BACKLOG)
        apply("--set", f"{BACKLOG}=4321", *LONG)
        with clock_ahead(jump):
            succeed("tune", "confirm")
            eventually(lambda: guard() is None, "the end of the guard")
            expect((value(BACKLOG), status()["state"]), ("4321", "confirmed"), f"after {jump} s")
            succeed("tune", "rollback")
        expect((value(BACKLOG), len(succeed("tune", "log", "--json").json())), (before, 1), "afterwards")


@fact
def what_auto_is_trying_goes_on_when_the_clock_jumps_ahead_and_back():
    own_host()
    tool("sysctl", "-w", f"{SOMAXCONN}=8")
    with bursts_of_clients(1000):
        auto = Auto(pace=(*LOOKS, "--period", "1200ms", "--wash-out", "200ms"))  # the load may not run for so long
        auto.until("trying")
        eventually(lambda: value(SOMAXCONN) == "32", "the change")
        with clock_ahead(HOUR):
            expect(status()["state"], "pending", "state an hour ahead")
        with clock_ahead(-HOUR):
            expect((status()["state"], value(SOMAXCONN)), ("pending", "32"), "state and sysctl an hour back")
            kept = auto.until("kept")
            assert (kept["blocks"], kept["effect"]["verdict"]) == (8, "better"), kept
            auto.end()
            expect((value(SOMAXCONN), status()["state"]), ("32", "confirmed"), "sysctl and state")


# --- input queues of processors ------------------------------------------------------------------


def dropped():
    """Packets at full input queues, of all processors."""
    with open("/proc/net/softnet_stat", encoding="ascii") as rows:
        return sum(int(row.split()[1], 16) for row in rows)


@contextlib.contextmanager
def datagrams(to_other_processor, pause, size=20):
    """So many at once, by one processor, for which another works or itself; nobody reads them in the latter case."""
    with open("/sys/class/net/lo/queues/rx-0/rps_cpus", "w", encoding="ascii") as mask:
        mask.write("2" if to_other_processor else "0")

    def send(_):
        os.sched_setaffinity(0, {0})
        with socket.socket(type=socket.SOCK_DGRAM) as receiver, socket.socket(type=socket.SOCK_DGRAM) as sender:
            receiver.bind(("127.0.0.1", 0))
            if not to_other_processor:
                receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sender.connect(receiver.getsockname())
            receiver.setblocking(False)
            while True:
                for _ in range(size):
                    sender.send(b"x")
                time.sleep(pause)
                with contextlib.suppress(BlockingIOError):
                    while to_other_processor:
                        receiver.recv(1)

    with Peer(send):
        try:
            yield
        finally:
            with open("/sys/class/net/lo/queues/rx-0/rps_cpus", "w", encoding="ascii") as mask:
                mask.write("0")


@fact
def an_input_queue_that_is_too_short_is_lengthened_and_kept():
    whole_host()
    before = value(BACKLOG)
    tool("sysctl", "-w", f"{BACKLOG}=8")
    try:
        with datagrams(to_other_processor=True, pause=0.02):
            first = dropped()
            eventually(lambda: dropped() > first + 20, "packets that are dropped")
            auto = Auto("--only", BACKLOG)
            trying = auto.until("trying")
            expect([trying[key] for key in ("key", "from", "to", "finding", "metric", "design")],
                   [BACKLOG, "8", "16", "softnet-drops", "softnet_drops_per_s", "turns"], "what is tried")
            kept = auto.until("kept")
            assert kept["effect"]["high"] < 1 and kept["effect"]["verdict"] == "better", kept
            auto.end()
            assert value(BACKLOG) == "16", value(BACKLOG)
    finally:
        tool("sysctl", "-w", f"{BACKLOG}={before}")


@fact
def datagrams_that_nobody_reads_lengthen_no_input_queue():
    whole_host()
    before = value(BACKLOG)
    with datagrams(to_other_processor=False, pause=0.02):
        ids = [one["id"] for one in succeed("explain", "--duration", "2s", "--json").json()[0]["findings"]]
        assert "udp-buffer-errors" in ids and "softnet-drops" not in ids, ids
        first = dropped()
        done = run("tune", "auto", "--json", *QUICK, "--duration", "3s", "--except", "net.core.rmem_default")
        keys = {one["key"] for one in map(json.loads, done.lines) if "key" in one}
        assert "net.core.rmem_default" in keys and BACKLOG not in keys, done.out
        expect((dropped(), value(BACKLOG)), (first, before), "softnet_stat and sysctl")
