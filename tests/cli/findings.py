# SPDX-License-Identifier: Apache-2.0
"""What the live view says to be wrong."""

import re
import select

import harness
from harness import eventually, fact, free_port
from screen import View
from traffic import Connection, here, refused


@fact
def the_header_and_the_detail_view_name_what_is_wrong():
    port = free_port()
    with View() as view:
        view.shows("sort:")
        view.keys("/", "C-u")
        view.type(f"{here()} and rport = {port}")
        view.keys("Enter")

        def named():
            for _ in range(20):
                refused(port)
            lines = view.screen().splitlines()
            # The header is of the whole host, where other tests may have something worse.
            return any(re.match(r"[a-z]+(-[a-z]+)+ \S.*: [A-Z0-9]", line) for line in lines[:5]) and f":{port}" in "".join(lines[9:])

        eventually(named, lambda: f"a finding in the header of\n{view.screen()}", within=2 * harness.DEADLINE)
        view.keys("Enter")
        view.shows("CLOSED", "Findings    warning connect-refused", f":{port}")


def full_of_data(port):
    """A connection whose server reads nothing of what its client wants to send."""
    connection = Connection(port=port)
    connection.client.setblocking(False)
    eventually(lambda: not select.select([], [connection.client], [], 0)[1] or connection.client.send(bytes(1 << 16)) < 0,
               "a shut window")
    return connection


@fact
def a_shut_window_is_found_in_the_live_view_and_not_in_the_frozen_one():
    port, live_only = free_port(), "Findings    Findings are of the live view only."
    found = "Findings    warning zero-window because of slow-reader"
    with View() as view:
        view.shows("sort:")
        with full_of_data(port):
            view.keys("/", "C-u")
            view.type(f"{here()} and rport = {port} and state = established")
            view.keys("Enter")
            view.shows(1, f":{port}")
            view.keys("Enter")
            view.shows(found, "What happened")
            view.keys("Space")
            view.shows("FROZEN", live_only, but=["zero-window"])
            view.keys("Space")
            view.shows("live 0.3s", found, but=[live_only])


@fact
def where_nothing_is_wrong_the_detail_view_says_so():
    with Connection() as connection, View(columns=200, rows=50) as view:
        view.shows(2, str(connection.port))
        view.keys("Enter")
        view.shows("Findings    Nothing wrong found in the last 2s.")
