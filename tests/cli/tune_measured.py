# SPDX-License-Identifier: Apache-2.0
"""tune apply --auto: what is applied stays when it proved itself on the live traffic of a host of our own."""

import os
import signal

from harness import eventually, expect, fact, finish, one_error, run, start, succeed, tool
from tuned import CHANGED_SOON, LARGE, RMEM, SMALL, TINY, TRIED, guard, long_path, own_host, status, tiny_buffers, transfers, value

MEASURED = ("tune", "apply", "--auto", "--yes", "--json")
LARGER = "4096 16384 4194304"


def events(done):
    return [one["event"] for one in done.json()]


@fact
def what_proves_itself_stays():
    with tiny_buffers(), transfers():
        done = run(*MEASURED, *TRIED, "--set", f"{RMEM}={LARGER}")
        expect((done.status, events(done), value()), (0, ["trying", "kept"], LARGER), f"what happened: {done.out}")
        assert done.json()[1]["effect"]["low"] > 1, done.out
        logged = succeed("tune", "log", "--json").json()[0]
        expect((logged["outcome"], logged["effect"]["verdict"]), ("confirmed", "better"), "log")
        eventually(lambda: guard() is None, "the end of the guard")


@fact
def what_does_not_is_undone_and_the_status_says_so():
    with long_path(), transfers():
        tool("sysctl", "-w", f"{RMEM}={LARGE}")
        done = run(*MEASURED, *TRIED, "--set", f"{RMEM}={LARGE[:-1]}8")
        expect((done.status, events(done), value(), status()["state"]), (4, ["trying", "undone"], LARGE, "rolled-back"), f"what happened: {done.out}")


@fact
def what_no_traffic_can_prove_is_not_even_tried():
    own_host()
    done = run(*MEASURED, *TRIED, "--set", "net.ipv4.tcp_retries2=9")
    expect((done.status, events(done), status()["state"], tool("sysctl", "-n", "net.ipv4.tcp_retries2").strip()), (4, ["left"], "none", "15"), "what happened")


@fact
def each_of_a_plan_is_tried_by_itself():
    with tiny_buffers(), transfers():
        done = run(*MEASURED, "--blocks", "6", "--period", "200ms", "--wash-out", "100ms", "--set", "net.ipv4.tcp_slow_start_after_idle=0", f"{RMEM}={LARGER}")
        rows = [(one["event"] == "trying", one["key"]) for one in done.json()]
        expect(rows, [(trying, key) for key in ("net.ipv4.tcp_slow_start_after_idle", RMEM) for trying in (True, False)], "order")
        changed = [one["key"] for one in succeed("tune", "log", "--json").json()]
        expect(changed, ["net.ipv4.tcp_slow_start_after_idle", RMEM], "the log")


@fact
def an_end_in_between_undoes_what_is_being_tried():
    with long_path(), transfers():
        for number in (signal.SIGINT, signal.SIGKILL):
            process = start(*MEASURED, *CHANGED_SOON, "--set", f"{RMEM}={LARGE}")
            eventually(lambda: value() == LARGE, "the change")
            os.kill(process.pid, number)
            done = finish(process)
            assert done.status == (1 if number == signal.SIGINT else -number), done
            eventually(lambda: value() == SMALL, "the end of the change")
            eventually(lambda: guard() is None, "the end of the guard")
            expect(status()["state"], "rolled-back", f"after signal {number}")


@fact
def what_cannot_be_undone_is_not_called_undone():
    with long_path(), transfers():
        tool("ip", "route", "add", "10.8.0.0/16", "via", "10.9.0.2")
        process = start(*MEASURED, *CHANGED_SOON, "--set", "route.congestion_control@10.8.0.0/16=reno")
        eventually(lambda: "congctl reno" in tool("ip", "route", "show", "10.8.0.0/16"), "the change")
        tool("ip", "route", "add", "10.8.0.0/16", "via", "10.9.0.3", "metric", "9")
        done = finish(process)
        expect((done.status, events(done), status()["state"]), (1, ["trying", "stuck"], "needs-recovery"), f"what happened: {done.out}")
        assert "What remains" in done.err and done.err.endswith("could not be undone wholly\n"), done.err
        tool("ip", "route", "delete", "10.8.0.0/16", "metric", "9")
        eventually(lambda: "congctl" not in tool("ip", "route", "show", "10.8.0.0/16"), "what the guard does in the end")


@fact
def options_that_do_not_go_together_are_one_line():
    own_host()
    for words in (["--auto", "--wait"], ["--auto", "--confirm-within", "9s"], ["--blocks", "8"], ["--json"]):
        one_error(run("tune", "apply", "--yes", "--set", f"{RMEM}={TINY}", *words), 2)
    expect(status()["state"], "none", "state")
