# SPDX-License-Identifier: Apache-2.0
"""limits.py ROLE ARGUMENTS...   What tune auto makes of a host whose own limits hold its traffic back, beside no tuning
and beside a static profile; and of look-alikes, where nothing is to be kept. Started by itself it is the load: one line
for each measurement."""
import contextlib
import os
import socket
import sys
import tempfile
import time

import tuning
from measure import launch

HERE = os.path.abspath(__file__)
SPACE = "limited"  # the host of those that need no path
SERVICE, PORT = "10.9.9.1", 5002


# --- loads -------------------------------------------------------------------------------------


def tell(number):
    print(f"{number:.3f}", flush=True)


def accept_queue(backlog, at_once):
    """A server that reads its configuration again every two seconds, as with a reload, and accepts ten times a second;
    each time so many clients come. Percent of them that found no room."""
    listening = socket.create_server(("127.0.0.1", PORT), backlog=int(backlog))
    listening.setblocking(False)
    again, failed, tried = time.monotonic() + 2, 0, 0
    print("ready", flush=True)
    while True:
        failed, tried = failed + burst(listening, int(at_once)), tried + int(at_once)
        if time.monotonic() > again:
            listening.listen(int(backlog))
            tell(100 * failed / tried)
            again, failed, tried = time.monotonic() + 2, 0, 0


def burst(listening, at_once):
    """How many of the clients were not accepted."""
    with contextlib.ExitStack() as ends:
        for _ in range(at_once):
            client = ends.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(listening.getsockname())
        time.sleep(0.1)
        accepted = 0
        with contextlib.suppress(BlockingIOError):
            while True:
                ends.enter_context(listening.accept()[0])
                accepted += 1
    return at_once - accepted


def local_ports(per_s, services, listens):
    """Connections to the services by turns, that the client closes first; connections that succeeded, per second."""
    listening = [socket.create_server((SERVICE, PORT + i), backlog=64) for i in range(int(services))] if listens == "listens" else []
    print("ready", flush=True)
    number, succeeded, since = 0, 0, time.monotonic()
    while True:
        one = number % int(services)
        succeeded += connected(PORT + one, listening[one:one + 1])
        number += 1
        time.sleep(1 / float(per_s))
        if time.monotonic() > since + 2:
            tell(succeeded / (time.monotonic() - since))
            succeeded, since = 0, time.monotonic()


def connected(port, listening):
    with socket.socket() as client:
        try:
            client.connect((SERVICE, port))
        except OSError:
            return 0
        with listening[0].accept()[0] as server:
            client.shutdown(socket.SHUT_WR)
            server.recv(1)
    return 1


def take_bursts(port):
    """Sends back a byte for each burst, whose size comes first."""
    with socket.create_server(("", int(port))) as listening:
        print("ready", flush=True)
        connection = listening.accept()[0]
        while True:
            left = int.from_bytes(connection.recv(4, socket.MSG_WAITALL), "big")
            while left:
                left -= len(connection.recv(min(left, 1 << 18)))
            connection.send(b"k")


def send_bursts(host, port, size, pause):
    """Milliseconds that each takes."""
    with socket.create_connection((host, int(port))) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        data = int(size).to_bytes(4, "big") + bytes(int(size))
        while True:
            begun = time.monotonic()
            connection.sendall(data)
            connection.recv(1)
            tell(1000 * (time.monotonic() - begun))
            time.sleep(float(pause))


LOADS = {"accept_queue": accept_queue, "local_ports": local_ports, "take_bursts": take_bursts, "send_bursts": send_bursts}


# --- measuring ---------------------------------------------------------------------------------


class Measured:
    """A load that runs, in a namespace, and what it tells."""

    def __init__(self, space, *arguments):
        self.command = tuning.within(space, sys.executable, HERE, *map(str, arguments))

    def __enter__(self):
        self.log = tempfile.NamedTemporaryFile("r")
        with open(self.log.name, "w") as output:
            self.process = launch(self.command, stdout=output)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.log.close()

    def next(self, count, skip=1):
        """The next so many figures."""
        self.log.seek(0, os.SEEK_END)
        figures, deadline = [], time.monotonic() + 600
        while len(figures) < skip + count and time.monotonic() < deadline:
            line = self.log.readline()
            if line:
                figures += [float(line)] if line.strip() != "ready" else []
            else:
                time.sleep(0.1)
        return figures[skip:]


@contextlib.contextmanager
def one_host(*settings):
    tuning.tool("ip", "netns", "add", SPACE)
    try:
        tuning.tool("ip", "-n", SPACE, "link", "set", "lo", "up")
        tuning.tool("ip", "-n", SPACE, "address", "add", SERVICE, "dev", "lo")
        tuning.tool(*tuning.within(SPACE, "sysctl", "-qw", *settings))
        yield
    finally:
        tuning.tool("ip", "netns", "delete", SPACE)


def compared(space, load, netsonde, quick, arguments, skip):
    """Without tuning, with the profile, after tune auto."""
    runs = 3 if quick else 10
    before = load.next(runs, skip)
    static = tuning.with_profile(netsonde, space, "server", lambda: load.next(runs, skip))
    events = tuning.tuned(netsonde, space, arguments, 40)
    return {"before": tuning.summary(before), "profile": tuning.summary(static), "after": tuning.summary(load.next(runs, skip)),
            "events": events}


def row(name, case, unit, space, load, netsonde, quick, arguments=(), skip=2):
    return {"name": name, "case": case, "unit": unit, **compared(space, load, netsonde, quick, list(arguments), skip)}


def on_one_host(name, case, unit, settings, load, netsonde, quick, skip=2):
    with one_host(*settings), Measured(SPACE, *load) as measured:
        return row(name, case, unit, SPACE, measured, netsonde, quick, skip=skip)


# --- cases -------------------------------------------------------------------------------------


SHORT = ["net.core.somaxconn=16"]
FEW = ["net.ipv4.ip_local_port_range=32768 33023"]


def somaxconn(_, netsonde, quick):
    return on_one_host("accept queue", "60 clients at once, 10 times a second, somaxconn 16", "% of connects that fail",
                       SHORT, ("accept_queue", 1000, 60), netsonde, quick)


def short_listen(_, netsonde, quick):
    """The server asked for less than the limit."""
    return on_one_host("listen() asks for less", "the same, of a server that calls listen(8)", "% of connects that fail",
                       SHORT, ("accept_queue", 8, 60), netsonde, quick)


def ports(_, netsonde, quick):
    return on_one_host("local ports", "50 connects a second to one service, 256 ports", "connects/s that succeed",
                       FEW, ("local_ports", 50, 1, "listens"), netsonde, quick, 4)  # until all are taken


def refused(_, netsonde, quick):
    return on_one_host("refused", "the same where nobody listens", "connects/s that succeed", FEW, ("local_ports", 50, 1, "refuses"), netsonde, quick)


def paused(name, case, size, tools, netsonde, quick):
    """The sender pauses; 50 ms each way, wide enough to hold a burst."""
    with tuning.path(tools, 25, 200, 0, 2500), tuning.running(tuning.within(tuning.RECEIVER, sys.executable, HERE, "take_bursts", str(PORT)), "ready"):
        with Measured(tuning.SENDER, "send_bursts", "10.8.0.2", PORT, size, 1) as measured:
            return row(name, case, "ms per burst", tuning.SENDER, measured, netsonde, quick, ["--wash-out", "2s"], 3)


def idle_restart(tools, netsonde, quick):
    return paused("idle restart", "bursts of 500 kB after 1 s, 50 ms, 200 Mbit/s, reno", 500_000, tools, netsonde, quick)


def small_bursts(tools, netsonde, quick):
    """That need no window."""
    return paused("small bursts", "bursts of 5 kB after 1 s, 50 ms, 200 Mbit/s, reno", 5_000, tools, netsonde, quick)


CASES = (somaxconn, short_listen, ports, refused, idle_restart, small_bursts)


def measure(tools, netsonde, quick):
    tuning.own_places()
    return [case(tools, netsonde, quick) for case in CASES]


if __name__ == "__main__":
    LOADS[sys.argv[1]](*sys.argv[2:])
