# SPDX-License-Identifier: Apache-2.0
"""A host of one's own to be changed, and what netsonde tune says of it."""

import contextlib
import os
import select
import signal

import harness
from harness import NEW_MOUNTS, enter_own_network, run, succeed, tool, unshare

LONG = ("--confirm-within", "60s")
JOURNAL = "/var/lib/netsonde/tune.journal"


def own_host(size="8m"):
    """A network namespace, a journal and files of sysctl that nobody else has."""
    enter_own_network()
    own_files(size)


def own_files(size="8m"):
    unshare(NEW_MOUNTS)
    tool("mount", "-t", "tmpfs", "-o", f"size={size}", "none", "/var/lib")
    tool("mount", "-t", "tmpfs", "none", "/etc/sysctl.d")


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


def undo():
    """As an administrator does who finds a change set."""
    run("tune", "recover")
    run("tune", "rollback", "--to", "0")


def apply_plan(text, *arguments):
    with open("/var/lib/plan.json", "w", encoding="utf-8") as file:
        file.write(text)
    return run("tune", "apply", "--yes", "/var/lib/plan.json", *LONG, *arguments)
