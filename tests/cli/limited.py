# SPDX-License-Identifier: Apache-2.0
"""Loads that a limit of the host holds back, and what is asked of others than netsonde about them."""

import contextlib
import re
import select
import socket
import time

from harness import eventually, expect, free_port, run, succeed, tool
from traffic import HOST, Peer, delayed_network, here, listener, received
from tuned import QUICK, own_files

SOMAXCONN, PORTS, REUSE = "net.core.somaxconn", "net.ipv4.ip_local_port_range", "net.ipv4.tcp_tw_reuse"
IDLE = "net.ipv4.tcp_slow_start_after_idle"
SERVICE = "10.9.9.1"  # of this host, but not 127.0.0.1, whose ports in TIME_WAIT are taken again
RESERVED = "net.ipv4.ip_local_reserved_ports"
FEW = "60000 60255"  # the fewest ports that a range may have here


def value(key):
    return " ".join(tool("sysctl", "-n", key).split())


def counted(name):
    """A counter of this namespace since it began."""
    return int(next(line.split()[1] for line in tool("nstat", "-asz", name).splitlines() if line.startswith(name)))


def found():
    """What explain finds here."""
    return [one["id"] for one in succeed("explain", "--duration", "2s", "--json", "--filter", here()).json()[0]["findings"]]


def tries_nothing(*arguments):
    """The reasons for that, by key."""
    done = run("tune", "auto", "--json", *QUICK, "--duration", "3s", *arguments)
    expect((done.status, [one for one in done.json() if one["event"] not in ("begun", "left", "ended")]), (0, []), "what happened")
    return {one["key"]: one["why_not"] for one in done.json() if one["event"] == "left"}


# --- accept queues -----------------------------------------------------------------------------


@contextlib.contextmanager
def bursts_of_clients(backlog, again=True):
    """Twenty clients at once ten times a second, whom a server accepts only then. It calls listen() before each burst, as
    servers do that read their configuration again."""
    port = free_port()

    def serve(_):
        with socket.socket() as listening:
            listening.bind((HOST, port))
            listening.listen(backlog)
            listening.setblocking(False)
            while True:
                if again:
                    listening.listen(backlog)
                burst(listening)

    with Peer(serve):
        yield port


def burst(listening):
    with contextlib.ExitStack() as ends:
        for _ in range(20):
            client = ends.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(listening.getsockname())
        time.sleep(0.1)  # the rate of the bursts
        with contextlib.suppress(BlockingIOError):
            while True:
                ends.enter_context(listening.accept()[0])


def backlog_of(port):
    return int(tool("ss", "-Hltn", f"sport = :{port}").split()[2])


def goes_on(name):
    """Returns when the counter of what shows it has grown by some bursts of clients, or as many connections."""
    before = counted(name)
    eventually(lambda: counted(name) > before + 60, name)


# --- local ports -------------------------------------------------------------------------------


@contextlib.contextmanager
def clients(ports, services=1, refused=False):
    """Connections one after the other, that the client closes first; the services take turns."""
    tool("ip", "address", "add", SERVICE, "dev", "lo")
    tool("sysctl", "-w", f"{PORTS}={ports}")
    first = free_port()

    def connect(_):
        with contextlib.ExitStack() as all_of_them:
            listening = [] if refused else [listener(first + i, SERVICE) for i in range(services)]
            for one in listening:
                all_of_them.enter_context(one)
            while True:
                for i in range(services):
                    one_connection(first + i, listening[i:i + 1])
                    time.sleep(0.005)  # the rate of the attempts

    with Peer(connect):
        yield first


def one_connection(port, listening):
    with socket.socket() as client, contextlib.suppress(OSError):
        client.connect((SERVICE, port))
        with listening[0].accept()[0] as server:
            client.shutdown(socket.SHUT_WR)
            server.recv(1)


def waiting(port):
    return len(tool("ss", "-Htan", "state", "time-wait", f"dport = :{port}").splitlines())


# --- pauses ------------------------------------------------------------------------------------


@contextlib.contextmanager
def bursts_after_pauses():
    """Over a round trip of 40 ms, each after a pause of several RTOs. Yields their port, and who makes small ones of them
    when it hears something."""
    carrier = delayed_network(0.02)
    own_files()
    tool("sysctl", "-w", "net.ipv4.tcp_congestion_control=reno", f"{IDLE}=1", "net.ipv4.tcp_no_metrics_save=1",
         "net.ipv4.tcp_rmem=4096 2000000 4000000", "net.ipv4.tcp_wmem=4096 2000000 4000000")
    port = free_port()

    def send(peer):
        with socket.create_server(("10.9.0.1", port)) as listening, socket.create_connection(("10.9.0.2", port)) as client:
            server, _ = listening.accept()
            size = 150_000
            while True:
                client.sendall(bytes(size))  # all of it fits into the send buffer
                received(server, size)
                if select.select([peer.channel], [], [], 0.9)[0]:  # the pause
                    peer.hear()
                    size = 3000

    with Peer(send) as sender:
        try:
            yield port, sender
        finally:
            carrier.end()


def window(port):
    """Segments, of the connection to there."""
    told = tool("ss", "-Htin", f"dport = :{port}")
    return int(re.search(r"\bcwnd:(\d+)", told).group(1)) if "cwnd:" in told else 0
