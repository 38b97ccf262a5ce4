# SPDX-License-Identifier: Apache-2.0
"""The live view as it looks in tmux, key by key. (What it writes, byte by byte: ending.py.)"""

import os
import re
import select
import socket

from harness import eventually, expect, fact, free_port
from screen import View
from traffic import HOST, Connection, Peer, here, losing, owner_of_connection, refused


@fact
def it_starts_in_terminals_of_many_sizes():
    with Connection() as connection:
        for columns, rows in [(80, 24), (200, 50), (40, 10)]:
            with View(columns=columns, rows=rows) as view:
                screen = view.shows("netsonde", "COMMAND" if columns > 40 else "REMOTE", 2, str(connection.port))
                lines = screen.splitlines()
                expect(len(lines), rows, "lines")
                assert lines[-1].strip() and "help" in lines[-1], f"last line: {lines[-1]!r}"
        for columns, rows in [(39, 24), (80, 9), (12, 3), (1, 1)]:
            with View(columns=columns, rows=rows) as view:
                view.shows(*["terminal"] * (columns > 1))
                view.keys("q")
                view.tmux("resize-window", "-x", "80", "-y", "24")
                expect(view.ended()[0], 0, "status")


@fact
def another_sort_column_is_named_in_the_status_line():
    with View() as view:
        view.shows("sort: worst first")
        view.keys(">")
        view.shows("sort: comm (a first)")
        view.keys("r")
        view.shows("sort: comm (z first)")
        view.keys("s")
        view.shows("Sort by", "cookie")
        view.type("srtt_us")
        view.keys("Enter")
        view.shows("sort: srtt_us (largest first)")
        view.keys("w")
        view.shows("sort: worst first")


@fact
def rows_follow_the_sort_column():
    with owner_of_connection(b"zzz") as last, owner_of_connection(b"aaa") as first, View() as view:
        last.hear(), first.hear()
        view.shows(4, "aaa", "zzz")
        for keys, wanted in [([">"], ["aaa", "aaa", "zzz", "zzz"]), (["r"], ["zzz", "zzz", "aaa", "aaa"])]:
            view.keys(*keys)
            eventually(lambda: [row.split()[0] for row in view.rows()] == wanted, lambda: f"{wanted} in {view.rows()}")


@fact
def a_filter_hides_rows_while_it_is_typed():
    with Connection() as one, Connection() as other, View(columns=120) as view:
        view.shows(4, str(one.port), str(other.port))
        view.keys("/", "C-u")
        view.type(f"port = {one.port}")
        view.shows("Filter: ", f"filter: port = {one.port}", f":{one.port} ", but=[f":{other.port}"])
        view.keys("Enter")
        view.shows(f"filter: port = {one.port}", but=["Filter: "])
        view.keys("/", "C-u")
        view.type(here() + " and rport > 0")
        view.keys("Enter")
        view.shows(4, f":{one.port}", f":{other.port}")
        view.keys("Escape")
        view.shows("sort: worst first", but=["filter: "])


@fact
def a_bad_filter_says_why_and_keeps_the_rows():
    with Connection() as connection, View(columns=120) as view:
        view.shows(2, str(connection.port))
        view.keys("/")
        view.type(" and nosuch = 1")
        screen = view.shows("Filter: ", "'nosuch'", "^", f":{connection.port}", "filter: ", 2)
        text, caret = screen.splitlines()[-3:-1]
        expect(caret.index("^"), text.index("nosuch"), "column of the caret")
        view.keys("C-c")
        expect(view.ended()[0], 0, "status")


@fact
def a_bad_filter_stays_open_while_the_one_before_it_is_in_force():
    with Connection() as one, Connection() as other, View(columns=120) as view:
        view.shows(4, f":{one.port}", f":{other.port}")
        good = f"{here()} and rport = {one.port}"
        view.keys("/", "C-u")
        view.type(good)
        view.keys("Enter")
        view.shows(1, f"filter: {good}", but=["Filter: "])
        view.keys("/")
        view.type(" and nosuch = 1")
        view.keys("Enter")
        view.type("0")  # reaches the box only where Enter has left it open
        bad = f"Filter: {good} and nosuch = 10"
        view.shows(bad, "'nosuch'", "^")
        first = clock(view)
        eventually(lambda: clock(view) != first, "another second")
        screen = view.shows(1, bad, "'nosuch'", f":{one.port} ", but=[f":{other.port}"])
        status = next(line for line in screen.splitlines() if "| sort: " in line)
        expect(status.rstrip().split("filter: ")[-1], good, "the filter in force")
        view.keys(*["BSpace"] * len(" and nosuch = 10"), "Enter")
        view.shows(1, f"filter: {good}", but=["Filter: ", "nosuch", f":{other.port}"])


@fact
def groups_add_up_the_connections_of_a_process():
    with owner_of_connection(b"grouped") as owner, View(columns=120) as view:
        owner.hear()
        view.shows(2, "grouped")
        view.keys("g")
        view.shows(2, "in 1 groups by process", f"grouped[{owner.pid}]")
        expect(len(view.rows()), 1, "rows")
        view.keys("Enter")
        view.shows(f"process: grouped[{owner.pid}]", "ESTABLISHED")
        view.keys("Escape")
        view.shows("in 1 groups by process")
        view.keys("g")
        view.shows("groups by remote host")


@fact
def keys_typed_at_once_act_one_after_the_other():
    with owner_of_connection(b"grouped") as owner, View(columns=120) as view:
        owner.hear()
        view.shows(2, "grouped")
        view.keys("g", "Enter")
        view.shows(f"process: grouped[{owner.pid}]", "ESTABLISHED")


CLOCK = re.compile(r"\d\d:\d\d:\d\d")


def clock(view):
    return CLOCK.search(view.screen().splitlines()[0])[0]


@fact
def freezing_stops_the_clock_and_stepping_back_shows_an_earlier_time():
    with View(columns=120) as view:
        view.shows("live 0.3s", "sort:")
        first = clock(view)
        eventually(lambda: clock(view) != first, "another second")
        view.keys("Space")
        view.shows("FROZEN", "tick")
        frozen, ago = clock(view), view.screen()
        eventually(lambda: view.screen() != ago and "ago" in view.screen(), "how long ago that was")
        expect(clock(view), frozen, "the clock")
        view.keys("{")
        eventually(lambda: clock(view) < frozen, lambda: f"a time before {frozen}")
        view.keys("Space")
        view.shows("live 0.3s", but=["FROZEN"])
        eventually(lambda: clock(view) > frozen, lambda: f"a time after {frozen}")


def knock_steadily(port):
    """Attempts to connect that wait for no answer, two hundred each second, until it is ended."""
    while not select.select([], [], [], 0.005)[0]:
        with socket.socket() as sock:
            sock.setblocking(False)
            sock.connect_ex((HOST, port))


@fact
def a_frozen_view_and_every_step_back_keep_what_was_dropped_then():
    port, blame = free_port(), "drops/s (mostly NETFILTER_DROP"

    def ticks():
        return int(re.search(r"tick \d+ of (\d+)", view.shows("FROZEN"))[1])

    def blaming():
        return [line for line in view.screen().splitlines() if blame in line]

    def tick():
        shown = re.search(r"tick (\d+) of", view.screen())
        return shown and int(shown[1])

    def step_back_to_blame():
        """Other tests drop too, so that not each tick need be ours. The next step waits for this one."""
        before = tick()
        view.keys("[")
        eventually(lambda: tick() not in (None, before) or before == 1, "a step back")
        return blaming()

    with View(columns=160) as view:
        with losing(f"tcp dport {port}"), Peer(lambda _: knock_steadily(port)):
            view.shows("live 0.3s", blame)
            view.keys("Space")
            view.shows("FROZEN")
            frozen = blaming() or eventually(step_back_to_blame, "a tick with our drops")
        before = ticks()
        eventually(lambda: ticks() >= before + 3, "three more ticks")
        expect(blaming(), frozen, "the blame of the frozen tick")
        view.keys("Space")
        view.shows("live 0.3s", but=[blame])
        eventually(step_back_to_blame, lambda: f"{blame} on\n{view.screen()}")


@fact
def a_closed_connection_can_be_seen_by_stepping_back():
    with View(columns=120) as view:
        with Connection() as connection:
            view.shows(2, f":{connection.port}", "ESTABLISHED")
        view.shows("live", but=["ESTABLISHED "])
        view.keys("{")
        view.shows("FROZEN")
        eventually(lambda: view.keys("[") or "ESTABLISHED" in "\n".join(view.rows()), "the connection as it was")


@fact
def enter_opens_a_connection_and_escape_leaves_it():
    with Connection() as connection, View(columns=120, rows=40) as view:
        view.shows(2)
        view.keys("Enter")
        view.shows("State", "Limited by", "What happened", f":{connection.port}", str(os.getpid()))
        connection.close()
        view.shows("closed      fin")
        view.keys("Escape")
        view.shows("COMMAND", "sort:")


@fact
def the_question_mark_shows_all_keys():
    with View(rows=60, columns=120) as view:
        view.shows("sort:")
        view.keys("?")
        view.shows("netsonde keys", "This help.", "Redraw the screen.", "any key: back")
        view.keys("x")
        view.shows("sort:", but=["netsonde keys"])


@fact
def it_follows_the_size_of_the_terminal():
    with Connection() as connection, View() as view:
        view.shows(2)
        for columns, rows in [(200, 50), (40, 10), (20, 5), (100, 30)]:
            view.tmux("resize-window", "-x", str(columns), "-y", str(rows))
            small = columns < 40
            view.shows(*(["terminal too smal"] if small else [2, str(connection.port)]))
            if not small:
                eventually(lambda: "help" in view.screen().splitlines()[-1], "the hints in the last line")


@fact
def it_leaves_the_terminal_as_it_was():
    for key in ["q", "C-c", "F10"]:
        with View() as view:
            view.shows("sort:", but=["BEFORE"])
            view.keys(key)
            status, before, after = view.ended()
            expect((status, after), (0, before), f"status and settings after {key}")
            view.shows("BEFORE", "AFTER", but=["sort:"])
            flags = view.tmux("display-message", "-p", "#{alternate_on} #{cursor_flag} #{mouse_any_flag} #{keypad_cursor_flag}")
            expect(flags.strip(), "0 1 0 0", "alternate screen, cursor, mouse, cursor keys")


@fact
def it_shows_hostile_names_escaped():
    with owner_of_connection(b"\x1b[31mX\x07\xff\n\xc2\x9bY") as owner, View(columns=200) as view:
        owner.hear()
        view.shows(2, r"\x1b[31mX\x07")
        view.keys("g")
        view.shows(rf"\x1b[31mX\x07\xff\x0a\xc2\x9bY[{owner.pid}]")
        view.keys("G")
        view.shows(2, "ESTABLISHED")
        view.keys("Enter")
        view.shows(rf"\x1b[31mX\x07\xff\x0a\xc2\x9bY[{owner.pid}]", "Limited by")
        expect([c for c in view.screen() if ord(c) < 0x20 and c != "\n" or 0x7f <= ord(c) < 0xa0], [], "control characters")


@fact
def it_ends_when_its_terminal_is_lost():
    with View() as view:
        view.shows("sort:")
        pid = view.process()
        view.tmux("kill-session")
        eventually(lambda: not os.path.exists(f"/proc/{pid}"), "the end of the view")


@fact
def columns_and_order_may_be_given_on_the_command_line():
    with Connection(), View("--fields", "comm,rport,srtt", "--by", "srtt") as view:
        screen = view.shows("sort: srtt_us (largest first)", 2)
        titles = next(line for line in screen.splitlines() if line.startswith("COMMAND"))
        expect([title.strip("^v▲▼") for title in titles.split()], ["COMMAND", "RPORT", "RTT"], "titles")


@fact
def rows_without_faults_and_closed_rows_can_be_hidden():
    with View(columns=120) as view:
        port = free_port()
        view.shows(0)
        with Connection() as connection:
            view.shows(2)

            def refused_alone():
                refused(port)  # again and again: a busy host soon forgets what has closed
                screen = view.screen()
                return all(word in screen for word in ["faults only", "refused"]) and f":{connection.port} " not in screen

            view.keys("e")
            eventually(refused_alone, lambda: f"the refused connection alone on\n{view.screen()}")
            view.keys("e", "x")
            view.shows("no closed", but=["refused", "CLOSED"])
