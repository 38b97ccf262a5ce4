# SPDX-License-Identifier: Apache-2.0
"""The live view on a recording: it plays, pauses, and moves about in time."""

import functools
import os
import re
import tempfile
import time

from harness import eventually, expect, fact, finish, start
from screen import View
from traffic import Connection, here


@functools.cache
def recording():
    """Of a connection whose server stops reading after two seconds. Made once, for all facts."""
    path = os.path.join(tempfile.mkdtemp(), "incident.rec")
    with Connection() as connection:
        process = start("record", "-o", path, "--interval", "0.25s", "--duration", "7s", "--filter", here())
        begin = time.monotonic()
        connection.client.setblocking(False)
        while process.poll() is None:
            try:
                if time.monotonic() - begin < 2.5:
                    connection.client.send(b"x" * 100)
                    connection.server.recv(1000)
                else:
                    connection.client.send(bytes(200_000))
            except BlockingIOError:
                pass
            time.sleep(0.05)
        expect(finish(process).status, 0, "status of the recorder")
    return path


def travel(*arguments, **options):
    return View("--from", recording(), *arguments, **options)


def place(view):
    """Time of day, what it does, and how far it is, as the first line tells."""
    line = view.screen().splitlines()[0]
    found = re.search(r"(\d\d:\d\d:\d\d) UTC  (.*\S)  (\d+)%", line)
    return found and (found[1], found[2], int(found[3]))


def stands(view, condition):
    return eventually(lambda: (now := place(view)) and condition(*now) and now, lambda: f"a place on\n{view.screen()}")


@fact
def a_recording_opens_paused_at_its_begin_and_plays_to_its_end():
    with travel() as view:
        lines = view.shows("incident.rec", "paused", "Space play", "f next finding").splitlines()
        expect((len(lines), place(view)[2]), (24, 0), "lines and position")
        view.keys("Space")
        stands(view, lambda _, mode, percent: mode == "playing 1x" and 0 < percent < 100)
        view.keys("Space")
        _, _, paused = stands(view, lambda _, mode, percent: mode == "paused")
        view.keys("+", "+")
        view.shows("Space plays 4x")
        expect(place(view)[2], paused, "position")
        view.keys("Space")
        stands(view, lambda _, mode, percent: mode == "playing 4x")
        view.shows("The end of the recording")
        stands(view, lambda _, mode, percent: (mode, percent) == ("paused", 100))
        view.keys("q")
        expect(view.ended()[0], 0, "status")


@fact
def it_steps_by_ticks_and_says_where_it_ends():
    with travel() as view:
        view.shows("paused")
        view.keys("[")
        view.shows("The begin of the recording")
        view.keys("]", "]", "]")
        _, _, third = stands(view, lambda _, mode, percent: percent >= 9)
        view.keys("[")
        stands(view, lambda _, mode, percent: 0 < percent < third)
        view.keys("}")
        stands(view, lambda _, mode, percent: percent > 30)
        view.keys("{", "[", "[")
        stands(view, lambda _, mode, percent: percent == 0)
        view.keys(")")
        stands(view, lambda _, mode, percent: percent == 100)
        view.keys("]")
        view.shows("The end of the recording")
        view.keys("(")
        stands(view, lambda _, mode, percent: percent == 0)


@fact
def it_goes_to_a_time_that_is_typed():
    with travel() as view:
        view.shows("paused")
        view.keys("t")
        view.shows("Go to:")
        view.type("+4s")
        view.keys("Enter")
        stands(view, lambda _, mode, percent: mode == "paused" and 40 < percent < 65)
        view.keys("t")
        view.type("soon")
        view.keys("Enter")
        view.shows("'soon' is no time", "Go to: soon")
        view.keys("C-u")
        view.type("+1h")
        view.keys("Enter")
        view.shows("is not in the recording")
        view.keys("Escape")
        view.shows("paused", but=["Go to:"])
        view.keys("C-c")
        expect(view.ended()[0], 0, "status")


@fact
def the_next_and_the_previous_finding_are_gone_to():
    with travel() as view:
        view.shows("paused", but=["zero-window"])
        for _ in range(10):  # a busy host may have findings of its own before
            view.keys("f")
            if "New: zero-window" in view.shows("New: ", "paused", but=["searching"]):
                break
        view.shows("New: zero-window")
        _, _, found = place(view)
        assert 5 < found < 90, f"found at {found}%"
        view.keys("f")
        for _ in range(10):
            screen = view.shows("paused", but=["searching"])
            if "No new finding" in screen:
                break
            view.keys("f")
        view.shows("No new finding from here to the end of the recording")
        view.keys(")")
        view.shows("paused  100%")
        view.keys("F")
        view.shows("New: ", "paused", but=["searching"])
        view.keys("(")
        view.shows("paused  0%")
        view.keys("F")
        view.shows("No finding began before this time")


@fact
def a_connection_shows_its_findings_as_it_had_them():
    with travel("--at", "3s", columns=120, rows=40) as view:
        view.shows("paused", 2, but=["No warnings"])
        view.keys("Enter")
        view.shows("Findings    warning", "What happened", "paused")
        view.keys("[")
        view.shows("Findings    warning", "What happened", "paused")


@fact
def since_plays_from_then_on_up_to_until():
    with travel("--since", "+3s", "--until", "+5s") as view:
        view.shows("playing 1x")
        view.shows("The end of the recording", "100%")


@fact
def keys_of_the_recording_are_in_its_help_alone():
    with travel(columns=120, rows=60) as view:
        view.shows("paused")
        view.keys("?")
        view.shows("Play or pause.", "next finding", but=["Shorter interval"])


@fact
def it_follows_the_size_of_the_terminal():
    with travel() as view:
        view.shows("paused")
        for columns, rows in [(200, 50), (40, 10), (20, 5), (100, 30)]:
            view.tmux("resize-window", "-x", str(columns), "-y", str(rows))
            view.shows("terminal too smal" if columns < 40 else "paused")
