# SPDX-License-Identifier: Apache-2.0
"""export: a recording in other programs' formats, read back by these."""

import contextlib
import csv
import functools
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys

import hostile
from harness import eventually, expect, fact, finish, free_port, one_error, run, start
from traffic import here, refused

SCHEMA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "perfetto_trace.proto")


@functools.cache
def recording():
    """Processes with hostile names, each with a connection, and one that is refused."""
    path = f"/run/tests/export-{os.getpid()}.nsr"
    with hostile.hostile_processes() as processes:
        for process in processes:
            process.hear()
        recorder = start("record", "-o", path, "--interval", "0.2s", "--filter", here())
        port = free_port()
        eventually(lambda: knocked(path, port), "a refused connection in the recording")
        recorder.send_signal(signal.SIGINT)
        expect(finish(recorder).status, 0, "status of the recorder")
    return path


def knocked(path, port):
    with contextlib.suppress(OSError):
        refused(port)
    if not os.path.exists(path):
        return False
    return "connect" in run("trace", "--from", path, "--events", "connect").out


def valid_names():
    """The hostile names that are UTF-8: JSON has them as they are, with its own escapes."""
    names = set()
    for name in hostile.NAMES:
        with contextlib.suppress(UnicodeDecodeError):
            names.add(name.decode())
    return names


def export(form, *arguments):
    """The bytes of an export, and what it told of its counts."""
    done = run("export", recording(), "--format", form, *arguments)
    expect(done.status, 0, f"status; {done.err}")
    return done


def counts_of(done):
    line = done.err.splitlines()[-1]
    numbers = {what: int(count) for count, what in re.findall(r"(\d+) ([a-z_]+)", line.split("written:")[1])}
    read = {what: int(count) for count, what in re.findall(r"(\d+) ([a-z_]+)", line.split("(")[1].split(")")[0])}
    return read, numbers


@fact
def every_line_of_json_is_an_object_and_the_counts_match():
    done = export("jsonl")
    hostile.check_clean(done.out_bytes)
    records = [json.loads(line) for line in done.lines]
    read, written = counts_of(done)
    of = lambda kind: [record for record in records if record["record"] == kind]
    expect(len(of("event")), written["events"], "events")
    expect(len(of("sample")), written["samples"], "samples")
    expect(len(of("connection")), written["connections"], "connections")
    expect(len(of("host")), written["numbers"], "numbers of the host")
    told = sum(count for kind, count in read.items() if kind not in ("sample", "tick", "histogram", "drop_count"))
    refused_by_filter = re.search(r"(\d+) refused by the filter", done.err)
    expect(told, written["events"], f"events read and written; {refused_by_filter}")
    names = {record["comm"] for record in of("connection")}
    assert valid_names() <= names, names


@fact
def the_samples_have_the_keys_of_a_table():
    sample = next(json.loads(line) for line in export("jsonl").lines if '"record":"sample"' in line)
    row = succeed_on_recording("top", "--once", "--json").json()[0]["connections"][0]
    expect(list(sample)[2:], list(row), "keys")


def succeed_on_recording(*arguments):
    done = run(*arguments, "--from", recording())
    expect(done.status, 0, f"status; {done.err}")
    return done


@fact
def a_database_answers_questions():
    path = f"/run/tests/{os.getpid()}.sqlite"
    done = export("sqlite", "-o", path, "--force")
    read, written = counts_of(done)
    database = sqlite3.connect(path)
    count = lambda table: database.execute(f"select count(*) from {table}").fetchone()[0]
    expect(count("events"), written["events"], "events")
    expect(count("samples"), written["samples"], "samples")
    expect(count("connections"), written["connections"], "connections")
    expect(count("host"), written["numbers"], "host")
    expect(count("findings"), written["findings"], "findings")
    expect(database.execute("select count(*) from events where event = 'connect'").fetchone()[0], read["connect"],
           "connects")
    names = {name for (name,) in database.execute("select comm from connections")}
    assert set(hostile.NAMES.values()) <= names, names
    times = database.execute("select min(time_ns), max(time_ns) from samples").fetchone()
    assert 1.7e18 < times[0] <= times[1] < 4e18, times
    expect(database.execute("pragma integrity_check").fetchone()[0], "ok", "integrity")


@fact
def csv_has_one_table_with_a_name_for_each_column():
    for table, what in (("connections", "connections"), ("samples", "samples"), ("events", "events"), ("host", "numbers"),
                        ("findings", "findings")):
        done = export("csv", "--table", table)
        hostile.check_clean(done.out_bytes.replace(b"\r\n", b"\n"))
        rows = list(csv.reader(done.out_bytes.decode().splitlines(), strict=True))
        expect(len(rows) - 1, counts_of(done)[1][what], f"rows of {table}")
        expect({len(row) for row in rows}, {len(rows[0])}, f"columns of {table}")


@fact
def a_trace_for_perfetto_holds_nothing_that_its_schema_does_not_know():
    trace = export("perfetto").out_bytes
    decoded = subprocess.run(["protoc", "--decode=Trace", f"-I{os.path.dirname(SCHEMA)}", SCHEMA], input=trace,
                             capture_output=True, check=True).stdout.decode()
    unknown = re.search(r"^ *\d+[:{ ]", decoded, re.M)
    assert not unknown, unknown
    expect(decoded.count("TYPE_SLICE_BEGIN"), decoded.count("TYPE_SLICE_END"), "slices begun and ended")
    for what in ("TYPE_INSTANT", "TYPE_COUNTER", 'name: "srtt"', "clock_snapshot", 'name: "ESTABLISHED"'):
        assert what in decoded, what
    tracks = set(re.findall(r"^    uuid: (\d+)", decoded, re.M))
    used = set(re.findall(r"track_uuid: (\d+)", decoded))
    assert used <= tracks, used - tracks


@fact
def a_file_that_exists_is_not_replaced_unless_forced():
    path = f"/run/tests/{os.getpid()}.there"
    with open(path, "w") as file:
        file.write("precious")
    error = one_error(run("export", recording(), "--format", "jsonl", "-o", path), 1)
    assert "exists; --force" in error, error
    with open(path) as file:
        expect(file.read(), "precious", "content")
    export("jsonl", "-o", path, "--force")
    assert os.path.getsize(path) > 8 and not os.path.exists(path + ".part")


@fact
def a_full_disk_leaves_no_file_under_the_name():
    os.makedirs("/run/tests/tiny", exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8k", "tiny", "/run/tests/tiny"], check=True)
    for form in ("jsonl", "sqlite"):
        error = one_error(run("export", recording(), "--format", form, "-o", "/run/tests/tiny/out"), 1)
        assert "No space left" in error or "full" in error, error
        expect(os.listdir("/run/tests/tiny"), [], "files")


@fact
def nonsense_is_refused_in_one_line():
    for words in (["--format", "xml"], ["--format", "sqlite"], ["--format", "jsonl", "--table", "events"], []):
        assert one_error(run("export", recording(), *words), 2), words
    error = one_error(run("export", recording(), "--format", "csv", "--table", "x"), 2)
    assert "known: connections" in error, error
    assert sys.argv[0] in one_error(run("export", sys.argv[0], "--format", "jsonl"), 1)
