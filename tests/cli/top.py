# SPDX-License-Identifier: Apache-2.0
"""Tables: once, in batches, as JSON; which rows and columns; whose connections."""

import datetime
import json
import os
import re
import time

from harness import expect, fact, finish, free_port, netns, start, succeed
from traffic import Connection, here, listener, owner_of_connection

TOTALS = """connections listeners states tx_bytes_per_s rx_bytes_per_s retransmitted_segments_per_s
    retransmit_percent rtt_p50_us rtt_p99_us opened_per_s closed_per_s drops_per_s resets_sent_per_s
    resets_received_per_s listen_overflows_per_s""".split()

NUMBERS = """cookie local_port remote_port netns pid age_s srtt_us min_rtt_us rtt_p50_us rtt_p99_us tx_bytes rx_bytes
    tx_bytes_per_s rx_bytes_per_s retransmitted_segments retransmits_rto retransmits_fast retransmits_tlp
    retransmits_spurious drops cwnd_segments ssthresh_segments pacing_bytes_per_s delivery_bytes_per_s""".split()

TEXTS = """family local_address remote_address state direction comm cgroup opened_at congestion_control
    limited_by""".split()

ABSENT_AT_TIMES = {"ssthresh_segments", "pacing_bytes_per_s", "delivery_bytes_per_s"}


def quick(*arguments):
    return "top", "--interval", "0.2s", *arguments


def header_of(done):
    return next(line for line in done.lines if line.startswith("COMMAND"))


def rows_of(done):
    return done.lines[done.lines.index(header_of(done)) + 1:]


@fact
def once_prints_one_table_and_ends():
    with Connection() as connection:
        done = succeed(*quick("--once", "--filter", here()))
        expect(done.out.count("COMMAND"), 1, "tables")
        expect(len(rows_of(done)), 2, "rows")
        for word in ["python3", str(os.getpid()), "127.0.0.1", str(connection.port), "ESTABLISHED"]:
            assert all(word in row for row in rows_of(done)), f"{word} is not in {rows_of(done)}"


@fact
def without_a_terminal_top_prints_one_table_and_ends():
    expect(succeed(*quick("--filter", here())).out.count("COMMAND"), 1, "tables")


@fact
def connections_is_the_same_as_top_once():
    fields = ["--fields", "local_port,remote_port,state,pid", "--by", "local_port", "--filter", here()]
    with Connection():
        one, other = (succeed(*words, "--interval", "0.2s", *fields) for words in [["top", "--once"], ["connections"]])
        expect(one.lines[3:], other.lines[3:], "the table")
        expect(len(one.lines), 6, "lines")


@fact
def batch_prints_as_many_tables_as_asked_in_their_time():
    begun = time.monotonic()
    done = succeed(*quick("--batch", "--count", "3", "--filter", here()))
    expect(done.out.count("COMMAND"), 3, "tables")
    assert time.monotonic() - begun >= 0.6, "three intervals of 0.2s took less than 0.6s"
    times = [table["time"] for table in succeed(*quick("--batch", "--count", "3", "--json", "--filter", here())).json()]
    expect(times, sorted(set(times)), "times of the tables")


@fact
def batch_without_a_count_goes_on():
    process = start(*quick("--batch", "--json", "--filter", here()))
    for _ in range(5):
        assert process.stdout.readline(), "it ended"
    process.terminate()
    expect(finish(process).status, 0, "status")


def json_of_an_active_connection():
    """One object, and the row of the client of a connection that was opened while netsonde ran."""
    process = start(*quick("--batch", "--count", "60", "--json", "--filter", here()))
    json.loads(process.stdout.readline())
    with Connection() as connection:
        while True:
            connection.exchange(20, 1000)
            table = json.loads(process.stdout.readline())
            rows = [row for row in table["connections"] if row["remote_port"] == connection.port]
            if rows and rows[0]["limited_by"]:
                return table, rows[0], connection


@fact
def json_has_what_the_manual_promises():
    table, row, connection = json_of_an_active_connection()
    for key in ["time", "host", "interval_s", "lost_events", "totals", "connections"]:
        assert key in table, f"{key} is missing"
    expect([key for key in TOTALS if key not in table["totals"]], [], "missing totals")
    wrong = {key: row.get(key, "missing") for key in NUMBERS if not isinstance(row.get(key), (int, float))}
    wrong |= {key: row.get(key, "missing") for key in TEXTS if not isinstance(row.get(key), str)}
    expect({key for key, value in wrong.items() if value is not None} | set(wrong) - ABSENT_AT_TIMES, set(), "wrong values")
    expect((row["family"], row["local_address"], row["remote_address"]), ("ipv4", "127.0.0.1", "127.0.0.1"), "addresses")
    expect((row["local_port"], row["state"]), (connection.client_port, "ESTABLISHED"), "port and state")
    expect((row["pid"], row["netns"], row["comm"]), (os.getpid(), netns(), "python3"), "owner")
    expect(row["direction"], "out", "direction")
    assert row["tx_bytes"] >= 20000 and row["rx_bytes"] >= 20000, row["tx_bytes"]
    assert 0 < row["min_rtt_us"] <= row["srtt_us"] * 2, row["min_rtt_us"]
    assert 0 < row["rtt_p50_us"] <= row["rtt_p99_us"], row["rtt_p50_us"]


@fact
def json_times_are_utc_with_nanoseconds():
    with Connection():
        table = succeed(*quick("--once", "--json", "--filter", here()), env=os.environ | {"TZ": "Asia/Tokyo"}).json()[0]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", table["time"]), table["time"]
    told = datetime.datetime.fromisoformat(table["time"][:26] + "+00:00").timestamp()
    assert abs(told - time.time()) < 5, f"{table['time']} is not now"
    assert 0.1 < table["interval_s"] < 2, table["interval_s"]


@fact
def json_has_every_field_and_no_other():
    with Connection():
        row = succeed(*quick("--once", "--json", "--filter", here())).json()[0]["connections"][0]
    expect(set(row), {line.split()[0].rstrip(",") for line in succeed("fields").lines}, "keys")


@fact
def fields_chooses_columns_and_their_order():
    with Connection():
        done = succeed(*quick("--once", "--fields", "remote_port,comm,srtt", "--filter", here()))
        expect(done.lines[3].split(), ["RPORT", "COMMAND", "RTT"], "titles")
        rows = succeed(*quick("--json", "--fields", "remote_port,comm,srtt", "--filter", here())).json()[0]["connections"]
        expect([list(row) for row in rows], [["remote_port", "comm", "srtt_us"]] * 2, "keys")


def tables_of_three(*arguments):
    """The rows for three connections of which the second has sent most."""
    with Connection() as first, Connection() as second, Connection() as third:
        for connection, size in [(first, 100), (second, 50000), (third, 1000)]:
            connection.exchange(1, size)
        done = succeed(*quick("--once", "--json", "--filter", f"{here()} and direction = out or {here()} and rport >= 1", *arguments))
        return [first, second, third], done.json()[0]["connections"]


@fact
def by_sorts_the_greatest_first():
    made, rows = tables_of_three("--by", "tx_bytes")
    expect([row["tx_bytes"] for row in rows], [50000, 50000, 1000, 1000, 100, 100], "bytes sent")


@fact
def by_sorts_text_alphabetically():
    with owner_of_connection(b"beta") as beta, owner_of_connection(b"alpha") as alpha:
        beta.hear(), alpha.hear()
        rows = succeed(*quick("--once", "--json", "--by", "comm", "--filter", here())).json()[0]["connections"]
        expect([row["comm"] for row in rows], ["alpha", "alpha", "beta", "beta"], "names")


@fact
def limit_leaves_the_first_rows():
    made, rows = tables_of_three("--by", "tx_bytes", "--limit", "3")
    expect([row["tx_bytes"] for row in rows], [50000, 50000, 1000], "bytes sent")


@fact
def filter_leaves_what_it_accepts():
    with Connection() as wanted, Connection():
        for text, count in [(f"lport = {wanted.port}", 1), (f"port = {wanted.port}", 2), ("comm = nobody", 0),
                            (f"pid = {os.getpid()} and not port = {wanted.port}", 2)]:
            rows = succeed(*quick("--once", "--json", "--filter", f"{here()} and ({text})")).json()[0]["connections"]
            expect(len(rows), count, f"rows for {text}")


@fact
def listeners_are_shown_when_asked_for():
    port = free_port()
    with listener(port):
        for words, count in [([], 0), (["--listeners"], 1)]:
            rows = succeed(*quick("--once", "--json", *words, "--filter", here(port))).json()[0]["connections"]
            expect([row["state"] for row in rows], ["LISTEN"] * count, "states")


@fact
def ipv6_connections_are_shown():
    with Connection(host="::1") as connection:
        rows = succeed(*quick("--once", "--json", "--filter", here(connection.port))).json()[0]["connections"]
        expect([(row["family"], row["local_address"]) for row in rows], [("ipv6", "::1")] * 2, "rows")


@fact
def a_connection_older_than_netsonde_has_its_owner_but_no_beginning():
    with owner_of_connection(b"older") as owner:
        client_port = int(owner.hear().split()[0])
        for row in succeed(*quick("--once", "--json", "--filter", here(client_port))).json()[0]["connections"]:
            expect((row["pid"], row["comm"], row["owner_source"]), (owner.pid, "older", "file"), "owner")
            expect((row["opened_at"], row["age_s"]), (None, None), "beginning")
            expect(row["direction"], "out" if row["local_port"] == client_port else "in", "direction")


@fact
def a_connection_that_closes_between_two_tables_is_shown_with_its_end():
    process = start(*quick("--batch", "--count", "100", "--json", "--filter", here()))
    process.stdout.readline()
    with Connection() as connection:
        connection.exchange()
    for _ in range(50):
        closed = [row for row in json.loads(process.stdout.readline())["connections"] if row["state"] == "CLOSED"]
        if closed:
            expect({row["end"] for row in closed}, {"fin"}, "ends")
            expect({row["tx_bytes"] for row in closed}, {100}, "bytes sent")
            return
    raise AssertionError("never shown")


@fact
def the_same_addresses_in_two_namespaces_are_two_connections():
    port, client_port = free_port(), free_port()
    ends = {"port": port, "client_port": client_port, "elsewhere": True}
    with owner_of_connection(b"here", **ends) as one, owner_of_connection(b"there", **ends) as other:
        spaces = {int(peer.hear().split()[1]): peer for peer in (one, other)}
        expect(len(spaces), 2, "namespaces")
        rows = succeed(*quick("--once", "--json", "--filter", f"lport = {client_port} and rport = {port}")).json()[0]["connections"]
        told = {row["netns"]: (row["pid"], row["comm"]) for row in rows}
        expect(told, {space: (peer.pid, "here" if peer is one else "there") for space, peer in spaces.items()}, "owners")
        expect(len({row["cookie"] for row in rows}), 2, "cookies")
