# SPDX-License-Identifier: Apache-2.0
"""What the tests of tune share: a host of their own, its guard, and what an administrator does."""

import contextlib
import json
import os
import select
import signal
import socket
import time

import harness
from harness import NEW_MOUNTS, NEW_NETWORK, enter_network, enter_own_network, finish, free_port, launch, netns, run, start, succeed, tool, unshare
from traffic import Peer, delayed_network

LONG = ("--confirm-within", "60s")
JOURNAL = "/var/lib/netsonde/tune.journal"
LOAD = """
import socket, threading
listening = socket.create_server(("10.9.0.1", 0))
client = socket.create_connection(("10.9.0.2", listening.getsockname()[1]))
server, _ = listening.accept()
def send():
    client.sendall(bytes(SIZE))
    client.close()
threading.Thread(target=send).start()
while server.recv(1 << 20):
    pass
"""
TINY, SMALL, LARGE = "4096 16384 32768", "4096 32768 65536", "4096 32768 4194304"
TRIED = ("--blocks", "8", "--period", "600ms", "--wash-out", "200ms")
CHANGED_SOON = ("--blocks", "6", "--period", "200ms", "--wash-out", "5s")  # and waits then
RMEM, SOMAXCONN, IDLE = "net.ipv4.tcp_rmem", "net.core.somaxconn", "net.ipv4.tcp_slow_start_after_idle"
ORIGINAL, CHANGED = [["4096"], ["1"]], [["5000"], ["0"]]  # of these two
BOTH = ("--set", f"{SOMAXCONN}=5000", f"{IDLE}=0")
# tune auto, fast enough for tests
LOOKS = ("--window", "500ms", "--goal", "throughput")
QUICK = (*LOOKS, *TRIED)


def own_host(size="8m"):
    """A network namespace, a journal and files of sysctl that nobody else has."""
    enter_own_network()
    own_files(size)


def own_files(size="8m"):
    unshare(NEW_MOUNTS)
    tool("mount", "-t", "tmpfs", "-o", f"size={size}", "none", "/var/lib")
    tool("mount", "-t", "tmpfs", "none", "/etc/sysctl.d")


@contextlib.contextmanager
def long_path():
    """A host at one end of a path with a round trip of 20 ms, whose receive buffers are far too small for it."""
    carrier = delayed_network(0.01)
    own_files()
    tool("sysctl", "-w", f"{RMEM}={SMALL}")
    with open("/var/lib/load.py", "w", encoding="ascii") as load:
        load.write(LOAD.replace("SIZE", "1200000"))  # takes far longer than the start of a process
    try:
        yield
    finally:
        carrier.end()


def value():
    return " ".join(tool("sysctl", "-n", RMEM).split())


@contextlib.contextmanager
def tiny_buffers():
    """Half of what is small already: a step shows, whatever else happens."""
    with long_path():
        tool("sysctl", "-w", f"{RMEM}={TINY}")
        yield


@contextlib.contextmanager
def transfers():
    """One after the other, as long as somebody looks; in one process, whose start takes no time from them."""
    process = launch(["python3", "-S", "-c", f"load = compile({LOAD.replace('SIZE', '400000')!r}, 'load', 'exec')\nexec(load, {{}})\nprint('one', flush=True)\nwhile True:\n    exec(load, {{}})"])
    try:
        assert process.stdout.readline() == b"one\n", "the first of them"
        yield
    finally:
        process.kill()
        process.wait()


def values(*keys):
    """As sysctl(8) reads them."""
    return [tool("sysctl", "-n", key).split() for key in keys or (SOMAXCONN, IDLE)]


def apply(*arguments):
    return succeed("tune", "apply", "--yes", *(arguments or (*BOTH, *LONG)))


def status():
    return succeed("tune", "status", "--json").json()[0]


def guard():
    """The process that waits for the deadline; None: there is none."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/{pid}/ns/mnt") != os.readlink("/proc/self/ns/mnt"):
                continue
            with open(f"/proc/{pid}/comm", encoding="ascii") as comm, open(f"/proc/{pid}/stat", encoding="ascii") as stat:
                if comm.read() == "netsonde-guard\n" and stat.read().rsplit(")", 1)[1].split()[0] != "Z":
                    return int(pid)
    return None


def kill_guard():
    """Returns when it has ended wholly: it is out of sight before its lock is free."""
    pid = guard()
    descriptor = os.pidfd_open(pid)
    os.kill(pid, signal.SIGKILL)
    assert select.select([descriptor], [], [], harness.DEADLINE)[0], "the guard does not end"
    os.close(descriptor)


AS_FIRST = ("unshare", "-pf", "--mount-proc")  # in the network namespace of process 1


def persist():
    return run("tune", "persist", wrap=AS_FIRST)


def undo():
    """As an administrator does who finds a change set."""
    run("tune", "recover")
    run("tune", "rollback", "--to", "0")


def killed(call, number, *arguments):
    """netsonde is killed as it is about to make this system call for the n-th time; False: it makes fewer of them."""
    process = launch(["strace", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:signal=SIGKILL:when={number}",
                      harness.BINARY, *arguments])
    return finish(process).status not in (0, 1)


def scope():
    with socket.socket(socket.AF_UNIX) as sock:
        cookie = int.from_bytes(sock.getsockopt(socket.SOL_SOCKET, 71, 8), "little")  # SO_NETNS_COOKIE
    return {"kind": "netns", "name": str(netns()), "cookie": cookie}


def apply_plan(text, *arguments):
    with open("/var/lib/plan.json", "w", encoding="utf-8") as file:
        file.write(text)
    return run("tune", "apply", "--yes", "/var/lib/plan.json", *LONG, *arguments)


@contextlib.contextmanager
def namespaces(count):
    """Others, each held by a process; yields their scopes."""
    own = os.open("/proc/self/ns/net", os.O_RDONLY)
    held, scopes = [], []
    try:
        for _ in range(count):
            unshare(NEW_NETWORK)
            scopes.append(scope())
            held.append(launch(["sleep", "infinity"]))
        enter_network(own)
        yield scopes, held
    finally:
        for process in held:
            process.kill()
            process.wait()
        os.close(own)


@contextlib.contextmanager
def overflowing_listener():
    """A program that asks for a long accept queue, gets a short one, and accepts nothing."""
    tool("sysctl", "-w", f"{SOMAXCONN}=8")
    with socket.socket() as listening, contextlib.ExitStack() as clients:
        listening.bind(("127.0.0.1", free_port()))
        listening.listen(1000)

        def knock(peer):
            while True:
                client = clients.enter_context(socket.socket())
                client.setblocking(False)
                client.connect_ex(listening.getsockname())
                time.sleep(0.01)  # the rate of the attempts

        knocking = Peer(knock)
        try:
            yield listening
        finally:
            knocking.end()


class Auto:
    """tune auto as it runs, and what it tells, event by event."""

    def __init__(self, *arguments, pace=QUICK):
        self.process = start("tune", "auto", "--json", *pace, *arguments)
        self.events = []

    def until(self, event, seconds=60):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            line = self.process.stdout.readline()
            assert line, f"it has ended without {event}: {self.process.stderr.read()}"
            self.events.append(json.loads(line))
            assert event != "kept" or self.events[-1]["event"] != "undone", self.events[-1]
            if self.events[-1]["event"] == event:
                return self.events[-1]
        raise AssertionError(f"no {event}: {self.events}")

    def end(self, number=signal.SIGINT):
        os.kill(self.process.pid, number)
        done = finish(self.process)
        self.events += done.json()
        return done
