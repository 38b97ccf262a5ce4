# SPDX-License-Identifier: Apache-2.0
"""Names that other processes choose never reach an output as they are."""

import contextlib
import json
import re

from harness import expect, fact, succeed
from traffic import Trace, here, owner_of_connection

# Of up to 15 bytes, as the kernel keeps them, and what is shown instead.
NAMES = {
    b"\x1b[31mred\x1b]0;t\x07": r"\x1b[31mred\x1b]0;t\x07",
    b"\xff\xfe\xc3(\x80": r"\xff\xfe\xc3(\x80",
    b"two\nlines\r\x08\x7f": r"two\x0alines\x0d\x08\x7f",
    b"a\"b'c\\d</script": "a\"b'c\\d</script",
    b"\xc2\x9b31m\xe2\x80\xaerev": r"\xc2\x9b31m\xe2\x80\xaerev",
    b"{\"a\":1},%s%n$x": "{\"a\":1},%s%n$x",
}

# Anything that a terminal might obey: C0 but for the end of a line, DEL, C1, marks of direction.
CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


@contextlib.contextmanager
def hostile_processes():
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(owner_of_connection(name)) for name in NAMES]


def check_clean(data):
    text = data.decode()  # invalid UTF-8 fails here
    found = CONTROL.search(text)
    assert not found, f"control character in {text[max(found.start() - 40, 0):found.end() + 40]!r}"
    return text


def trace_of_all(form):
    trace = Trace(form=form)
    with hostile_processes() as processes:
        for process in processes:
            process.hear()
    return trace.end()


@fact
def the_table_shows_hostile_names_escaped():
    with hostile_processes() as processes:
        for process in processes:
            process.hear()
        text = check_clean(succeed("top", "--once", "--interval", "0.2s", "--filter", here()).out_bytes)
        for shown in NAMES.values():
            expect(text.count(shown + " "), 2, f"rows with {shown}")
        expect(len(text.splitlines()), 4 + 2 * len(NAMES), "lines")


@fact
def json_rows_carry_hostile_names_as_valid_text():
    with hostile_processes() as processes:
        for process in processes:
            process.hear()
        done = succeed("top", "--once", "--json", "--interval", "0.2s", "--filter", here())
        check_clean(done.out_bytes)
        rows = json.loads(done.out_bytes)["connections"]
        names = {row["pid"]: row["comm"] for row in rows}
        check_names([names[process.pid] for process in processes])


@fact
def json_events_carry_hostile_names_as_valid_text():
    done = trace_of_all("--json")
    check_clean(done.out_bytes)
    names = {event.get("pid"): event.get("comm") for event in done.json() if event["event"] == "connect"}
    check_names([name for _, name in sorted(names.items()) if name != "python3"])


def check_names(names):
    """What is valid UTF-8 arrives as it is; of the rest, the valid part does."""
    for raw, name in zip(NAMES, names, strict=True):
        try:
            expect(name, raw.decode(), "name")
        except UnicodeDecodeError:
            assert "(" in name and len(name) >= 5, f"{name!r} for {raw!r}"


@fact
def the_lines_of_a_trace_show_hostile_names_escaped():
    done = trace_of_all(None)
    text = check_clean(done.out_bytes)
    for shown in NAMES.values():
        assert f" {shown}[" in text, f"{shown} is not in {text}"
    check_clean(done.err_bytes)
    for line in done.lines:
        assert re.match(r"\d\d:\d\d:\d\d\.\d{6}Z ", line), line


@fact
def a_hostile_name_can_be_filtered_for_by_what_json_shows():
    with owner_of_connection(b"a b\"c") as process:
        process.hear()
        for text in ['comm = "a b\\"c"', "comm = 'a b\"c'", 'comm ~ "b.c"']:
            rows = succeed("top", "--once", "--json", "--interval", "0.2s", "--filter", f"{here()} and {text}").json()[0]["connections"]
            expect(len(rows), 2, f"rows for {text}")
