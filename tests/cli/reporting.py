# SPDX-License-Identifier: Apache-2.0
"""A report that is being made, and something for it to tell."""

import os
import signal
import socket
import tempfile

from harness import eventually, expect, finish, free_port, is_in_its_loop, start
from traffic import listener


def place(name="report.json"):
    return os.path.join(tempfile.mkdtemp(), name)


def content(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


class Recording:
    """Of all that happens until it ends."""

    def __init__(self):
        self.path = place("a.nsr")
        self.process = start("record", "-o", self.path, "--interval", "50ms")
        eventually(lambda: is_in_its_loop(self.process), "a recorder that looks")

    def end(self):
        self.process.send_signal(signal.SIGINT)
        done = finish(self.process)
        expect(done.status, 0, f"status of record, {done.err}")
        return self.path


class Reporting:
    """A report that looks already; end() gives what it wrote."""

    def __init__(self, path, *arguments):
        self.path = path
        self.process = start("report", "--interval", "50ms", "--duration", "50s", "-o", path, *arguments)
        eventually(lambda: is_in_its_loop(self.process), "a report that looks")

    def end(self):
        self.process.send_signal(signal.SIGINT)
        done = finish(self.process)
        expect((done.status, done.out), (0, ""), f"status and output, {done.err}")
        return content(self.path)


def many_connections(count, port=None):
    """So many, each with 100 bytes one way and 100 back."""
    with listener(port or free_port()) as listening:
        for _ in range(count):
            with socket.socket() as client:
                client.connect(listening.getsockname())
                server, _ = listening.accept()
                with server:
                    client.sendall(bytes(100))
                    server.sendall(server.recv(200))
                    client.recv(200)
        return listening.getsockname()[1]
