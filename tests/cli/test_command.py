# SPDX-License-Identifier: Apache-2.0
"""test: one endpoint as a whole. nginx answers and logs what it was asked, curl is the second witness, and servers
of ours stall."""

import contextlib
import json
import re
import signal
import socket
import statistics
import subprocess
import threading
import time

import web
from browser import Browser
from harness import DEADLINE, eventually, expect, fact, finish, one_error, run, start
from reporting import content, place
from traffic import delayed_network

HTTP = f"http://127.0.0.1:{web.HTTP}"
HTTPS = f"https://localhost:{web.HTTPS}"
QUICK = ("--requests", "300", "--duration", "3s", "--concurrency", "8")


def measured(*words, status=0):
    """The report, as JSON."""
    ended = run("test", "--json", *words)
    expect(ended.status, status, f"exit status, {ended.err!r}")
    return json.loads(ended.out)


def rows(report, section, table, **wanted):
    found = report["sections"][section]["tables"][table]["rows"]
    return [row for row in found if all(row[key] == value for key, value in wanted.items())]


def row(report, section, table, **wanted):
    found = rows(report, section, table, **wanted)
    expect(len(found), 1, f"rows with {wanted} in {table}")
    return found[0]


def stage(report, name):
    return row(report, "stages", "stages", stage=name)


def curl(url, *words, count=1):
    """Its figures in seconds and bytes a second, each the median of several times."""
    form = '{"connect":%{time_connect},"first":%{time_starttransfer},"total":%{time_total},"bytes":%{size_download}}\n'
    said = [json.loads(subprocess.run(["curl", "-s", "-o", "/dev/null", "--noproxy", "*", "-w", form, *words, url],
                                      stdout=subprocess.PIPE, check=True).stdout) for _ in range(count)]
    return {key: statistics.median(one[key] for one in said) for key in said[0]}


def logged(path):
    """What nginx says it was asked for there."""
    with open(f"{web.nginx()}/access", encoding="utf-8") as file:
        return [line for line in file if f" {path} HTTP" in line]


@fact
def it_says_what_it_may_use_before_it_begins_and_uses_no_more():
    web.nginx()
    before = len(logged("/small"))
    ended = run("test", f"{HTTP}/small", "--json", *QUICK)
    expect(ended.err, f"GET {HTTP}/small: at most 300 requests, 100MB, about 3.0s\n", "standard error")
    report = json.loads(ended.out)
    requests = report["totals"]["requests"]
    assert 100 < requests <= 300, requests
    eventually(lambda: len(logged("/small")) - before == requests, f"{requests} requests in the log of nginx")
    expect(report["totals"]["body_bytes"], 6 * requests, "bytes")


@fact
def every_stage_tells_what_it_found_or_why_not():
    web.nginx()
    report = measured(f"{HTTP}/small", *QUICK)
    expect([found["stage"] for found in rows(report, "stages", "stages")],
           ["cold", "warm", "download", "sweep", "open-loop", "responsiveness"], "stages")
    for name in ("download", "responsiveness"):
        assert "too short" in stage(report, name)["why_not"], report["sections"]["stages"]
    for name in ("cold", "warm", "sweep", "open-loop"):
        expect(stage(report, name)["why_not"], "", name)
    expect([level["concurrency"] for level in rows(report, "concurrency", "sweep")], [1, 2, 4, 8], "levels")
    expect(report["totals"]["success_percent"], 100, "success")
    expect((report["totals"]["rpm"], report["totals"]["download_mbps"]), (None, None), "what was not measured")
    for key in ("schema", "host", "begin", "end", "verdict", "severity", "summary", "totals", "findings", "timeline",
                "histograms", "sections", "unknown", "measured"):
        assert key in report, key
    expect(report["host"], f"{HTTP}/small", "what it is of")
    for name in ("cold_us", "warm_us", "open_loop_us"):
        histogram = report["histograms"][name]
        expect(sum(bucket["count"] for bucket in histogram["buckets"]), histogram["total"], f"values of {name}")


@fact
def failures_are_those_that_the_server_sent():
    web.nginx()
    before = len(logged("/flaky"))
    report = measured(f"{HTTP}/flaky", "--only", "warm,sweep", *QUICK)
    eventually(lambda: len(logged("/flaky")) - before == report["totals"]["requests"], "all requests in the log")
    sent = logged("/flaky")[before + 1:]  # the first request is of no stage
    refused = sum(" 503 " in line for line in sent)
    (failures,) = rows(report, "reliability", "failures")
    expect((failures["kind"], failures["count"], failures["example"]), ("http-status", refused, "status 503"), "failures")
    answered = sum(found["answered"] for found in rows(report, "reliability", "reliability"))
    expect(answered, len(sent) - refused, "answered")
    for found in rows(report, "reliability", "reliability"):
        assert found["success_low_percent"] <= found["success_percent"] <= found["success_high_percent"], found
    assert 5 < 100 - report["totals"]["success_percent"] < 40, report["totals"]
    expect(report["severity"], "critical", "severity")
    expect(sum(found["failed"] for found in rows(report, "reliability", "over_time")), refused, "failures over time")


@fact
def a_limited_download_is_as_fast_as_curl_finds_it():
    web.nginx()
    url = f"{HTTP}/slow/huge"
    by_curl = curl(url)
    wanted = by_curl["bytes"] * 8 / (by_curl["total"] - by_curl["first"]) / 1e6
    report = measured(url, "--only", "download", "--duration", "20s", "--requests", "2")
    found = row(report, "bandwidth", "bandwidth", direction="down")
    assert abs(found["mbps"] / wanted - 1) < 0.05, (found, wanted)
    expect(found["mbps"], report["totals"]["download_mbps"], "the same in the totals")


@fact
def an_upload_is_measured_where_the_server_takes_it():
    web.nginx()
    report = measured(f"{HTTP}/small", "--only", "upload", "--upload-url", f"{HTTP}/put", "--bytes", "4MB")
    found = row(report, "bandwidth", "bandwidth", direction="up")
    assert found["mbps"] > 1 and found["bytes"] >= 65536, found
    report = measured(f"{HTTP}/small", "--only", "upload", "--upload-url", f"{HTTP}/missing", status=1)
    expect(row(report, "bandwidth", "bandwidth", direction="up")["mbps"], None, "where it does not")
    assert any("status 404" in words for words in report["sections"]["bandwidth"]["words"]), report["sections"]


@fact
def round_trips_under_load_are_told_over_http_2_and_1():
    home = web.nginx()
    words = ("--ca", f"{home}/cert.pem", "--only", "responsiveness", "--bytes", "400MB", "--duration", "6s", "--requests", "600")
    report = measured(f"{HTTPS}/slow/huge", *words)
    full = row(report, "responsiveness", "round_trips", path="full")
    assert full["foreign"] > 0 and full["self"] > 0 and full["self_us"] > 0 and full["tls_us"] > 0, full
    foreign = 60e6 / ((full["tcp_us"] + full["tls_us"] + full["http_us"]) / 3)
    assert abs(full["rpm"] / ((foreign + 60e6 / full["self_us"]) / 2) - 1) < 0.001, full
    expect(report["totals"]["rpm"], full["rpm"], "the same in the totals")
    expect(row(report, "responsiveness", "bloat", where="whole path (SYN)")["full_us"], full["tcp_us"], "the path")
    report = measured(f"{HTTPS}/slow/huge", "--http", "1.1", *words)
    full = row(report, "responsiveness", "round_trips", path="full")
    expect((full["self"], full["self_us"]), (0, None), "probes beside load")
    assert any("of their own alone" in said for said in report["sections"]["responsiveness"]["words"])


@contextlib.contextmanager
def stalling(seconds, after):
    """A port whose server stalls once, that long, after so many requests; each connection has its thread."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(256)
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    lock, count = threading.Lock(), [0]

    def serve(client):
        with client, contextlib.suppress(OSError):
            while web.read_request(client):
                with lock:
                    count[0] += 1
                    if count[0] == after:
                        time.sleep(seconds)
                client.sendall(answer)

    def accept():
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@fact
def a_stall_is_seen_by_all_requests_that_should_have_begun_in_it():
    with stalling(1, after=100) as url:
        report = measured(url, "--only", "open-loop", "--rate", "100", "--concurrency", "1", "--duration", "3s")
    intended = row(report, "open_loop", "open_loop", **{"from": "intended start"})
    real = row(report, "open_loop", "open_loop", **{"from": "real start"})
    assert 0.9e6 < intended["max_us"] < 2e6, intended
    assert 0.4e6 < intended["p90_us"], intended  # a third of them, evenly over a second
    assert real["p95_us"] < 0.3e6, real  # what would be seen by who waits for the answer before
    assert any("began late" in words for words in report["sections"]["open_loop"]["words"]), report["sections"]["open_loop"]


@fact
def what_could_never_begin_is_counted():
    with stalling(DEADLINE, after=50) as url:
        report = measured(url, "--only", "open-loop", "--rate", "100", "--concurrency", "2", "--duration", "1500ms",
                          "--timeout", "1s")
    (words,) = report["sections"]["open_loop"]["words"]
    not_begun = int(re.search(r"(\d+) could not begin at all, for 2 were in flight", words)[1])
    assert 40 <= not_begun <= 101, words


@fact
def an_interrupt_reports_what_there_is():
    web.nginx()
    before = len(logged("/small"))
    testing = start("test", f"{HTTP}/small", "--json", "--duration", "60s", "--requests", "2000", "--rate", "50",
                    "--only", "cold,open-loop")
    eventually(lambda: len(logged("/small")) > before + 150, "some requests of both stages")
    testing.send_signal(signal.SIGINT)
    ended = finish(testing)
    expect(ended.status, 0, ended.err)
    report = json.loads(ended.out)
    assert row(report, "latency", "latency", connection="cold", phase="whole")["count"] > 0
    assert row(report, "open_loop", "open_loop", **{"from": "intended start"})["count"] > 0
    expect(report["unknown"]["unknown"], ["The test was ended early."], "what is said of it")


@fact
def redirects_lead_to_what_is_tested():
    web.nginx()
    report = measured(f"{HTTP}/redirect", "--only", "warm", *QUICK)
    expect(report["host"], f"{HTTP}/small", "what it is of")
    expect(row(report, "endpoint", "endpoint", what="redirected from")["value"], f"{HTTP}/redirect", "hop")


@fact
def a_test_has_the_forms_of_reports():
    web.nginx()
    quick = ("test", f"{HTTP}/small", "--only", "cold,sweep", "--requests", "100", "--concurrency", "4")
    begins = {".html": "<!DOCTYPE html>", ".md": "# netsonde test: ", ".json": '{\n "schema": 1,', ".txt": "netsonde test: "}
    for ending, begin in begins.items():
        path = place("a" + ending)
        ended = run(*quick, "-o", path)
        expect((ended.status, ended.out), (0, ""), ended.err)
        assert content(path).startswith(begin), content(path)[:200]
        expect(run(*quick, "-o", path).status, 1, "status where it would replace a file")
        expect(run(*quick, "-o", path, "--force").status, 0, "status where it may")
    text = run(*quick).out
    assert text.startswith(begins[".txt"]) and "\nConcurrency\n" in text and "\nHow it was measured\n" in text, text
    assert "Lost events" not in text and "0 rules" not in text, text


@fact
def the_page_of_a_test_shows_its_charts_and_fits_a_phone():
    home = web.nginx()
    path = place("a.html")
    expect(run("test", f"{HTTPS}/slow/huge", "--ca", f"{home}/cert.pem", "-o", path, *QUICK, "--bytes", "200MB").status, 0, "status")
    with Browser() as browser:
        browser.open(path)
        expect(browser.texts("h1"), [f"{HTTPS}/slow/huge"], "title")
        expect(len(browser.texts(".plot.curve")), 2, "curves of the sweep")
        expect(len(browser.texts(".plot[data-series]")), 3, "charts over time")
        browser.point_at(".plot[data-series]", 0.5)
        assert all(browser.texts(".charts .readout")), browser.texts(".readout")
        browser.click("#t-sweep th:nth-child(2) button")
        rates = browser.run("return [...document.querySelectorAll('#t-sweep tbody tr')].map((r) => Number(r.cells[1].dataset.v))")
        expect(rates, sorted(rates, reverse=True), "throughputs after a click")
        for width in (390, 1200):
            browser.size(width, 844)
            browser.open(path)
            beyond = browser.run("const e = document.documentElement; return e.scrollWidth - e.clientWidth")
            expect(beyond, 0, f"what is wider than {width}")
        expect(browser.log(), [], "complaints of the browser")


@fact
def what_cannot_be_reached_is_one_line():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        done = run("test", f"http://127.0.0.1:{port}/")
    expect((done.status, done.out), (1, ""), done.err)
    assert re.search(rf"\nnetsonde: http://127.0.0.1:{port}/: connect-refused: refused by 127.0.0.1:{port} after ", done.err), done.err
    web.nginx()
    assert "tls-certificate" in run("test", f"{HTTPS}/small").err


@fact
def what_means_nothing_is_refused():
    for words, what in [((), "required"), (("ftp://a.test/",), "ftp"), (("tcp://a.test:1",), "neither http nor https"),
                        ((HTTP, "--only", "bogus"), "'bogus' is no stage"), ((HTTP, "--only", "upload"), "--upload-url"),
                        ((HTTP, "--concurrency", "0"), "from 1 to 10000"), ((HTTP, "--rate", "0"), "a second"),
                        ((HTTP, "--requests", "0"), "--requests"), ((HTTP, "--http", "3"), "--http"),
                        ((HTTP, "--header", "x"), "--header"), ((HTTP, "-o", "a.pdf"), "a.pdf")]:
        assert what in (error := one_error(run("test", *words), 2)), error


@fact
def it_needs_no_root():
    web.nginx()
    ended = run("test", f"{HTTP}/small", "--only", "warm", *QUICK,
                wrap=("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"))
    expect(ended.status, 0, ended.err)


# The last: it leaves the network of the others.
@fact
def latencies_are_those_that_curl_finds_on_a_long_path():
    home = web.nginx()
    with delayed_network(0.01):
        with open(f"{home}/far.conf", "w", encoding="ascii") as file:
            file.write(f"daemon off; pid {home}/far.pid; error_log {home}/far.errors; events {{ }}\n"
                       f"http {{ access_log off; root {home}/html; server {{ listen 10.9.0.1:80; }} }}\n")
        server = subprocess.Popen(["nginx", "-p", home, "-c", f"{home}/far.conf"], stderr=subprocess.DEVNULL)
        try:
            url = "http://10.9.0.2/small"
            eventually(lambda: subprocess.run(["curl", "-s", "-o", "/dev/null", "--noproxy", "*", url], check=False).returncode == 0, "nginx answers")
            by_curl = curl(url, count=10)
            report = measured(url, "--only", "cold,warm", "--requests", "60", "--duration", "10s")
        finally:
            server.terminate()
            server.wait()
    cold = row(report, "latency", "latency", connection="cold", phase="whole")
    connect = row(report, "latency", "latency", connection="cold", phase="connect")
    warm = row(report, "latency", "latency", connection="warm", phase="whole")
    assert abs(cold["p50_us"] / (by_curl["total"] * 1e6) - 1) < 0.15, (cold, by_curl)
    assert abs(connect["p50_us"] / (by_curl["connect"] * 1e6) - 1) < 0.15, (connect, by_curl)
    assert abs(warm["p50_us"] / ((by_curl["total"] - by_curl["connect"]) * 1e6) - 1) < 0.15, (warm, by_curl)
