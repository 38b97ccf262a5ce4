# SPDX-License-Identifier: Apache-2.0
"""report: its forms, its file, and its figures against the traffic that was really there."""

import json
import os
import re
import resource
import tempfile

from harness import enter_own_network, expect, fact, finish, free_port, netns, one_error, run, start, succeed, tool
from reporting import Recording, Reporting, content, many_connections, place
from traffic import HOST, Connection, refused

SHORT = ["report", "--interval", "50ms", "--duration", "0.3s"]
ENDINGS = {".html": "<!DOCTYPE html>", ".md": "# netsonde report: ", ".json": '{\n "schema": 1,', ".txt": "netsonde report: "}


def row_of(table, **wanted):
    rows = [row for row in table["rows"] if all(row[key] == value for key, value in wanted.items())]
    expect(len(rows), 1, f"rows with {wanted} among {table['rows'][:20]}")
    return rows[0]


@fact
def without_a_name_a_report_is_text_on_standard_output():
    for arguments in [[], ["-o", "-"]]:
        text = succeed(*SHORT, *arguments).out
        assert text.startswith(ENDINGS[".txt"]) and "\nHow it was measured\n" in text, text


@fact
def the_ending_of_the_name_chooses_the_form_of_a_report():
    for ending, begin in ENDINGS.items():
        path = place("a" + ending)
        done = run(*SHORT, "-o", path)
        expect((done.status, done.out), (0, ""), done.err)
        assert re.fullmatch(rf"{re.escape(path)}: [\d.]+KiB\n", done.err), done.err
        assert content(path).startswith(begin), content(path)[:200]
        expect(os.listdir(os.path.dirname(path)), ["a" + ending], "files")
        expect(os.stat(path).st_mode & 0o777, 0o644, "mode")


@fact
def the_format_overrides_the_name_of_a_report():
    expect(json.loads(succeed(*SHORT, "--format", "json").out)["schema"], 1, "schema")
    path = place("page.data")
    expect(run(*SHORT, "--format", "html", "-o", path).status, 0, "status")
    assert content(path).startswith(ENDINGS[".html"])


@fact
def a_report_replaces_no_file_unless_it_is_told_to():
    path = place()
    with open(path, "w") as file:
        file.write("mine")
    message = one_error(run(*SHORT, "-o", path), 1)
    assert "--force" in message, message
    expect(content(path), "mine", "content")
    expect(run(*SHORT, "-o", path, "--force").status, 0, "status")
    expect(json.loads(content(path))["schema"], 1, "schema")


@fact
def a_report_replaces_only_files():
    folder = os.path.dirname(place())
    os.mkfifo(f"{folder}/pipe.json")
    os.symlink("/etc/passwd", f"{folder}/link.json")
    for path in [f"{folder}/pipe.json", f"{folder}/link.json", f"{folder}/no/such.json", "/dev/null"]:
        one_error(run(*SHORT, "--format", "json", "-o", path, "--force"), 1)
    expect(sorted(os.listdir(folder)), ["link.json", "pipe.json"], "files")


@fact
def a_report_that_cannot_be_written_leaves_nothing():
    folder = tempfile.mkdtemp()
    tool("mount", "-t", "tmpfs", "-o", "size=16k", "none", folder)
    message = one_error(run(*SHORT, "-o", f"{folder}/a.html"), 1)
    assert "No space left" in message, message
    expect(os.listdir(folder), [], "files")
    with open("/dev/full", "wb") as full:
        assert "No space left" in one_error(finish(start(*SHORT, stdout=full)), 1)


@fact
def a_report_that_is_killed_leaves_nothing():
    path = place()
    reporting = Reporting(path)
    reporting.process.kill()
    reporting.process.wait()
    expect(os.listdir(os.path.dirname(path)), [], "files")


@fact
def bad_arguments_of_a_report_are_one_line():
    for arguments, words in [(["-o", "report.pdf"], "report.pdf"), (["--format", "xml"], "xml"),
                             (["--duration", "1s", "--interval", "2s"], "shorter"), (["--since", "3m"], "--from")]:
        message = one_error(run("report", *arguments), 2)
        assert words in message, message


@fact
def the_figures_of_a_report_are_those_of_the_traffic():
    enter_own_network()
    reporting = Reporting(place(), "--filter", f"netns = {netns()}")
    port = many_connections(200)
    closed_port = free_port()
    for _ in range(30):
        refused(closed_port)
    with Connection() as connection:
        connection.exchange(50, 1000)
        report = json.loads(reporting.end())
        served = row_of(report["remotes"], service_port=port, direction="in")
        expect((served["connections"], served["tx_bytes"], served["rx_bytes"], served["failed"]), (200, 20000, 20000, 0), "served")
        asked = row_of(report["remotes"], service_port=port, direction="out")
        expect((asked["connections"], asked["tx_bytes"], asked["rx_bytes"]), (200, 20000, 20000), "asked")
        one = row_of(report["connections"], local=f"{HOST}:{connection.client_port}")
        expect((one["tx_bytes"], one["rx_bytes"], one["end"], one["pid"]), (50000, 50000, None, os.getpid()), "open one")
        expect(row_of(report["ends"], end="refused")["connections"], 30, "refused")
        expect(row_of(report["ends"], end="fin")["connections"], 400, "closed")
        finding = next(finding for finding in report["findings"] if finding["id"] == "connect-refused")
        expect((finding["impact"]["attempts"], finding["subject"]["remote_port"]), (30, closed_port), "refused attempts")
        expect(report["unknown"]["lost_events"], 0, "lost events")
        assert report["totals"]["tx_bytes"] >= 140000 and report["totals"]["opened"] >= 432, report["totals"]
        rates = report["timeline"]["series"]["opened_per_s"]["mean"]
        expect(len(rates), len(report["timeline"]["from"]), "bins")
        assert max(rates) > 0


@fact
def a_report_of_a_recording_says_what_a_live_one_says_and_always_the_same():
    enter_own_network()
    recorded = Recording()
    reporting = Reporting(place())
    port = many_connections(100)
    live = json.loads(reporting.end())
    recording = recorded.end()
    for form in ["text", "md", "html", "json"]:
        first, second = (succeed("report", "--from", recording, "--format", form).out for _ in range(2))
        expect(first == second, True, f"the same {form} twice")
    replayed = json.loads(succeed("report", "--from", recording, "--format", "json").out)
    for report in (live, replayed):
        row = row_of(report["remotes"], service_port=port, direction="out")
        expect((row["connections"], row["tx_bytes"], row["rx_bytes"]), (100, 10000, 10000), "of the connections")
    expect(list(live), list(replayed), "keys")
    assert recording in replayed["measured"]["source"], replayed["measured"]


@fact
def ten_thousand_connections_make_a_report_of_less_than_a_mebibyte():
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
    enter_own_network()
    recorded = Recording()
    reporting = Reporting(place())
    many_connections(10000)
    live = reporting.end()
    recording = recorded.end()
    assert json.loads(live)["totals"]["active_connections"] >= 20000, json.loads(live)["totals"]
    sizes = {"live": len(live)}
    for form in ["text", "md", "html", "json"]:
        sizes[form] = len(succeed("report", "--from", recording, "--format", form).out_bytes)
    assert max(sizes.values()) < 1 << 20, sizes
