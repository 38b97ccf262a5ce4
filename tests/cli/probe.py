# SPDX-License-Identifier: Apache-2.0
"""probe: what is measured of targets, and why they fail. nginx answers, curl, ss and the server's own log are
witnesses, and servers of ours misbehave."""

import json
import os
import signal
import socket
import subprocess
import tempfile
import threading
import time

import web
from harness import eventually, expect, fact, finish, one_error, run, start, succeed, tool

HTTP = f"http://127.0.0.1:{web.HTTP}"
HTTPS = f"https://localhost:{web.HTTPS}"


def probe(*words, status=0):
    """The attempts and the summary."""
    ended = run("probe", "--json", *words)
    expect(ended.status, status, f"exit status, {ended.err!r}")
    objects = [json.loads(line) for line in ended.out.splitlines()]
    return objects[:-1], objects[-1]["summary"]


def one(*words, status=0):
    attempts, _ = probe(*words, status=status)
    expect(len(attempts), 1, "attempts")
    return attempts[0]


def failure(*words):
    return one(*words, status=1)["failure"]


@fact
def the_keys_are_those_of_the_contract():
    web.nginx()
    attempt = one(f"{HTTP}/small")
    keys = ["time", "target", "address", "port", "attempt", "reused", "dns_us", "dns_cached", "connect_us", "tls_us",
            "ttfb_us", "transfer_us", "total_us", "hops", "http_version", "status", "encoding", "wire_bytes",
            "body_bytes", "bandwidth_mbps", "tls", "kernel", "failure"]
    expect([key for key in attempt if key in keys], keys, "keys, in their order")
    kernel = ["cookie", "syn_rtt_us", "min_rtt_us", "srtt_us", "segments_sent", "retransmitted_segments",
              "loss_percent", "congestion_control", "cwnd_segments", "delivery_bytes_per_s", "prober_delay_us"]
    expect([key for key in attempt["kernel"] if key in kernel], kernel, "keys of kernel")


@fact
def what_was_not_done_is_absent():
    web.nginx()
    attempt = one(f"{HTTP}/small")
    expect((attempt["dns_us"], attempt["tls_us"], attempt["tls"], attempt["failure"]), (None,) * 4, "an address, no TLS")
    expect((attempt["address"], attempt["port"], attempt["status"]), ("127.0.0.1", web.HTTP, 200), "answer")
    expect((attempt["wire_bytes"], attempt["body_bytes"], attempt["hops"]), (6, 6, []), "body")


@fact
def the_phases_add_up_to_no_more_than_the_total():
    home = web.nginx()
    attempt = one(f"{HTTPS}/large", "--ca", f"{home}/trusted.pem")
    phases = [attempt[f"{name}_us"] for name in ("connect", "tls", "ttfb", "transfer")]
    assert all(phase > 0 for phase in phases), attempt
    assert sum(phases) <= attempt["total_us"], attempt


@fact
def tls_is_told_with_the_certificates_days():
    home = web.nginx()
    attempt = one(f"{HTTPS}/small", "--ca", f"{home}/trusted.pem")
    tls = attempt["tls"]
    expect((tls["version"], tls["alpn"], tls["resumed"], tls["days_left"]), ("TLSv1.3", "h2", False, 60), "TLS")
    expect(attempt["http_version"], "2", "HTTP")
    assert tls["cipher"].startswith("TLS_"), tls


@fact
def kept_connections_are_used_again_and_counted_apart():
    web.nginx()
    attempts, _ = probe(f"{HTTP}/small", "--count", "3", "--interval", "10ms", "--keep-alive")
    expect([attempt["reused"] for attempt in attempts], [False, True, True], "reused")
    expect({attempt["kernel"]["cookie"] for attempt in attempts}.__len__(), 1, "sockets")
    expect([attempt["connect_us"] is None for attempt in attempts], [False, True, True], "no handshake")
    # Of each request alone: its own segment, and acknowledgements.
    assert all(attempt["kernel"]["segments_sent"] <= 3 for attempt in attempts[1:]), attempts


@fact
def fresh_connections_are_each_another():
    web.nginx()
    attempts, _ = probe(f"{HTTP}/small", "--count", "2", "--interval", "10ms")
    expect(len({attempt["kernel"]["cookie"] for attempt in attempts}), 2, "sockets")


@fact
def tls_sessions_are_resumed_where_connections_are_kept_for_reuse():
    home = web.nginx()
    attempts, _ = probe(f"{HTTPS}/small", "--count", "2", "--interval", "10ms", "--ca", f"{home}/trusted.pem")
    expect([attempt["tls"]["resumed"] for attempt in attempts], [False, False], "fresh ones shake hands in full")


@fact
def bytes_on_the_wire_are_those_that_curl_counts():
    web.nginx()
    attempt = one(f"{HTTP}/text", "--accept-encoding", "gzip")
    curl = tool("curl", "-s", "-H", "Accept-Encoding: gzip", "-o", "/dev/null", "-w", "%{size_download}", f"{HTTP}/text")
    expect((attempt["encoding"], attempt["wire_bytes"]), ("gzip", int(curl)), "granted, and as it came")
    expect(attempt["body_bytes"], 62000, "decoded")


@fact
def bandwidth_is_what_the_server_is_limited_to():
    web.nginx()
    mbps = one(f"{HTTP}/slow/large")["bandwidth_mbps"]
    assert 6 < mbps < 10, f"{mbps} Mbit/s where the server sends 8.2"


@fact
def each_redirect_is_a_hop():
    web.nginx()
    attempt = one(f"{HTTP}/redirect")
    expect([(hop["status"], hop["url"]) for hop in attempt["hops"]], [(302, f"{HTTP}/redirect")], "hops")
    expect((attempt["status"], attempt["body_bytes"]), (200, 6), "at the end")
    assert attempt["hops"][0]["total_us"] < attempt["total_us"], attempt
    expect(one(f"{HTTP}/redirect", "--redirects", "0")["status"], 302, "not followed")


@fact
def what_is_told_to_one_server_is_not_told_to_another():
    seen = []
    secrets = ("--header", "Authorization: secret", "--header", "cookie: secret", "--header", "X-Mine: yes")

    def serve(client):
        seen.append(web.read_request(client).decode())
        follow = f"302 Found\r\nLocation: {target}" if len(seen) == 1 else "200 OK"
        client.sendall(f"HTTP/1.1 {follow}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())

    with web.server(serve) as port, web.server(serve) as other:
        for target, told in ((f"http://127.0.0.1:{port}/again", True), (f"http://127.0.0.1:{other}/", False)):
            seen.clear()
            one(f"http://127.0.0.1:{port}/", *secrets)
            expect(["secret" in request for request in seen], [True, told], f"what the servers were told, on to {target}")
            expect(["X-Mine: yes" in request for request in seen], [True, True], "what is no secret")


@fact
def an_interim_answer_is_not_the_first_byte():
    def serve(client):
        web.read_request(client)
        client.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")
        time.sleep(0.3)  # how long the server thinks
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")

    with web.server(serve) as port:
        attempt = one(f"http://127.0.0.1:{port}/")
        assert attempt["ttfb_us"] >= 290_000 and attempt["status"] == 200, attempt
        expect(failure(f"http://127.0.0.1:{port}/", "--response-timeout", "100ms")["kind"], "http-timeout", "within the limit")


@fact
def redirects_have_an_end():
    web.nginx()
    expect(failure(f"{HTTP}/loop")["kind"], "http-redirects", "a loop")
    expect(failure(f"{HTTP}/away")["kind"], "http-redirects", "to where no HTTP is")


@fact
def caches_on_the_way_are_told():
    web.nginx()
    http = one(f"{HTTP}/cached")["http"]
    expect((http["age_s"], http["via"]), (7, "1.1 edge"), "headers")
    assert "HIT from edge" in http["cache"], http


@fact
def what_is_sent_is_counted():
    web.nginx()
    attempt = one(f"{HTTP}/put", "--method", "PUT", "--send", "300kB")
    expect((attempt["status"], attempt["http"]["sent_bytes"]), (200, 300_000), "sent")
    assert attempt["request_us"] > 0, attempt


@fact
def the_kernels_figures_are_those_of_ss():
    held = []

    def serve(client):
        web.read_request(client)
        held.append(tool("ss", "-tinH", "state", "established", f"( dport = :{client.getsockname()[1]} )"))
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        client.recv(1)

    with web.server(serve) as port:
        kernel = one(f"http://127.0.0.1:{port}/", "--congestion", "reno")["kernel"]
    expect(kernel["congestion_control"], "reno", "as it was wanted")
    assert " reno " in held[0], held
    expect((kernel["retransmitted_segments"], kernel["loss_percent"]), (0, 0), "nothing is lost here")
    assert 0 < kernel["syn_rtt_us"] < 1e6 and kernel["prober_delay_us"] >= 0, kernel


@fact
def our_own_record_of_the_connection_stands_beside():
    web.nginx()
    attempt = one(f"{HTTP}/small")
    assert attempt["witness"] is not None, attempt
    assert 0 < attempt["witness"]["handshake_us"] <= attempt["connect_us"], attempt
    expect(one(f"{HTTP}/small", "--no-bpf")["witness"], None, "without BPF")


@fact
def without_root_all_else_is_measured_and_the_rest_named():
    web.nginx()
    ended = run("probe", f"{HTTP}/small", wrap=("setpriv", "--reuid", "65534", "--clear-groups", "--bounding-set=-all",
                                              "--inh-caps=-all"))
    expect(ended.status, 0, f"status: {ended.err}")
    assert "HTTP/1.1 200" in ended.out and "CAP_BPF" in ended.out + ended.err, (ended.out, ended.err)


@fact
def a_closed_port_refuses():
    found = failure("http://127.0.0.1:1/")
    expect((found["phase"], found["kind"]), ("connect", "connect-refused"), "failure")
    assert "refused by 127.0.0.1:1 after" in found["detail"], found
    expect(failure("tcp://127.0.0.1:1")["kind"], "connect-refused", "of a bare handshake")


@fact
def a_full_accept_queue_loses_syns():
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    port = listener.getsockname()[1]
    waiting = []
    for _ in range(4):
        client = socket.socket()
        client.setblocking(False)
        client.connect_ex(("127.0.0.1", port))
        waiting.append(client)
    found = one(f"http://127.0.0.1:{port}/", "--connect-timeout", "1500ms", status=1)
    expect(found["failure"]["kind"], "connect-timeout", "failure")
    assert "no answer to 2 SYNs" in found["failure"]["detail"], found
    expect((found["kernel"]["syn_retransmits"] or 0, found["kernel"]["retransmitted_segments"]), (0, 1), "the kernel's count")


@fact
def no_route_is_unreachable():
    expect(failure("http://192.0.2.1/")["kind"], "connect-unreachable", "failure")


@fact
def a_certificate_that_expired_is_told_with_its_date():
    home = web.nginx()
    found = failure(f"https://localhost:{web.EXPIRED}/", "--ca", f"{home}/trusted.pem")
    expect((found["phase"], found["kind"]), ("tls", "tls-certificate"), "failure")
    assert "CN=localhost expired on 20" in found["detail"], found


@fact
def a_certificate_of_nobody_known_is_refused_and_insecure_takes_it():
    web.nginx()
    expect(failure(f"{HTTPS}/small")["kind"], "tls-certificate", "failure")
    expect(one(f"{HTTPS}/small", "--insecure")["status"], 200, "taken on request")


@fact
def a_certificate_of_another_name_is_refused():
    home = web.nginx()
    found = failure(f"https://127.0.0.2:{web.HTTPS}/", "--ca", f"{home}/trusted.pem")
    expect(found["kind"], "connect-refused", "nobody is there")


@fact
def no_tls_is_told_from_bad_tls():
    web.nginx()
    found = failure(f"https://127.0.0.1:{web.HTTP}/")
    expect((found["kind"], found["detail"]), ("tls-protocol", "what the server answers is not TLS"), "failure")


@fact
def a_reset_is_told_with_what_it_came_after():
    def serve(client):
        client.recv(1)
        web.reset(client)

    with web.server(serve) as port:
        found = failure(f"http://127.0.0.1:{port}/")
        expect((found["phase"], found["kind"]), ("response", "reset"), "after the request")
        found = failure(f"https://127.0.0.1:{port}/")
        expect((found["phase"], found["kind"]), ("tls", "reset"), "within the handshake")
        assert "after the TLS hello" in found["detail"], found


@fact
def a_close_without_an_answer_is_no_reset():
    with web.server(web.read_request) as port:
        expect(failure(f"http://127.0.0.1:{port}/")["kind"], "closed", "failure")


@fact
def a_silent_server_times_out_in_its_phase():
    def serve(client):
        eventually(lambda: client.recv(4096) == b"", "the client gives up")

    with web.server(serve) as port:
        found = failure(f"http://127.0.0.1:{port}/", "--response-timeout", "150ms")
        expect((found["phase"], found["kind"]), ("response", "http-timeout"), "after the request")
        found = failure(f"https://127.0.0.1:{port}/", "--tls-timeout", "150ms")
        expect((found["phase"], found["kind"]), ("tls", "tls-timeout"), "within the handshake")
        found = failure(f"http://127.0.0.1:{port}/", "--timeout", "150ms")
        expect(found["kind"], "http-timeout", "in all")


@fact
def an_answer_cut_short_is_truncated():
    with web.server(web.saying(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort")) as port:
        found = one(f"http://127.0.0.1:{port}/", status=1)
        expect((found["failure"]["kind"], found["body_bytes"]), ("http-truncated", 5), "failure")


@fact
def garbage_is_malformed():
    with web.server(web.saying(b"\x00\xff\x1b[31mno HTTP at all\r\n\r\n")) as port:
        ended = run("probe", f"http://127.0.0.1:{port}/")
        expect(ended.status, 1, "status")
        assert "http-malformed" in ended.out and "\x1b" not in ended.out, ended.out


@fact
def an_answer_beyond_the_limit_is_cut():
    web.nginx()
    found = one(f"{HTTP}/large", "--max-body", "100kB", status=1)
    expect(found["failure"]["kind"], "too-large", "failure")
    assert found["body_bytes"] <= 300_000, found


@fact
def hostile_headers_do_no_harm():
    header = b"X-Cache: \x1b]0;title\x07\xe2\x80\xae\r\nServer: " + b"a" * 60000 + b"\r\n"
    with web.server(web.saying(b"HTTP/1.1 200 OK\r\n" + header + b"Content-Length: 2\r\n\r\nok")) as port:
        text = succeed("probe", f"http://127.0.0.1:{port}/").out
        assert "\x1b" not in text and "\u202e" not in text, text
        expect(one(f"http://127.0.0.1:{port}/")["status"], 200, "status")


@fact
def statuses_from_400_are_failures():
    web.nginx()
    found = failure(f"{HTTP}/missing")
    expect((found["kind"], found["detail"]), ("http-status", "status 404"), "failure")


@fact
def retries_wait_as_long_as_the_server_asks():
    home = web.nginx()
    begin = time.monotonic()
    attempts, summary = probe(f"{HTTP}/busy", "--retries", "1", status=1)
    expect([attempt["attempt"] for attempt in attempts], [1, 2], "attempts")
    expect(summary["retries"], 1, "retries")
    assert time.monotonic() - begin >= 1, "Retry-After: 1"
    with open(f"{home}/access", encoding="utf-8") as log:
        expect(log.read().count('"GET /busy '), 2, "requests that the server saw")


@fact
def a_retry_that_succeeds_is_a_success():
    answers = [b"503 Busy", b"200 OK"]

    def serve(client):
        web.read_request(client)
        client.sendall(b"HTTP/1.1 " + answers.pop(0) + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    with web.server(serve) as port:
        attempts, summary = probe(f"http://127.0.0.1:{port}/", "--retries", "1", "--backoff", "10ms")
    expect([(attempt["status"], attempt["retried"]) for attempt in attempts], [(503, True), (200, False)], "attempts")
    expect(summary["failures"], 1, "failed attempts")


@fact
def what_is_not_idempotent_is_not_tried_again():
    web.nginx()
    attempts, _ = probe(f"{HTTP}/busy", "--retries", "3", "--method", "POST", "--send", "10", status=1)
    expect(len(attempts), 1, "attempts")


@fact
def a_dead_target_is_left_alone():
    attempts, summary = probe("http://127.0.0.1:1/", "--count", "6", "--interval", "10ms", "--breaker", "3", status=1)
    expect([attempt["failure"]["kind"] for attempt in attempts], ["connect-refused"] * 3 + ["circuit-open"] * 3, "kinds")
    expect(summary["failures_by_kind"], {"connect-refused": 3, "circuit-open": 3}, "summary")
    attempts, _ = probe("http://127.0.0.1:1/", "--count", "6", "--interval", "10ms", "--breaker", "0", status=1)
    expect({attempt["failure"]["kind"] for attempt in attempts}, {"connect-refused"}, "without a breaker")


@fact
def names_come_from_the_hosts_file():
    web.nginx()
    attempt = one(f"http://localhost:{web.HTTP}/small")
    assert attempt["address"] in ("127.0.0.1", "::1") and attempt["dns_us"] is not None, attempt


@fact
def every_address_is_measured_and_ranked():
    web.nginx()
    attempts, summary = probe(f"http://{web.two_addresses()}:{web.HTTP}/small", "--all-addresses", "--count", "3",
                              "--interval", "10ms")
    expect(sorted({attempt["address"] for attempt in attempts}), ["127.0.0.1", "::1"], "addresses")
    expect(sorted(entry["address"] for entry in summary["addresses"]), ["127.0.0.1", "::1"], "ranked")
    expect(sum(entry["would_choose"] for entry in summary["addresses"]), 1, "one is chosen")


@fact
def expectations_decide_the_exit_status():
    web.nginx()
    _, summary = probe(f"{HTTP}/small", "--expect", "failures = 0 and ttfb_p95 < 5s")
    expect(summary["expectation"]["holds"], True, "holds")
    _, summary = probe(f"{HTTP}/small", "--expect", "ttfb_p95 < 1us", status=4)
    expect(summary["expectation"]["holds"], False, "does not hold")
    probe(f"{HTTP}/missing", "--expect", "failures = 1")
    ended = run("probe", f"{HTTP}/small", "--expect", "ttfb_p59 < 1s")
    expect((ended.status, ended.out), (2, ""), "what it does not know")
    assert "'ttfb_p59', did you mean" in ended.err, ended.err
    expect(run("probe", f"{HTTP}/small", "--expect", "").status, 2, "an empty one")


@fact
def nothing_measured_is_not_as_expected():
    waiting = threading.Event()

    def serve(client):
        web.read_request(client)
        waiting.set()
        client.recv(1)

    with web.server(serve) as port:
        probing = start("probe", f"http://127.0.0.1:{port}/", "--expect", "failures = 0", "--json")
        assert waiting.wait(10), "a request"
        probing.send_signal(signal.SIGINT)
        ended = finish(probing)
    summary = json.loads(ended.lines[-1])["summary"]
    expect((ended.status, summary["expectation"]["holds"], summary["under_way"]), (4, False, 1), "in the middle of the first")


@fact
def what_a_report_is_given_is_not_trusted():
    for line in ('{"factor":"x","ratio":1,"aa":"yes"}', '{"factor":"x","ratio":1,"aa":null,"arm":7}',
                 '{"target":"tcp://127.0.0.1:9","failure":null,"port":1e99,"ttfb_us":-1,"kernel":{"segments_sent":1,"retransmitted_segments":9}}'):
        with tempfile.NamedTemporaryFile("w", suffix=".json", dir="/run") as file:
            file.write(line + "\n")
            file.flush()
            expect(run("report", "--duration", "100ms", "--with", file.name).status, 0, line)
    for path in ("/proc", "/dev/zero"):
        message = one_error(run("report", "--duration", "100ms", "--with", path), status=1)
        assert path in message, message


@fact
def targets_come_from_a_file_and_from_standard_input():
    home = web.nginx()
    text = f"# ours\n{HTTP}/small\n\n{HTTP}/text # again\ntcp://127.0.0.1:{web.HTTP}\n"
    with open(f"{home}/targets", "w", encoding="ascii") as file:
        file.write(text)
    attempts, _ = probe("--file", f"{home}/targets")
    expect(sorted(attempt["target"] for attempt in attempts),
           sorted([f"{HTTP}/small", f"{HTTP}/text", f"tcp://127.0.0.1:{web.HTTP}"]), "targets")
    with open(f"{home}/targets", encoding="ascii") as file:
        ended = finish(start("probe", "--json", "--file", "-", stdin=file))
    expect(len(ended.lines), 4, "three attempts and the summary")


@fact
def many_targets_at_once_all_answer():
    home = web.nginx()
    with open(f"{home}/many", "w", encoding="ascii") as file:
        file.writelines(f"{HTTP}/small?{i}\n" for i in range(500))
    attempts, summary = probe("--file", f"{home}/many", "--parallel", "100", "--per-host", "100")
    expect((len(attempts), summary["failures"]), (500, 0), "attempts, failures")
    expect(len({attempt["target"] for attempt in attempts}), 500, "each once")


@fact
def what_means_nothing_is_refused():
    for words, what in [(("gopher://x/",), "gopher"), ((), "no target"), (("http://",), "http://"),
                        (("https://u:secret@x/",), "credentials"), (("tcp://x",), "port"),
                        (("x", "--header", "no colon"), "is not NAME: VALUE"), (("x", "--send", "1"), "--method"),
                        (("x", "--file", "/nowhere"), "/nowhere"), (("x", "--dscp", "64"), "64"),
                        (("tcp://x:1", "--http", "3"), "--http 3")]:
        error = one_error(run("probe", *words), 2)
        assert what in error and "secret" not in error, error


@fact
def a_line_of_a_file_that_is_no_target_is_named():
    home = web.nginx()
    with open(f"{home}/wrong", "w", encoding="ascii") as file:
        file.write(f"{HTTP}/small\nnonsense://\n")
    assert f"{home}/wrong:2" in one_error(run("probe", "--file", f"{home}/wrong"), 2)


@fact
def an_interrupt_shows_what_there_is():
    web.nginx()
    probing = start("probe", f"{HTTP}/small", "--count", "0", "--interval", "10ms", "--json")
    expect(json.loads(probing.stdout.readline())["status"], 200, "an attempt")
    probing.send_signal(signal.SIGINT)
    ended = finish(probing)
    summary = json.loads(ended.lines[-1])["summary"]
    expect(summary["interrupted"], True, "interrupted")
    assert summary["attempts"] >= 1 and ended.status == 0, ended.status


@fact
def a_handshake_alone_is_a_target():
    web.nginx()
    attempt = one(f"tcp://127.0.0.1:{web.HTTP}")
    expect((attempt["failure"], attempt["status"]), (None, None), "no HTTP")
    assert attempt["connect_us"] > 0 and attempt["kernel"]["syn_rtt_us"] > 0, attempt


@fact
def an_echo_is_a_target():
    attempt = one("icmp://127.0.0.1")
    assert 0 < attempt["echo_us"] < 1e6, attempt


@fact
def a_proxy_of_the_environment_is_not_used():
    web.nginx()
    environment = os.environ | {"http_proxy": "http://127.0.0.1:1", "https_proxy": "http://127.0.0.1:1"}
    ended = finish(start("probe", "--json", f"{HTTP}/small", env=environment))
    expect(ended.status, 0, "status")


@fact
def text_fits_a_narrow_terminal_and_says_what_curl_says():
    web.nginx()
    text = succeed("probe", f"{HTTP}/small", "--no-bpf").out
    curl = subprocess.run(["curl", "-s", "-o", "/dev/null", "-w", "%{http_version} %{http_code}", f"{HTTP}/small"],
                          stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    assert f"HTTP/{curl[0]} {curl[1]}" in text, text
    assert all(len(line) <= 100 for line in text.splitlines()), text
