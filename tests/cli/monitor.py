# SPDX-License-Identifier: Apache-2.0
"""What monitor tells of a host whose load is known: statistics against a second witness, an anomaly
from its begin to its end, the summary however it ends."""

import contextlib
import json
import os
import re
import signal
import socket
import threading
import time

from harness import Lines, enter_own_network, eventually, expect, fact, finish, free_port, is_in_its_loop, one_error, run, start, succeed, tool
from traffic import HOST, Connection, tun

QUICK = ("monitor", "--interval", "10ms")


def summary_of(done):
    """The last object, which is the only summary."""
    objects = done.json()
    expect([entry["event"] == "summary" for entry in objects], [False] * (len(objects) - 1) + [True], "summaries")
    return objects[-1]


def series_of(summary, name, instance=None):
    return next(series for series in summary["series"] if (series["id"], series["instance"]) == (name, instance))


def content(path):
    with contextlib.suppress(FileNotFoundError), open(path) as file:
        return file.read()
    return ""


class Monitor:
    """A running monitor that takes samples."""

    def __init__(self, *arguments, form="--json", **options):
        self.process = start(*QUICK, *filter(None, [form]), *arguments, **options)
        self.lines = Lines(self.process.stdout)
        eventually(lambda: is_in_its_loop(self.process), lambda: f"a monitor that looks; {self.process.poll()=}")
        self.sampled()

    def sampled(self, times=3):
        """Returns when it has woken so often again."""
        until = self.waits() + times + 1
        eventually(lambda: self.waits() >= until, "some samples")

    def waits(self):
        return int(re.search(r"^voluntary_ctxt_switches:\s*(\d+)", content(f"/proc/{self.process.pid}/status"), re.M)[1])

    def learned(self):
        """Returns when it tells anomalies; those of before are none."""
        line = self.lines.next(60)
        assert line, "no end of the learning"
        told = json.loads(line)
        expect((told["event"], told["samples"]), ("learned", 120), "what is told first")

    def end(self, number=signal.SIGINT):
        self.process.send_signal(number)
        done = self.lines.finish(self.process)
        expect((done.status, done.err), (0, ""), "status and errors")
        return done


@fact
def a_short_run_ends_with_a_summary():
    summary = summary_of(succeed("monitor", "--interval", "0.1s", "--duration", "0.5s", "--json"))
    assert 1 <= summary["samples"] <= 6, summary["samples"]
    assert summary["observed_s"] >= 0.4, summary["observed_s"]
    for series in summary["series"]:
        expect(series["samples"] + series["absent"], summary["samples"], f"samples of {series['id']}")


@fact
def a_run_of_one_interval_has_one_sample():
    expect(summary_of(succeed("monitor", "--interval", "0.3s", "--duration", "0.3s", "--json"))["samples"], 1, "samples")


@fact
def any_signal_ends_with_the_summary():
    for number in [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT]:
        assert summary_of(Monitor("--duration", "forever").end(number))["observed_s"] > 0, number


@fact
def text_ends_with_a_table_that_fits_a_terminal():
    with Connection() as connection:
        process = start(*QUICK, "--duration", "0.3s")
        eventually(lambda: connection.exchange(10) or process.poll() is not None, "its end")
        done = finish(process)
    expect((done.status, done.err), (0, ""), "status and errors")
    assert re.match(r"Observed for \S+: \d+ samples?; lost events: none\.", done.lines[0]), done.lines[0]
    assert any(line.startswith("established_connections ") for line in done.lines), done.lines
    assert re.fullmatch(r"Left out: \d+ series always at zero, \d+ never measured\.", done.lines[-1]), done.lines[-1]
    expect([line for line in done.lines if len(line) > 80], [], "lines of more than 80 columns")


@fact
def bad_arguments_are_one_line():
    for arguments, words in [(["--duration", "0"], "shorter"), (["--interval", "2s", "--duration", "1s"], "shorter than the --interval of 2.0s"),
                             (["--interval", "1ms"], "10ms"), (["--duration", "soon"], "soon"), (["--filter", "comm = x"], "--filter")]:
        message = one_error(run("monitor", *arguments), 2)
        assert words in message, message


@fact
def a_full_disk_ends_it_with_one_line():
    for form in [[], ["--json"]]:
        with open("/dev/full", "wb") as full:
            done = finish(start(*QUICK, "--duration", "0.1s", *form, stdout=full))
        assert "No space left" in one_error(done, 1), done.err


# --- second witnesses --------------------------------------------------------------------------


def device_bytes():
    return {link["ifname"]: link["stats64"]["rx"]["bytes"] for link in json.loads(tool("ip", "-s", "-j", "link"))}


def total_of(summary, name, instance=None):
    """What was counted in all: the mean is that over time."""
    series = series_of(summary, name, instance)
    return series["mean"] * summary["observed_s"]


@fact
def bytes_are_those_of_the_transfer_and_of_the_device():
    enter_own_network()
    with Connection() as connection:
        monitor = Monitor()
        size = 1000
        before = device_bytes()["lo"]
        for _ in range(100):
            connection.exchange(10, size)
            time.sleep(0.01)  # over many intervals
        moved = device_bytes()["lo"] - before
        summary = summary_of(monitor.end())
    for name, wanted, instance in [("tx_bytes_per_s", 2 * 1000 * size, None), ("rx_bytes_per_s", 2 * 1000 * size, None),
                                   ("device_rx_bytes_per_s", moved, "lo"), ("device_tx_bytes_per_s", moved, "lo")]:
        found = total_of(summary, name, instance)
        # The last half interval is no sample; and others on the host have connections too: of TCP it may be more.
        assert 0.9 * wanted < found and (instance is None or found < 1.1 * wanted), f"{name}: {found:.0f} instead of {wanted}"


@fact
def sockets_in_time_wait_are_those_of_ss():
    enter_own_network()
    for _ in range(17):
        Connection().close()
    waiting = len(tool("ss", "-Htan", "state", "time-wait").splitlines())
    expect(waiting, 17, "of ss")
    series = series_of(summary_of(Monitor().end()), "time_wait_sockets")
    expect((series["min"], series["max"], series["p50"]), (17, 17, 17), "sockets")


@fact
def refused_attempts_are_counted_as_the_kernel_does():
    enter_own_network()
    monitor = Monitor()
    port = free_port()
    for _ in range(200):
        with socket.socket() as sock:
            sock.connect_ex((HOST, port))
        time.sleep(0.002)
    summary = summary_of(monitor.end())
    for name in ["connection_failures_per_s", "host_resets_sent_per_s"]:
        assert 180 < total_of(summary, name) < 220, f"{name}: {total_of(summary, name)} instead of 200"


@fact
def a_device_that_goes_ends_no_series_with_an_anomaly():
    enter_own_network()
    names = ["gone0", "kept0"]
    held = {name: tun(name) for name in names}
    for name in names:
        tool("ip", "link", "set", name, "up")
    monitor = Monitor()
    monitor.learned()
    os.close(held["gone0"])
    monitor.sampled(20)
    summary = summary_of(monitor.end())
    os.close(held["kept0"])
    gone, kept = (series_of(summary, "device_tx_bytes_per_s", name) for name in names)
    assert 0 < gone["samples"] < kept["samples"], f"{gone} {kept}"
    expect(gone["anomalies"], 0, "anomalies of the device that went")
    expect([series["instance"] for series in summary["series"] if series["instance"] == "lo"], [], "series of the loopback device")


# --- an anomaly from begin to end --------------------------------------------------------------


class Load:
    """A steady exchange over one connection in the background, and as many more bytes as asked for."""

    def __init__(self):
        self.size, self.ended = 2000, threading.Event()
        self.connection = Connection()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.ended.wait(0.002):
            self.connection.exchange(1, self.size)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()
        self.connection.close()


def next_change(monitor, event, within=20):
    """The next rise of the loopback device's bytes; all else is read over, as a load that a busy host holds up."""
    end = time.monotonic() + within
    while time.monotonic() < end:
        line = monitor.lines.next(max(end - time.monotonic(), 0))
        assert line, f"no {event} within {within}s"
        change = json.loads(line)
        if (change["event"], change["series"], change["direction"]) == (event, "device_rx_bytes_per_s", "up"):
            return change
    raise AssertionError(f"no {event} within {within}s")


@fact
def a_burst_is_told_as_it_begins_and_as_it_ends():
    enter_own_network()
    with Load() as load:
        monitor = Monitor()
        monitor.learned()
        load.size *= 10
        began = next_change(monitor, "anomaly_began")
        expect((began["direction"], began["instance"], began["unit"], began["ended"], began["duration_s"]), ("up", "lo", "bytes/s", None, None), "begin")
        assert began["value"] > 2 * began["baseline"] > 0 and began["deviation_sigmas"] > 2, began
        load.size //= 10
        ended = next_change(monitor, "anomaly_ended")
        expect((ended["ended"], ended["kind"], ended["direction"]), ("returned", began["kind"], "up"), "end")
        assert ended["value"] < began["value"] and ended["duration_s"] > 0, ended
        summary = summary_of(monitor.end())
    series = series_of(summary, "device_rx_bytes_per_s", "lo")
    assert series["anomalies"] >= 1 and summary["anomalies"] >= series["anomalies"], summary["anomalies"]


@fact
def a_burst_that_lasts_is_listed_as_still_running():
    enter_own_network()
    with Load() as load:
        monitor = Monitor()
        monitor.learned()
        load.size *= 10
        began = next_change(monitor, "anomaly_began")
        running = [entry for entry in summary_of(monitor.end())["running"] if entry["series"] == "device_rx_bytes_per_s"]
    expect([(entry["instance"], entry["began_at"], entry["direction"]) for entry in running], [("lo", began["time"], "up")], "still running")
