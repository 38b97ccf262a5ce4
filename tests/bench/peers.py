# SPDX-License-Identifier: Apache-2.0
"""What whole programs take from a workload: netsonde itself and the tools people use today."""
import os
import random
import signal
import statistics
import subprocess
import tempfile
import time

from measure import Load, bpf_programs, cpu_s, launch, median_interval

SLICE_S = 1.0
CORE = "1"  # the workload has core 0

COUNT_CLOSES = "tracepoint:sock:inet_sock_set_state /args->newstate == 7/ { @ = count(); }"
SRTT_HISTOGRAM = "tracepoint:tcp:tcp_probe { @ = hist(args->srtt); }"


def peers(netsonde):
    """Name, command, and whether it attaches BPF programs."""
    return [
        ("netsonde top --batch --limit 20", [netsonde, "top", "--batch", "--limit", "20"], True),
        ("netsonde trace --json", [netsonde, "trace", "--json"], True),
        ("ss -tinem, once a second", ["sh", "-c", "while :; do ss -tinem; sleep 1; done"], False),
        ("tcplife (libbpf-tools)", ["tcplife"], True),
        ("tcpstates (libbpf-tools)", ["tcpstates"], True),
        ("tcplife-bpfcc", ["tcplife-bpfcc"], True),
        ("bpftrace: count of closes", ["bpftrace", "-e", COUNT_CLOSES], True),
        ("bpftrace: histogram of srtt", ["bpftrace", "-e", SRTT_HISTOGRAM], True),
    ]


class Peer:
    """A running tool. Raises RuntimeError with its last words when it does not run here."""
    LIMIT_S = 20

    def __init__(self, command, attaches):
        self.before = bpf_programs()
        self.errors = tempfile.TemporaryFile()
        try:
            self.process = launch(
                ["taskset", "-c", CORE] + command,
                stdout=subprocess.DEVNULL,
                stderr=self.errors,
                start_new_session=True,
            )
        except OSError as error:
            raise RuntimeError(str(error)) from error
        try:
            self._wait_until_attached(attaches)
        except RuntimeError:
            self.stop()
            raise

    def _wait_until_attached(self, attaches):
        deadline = time.monotonic() + self.LIMIT_S
        seen, stable_since = self.before, time.monotonic()
        while time.monotonic() < deadline:
            time.sleep(0.1)
            if self.process.poll() is not None:
                raise RuntimeError(self._last_words())
            now = bpf_programs()
            if now != seen:
                seen, stable_since = now, time.monotonic()
            if (now - self.before or not attaches) and time.monotonic() - stable_since > 0.5:
                return
        raise RuntimeError("attached no programs")

    def _last_words(self):
        self.errors.seek(0)
        lines = self.errors.read().decode(errors="replace").strip().splitlines()
        telling = [line for line in lines if "rror" in line or "ail" in line or "not found" in line]
        return (telling or lines or ["ended at once"])[-1].strip()[:100]

    def cpu_s(self):
        return cpu_s(self.process.pid)

    def stop(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            if self.process.poll() is not None:
                break
            os.killpg(self.process.pid, number)
            try:
                self.process.wait(3)
            except subprocess.TimeoutExpired:
                pass
        try:
            os.killpg(self.process.pid, signal.SIGKILL)  # what it started
        except ProcessLookupError:
            pass


def compare(load, command, attaches, pairs, rng):
    """One row: slices of the same workload with the tool running, each between two without it, so
    that a drift falls on both."""
    ratios, shares = [], []
    without = load.work_per_cpu_second(SLICE_S)
    for _ in range(pairs):
        tool = Peer(command, attaches)
        try:
            cpu = tool.cpu_s()
            begin = time.monotonic()
            with_tool = load.work_per_cpu_second(SLICE_S)
            shares.append((tool.cpu_s() - cpu) / (time.monotonic() - begin))
        finally:
            tool.stop()
        time.sleep(0.2)
        after = load.work_per_cpu_second(SLICE_S)
        ratios.append(2 * with_tool / (without + after))
        without = after
    ratio, low, high = median_interval(ratios, rng)
    own_cpu = statistics.median(shares)
    return {"ratio": ratio, "low": low, "high": high, "pairs": pairs, "own_cpu": own_cpu}


def measure(tools, netsonde, workload, pairs):
    load = Load(f"{tools}/load", workload)
    rng = random.Random(42)
    time.sleep(1)
    rows = []
    for name, command, attaches in [("nothing (A/A)", ["sleep", "60"], False)] + peers(netsonde):
        row = {"workload": workload, "row": name}
        try:
            row.update(compare(load, command, attaches, pairs, rng))
        except RuntimeError as error:
            row["error"] = str(error)
        rows.append(row)
    load.stop()
    return rows
