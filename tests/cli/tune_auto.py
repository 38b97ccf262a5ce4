# SPDX-License-Identifier: Apache-2.0
"""tune auto: on the live traffic of a host of our own, whose settings sysctl(8) reads."""

import contextlib
import os
import signal

from harness import eventually, expect, fact, finish, one_error, run, start, succeed, tool
from traffic import Connection
from tuned import CHANGED_SOON, JOURNAL, LARGE, LOOKS, QUICK, RMEM, SMALL, TINY, TRIED, Auto, guard, long_path, own_host, status, tiny_buffers, transfers, value

CHANGES_SOON = (*LOOKS, *CHANGED_SOON)


@fact
def what_limits_the_traffic_is_raised_and_kept_when_it_helped():
    with tiny_buffers(), transfers():
        auto = Auto(pace=(*LOOKS, "--blocks", "12", *TRIED[2:]))
        trying = auto.until("trying")
        expect((trying["key"], trying["from"], trying["design"], trying["metric"]), (RMEM, TINY, "once", "rx_bytes_per_s"), "what is tried")
        assert trying["evidence"] and trying["finding"] == "receive-window-limited", trying
        kept = auto.until("kept")
        assert kept["effect"]["low"] > 1 and kept["effect"]["verdict"] == "better", kept
        # It may have gone on already; what was kept is at least in the journal.
        logged = succeed("tune", "log", "--json").json()[0]
        expect((logged["outcome"], logged["after"], logged["read_back"]), ("confirmed", kept["to"], kept["to"]), "log")
        expect(logged["effect"]["ratio"], kept["effect"]["ratio"], "effect in the log")
        largest = int(kept["to"].split()[2])
        assert int(TINY.split()[2]) < largest <= 4 * int(TINY.split()[2]), kept
        done = auto.end()
        expect((done.status, done.err), (0, ""), "status and errors")
        expect((value(), status()["state"] in ("confirmed", "rolled-back")), (kept["to"], True), "afterwards")
        eventually(lambda: guard() is None, "the end of the guard")


@fact
def what_is_large_enough_is_left_alone():
    with long_path(), transfers():
        tool("sysctl", "-w", f"{RMEM}={LARGE}")
        done = run("tune", "auto", "--json", *QUICK, "--duration", "3s")
        expect((done.status, [one["event"] for one in done.json() if one["event"] not in ("begun", "left", "ended")], value()), (0, [], LARGE), "what happened")
        assert not os.path.exists(JOURNAL) or status()["state"] == "none"


@fact
def what_a_program_does_not_read_is_not_helped_by_a_larger_buffer():
    own_host()
    tool("sysctl", "-w", f"{RMEM}={SMALL}")
    with Connection() as connection:
        connection.client.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while connection.client.send(bytes(1 << 20)):
                pass
        done = run("tune", "auto", "--json", *QUICK, "--duration", "3s")
    expect((done.status, [one["event"] for one in done.json() if one["event"] not in ("begun", "left", "ended")], value()), (0, [], SMALL), "what happened")


@fact
def what_is_being_tried_is_undone_by_an_end():
    with long_path(), transfers():
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            auto = Auto(pace=CHANGES_SOON)
            auto.until("trying")
            eventually(lambda: value() != SMALL, "the change")
            auto.end(number)
            eventually(lambda: guard() is None, "the end of the guard")
            expect((value(), status()["state"]), (SMALL, "rolled-back"), f"after signal {number}")


@fact
def what_the_administrator_sets_meanwhile_is_theirs_for_good():
    other = "4096 32768 49999"
    with long_path(), transfers():
        auto = Auto("--back-off", "10ms")
        auto.until("trying")
        eventually(lambda: value() != SMALL, "the change")
        tool("sysctl", "-w", f"{RMEM}={other}")
        undone = auto.until("undone")
        assert "somebody else" in undone["why"], undone
        left = auto.until("left")
        while "hand-back" not in left["why_not"]:
            left = auto.until("left")
        auto.end()
        expect([one["event"] for one in auto.events if one["event"] == "trying"], ["trying"], "attempts")
        expect(value(), other, "sysctl")


@fact
def what_does_not_fit_into_the_duration_is_not_begun():
    with long_path(), transfers():
        auto = Auto("--duration", "30s", pace=LOOKS)
        left = auto.until("left")
        while (left["key"], left["why_not"]) != (RMEM, "its trial takes longer than is left of --duration"):
            left = auto.until("left")
        expect((auto.end().status, value()), (0, SMALL), "what happened")
        expect(auto.events[-1] | {"time": 0, "time_ns": 0}, {"time": 0, "time_ns": 0, "event": "ended", "kept": 0, "undone": 0}, "the last line")


@fact
def what_somebody_ends_is_not_tried_again():
    with long_path(), transfers():
        auto = Auto("--back-off", "10ms")
        auto.until("trying")
        eventually(lambda: value() != SMALL, "the change")
        succeed("tune", "rollback")
        left = auto.until("left")
        while "somebody else has ended its trial" not in left["why_not"]:
            left = auto.until("left")
        auto.end()
        expect([one["event"] for one in auto.events if one["event"] in ("trying", "undone", "kept")], ["trying", "undone"], "events")
        expect(value(), SMALL, "sysctl")


@fact
def keys_that_are_left_out_are_never_tried():
    with long_path(), transfers():
        done = run("tune", "auto", "--json", *QUICK, "--duration", "3s", "--except", RMEM)
        expect((done.status, value()), (0, SMALL), "what happened")
        assert (RMEM, "left out: --except") in [(one.get("key"), one.get("why_not")) for one in done.json()], done.out


@fact
def bad_arguments_of_auto_are_one_line():
    own_host()
    for arguments, words, code in [(("--goal", "speed"), "speed", 2), (("--blocks", "3"), "from 6 to 1000", 2), (("--window", "soon"), "soon", 2),
                                   (("--only", "net.nothing"), "catalogue", 2), (("--most-per-hour", "0"), "from 1 to 3600", 2)]:
        message = one_error(run("tune", "auto", *arguments), code)
        assert words in message, message


@fact
def nothing_is_tried_when_what_happens_cannot_be_told():
    own_host()
    with open("/dev/full", "w", encoding="ascii") as full:
        process = start("tune", "auto", *QUICK, stdout=full)
        done = finish(process)
    assert done.status == 1 and "No space left" in done.err, done.err
    expect(status()["state"], "none", "state")
