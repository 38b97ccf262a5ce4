# SPDX-License-Identifier: Apache-2.0
"""Starting programs, plain or in a terminal, and reading what they cost."""
import ctypes
import fcntl
import json
import os
import pty
import re
import select
import signal
import statistics
import struct
import subprocess
import termios
import threading
import time


_libc = ctypes.CDLL(None)
_SET_PARENT_DEATH_SIGNAL = 1


def launch(command, **how):
    """Popen of what ends with this process, however that ends."""
    return subprocess.Popen(command, preexec_fn=lambda: _libc.prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGTERM), **how)


def cpu_s(pid):
    """User plus system time of a running process and all its threads, in seconds."""
    return time.clock_gettime((~pid << 3) | 2)


def rss_kib(pid, field="VmRSS"):
    with open(f"/proc/{pid}/status") as status:
        return int(re.search(field + r":\s*(\d+)", status.read()).group(1))


def bpf_programs():
    listed = subprocess.run(["bpftool", "-j", "prog", "show"], capture_output=True, check=False)
    return {program["id"] for program in json.loads(listed.stdout or "[]") if "id" in program}


def median_interval(values, random, resamples=1000):
    """The median and its bootstrap 95% interval."""
    size = len(values)
    medians = sorted(statistics.median(random.choices(values, k=size)) for _ in range(resamples))
    return statistics.median(values), medians[resamples // 40], medians[-resamples // 40 - 1]


class Load:
    """One of the workloads of tests/bench/load.cpp."""

    def __init__(self, tool, workload, core=0):
        self.process = launch([tool, workload, str(core)], text=True, bufsize=1,
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def done(self, rate=""):
        """Units, CPU seconds; sets how many units to do per second from now on."""
        self.process.stdin.write(f"{rate}\n")
        units, ns = self.process.stdout.readline().split()
        return int(units), int(ns) / 1e9

    def work_per_cpu_second(self, seconds):
        units, cpu = self.done()
        time.sleep(seconds)
        units_after, cpu_after = self.done()
        if cpu_after <= cpu:
            raise SystemExit("bench: the workload has ended")
        return (units_after - units) / (cpu_after - cpu)

    def stop(self):
        self.process.stdin.close()
        self.process.wait()


class Holders:
    """So many idle connections, or such as exchange a byte twice a second, until stopped."""

    def __init__(self, tool, sockets, *how):
        self.process = None
        if sockets:
            self.process = launch([tool, str(sockets), *how], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, text=True)
            if self.process.stdout.readline() != "ready\n":
                raise RuntimeError(f"cannot open {sockets} sockets")

    def stop(self):
        if self.process:
            self.process.stdin.close()
            self.process.wait()
            time.sleep(1)  # closing them all goes on after their process has ended


class Terminal:
    """A program in a pseudo-terminal of 200 x 50, its output read as a terminal would."""
    QUIET = 0.15  # between two frames

    def __init__(self, command):
        started, report = os.pipe()
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
            os.environ["TERM"] = "xterm-256color"
            os.write(report, struct.pack("d", time.monotonic()))
            os.execv(command[0], command)
        os.close(report)
        self.started = struct.unpack("d", os.read(started, 8))[0]
        os.close(started)
        self.output = bytearray()
        self.first_frame = None
        self.last_byte = self.started
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        while True:
            quiet = not select.select([self.fd], [], [], self.QUIET)[0]
            if quiet:
                # A frame is full when the program has nothing more to say.
                if self.first_frame is None and len(self.output) > 1000:
                    self.first_frame = self.last_byte - self.started
                continue
            try:
                data = os.read(self.fd, 1 << 16)
            except OSError:  # the program has ended
                return
            if not data:
                return
            self.last_byte = time.monotonic()
            self.output += data
            if len(self.output) > 1 << 22:
                del self.output[:1 << 21]

    def wait_first_frame(self, limit=10):
        deadline = time.monotonic() + limit
        while self.first_frame is None and time.monotonic() < deadline and self.reader.is_alive():
            time.sleep(0.02)
        return self.first_frame

    def last(self, pattern):
        found = re.findall(pattern, bytes(self.output))
        return found[-1].decode() if found else None

    def stop(self):
        os.write(self.fd, b"q")
        self.reader.join(3)
        if self.reader.is_alive():
            os.kill(self.pid, signal.SIGKILL)
            self.reader.join()
        os.waitpid(self.pid, 0)
        os.close(self.fd)


def cpu_of_runs(command, runs, every):
    """Median user plus system seconds of a command that is run every so many seconds."""
    spent = []
    for _ in range(runs):
        begin = time.monotonic()
        process = launch(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        usage = os.wait4(process.pid, 0)[2]
        process.returncode = 0
        spent.append(usage.ru_utime + usage.ru_stime)
        time.sleep(max(0, every - (time.monotonic() - begin)))
    return statistics.median(spent)
