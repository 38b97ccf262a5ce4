# SPDX-License-Identifier: Apache-2.0
"""limited_by tells the truth about senders whose limit is known because it was built so."""

import json
import socket
import threading
import time

from harness import DEADLINE, Lines, expect, fact, free_port, start, tool
from traffic import Connection, delayed_network, here, listener


def limit_while(client_port, work, wanted):
    """Does work(stop) in a thread until two intervals in a row have shown the wanted limit."""
    process = start("top", "--batch", "--json", "--interval", "0.3s", "--fields", "local_port,limited_by",
                    "--filter", f"{here()} and lport = {client_port}")
    lines, stop, seen = Lines(process.stdout), threading.Event(), []
    lines.next()
    worker = threading.Thread(target=work, args=(stop,), daemon=True)
    worker.start()
    try:
        end = time.monotonic() + DEADLINE
        while seen[-2:] != [wanted, wanted] and time.monotonic() < end:
            rows = json.loads(lines.next())["connections"]
            seen += [row["limited_by"] for row in rows]
    finally:
        stop.set()
        worker.join(DEADLINE)
    expect(seen[-2:], [wanted, wanted], f"the last two of {seen}")


def send_all_the_time(sock, size=65536):
    sock.settimeout(0.1)

    def work(stop):
        while not stop.is_set():
            try:
                sock.send(bytes(size))
            except TimeoutError:
                pass

    return work


@fact
def a_reader_that_does_not_read_limits_by_receive_window():
    def small_buffer(_, listening):
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)

    with Connection(prepare=small_buffer) as connection:
        limit_while(connection.client_port, send_all_the_time(connection.client), "receive_window")


def drain(sock, stop):
    sock.settimeout(0.1)
    while not stop.is_set():
        try:
            sock.recv(1 << 20)
        except TimeoutError:
            pass


def long_path_limit(wanted, prepare=lambda client: None):
    port = free_port()
    with listener(port, "10.9.0.1") as listening, socket.socket() as client:
        prepare(client)
        client.connect(("10.9.0.2", port))
        server, _ = listening.accept()

        def work(stop):
            reader = threading.Thread(target=drain, args=(server, stop), daemon=True)
            reader.start()
            send_all_the_time(client)(stop)
            reader.join()

        with server:
            limit_while(client.getsockname()[1], work, wanted)


@fact
def a_small_send_buffer_on_a_long_path_limits_by_send_buffer():
    with delayed_network(0.05):
        long_path_limit("send_buffer", lambda client: client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096))


@fact
def a_small_congestion_window_on_a_long_path_limits_by_it():
    with delayed_network(0.05):
        tool("ip", "route", "add", "10.9.0.2/32", "dev", "slow0", "cwnd", "lock", "4")
        long_path_limit("congestion_window")


@fact
def a_sender_with_little_to_send_is_limited_by_its_application():
    with Connection() as connection:
        def work(stop):
            while not stop.wait(0.02):
                connection.exchange(1, 50)

        limit_while(connection.client_port, work, "application")


@fact
def an_idle_connection_is_limited_by_nothing():
    with Connection() as connection:
        limit_while(connection.client_port, lambda stop: None, "none")
