# SPDX-License-Identifier: Apache-2.0
"""experiment: ways of asking compared side by side. nginx answers, curl is the second witness, and servers of ours
are slow or stop answering."""

import contextlib
import itertools
import json
import re
import signal
import socket
import subprocess
import threading
import time

import web
from harness import die_with_parent, eventually, expect, fact, finish, one_error, run, start
from traffic import delayed_network

HTTP = f"http://127.0.0.1:{web.HTTP}"
HTTPS = f"https://localhost:{web.HTTPS}"
FEW = ("--blocks", "6", "--units", "3")


def experiment(*words, status=0):
    """What it found, one object per comparison, and the summary."""
    ended = run("experiment", "--json", *words)
    expect(ended.status, status, f"exit status, {ended.err!r}")
    return objects(ended)


def objects(ended):
    rows = [json.loads(line) for line in ended.out.splitlines()]
    return rows[:-1], rows[-1]["summary"]


def row(rows, arm, metric="total_us", aa=False):
    return next(row for row in rows if (row["arm"], row.get("metric"), row.get("aa")) == (arm, metric, aa))


def unavailable(rows):
    return {row["arm"]: row["why"] for row in rows if row["verdict"] == "unavailable"}


@fact
def the_keys_are_those_of_the_contract():
    web.nginx()
    rows, summary = experiment(f"{HTTP}/small", "--compare", "reuse,encoding", "--seed", "7", *FEW)
    keys = ["time", "factor", "arm", "baseline", "aa", "metric", "main", "verdict", "why", "advice", "more_blocks", "blocks",
            "baseline_median", "arm_median", "ratio", "ratio_low", "ratio_high", "p", "p_holm", "units", "failed", "failure",
            "not_in_force", "why_not_in_force"]
    expect(list(row(rows, "kept")), keys, "keys of a comparison")
    expect(list(next(row for row in rows if row["verdict"] == "unavailable")), ["time", "factor", "arm", "verdict", "why"],
           "keys of an arm that is not there")
    expect(list(summary), ["url", "address", "blocks", "blocks_wanted", "units", "seed", "requests", "ended_early", "better",
                           "worse", "equivalent", "inconclusive", "refused", "unavailable", "aa_same", "aa_alarms"], "summary")
    expect((summary["url"], summary["address"], summary["seed"]), (f"{HTTP}/small", "127.0.0.1", 7), "summary")
    expect((summary["blocks"], summary["blocks_wanted"], summary["ended_early"]), (6, 6, None), "summary")


@fact
def every_factor_measures_its_baseline_once_more():
    web.nginx()
    rows, summary = experiment(f"{HTTP}/text", "--compare", "reuse,encoding,nodelay", *FEW)
    again = {(row["factor"], row["metric"]) for row in rows if row.get("aa")}
    expect(again, {(row["factor"], row["metric"]) for row in rows if row.get("metric")}, "A/A comparisons")
    expect(summary["aa_same"] + summary["aa_alarms"], len(again), "A/A comparisons in the summary")


@fact
def bytes_on_the_wire_are_those_that_curl_counts():
    web.nginx()
    rows, _ = experiment(f"{HTTP}/text", "--compare", "encoding", "--blocks", "10")
    found = row(rows, "gzip", "wire_bytes")
    for key, encoding in (("baseline_median", "identity"), ("arm_median", "gzip")):
        counted = subprocess.run(["curl", "-s", "-o", "/dev/null", "-w", "%{size_download}", "-H",
                                  f"Accept-Encoding: {encoding}", f"{HTTP}/text"], stdout=subprocess.PIPE, check=True)
        expect(found[key], float(counted.stdout), encoding)
    expect(round(found["ratio"], 9), round(found["arm_median"] / found["baseline_median"], 9), "ratio")
    again = row(rows, "identity", "wire_bytes", aa=True)
    expect((again["ratio"], again["ratio_low"], again["ratio_high"], again["p"]), (1, 1, 1, 1), "A/A")


@fact
def what_this_server_cannot_do_is_not_available_and_says_why():
    web.nginx()
    rows, summary = experiment(f"{HTTP}/text", "--compare", "encoding,http,tls", *FEW)
    reasons = unavailable(rows)
    expect(reasons["br"], "the server did not encode", "br")
    expect((reasons["full"], reasons["resumed"]), ("there was no TLS",) * 2, "TLS over http://")
    assert "2" in reasons and "3" in reasons, reasons
    expect(summary["unavailable"], len(reasons), "arms not available")
    expect({row["factor"] for row in rows if row.get("metric")}, {"encoding"}, "factors with something to compare")


@fact
def with_nothing_to_compare_the_status_is_one():
    web.nginx()
    ended = run("experiment", f"{HTTP}/small", "--compare", "tls", *FEW)
    expect(ended.status, 1, "status")
    assert "nothing to compare" in ended.out and "full is not available: there was no TLS" in ended.out, ended.out


@fact
def connections_that_the_server_closes_are_not_compared_with_kept_ones():
    with web.server(web.saying(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")) as port:
        rows, _ = experiment(f"http://127.0.0.1:{port}/", "--compare", "reuse", *FEW, status=1)
    expect(unavailable(rows), {"kept": "a new connection was opened"}, "arms not available")


@fact
def sessions_and_versions_and_streams_are_read_back():
    home = web.nginx()
    rows, _ = experiment(f"{HTTPS}/small", "--ca", f"{home}/cert.pem", "--compare", "tls,http,multiplex", *FEW)
    measured = {row["arm"]: row for row in rows if row.get("main") and not row["aa"]}
    expect(set(measured), {"resumed", "2", "1 connection"}, "arms beside the baselines")
    for arm, found in measured.items():
        expect((found["units"], found["failed"], found["not_in_force"], found["blocks"]), (18, 0, 0, 6), arm)


@fact
def a_server_that_keeps_no_sessions_resumes_by_tickets_before_tls_1_3_too():
    home = web.nginx()
    rows, _ = experiment(f"https://localhost:{web.TICKETS}/small", "--ca", f"{home}/cert.pem", "--compare", "tls", *FEW)
    expect((row(rows, "resumed")["blocks"], row(rows, "resumed")["not_in_force"]), (6, 0), "resumed")


@fact
def every_congestion_control_of_this_host_is_compared():
    web.nginx()
    rows, _ = experiment(f"{HTTP}/put", "--compare", "congestion", "--method", "PUT", "--send", "300KiB", *FEW)
    with open("/proc/sys/net/ipv4/tcp_available_congestion_control", encoding="ascii") as file:
        available = set(file.read().split())
    with open("/proc/sys/net/ipv4/tcp_congestion_control", encoding="ascii") as file:
        standard = file.read().strip()
    found = {row["arm"] for row in rows if row.get("aa") is False} | set(unavailable(rows))
    expect(found, available - {standard}, "arms")
    assert row(rows, standard, "bandwidth_mbps", aa=True)["arm_median"] > 1, rows


@fact
def values_are_compared_with_the_default_as_far_as_the_kernel_goes():
    web.nginx()
    rows, _ = experiment(f"{HTTP}/large", "--compare", "rcvbuf", "--values", "32KiB,1000MiB", *FEW)
    expect(row(rows, "32768")["not_in_force"], 0, "units that were not so")
    assert "net.core.rmem_max" in unavailable(rows)[str(1000 << 20)], rows


@fact
def a_larger_request_takes_the_place_of_several():
    home = web.nginx()
    rows, summary = experiment(f"{HTTP}/small", "--compare", "batch", "--batch", f"{HTTP}/text", "--requests", "4", *FEW)
    expect([(row["arm"], row["baseline"]) for row in rows], [("4 requests", "4 requests"), ("1 request", "4 requests")], "arms")
    with open(f"{home}/access", encoding="ascii") as file:
        asked = re.findall(r"/text HTTP", file.read())
    assert len(asked) >= 6 * 4, asked
    # Two arms are tried, after a first request; each of three arms has four units in each of six blocks.
    assert 6 * 4 * (4 + 4 + 1) < summary["requests"] < 6 * 4 * (4 + 4 + 1) + 20, summary


class Names:
    """A DNS server that says 127.0.0.1, as late as told."""

    def __init__(self, delay):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.socket.getsockname()[1]}"
        self.delay, self.asked = delay, 0
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self):
        while True:
            query, peer = self.socket.recvfrom(4096)
            if not query:
                return
            self.asked += 1
            time.sleep(self.delay)
            end = 12
            while query[end]:
                end += query[end] + 1
            is_a = query[end + 1:end + 3] == b"\0\1"
            name_in_class_for_300s = b"\xc0\x0c%b\0\1\0\0\1\x2c"
            record = name_in_class_for_300s % (b"\0\1" if is_a else b"\0\6")
            record += b"\0\4\x7f\0\0\1" if is_a else b"\0\x16\0\0" + 5 * b"\0\0\1\x2c"  # SOA: none may be kept too
            counts = b"\0\1\0\1\0\0\0\0" if is_a else b"\0\1\0\0\0\1\0\0"
            self.socket.sendto(query[:2] + b"\x81\x80" + counts + query[12:end + 5] + record, peer)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", self.socket.getsockname())
        self.thread.join()
        self.socket.close()


@fact
def a_name_that_is_kept_saves_what_asking_takes():
    web.nginx()
    with Names(0.005) as server:
        rows, _ = experiment(f"http://www.example.test:{web.HTTP}/small", "--compare", "dns", "--server", server.address, *FEW)
        # The first request; trying cold once, cached until it is; warming up and three units of two arms in six blocks.
        expect(server.asked, 2 * (1 + 1 + 1 + 4 * 2 * 6), "questions, of A and AAAA")
    found = row(rows, "cached")
    expect((found["blocks"], found["not_in_force"]), (6, 0), "blocks")
    assert found["ratio"] < 0.7 and found["baseline_median"] > 5000, found


@fact
def resolvers_are_compared():
    web.nginx()
    with Names(0) as fast, Names(0.01) as slow:
        rows, _ = experiment(f"http://www.example.test:{web.HTTP}/small", "--compare", "resolver", "--server", fast.address,
                             slow.address, *FEW)
    found = row(rows, slow.address)
    expect((found["baseline"], found["blocks"]), (fast.address, 6), "baseline")
    assert found["arm_median"] - found["baseline_median"] > 5000, found


@fact
def an_interrupt_shows_what_there_is():
    home = web.nginx()
    with open(f"{home}/access", encoding="ascii") as file:
        before = len(file.readlines())

    def requests():
        with open(f"{home}/access", encoding="ascii") as log:
            return len(log.readlines()) - before

    asking = start("experiment", f"{HTTP}/small", "--compare", "reuse", "--blocks", "10000", "--json")
    eventually(lambda: requests() > 18 * 3, "three blocks")
    asking.send_signal(signal.SIGINT)
    ended = finish(asking)
    expect(ended.status, 0, "status")
    rows, summary = objects(ended)
    assert 3 <= summary["blocks"] < 10000 and summary["ended_early"] == "interrupted", summary
    assert 3 <= row(rows, "kept")["blocks"] <= summary["blocks"] + 1, rows
    assert "ended early" in ended.err, ended.err


@fact
def an_interrupt_before_anything_was_measured_is_a_failure():
    asked = threading.Event()
    release = threading.Event()

    def wait(client):
        web.read_request(client)
        asked.set()
        release.wait()

    with web.server(wait) as port:
        asking = start("experiment", f"http://127.0.0.1:{port}/")
        asked.wait(20)
        asking.send_signal(signal.SIGINT)
        ended = finish(asking)
        release.set()
    assert "ended before anything was measured" in one_error(ended, 1), ended.err


@fact
def a_target_that_stops_answering_ends_it_with_what_there_is():
    answers = itertools.count()

    def serve(client):
        web.read_request(client)
        if next(answers) < 1 + 2 + 18 * 7:
            client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        else:
            web.reset(client)

    with web.server(serve) as port:
        ended = run("experiment", f"http://127.0.0.1:{port}/", "--compare", "nodelay", "--blocks", "50", "--json")
    expect(ended.status, 0, "status")
    rows, summary = objects(ended)
    assert summary["ended_early"].startswith("10 units failed in a row: "), summary
    expect((row(rows, "off")["blocks"], summary["blocks"] < 50), (7, True), "blocks")
    assert row(rows, "off")["failed"] > 0 and row(rows, "off")["failure"], rows


@fact
def a_target_that_cannot_be_asked_is_one_line():
    web.nginx()
    for url, what in [(f"{HTTP}/missing", "http-status"), ("http://127.0.0.1:1/", "connect-refused"),
                      (f"{HTTP}/redirect", f"redirects to {HTTP}/small: measure that"),
                      (f"{HTTPS}/small", "tls-certificate")]:
        assert what in (error := one_error(run("experiment", url), 1)), error


@fact
def what_means_nothing_is_refused():
    for words, what in [((), "required"), (("tcp://127.0.0.1:1",), "neither http:// nor https://"),
                        ((HTTP, "--compare", "bogus"), "'bogus' is no factor; there are reuse, http"),
                        ((HTTP, "--compare", "reuse,reuse"), "'reuse' twice"), ((HTTP, "--compare", "batch"), "--batch URL"),
                        ((HTTP, "--compare", "batch", "--batch", "http://127.0.0.2/"), "the same"),
                        ((HTTP, "--compare", "resolver"), "--server"), ((HTTP, "--compare", "congestion"), "--send"),
                        ((HTTP, "--compare", "dscp", "--values", "64"), "from 0 to 63"),
                        ((HTTP, "--compare", "dscp,rcvbuf", "--values", "1"), "one of"),
                        ((HTTP, "--values", "1"), "one of"), ((HTTP, "--blocks", "5"), "from 6 to 10000"),
                        ((HTTP, "--units", "2"), "from 3 to 1000"), ((HTTP, "--requests", "1"), "from 2 to 100"),
                        ((HTTP, "--server", "bogus"), "no DNS server"), ((HTTP, "--send", "1"), "--method")]:
        assert what in (error := one_error(run("experiment", *words), 2)), error


@fact
def it_needs_no_root_and_says_what_it_costs_and_its_seed():
    web.nginx()
    ended = run("experiment", f"{HTTP}/small", "--compare", "reuse", *FEW,
                wrap=("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"))
    expect(ended.status, 0, ended.err)
    assert "netsonde: 72 requests to come in 6 blocks, about " in ended.err, ended.err
    assert re.search(r"6 of 6 blocks, 3 units of each arm in each, seed \d+\n", ended.out), ended.out
    assert re.search(r"\n  new A/A +total_us +6 ", ended.out), ended.out


SLOW = """
daemon off; pid {home}/slow.pid; error_log {home}/slow.errors;
events {{ worker_connections 64; }}
http {{
  access_log off; root {home}/html; keepalive_requests 100000;
  server {{ listen 10.9.0.1:{port} ssl; ssl_certificate {home}/cert.pem; ssl_certificate_key {home}/key.pem;
    ssl_protocols TLSv1.3; }}
}}
"""


@contextlib.contextmanager
def behind_a_path(delay):
    """From then on this process is in a network where 10.9.0.2 is nginx, that far away."""
    home = web.nginx()
    with delayed_network(delay):
        with open(f"{home}/slow.conf", "w", encoding="ascii") as file:
            file.write(SLOW.format(home=home, port=web.HTTPS))
        server = subprocess.Popen(["nginx", "-p", home, "-c", f"{home}/slow.conf"], preexec_fn=die_with_parent,
                                  stderr=subprocess.DEVNULL)
        try:
            eventually(lambda: is_open("10.9.0.2", web.HTTPS), "nginx answers")
            yield f"https://10.9.0.2:{web.HTTPS}"
        finally:
            server.terminate()
            server.wait()


def is_open(address, port):
    with socket.socket() as client:
        return client.connect_ex((address, port)) == 0


# The last: it leaves the network of the others.
@fact
def kept_connections_are_better_by_the_round_trips_of_their_handshakes():
    with behind_a_path(0.01) as far:
        rows, _ = experiment(f"{far}/small", "--insecure", "--compare", "reuse", "--blocks", "12", "--units", "3")
    found, again = row(rows, "kept"), row(rows, "new", aa=True)
    # Three round trips of 20 ms and more: TCP, TLS 1.3, and the request; or the last alone.
    assert found["baseline_median"] > 60_000 and found["arm_median"] > 20_000, found
    assert found["ratio_high"] < 0.7, found
    # One in twenty alarms by chance.
    expect(found["verdict"], "refused" if again["verdict"] == "alarm" else "better", "verdict")
    expect(found["advice"], "keep connections open and use them again", "advice")
