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
           "findings", "export", "travel", "recording", "dns", "probe", "experiment", "test_command", "tune", "tune_plan", "tune_links", "tune_qdiscs", "tune_routes",
           "tune_faults", "tune_experiment", "tune_proposals", "tune_connection", "tune_auto", "tune_limits", "tune_measured"]
# Write settings of the whole host for real: only when named, in a machine of their own (tests/vm.sh).
OF_THE_HOST = ["tune_host"]
AT_ONCE = 3


def run_module(name, number, chosen, report):
    """In a child: the facts of one module that are chosen, one line each into report."""
    harness.enter_own_network(number)
    importlib.import_module(name)
    for fact in harness.facts:
        if not chosen(name, fact.__name__):
            continue
        begun = time.monotonic()
        outcome = harness.outcome_of(fact)
        seconds = f" ({time.monotonic() - begun:.1f}s)" if "TIMES" in os.environ else ""
        os.write(report, (outcome + seconds + "\n").encode())


def start_module(name, number, chosen):
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        harness.die_with_parent()
        try:
            run_module(name, number, chosen, writer)
        except BaseException as error:  # the module itself is broken
            os.write(writer, f"not ok {name}: {harness.one_line(error)}\n".encode())
        os._exit(0)
    os.close(writer)
    return pid, os.fdopen(reader, encoding="utf-8")


def run_all(chosen, at_once):
    """What each fact said that is chosen by the name of its module and its own."""
    said = {"ok": [], "not ok": [], "skip": []}
    waiting = list(enumerate(MODULES + [name for name in OF_THE_HOST if name in sys.argv[2:]]))
    running = selectors.DefaultSelector()
    while waiting or running.get_map():
        while waiting and len(running.get_map()) < at_once:
            number, name = waiting.pop(0)
            pid, lines = start_module(name, number, chosen)
            running.register(lines, selectors.EVENT_READ, pid)
        for key, _ in running.select():
            line = key.fileobj.readline()
            if line:
                print(line, end="", flush=True)
                kind = next(kind for kind in said if line.startswith(kind + " "))
                said[kind].append(line.removeprefix(kind + " ").split(":")[0].split()[0])
            else:
                running.unregister(key.fileobj)
                os.waitpid(key.data, 0)
    return said


def run_twice(words):
    """All, then once more and alone what failed: that failed which fails again. What passed only then is named."""
    said = run_all(lambda module, title: not words or any(word in title or word == module for word in words), AT_ONCE)
    failed = set(said["not ok"])
    if not failed or failed & {*MODULES, *OF_THE_HOST}:  # a broken module has no result that another run could complete
        return said
    print("running again what failed: " + " ".join(sorted(failed)), flush=True)
    again = run_all(lambda _, title: title in failed, 1)
    for title in again["ok"]:
        print(f"passed only when run again: {title}")
    return {"ok": said["ok"] + again["ok"], "not ok": sorted(failed - set(again["ok"])), "skip": said["skip"]}


def main():
    if len(sys.argv) < 2:
        sys.exit("usage: run.sh BINARY [NAME...]")
    if os.geteuid() != 0:
        sys.exit("tests/cli/run.sh: netsonde needs root, and so do its tests")
    harness.BINARY = os.path.realpath(sys.argv[1])
    harness.enter_own_mounts()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    said = run_twice(sys.argv[2:])
    print(f"{len(said['ok'])} passed, {len(said['not ok'])} failed, {len(said['skip'])} skipped")
    sys.exit(1 if said["not ok"] or not said["ok"] else 0)


main()
