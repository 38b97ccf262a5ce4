# SPDX-License-Identifier: Apache-2.0
"""trace: which events, of whom, how soon, and that none is missing at the end."""

import json
import os
import re
import signal
import socket
import struct
import time

from harness import Lines, expect, fact, finish, free_port, netns, start
from traffic import HOST, Connection, Peer, Trace, here, knock_until_end, listener, losing, received, refused


def reset_on_close(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def serve(port, request, answer):
    def body(peer):
        with listener(port) as listening:
            peer.say()
            end, _ = listening.accept()
            received(end, request)
            end.sendall(bytes(answer))
            end.recv(1)
            end.close()
        peer.hear()

    return Peer(body, b"a server")


def request(port, size, answer):
    def body(peer):
        with socket.create_connection((HOST, port)) as end:
            end.sendall(bytes(size))
            received(end, answer)
            peer.say(str(end.getsockname()[1]).encode())
        peer.hear()

    return Peer(body, b"a client")


@fact
def each_side_of_a_connection_is_told_with_its_process_and_bytes():
    trace, port = Trace(), free_port()
    with serve(port, 1000, 500) as server:
        server.hear()
        with request(port, 1000, 500) as client:
            client_port = int(client.hear())
            ours = {"local_port": client_port, "remote_port": port, "pid": client.pid, "comm": "a client", "direction": "out"}
            theirs = {"local_port": port, "remote_port": client_port, "pid": server.pid, "comm": "a server", "direction": "in"}
            first = trace.wait("connect", event="connect", remote_port=port, pid=client.pid, comm="a client")
            established = trace.wait("established client", event="established", state="ESTABLISHED", **ours)
            accepted = trace.wait("accept", event="accept", **theirs)
            closed = trace.wait("client's close", event="close", end="fin", tx_bytes=1000, rx_bytes=500, **ours)
            trace.wait("server's close", event="close", end="fin", tx_bytes=500, rx_bytes=1000, cookie=accepted["cookie"], **theirs)
            expect({first["cookie"], established["cookie"], closed["cookie"]}, {first["cookie"]}, "cookies of the client")
            expect({e["netns"] for e in trace.events()}, {netns()}, "namespaces")
            times = [e["time"] for e in (first, established, closed)]
            expect(times, sorted(times), "order of times")
            assert closed["duration_us"] > 0 and closed["handshake_us"] > 0, closed


@fact
def listening_and_its_end_are_told():
    trace, port = Trace("--events", "listen,listen_close,close"), free_port()
    with listener(port):
        trace.wait("listen", event="listen", local_port=port, pid=os.getpid())
    trace.wait("listen_close", event="listen_close", local_port=port)


@fact
def a_reset_is_told_by_who_sends_and_who_receives_it():
    trace = Trace()
    with Connection() as connection:
        reset_on_close(connection.client)
        connection.client.close()
        ends = {"local_port": connection.client_port, "remote_port": connection.port}
        trace.wait("sent reset", event="reset", sent=True, **ends)
        trace.wait("sender's close", event="close", end="reset_sent", **ends)
        ends = {"local_port": connection.port, "remote_port": connection.client_port}
        trace.wait("received reset", event="reset", sent=False, **ends)
        trace.wait("receiver's close", event="close", end="reset_received", **ends)


@fact
def a_refused_connection_is_told_with_the_dropped_packet():
    trace, port = Trace(), free_port()
    refused(port)
    trace.wait("drop", event="drop", local_port=port, reason="NO_SOCKET", harmful=False, incoming=True)
    trace.wait("reset", event="reset", local_port=port, sent=True)
    trace.wait("close", event="close", remote_port=port, end="refused", pid=os.getpid())


@fact
def a_lost_segment_is_told_as_retransmitted_after_a_timeout():
    with Connection() as connection:
        connection.exchange()
        trace = Trace()
        with losing(f"tcp dport {connection.port}"):
            connection.client.sendall(bytes(5000))
            ends = {"local_port": connection.client_port, "remote_port": connection.port, "pid": os.getpid()}
            event = trace.wait("retransmit", event="retransmit", kind="rto", **ends)
            assert event["bytes"] and event["segments"], event
        received(connection.server, 5000)


@fact
def some_lost_segments_are_told_as_retransmitted_fast():
    with Connection() as connection:
        connection.client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.exchange(10)
        trace = Trace()
        with losing(f"tcp dport {connection.port} meta length > 60 numgen inc mod 4 == 1"):
            for _ in range(30):
                connection.client.sendall(bytes(100))
            received(connection.server, 3000)
            trace.wait("retransmit", event="retransmit", kind="fast", local_port=connection.client_port)


@fact
def an_unanswered_connect_is_told_with_its_retransmitted_syn():
    trace, port = Trace(), free_port()
    with losing(f"tcp dport {port}"), socket.socket() as client:
        client.setblocking(False)
        client.connect_ex((HOST, port))
        trace.wait("retransmit", event="retransmit", kind="syn", remote_port=port)


@fact
def count_ends_after_so_many_events():
    process = start("trace", "--json", "--count", "5", "--filter", here())
    knock_until_end(process, free_port())
    done = finish(process)
    expect((done.status, len(done.json())), (0, 5), "status and events")


@fact
def count_ends_a_trace_that_is_full_before_it_has_quite_begun():
    with Peer(flood):
        done = finish(start("trace", "--json", "--count", "5", "--filter", here()))
    expect((done.status, len(done.json())), (0, 5), "status and events")


def flood(_):
    port = free_port()
    while True:
        refused(port)


@fact
def an_interrupt_is_heeded_under_a_flood_of_events():
    trace = Trace()
    with Peer(flood):
        end = time.monotonic() + 1
        while time.monotonic() < end:
            trace.lines.next()
        trace.process.send_signal(signal.SIGINT)
        expect(finish(trace.process).status, 0, "status")


@fact
def duration_ends_after_so_long():
    begun = time.monotonic()
    done = finish(start("trace", "--duration", "0.5s", "--filter", here(free_port())))
    assert time.monotonic() - begun >= 0.5, "it ended early"
    expect((done.status, done.out), (0, ""), "status and output")


@fact
def events_leaves_the_kinds_it_names():
    trace = Trace("--events", "connect,close")
    with Connection() as connection:
        connection.exchange()
    expect({e["event"] for e in trace.end().json()}, {"connect", "close"}, "kinds")


@fact
def filter_leaves_the_events_it_accepts():
    wanted, other = free_port(), free_port()
    process = start("trace", "--json", "--filter", here(wanted), "--events", "close")
    lines = Lines(process.stdout)
    while not lines.next(within=0.1):
        refused(other)
        refused(wanted)
    process.terminate()
    expect({e["remote_port"] for e in lines.finish(process).json()}, {wanted}, "remote ports")


@fact
def an_event_appears_at_once_while_the_trace_goes_on():
    trace, delays = Trace("--events", "close"), []
    for _ in range(5):
        port = free_port()
        begun = time.monotonic()
        refused(port)
        trace.wait("close", event="close", remote_port=port)
        delays.append(time.monotonic() - begun)
    assert min(delays) < 0.15 and max(delays) < 5, f"seconds until it appeared: {delays}"


@fact
def nothing_of_finished_connections_is_missing_after_an_interrupt():
    trace = Trace()
    ports = []
    for _ in range(100):
        with Connection() as connection:
            connection.exchange()
        ports.append(connection.port)
    done = trace.end()
    expect(done.status, 0, "status")
    events = trace.events()
    for kind, key, per_connection in [("connect", "remote_port", 1), ("accept", "local_port", 1), ("listen", "local_port", 1),
                                      ("listen_close", "local_port", 1), ("close", "remote_port", 1), ("close", "local_port", 1)]:
        told = [e[key] for e in events if e["event"] == kind and e[key] in set(ports)]
        expect(sorted(told), sorted(ports * per_connection), f"{key} of {kind} events")


@fact
def the_summary_goes_to_standard_error_and_counts_what_was_printed():
    trace = Trace()
    refused(free_port())
    done = trace.end()
    events = done.json()
    match = re.fullmatch(r"(\d+) events: (.*); lost: none\n", done.err)
    assert match, done.err
    expect(int(match[1]), len(events), "events")
    counted = {kind: int(count) for count, kind in (part.split() for part in match[2].split(", "))}
    expect(counted, {kind: sum(e["event"] == kind for e in events) for kind in counted}, "by kind")


@fact
def a_reader_that_leaves_ends_the_trace_without_a_word():
    for form in ["--json", None]:
        trace = Trace(form=form)
        trace.process.stdout.close()
        trace.process.stdout = None
        knock_until_end(trace.process, trace.knock)
        expect(finish(trace.process).err, "", "standard error")


@fact
def text_has_a_clock_a_kind_and_both_ends_in_each_line():
    trace = Trace(form=None)
    with Connection() as connection:
        connection.exchange()
    done = trace.end()
    for line in done.lines:
        assert re.match(r"\d\d:\d\d:\d\d\.\d{6}Z [a-z_]+ +\S.* ", line), line
    whose = f"python3[{os.getpid()}] 127.0.0.1:{connection.client_port} > 127.0.0.1:{connection.port}"
    kinds = [line.split()[1] for line in done.lines if whose in line]
    expect(kinds, ["established", "close"], f"kinds in {done.lines}")


@fact
def filter_knows_the_counters_of_a_closed_connection():
    port, line = free_port(), None
    process = start("trace", "--json", "--events", "close", "--filter", f"{here()} and tx_bytes = 777 and rport = {port}")
    lines = Lines(process.stdout)
    with listener(port) as listening:
        while not line:
            for size in (776, 777):
                with socket.create_connection((HOST, port)) as client, listening.accept()[0] as server:
                    client.sendall(bytes(size))
                    received(server, size)
            line = lines.next(within=0.1)
    expect({json.loads(line)["tx_bytes"] for line in lines.seen}, {777}, "bytes sent")
