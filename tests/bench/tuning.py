# SPDX-License-Identifier: Apache-2.0
"""What tune auto makes of traffic on emulated paths, beside no tuning and beside a static profile.

tuning.py TOOLS NETSONDE CASE...   Only these cases; prints a JSON object each.
"""
import contextlib
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

from measure import cpu_s, launch

TRANSFERS = os.path.join(os.path.dirname(__file__), "transfers.py")
MACHINE, PYTHON = "linux-image-6.12-cloud-amd64", "/usr/bin/python3"
PORT = "5001"
SENDER, RECEIVER, RIVAL = "sender", "receiver", "rival"
RMEM, WMEM = "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"
# Connections of seconds need periods of seconds; the rest is as by default.
AUTO = ["tune", "auto", "--goal", "throughput", "--json", "--window", "10s"]


def tool(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def within(space, *command):
    return ["ip", "netns", "exec", space, *command]


def congestion_control():
    """cubic, where a namespace may choose it; otherwise reno, whose answer to loss is that of cubic."""
    with open("/proc/sys/net/ipv4/tcp_allowed_congestion_control", encoding="ascii") as allowed:
        return "cubic" if "cubic" in allowed.read().split() else "reno"


def own_places():
    for folder in ("/run", "/var/lib", "/etc/sysctl.d"):
        tool("mount", "-t", "tmpfs", "none", folder)


@contextlib.contextmanager
def running(command, ready=None, **how):
    process = launch(command, stdout=subprocess.PIPE, text=True, **how)
    try:
        if ready and process.stdout.readline().strip() != ready:
            raise SystemExit(f"bench: {command} does not run")
        yield process
    finally:
        process.terminate()
        process.communicate()


@contextlib.contextmanager
def path(tools, delay_ms, mbit, loss, queue_kb, seed=1):
    """From the sender, at 10.8.0.1, to the receiver, at 10.8.0.2."""
    for space in (SENDER, RECEIVER):
        tool("ip", "netns", "add", space)
        tool("ip", "-n", space, "link", "set", "lo", "up")
        tool(*within(space, "sysctl", "-qw", f"net.ipv4.tcp_congestion_control={congestion_control()}", "net.ipv4.tcp_no_metrics_save=1"))
    try:
        with running([f"{tools}/path", SENDER, RECEIVER, *map(str, (delay_ms, mbit, loss, queue_kb, seed))], "up"):
            yield
    finally:
        for space in (SENDER, RECEIVER):
            tool("ip", "netns", "delete", space)


@contextlib.contextmanager
def rivals(count):
    """On the same path, from a host of their own behind the sender: so many transfers that do not end, with the same
    congestion control, which nobody changes."""
    tool("ip", "netns", "add", RIVAL)
    try:
        tool("ip", "-n", RIVAL, "link", "add", "rival0", "type", "veth", "peer", "name", "rival1", "netns", SENDER)
        for space, device, address in ((RIVAL, "rival0", "10.7.0.2/24"), (SENDER, "rival1", "10.7.0.1/24")):
            tool("ip", "-n", space, "address", "add", address, "dev", device)
            tool("ip", "-n", space, "link", "set", device, "up")
        tool("ip", "-n", RIVAL, "route", "add", "default", "via", "10.7.0.1")
        tool("ip", "-n", RECEIVER, "route", "add", "10.7.0.0/24", "dev", "path0")
        tool(*within(RIVAL, "sysctl", "-qw", f"net.ipv4.tcp_congestion_control={congestion_control()}"))
        tool(*within(SENDER, "sysctl", "-qw", "net.ipv4.ip_forward=1"))
        with running(within(RIVAL, sys.executable, TRANSFERS, "serve", PORT), "ready"), \
                running(within(RECEIVER, sys.executable, TRANSFERS, "fetch", "10.7.0.2", PORT, "1e9", str(count))):
            yield
    finally:
        tool("ip", "netns", "delete", RIVAL)


class Traffic:
    """Transfers to the receiver, each so long."""

    def __init__(self, seconds, at_once):
        self.command = within(RECEIVER, sys.executable, TRANSFERS, "fetch", "10.8.0.1", PORT, str(seconds), str(at_once))

    def __enter__(self):
        self.server = launch(within(SENDER, sys.executable, TRANSFERS, "serve", PORT), stdout=subprocess.PIPE, text=True)
        self.server.stdout.readline()
        self.log = tempfile.NamedTemporaryFile("r")
        with open(self.log.name, "w") as output:
            self.clients = launch(self.command, stdout=output)
        return self

    def __exit__(self, *_):
        for process in (self.clients, self.server):
            process.terminate()
            process.wait()
        self.log.close()

    def next(self, count, skip=0):
        """Mbit/s of the next so many transfers."""
        self.log.seek(0, os.SEEK_END)
        rates, deadline = [], time.monotonic() + 600
        while len(rates) < skip + count and time.monotonic() < deadline:
            line = self.log.readline()
            if line:
                rates.append(float(line))
            else:
                time.sleep(0.1)
        return rates[skip:]


def tuned(netsonde, space, arguments, quiet_s):
    """What tune auto says until it has tried nothing for so long."""
    with tempfile.NamedTemporaryFile("r") as log:
        with open(log.name, "w") as output:
            process = launch(within(space, netsonde, *AUTO, *arguments), stdout=output)
        events, trying, last, deadline = [], False, time.monotonic(), time.monotonic() + 1200
        while time.monotonic() < deadline and (trying or time.monotonic() < last + quiet_s):
            line = log.readline()
            if not line:
                time.sleep(0.1)
                continue
            events.append(json.loads(line))
            if events[-1]["event"] in ("trying", "kept", "undone"):
                trying, last = events[-1]["event"] == "trying", time.monotonic()
        process.send_signal(signal.SIGINT)
        process.wait()
    return events


def value(space, key):
    return tool(*within(space, "sysctl", "-n", key)).split()


def with_profile(netsonde, space, name, measure):
    tool(*within(space, netsonde, "tune", "apply", "--yes", "--profile", name, "--confirm-within", "1h"))
    try:
        return measure()
    finally:
        tool(*within(space, netsonde, "tune", "rollback"))


def summary(rates):
    return {"runs": len(rates), "median": statistics.median(rates), "low": min(rates), "high": max(rates)}


def of_buffers(name, space, key, tools, netsonde, quick):
    """One transfer at a time, so that the product of rate and round trip is that of the path."""
    runs = 3 if quick else 10
    with path(tools, 50, 100, 0, 1250):
        tool(*within(space, "sysctl", "-qw", f"{key}=4096 131072 262144"))
        with Traffic(8, 1) as traffic:
            before = traffic.next(runs, 1)
            static = with_profile(netsonde, space, "throughput", lambda: traffic.next(runs, 1))
            events = tuned(netsonde, space, ["--period", "8s"], 60)
            after = traffic.next(runs, 1)
            cap = int(value(space, key)[2])
    return {"name": name, "case": f"{name}: 256 KiB, 100 ms, 100 Mbit/s", "before": summary(before),
            "profile": summary(static), "after": summary(after), "events": events, "cap": cap,
            "cap_over_product": cap / (100e6 / 8 * 0.1)}


def receive_cap(tools, netsonde, quick):
    return of_buffers("receive cap", RECEIVER, RMEM, tools, netsonde, quick)


def send_cap(tools, netsonde, quick):
    return of_buffers("send cap", SENDER, WMEM, tools, netsonde, quick)


def of_sender(name, shape, tools, netsonde, runs, others=0):
    """What the sender's congestion control makes of a path: delay one way in ms, Mbit/s, loss in percent, queue in kB."""
    delay, rate, _, queue = shape
    with path(tools, *shape), rivals(others) if others else contextlib.nullcontext(), Traffic(3, 1) as traffic:
        before = traffic.next(max(runs // 3, 3), 1)
        static = with_profile(netsonde, SENDER, "throughput", lambda: traffic.next(max(runs // 3, 3), 1))
        events = tuned(netsonde, SENDER, [], 60)
        after = traffic.next(runs, 1)
    return {"name": name, "case": f"{name}: {2 * delay} ms, {rate} Mbit/s, queue of {queue} kB, {congestion_control()}", "before": summary(before),
            "profile": summary(static), "after": summary(after), "events": events, "at_least_85": sum(rate >= 85 for rate in after) / len(after)}


def random_loss(tools, netsonde, quick):
    return of_sender("1% random loss", (10, 100, 1, 250), tools, netsonde, 10 if quick else 30)


def no_loss(tools, netsonde, quick):
    return of_sender("no loss", (10, 100, 0, 250), tools, netsonde, 3 if quick else 10)


def shallow_queue(tools, netsonde, quick):
    """Where bbr fills what little there is, and loses much of it."""
    return of_sender("shallow queue", (10, 20, 0, 16), tools, netsonde, 3 if quick else 10)


def rival_flows(tools, netsonde, quick):
    """Where bbr, which keeps little in the queue, gets less than those who fill it."""
    return of_sender("three rivals", (10, 20, 0, 400), tools, netsonde, 3 if quick else 10, 3)


def idle(_, netsonde, quick):
    """With the defaults, on a host where nothing happens."""
    process = launch([netsonde, "tune", "auto"], stdout=subprocess.DEVNULL)
    time.sleep(8)
    before, begun = spent(process.pid), time.monotonic()
    time.sleep(60 if quick else 300)
    after, span = spent(process.pid), time.monotonic() - begun
    process.send_signal(signal.SIGINT)
    process.wait()
    return {"name": "idle", "cpu_percent": (after[0] - before[0]) / span * 100, "wake_ups_per_s": (after[1] - before[1]) / span}


def spent(pid):
    """CPU seconds and wake-ups of a process."""
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return cpu_s(pid), int(re.search(r"\nvoluntary_ctxt_switches:\s*(\d+)", status.read()).group(1))


def in_machine(tools, netsonde, quick):
    """The same with cubic, on another kernel, in a machine whose time is that of its instructions: what else its host
    does, and how fast that is, changes nothing. It takes an hour."""
    library = tool(PYTHON, "-c", "import os; print(os.path.dirname(os.__file__))").strip()
    files = [PYTHON, library, f"{tools}/path", netsonde, os.path.dirname(os.path.abspath(__file__)),
             *map(shutil.which, ("ip", "sysctl", "env"))]
    command = ["scripts/vm.sh", MACHINE, shutil.which("env"), f"QUICK={'1' if quick else ''}", PYTHON, "-B",
               os.path.abspath(__file__), tools, netsonde, *CASES]
    machine = launch(command, stdout=subprocess.PIPE, text=True, env=os.environ | {
        "VIRTUAL_TIME": "1", "TIME_LIMIT": "14400", "EXTRA_FILES": " ".join(files)})
    output = machine.communicate()[0]
    if machine.returncode:
        raise SystemExit(f"bench: the machine has failed: {output[-300:]}")
    return [json.loads(line) for line in output.splitlines()]


CASES = {case.__name__: case for case in (receive_cap, send_cap, random_loss, no_loss, shallow_queue, rival_flows)}


def measure(tools, netsonde, quick):
    own_places()
    return [case(tools, netsonde, quick) for case in (idle, *CASES.values())]


if __name__ == "__main__":
    own_places()
    for wanted in sys.argv[3:]:
        print(json.dumps(CASES[wanted](*sys.argv[1:3], bool(os.environ.get("QUICK")))), flush=True)
