# SPDX-License-Identifier: Apache-2.0
"""dns: servers compared. unbound answers, dig is the second witness, and servers of ours misbehave."""

import contextlib
import functools
import json
import os
import socket
import struct
import subprocess
import threading

from harness import die_with_parent, eventually, expect, fact, finish, one_error, run, start, succeed

NAME = "www.example.test"
ZONE = """
server:
  interface: 127.0.0.1@5353
  do-daemonize: no
  username: ""
  chroot: ""
  directory: "{home}"
  pidfile: "{home}/unbound.pid"
  use-syslog: no
  max-udp-size: 512
  access-control: 127.0.0.0/8 allow
  local-zone: "example.test." static
  local-data: "example.test. 60 IN SOA ns.example.test. admin.example.test. 1 2 3 4 45"
  local-data: "www.example.test. 300 IN A 192.0.2.1"
  local-data: "www.example.test. 300 IN A 192.0.2.2"
  local-data: "www.example.test. 300 IN AAAA 2001:db8::1"
  {large}
remote-control:
  control-enable: no
"""
UNBOUND = "127.0.0.1:5353"


@functools.cache
def unbound():
    """Serves until the last process of this module ends."""
    home = f"/run/tests/unbound-{os.getpid()}"
    os.makedirs(home)
    large = "\n  ".join(f"local-data: 'large.example.test. 60 IN TXT \"{number:0100}\"'" for number in range(20))
    with open(f"{home}/unbound.conf", "w", encoding="utf-8") as file:
        file.write(ZONE.format(home=home, large=large))
    subprocess.Popen(["unbound", "-d", "-c", f"{home}/unbound.conf"], stderr=subprocess.DEVNULL,
                     preexec_fn=die_with_parent)
    eventually(lambda: dig(NAME, "A"), "unbound answers")


def dig(name, kind):
    return sorted(subprocess.run(["dig", "+short", "+time=1", "+tries=1", "-p", "5353", "@127.0.0.1", name, kind],
                                 stdout=subprocess.PIPE, text=True, check=False).stdout.split())


def rows(*words, status=0):
    ended = run("dns", "--json", *words)
    expect(ended.status, status, "exit status")
    objects = [json.loads(line) for line in ended.out.splitlines()]
    return objects[:-1], objects[-1]["summary"]


@contextlib.contextmanager
def server(answer):
    """On UDP and its port: what answer(query) gives, if anything."""
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("127.0.0.1", 0))
    queries = []

    def serve():
        with contextlib.suppress(OSError):
            while True:
                query, peer = udp.recvfrom(4096)
                if not query:
                    return
                queries.append(query)
                reply = answer(query)
                if reply is not None:
                    udp.sendto(reply, peer)

    thread = threading.Thread(target=serve)
    thread.start()
    address = udp.getsockname()
    try:
        yield f"127.0.0.1:{address[1]}", queries
    finally:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", address)
        thread.join()
        udp.close()


def code(number):
    """Answers every query with this code and no record."""
    return lambda query: query[:2] + struct.pack("!HHHHH", 0x8180 | number, 1, 0, 0, 0) + question_of(query)


def question_of(query):
    end = 12
    while query[end]:
        end += query[end] + 1
    return query[12:end + 5]


@fact
def the_answers_are_those_that_dig_gets():
    unbound()
    found, summary = rows(NAME, "--server", UNBOUND)
    assert 0 < summary["own_cache_us"] < 1e6, summary
    for row in found:
        expect(sorted(record["data"] for record in row["answers"]), dig(NAME, row["type"]), row["type"])
        expect(row["rcode"], "NOERROR", "code")
        expect(row["ttl_s"], 300, "TTL")
    expect([row["type"] for row in found], ["A", "AAAA"], "types")


@fact
def every_question_is_asked_as_often_as_wanted():
    unbound()
    (row,), _ = rows(NAME, "--type", "A", "--count", "3", "--server", UNBOUND)
    expect(len(row["again_us"]), 2, "times beside the first")
    expect((row["asked"], row["unanswered"]), (5, 0), "three over UDP, one over TCP, one without EDNS")
    assert row["first_us"] > 0 and row["tcp_us"] > 0, row


@fact
def no_such_name_is_an_answer_and_tells_how_long_it_may_be_kept():
    unbound()
    (row,), summary = rows("nope.example.test", "--type", "A", "--server", UNBOUND)
    expect((row["rcode"], row["ttl_s"], row["answers"], row["failure"]), ("NXDOMAIN", 45, [], None), "negative answer")
    expect(summary["without_answer"], 0, "without an answer")


@fact
def what_udp_cuts_off_is_taken_from_tcp():
    unbound()
    (row,), _ = rows("large.example.test", "--type", "TXT", "--server", UNBOUND)
    expect(row["truncated"], True, "truncated over UDP")
    expect(len(row["answers"]), 20, "records over TCP")


@fact
def a_server_that_says_something_else_is_named():
    unbound()
    with server(code(2)) as (other, _):
        found, summary = rows(NAME, "--type", "A", "--server", UNBOUND, other)
        expect([row["rcode"] for row in found], ["NOERROR", "SERVFAIL"], "codes")
        expect(summary["differences"], [{"name": NAME, "type": "A"}], "differences")
        text = succeed("dns", NAME, "--type", "A", "--server", UNBOUND, other).out
        assert f"the answers differ:\n  {UNBOUND} says\n    {NAME} A 192.0.2." in text, text


@fact
def the_same_code_with_other_records_is_another_answer():
    unbound()
    with server(code(0)) as (empty, _):
        found, summary = rows(NAME, "--type", "A", "--server", UNBOUND, empty)
    expect([row["rcode"] for row in found], ["NOERROR"] * 2, "codes")
    expect(summary["differences"], [{"name": NAME, "type": "A"}], "differences")


@fact
def a_silent_server_is_asked_twice_and_no_more():
    with server(lambda query: None) as (silent, queries):
        found, _ = rows(NAME, "--server", silent, "--timeout", "100ms", status=1)
        expect(len(queries), 2, "queries that it got")
        expect([row["failure"]["kind"] for row in found], ["dns-timeout"] * 2, "failures")
        expect([row["asked"] for row in found], [2, 0], "questions asked")


@fact
def a_closed_port_is_unreachable():
    with server(lambda query: None) as (closed, _):
        pass
    found, _ = rows(NAME, "--server", closed, status=1)
    expect([row["failure"]["kind"] for row in found], ["dns-unreachable"] * 2, "failures")
    expect([row["asked"] for row in found], [2, 0], "questions asked")


@fact
def garbage_is_malformed_and_never_shown():
    garbage = "answer with a name that points at itself"
    with server(lambda query: query[:2] + struct.pack("!HHHHH", 0x8180, 1, 1, 0, 0) + question_of(query)
                + struct.pack("!HHHIH", 0xc000 | (12 + len(question_of(query))), 1, 1, 60, 0)) as (hostile, _):
        (row,), _ = rows(NAME, "--type", "A", "--server", hostile, status=1)
    expect(row["failure"]["kind"], "dns-malformed", garbage)
    expect(row["answers"], [], garbage)


@fact
def a_question_sent_back_is_no_answer():
    with server(lambda query: query) as (echo, _):
        (row,), _ = rows(NAME, "--type", "A", "--server", echo, status=1)
    expect((row["failure"]["kind"], row["rcode"]), ("dns-malformed", None), "an echo")


@fact
def what_is_first_answered_after_a_loss_is_no_first():
    answers = iter([lambda query: None])
    with server(lambda query: next(answers, code(0))(query)) as (lossy, _):
        (row,), _ = rows(NAME, "--type", "A", "--count", "2", "--timeout", "100ms", "--server", lossy)
    expect((row["first_us"], len(row["again_us"])), (None, 1), "times")
    assert row["udp_bytes"] > 0 and row["truncated"] is False, row


@fact
def a_server_without_edns_is_told_from_one_with_it():
    with server(lambda query: code(1 if query[11] else 0)(query)) as (old, _):
        (row,), _ = rows(NAME, "--type", "A", "--server", old)
    expect((row["rcode"], row["plain_rcode"], row["edns_udp_bytes"]), ("FORMERR", "NOERROR", None), "codes")


@fact
def what_means_nothing_is_refused():
    for words, what in [((NAME, "--server", "bogus"), "'bogus' is no DNS server"),
                        ((NAME, "--type", "BOGUS"), "'BOGUS' is no type of DNS record"),
                        ((NAME, "--count", "0"), "--count is from 1 to 10000"),
                        ((NAME, "--count", "1000000000"), "--count is from 1 to 10000"),
                        ((), "required")]:
        error = one_error(run("dns", *words), 2)
        assert what in error, error


@fact
def an_interrupt_shows_what_there_is():
    with server(lambda query: None) as (silent, queries):
        asking = start("dns", NAME, "--server", silent, "--timeout", "1h")
        eventually(lambda: queries, "a question")
        asking.terminate()
        ended = finish(asking)
        assert silent in ended.out and "ended early" in ended.err, (ended.out, ended.err)
