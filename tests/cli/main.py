# SPDX-License-Identifier: Apache-2.0
"""Runs the tests of the modules below side by side and adds up what they say.

Every test is a function marked @fact whose name is the fact. Each module runs in a process and a
network namespace of its own; all of them share a mount namespace with an empty /run, so whatever is
left behind is gone with the last process, and no process outlives this one.
"""

import importlib
import os
import selectors
import signal
import sys
import time

import harness

MODULES = ["view", "ending", "events", "explain", "monitor", "report", "page", "top", "limits", "hostile", "arguments", "places", "install",
           "findings", "export", "travel", "recording", "dns", "probe", "experiment", "test_command", "tune"]
AT_ONCE = 3


def run_module(name, number, words, report):
    """In a child: the facts of one module, one line each into report."""
    harness.enter_own_network(number)
    importlib.import_module(name)
    for fact in harness.facts:
        title = fact.__name__
        if words and not any(word in title or word == name for word in words):
            continue
        begun = time.monotonic()
        outcome = harness.outcome_of(fact)
        seconds = f" ({time.monotonic() - begun:.1f}s)" if "TIMES" in os.environ else ""
        os.write(report, (outcome + seconds + "\n").encode())


def start_module(name, number, words):
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        harness.die_with_parent()
        try:
            run_module(name, number, words, writer)
        except BaseException as error:  # the module itself is broken
            os.write(writer, f"not ok {name}: {harness.one_line(error)}\n".encode())
        os._exit(0)
    os.close(writer)
    return pid, os.fdopen(reader, encoding="utf-8")


def run_all(words):
    counts = {"ok": 0, "not ok": 0, "skip": 0}
    waiting = list(enumerate(MODULES))
    running = selectors.DefaultSelector()
    while waiting or running.get_map():
        while waiting and len(running.get_map()) < AT_ONCE:
            number, name = waiting.pop(0)
            pid, lines = start_module(name, number, words)
            running.register(lines, selectors.EVENT_READ, pid)
        for key, _ in running.select():
            line = key.fileobj.readline()
            if line:
                print(line, end="", flush=True)
                counts[next(kind for kind in counts if line.startswith(kind + " "))] += 1
            else:
                running.unregister(key.fileobj)
                os.waitpid(key.data, 0)
    return counts


def main():
    if len(sys.argv) < 2:
        sys.exit("usage: run.sh BINARY [NAME...]")
    if os.geteuid() != 0:
        sys.exit("tests/cli/run.sh: netsonde needs root, and so do its tests")
    harness.BINARY = os.path.realpath(sys.argv[1])
    harness.enter_own_mounts()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    counts = run_all(sys.argv[2:])
    print(f"{counts['ok']} passed, {counts['not ok']} failed, {counts['skip']} skipped")
    sys.exit(1 if counts["not ok"] or not counts["ok"] else 0)


main()
