# SPDX-License-Identifier: Apache-2.0
"""Connections, processes that own them, and paths that lose or delay."""

import contextlib
import fcntl
import json
import os
import select
import signal
import socket
import struct
import termios
import time

from harness import DEADLINE, Lines, die_with_parent, enter_own_network, eventually, free_port, netns, set_name, start, tool

HOST = "127.0.0.1"


def listener(port, host=HOST):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((host, port))
    sock.listen(64)
    return sock


class Connection:
    """Both ends of one connection; closing this closes them and the listener."""

    def __init__(self, port=None, host=HOST, client_port=0, prepare=lambda client, listening: None):
        self.port = port or free_port()
        self.listening = listener(self.port, host)
        self.client = socket.socket(self.listening.family, socket.SOCK_STREAM)
        self.client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        prepare(self.client, self.listening)
        if client_port:
            self.client.bind((host, client_port))
        self.client.connect((host, self.port))
        self.client_port = self.client.getsockname()[1]
        self.server, _ = self.listening.accept()
        for end in (self.client, self.server):
            end.settimeout(DEADLINE)

    def exchange(self, times=1, size=100):
        for _ in range(times):
            self.client.sendall(bytes(size))
            received(self.server, size)
            self.server.sendall(bytes(size))
            received(self.client, size)
        # Only what the peer has acknowledged counts as sent.
        for end in (self.client, self.server):
            eventually(lambda: unacknowledged(end) == 0, "the last acknowledgement")

    def close(self):
        for end in (self.client, self.server, self.listening):
            end.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def received(sock, size):
    count = 0
    while count < size:
        chunk = sock.recv(size - count)
        assert chunk, "the peer closed early"
        count += len(chunk)


def unacknowledged(sock):
    """Bytes in the send queue, sent or not, that the peer has not acknowledged."""
    return struct.unpack("i", fcntl.ioctl(sock, termios.TIOCOUTQ, bytes(4)))[0]


def refused(port, host=HOST):
    """An attempt to connect where nobody listens."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as sock:
        with contextlib.suppress(ConnectionRefusedError):
            sock.connect((host, port))


def knock_until_end(process, port):
    """Attempts to connect where nobody listens, until the process has ended."""
    eventually(lambda: refused(port) or process.poll() is not None, "the end of netsonde")


class Peer:
    """A forked process that runs function(peer) under a name; both sides say() and hear() bytes."""

    def __init__(self, function, name=None):
        ours, theirs = socket.socketpair()
        self.channel = ours
        self.pid = os.fork()
        if self.pid == 0:
            die_with_parent()
            self.channel = theirs
            ours.close()
            try:
                if name:
                    set_name(name)
                function(self)
            except BaseException as error:
                self.say(f"failed: {error!r}".encode())
            finally:
                os._exit(0)
        theirs.close()
        ours.settimeout(DEADLINE)

    def say(self, words=b"go"):
        self.channel.sendall(words + b"\n")

    def hear(self):
        words = b""
        while not words.endswith(b"\n"):
            chunk = self.channel.recv(1)
            assert chunk, "the peer process has gone"
            words += chunk
        assert not words.startswith(b"failed: "), words.decode()
        return words[:-1]

    def end(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        self.channel.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()


def owner_of_connection(name=None, elsewhere=False, **options):
    """A process with both ends of a connection; elsewhere: in a namespace of its own. It says
    "PORT NETNS" when it has them and exchanges data each time it hears something."""
    options.setdefault("port", free_port())

    def body(peer):
        if elsewhere:
            enter_own_network()
        with Connection(**options) as connection:
            connection.exchange()
            peer.say(f"{connection.client_port} {netns()}".encode())
            while peer.hear():
                connection.exchange(10)
                peer.say()

    return Peer(body, name)


def here(port=None):
    """A filter for this namespace, and one port."""
    return f"netns = {netns()}" + (f" and port = {port}" if port else "")


class Trace:
    """A running trace of this namespace that is known to watch: an attempt to connect to a port
    where nobody listens has been reported. Events of that port are left out."""

    def __init__(self, *arguments, form="--json", **options):
        self.knock = free_port()
        self.process = start("trace", *filter(None, [form]), "--filter", here(), *arguments, **options)
        self.lines = Lines(self.process.stdout)
        eventually(self._watches, lambda: f"a first event; {self.process.poll()=}")

    def _watches(self):
        assert self.process.poll() is None, self.process.stderr.read().decode(errors="replace")
        refused(self.knock)
        return self.lines.next(within=0.1)

    def events(self):
        """What has come so far, as JSON."""
        parsed = [json.loads(line) for line in self.lines.seen]
        return [e for e in parsed if self.knock not in (e.get("local_port"), e.get("remote_port"))]

    def wait(self, what, within=DEADLINE, **wanted):
        """The first event with these values."""
        end = time.monotonic() + within
        while True:
            for event in self.events():
                if all(event.get(key) == value for key, value in wanted.items()):
                    return event
            if time.monotonic() > end or self.lines.next(end - time.monotonic()) is None:
                raise AssertionError(f"no {what} {wanted} among {summary(self.events())}")

    def end(self, number=signal.SIGINT):
        """The rest after a signal; what was printed in all is in out_bytes and lines."""
        self.process.send_signal(number)
        done = self.lines.finish(self.process)
        self.lines.seen = done.out_bytes.splitlines()
        return done


def summary(events):
    return [(e["event"], e.get("local_port"), e.get("remote_port"), e.get("kind") or e.get("reason")) for e in events]


@contextlib.contextmanager
def losing(rule):
    """While it lasts, what matches this nft rule is dropped where it arrives. (What is dropped where
    it leaves was never sent, so it is not sent again either.)"""
    tool("nft", "add table inet loss; add chain inet loss in { type filter hook input priority 0; };"
         f"add rule inet loss in {rule} drop")
    try:
        yield
    finally:
        tool("nft", "delete table inet loss")


def tun(name):
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    layer3, no_header, tun_set_interface = 0x0001, 0x1000, 0x400454CA
    fcntl.ioctl(descriptor, tun_set_interface, struct.pack("16sH22x", name.encode(), layer3 | no_header))
    return descriptor


def delayed_network(seconds):
    """Enters a namespace where 10.9.0.1 is at one end of a path with that delay each way. Packets to
    10.9.0.2 come back as packets from it, so a listener here is reached through it. The process
    that carries them."""
    enter_own_network()
    near = tun("slow0")
    tool("ip", "address", "add", "10.9.0.1/24", "dev", "slow0")
    tool("ip", "link", "set", "slow0", "up", "mtu", "1500")

    def carry(_):
        queue = []
        while True:
            wait = max(queue[0][0] - time.monotonic(), 0) if queue else None
            if select.select([near], [], [], wait)[0]:
                queue.append((time.monotonic() + seconds, os.read(near, 2048)))
            while queue and queue[0][0] <= time.monotonic():
                packet = queue.pop(0)[1]
                # The two addresses trade places; checksums do not mind.
                os.write(near, packet[:12] + packet[16:20] + packet[12:16] + packet[20:])

    return Peer(carry)
