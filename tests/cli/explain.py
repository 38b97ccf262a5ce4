# SPDX-License-Identifier: Apache-2.0
"""explain: what it says of faults that are really there, and of none."""

import os
import signal

from harness import bpf_objects, eventually, expect, fact, finish, free_port, netns, one_error, run, start, succeed
from traffic import Connection, knock_until_end

KEYS = ["time", "observed_s", "lost_events", "checked", "not_checked", "findings"]
FINDING = ["id", "severity", "because", "where", "subject", "since", "impact", "evidence", "confidence", "doubt", "text", "advice",
           "tunables"]


def here():
    return ["--filter", f"netns = {netns()}"]


def explain(*arguments):
    return succeed("explain", "--json", "--duration", "1s", "--interval", "0.1s", *arguments).json()[0]


def of(diagnosis, rule):
    return [finding for finding in diagnosis["findings"] if finding["id"] == rule]


@fact
def the_object_has_the_keys_of_the_contract():
    diagnosis = explain(*here())
    expect(list(diagnosis), KEYS, "keys")
    expect(diagnosis["lost_events"], 0, "lost events")
    expect(diagnosis["not_checked"], [], "not checked")
    assert 0.9 < diagnosis["observed_s"] < 5, diagnosis["observed_s"]
    for rule in ("random-loss", "accept-overflow", "softnet-drops", "conntrack-full"):
        assert rule in diagnosis["checked"], rule


@fact
def where_nothing_is_wrong_it_says_what_was_checked():
    text = succeed("explain", "--duration", "0.3s", *here()).out
    assert "Checked: application-limited" in text or "findings;" in text, text
    assert "lost events: " in text, text  # none, unless others flood the host


@fact
def who_is_refused_is_found_with_the_number_of_attempts():
    port = free_port()
    process = start("explain", "--json", "--duration", "2s", "--interval", "0.1s", *here())
    knock_until_end(process, port)
    diagnosis = finish(process).json()[0]
    (finding,) = of(diagnosis, "connect-refused")
    expect(list(finding), FINDING, "keys of a finding")
    expect(finding["subject"]["remote_port"], port, "port")
    expect(finding["where"], "peer", "where")
    expect(finding["confidence"], "medium" if diagnosis["lost_events"] else "high", "confidence")
    assert finding["impact"]["attempts"] > 5, finding
    expect(finding["impact"]["attempts"], finding["evidence"][0]["value"], "attempts and their evidence")


@fact
def who_does_not_read_is_found_in_plain_words():
    with Connection() as pair:
        pair.client.setblocking(False)
        try:
            while True:
                pair.client.send(bytes(65536))
        except BlockingIOError:
            pass
        text = succeed("explain", "--duration", "1s", "--interval", "0.1s", *here()).out
        assert "slow-reader" in text, text
        diagnosis = explain("--pid", str(os.getpid()))
        assert of(diagnosis, "slow-reader"), diagnosis["findings"]
        expect([finding["because"] for finding in of(diagnosis, "zero-window")], ["slow-reader"] * 2, "causes")
        cookie = of(diagnosis, "slow-reader")[0]["subject"]["cookie"]
        assert of(explain("--connection", str(cookie)), "slow-reader")
        expect(of(explain("--connection", "1"), "slow-reader"), [], "findings of another connection")
        expect(of(explain("--pid", "1"), "slow-reader"), [], "findings of another process")


@fact
def a_signal_ends_it_with_what_it_has_found():
    for number in (signal.SIGINT, signal.SIGTERM):
        process = start("explain", "--json", "--duration", "1h", *here())
        eventually(lambda: bpf_objects(process.pid), "its programs")
        process.send_signal(number)
        done = finish(process)
        expect(done.status, 0, "status")
        expect(list(done.json()[0]), KEYS, "keys")
        expect(done.err, "", "errors")


@fact
def bad_arguments_are_one_line():
    for arguments in (["--duration", "soon"], ["--duration", "1ms"], ["--pid", "nginx"], ["--connection", "-1"],
                      ["--interval", "0"], ["--interval", "1h", "--duration", "1s"]):
        one_error(run("explain", *arguments), 2)
