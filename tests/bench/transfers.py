# SPDX-License-Identifier: Apache-2.0
"""transfers.py serve PORT | fetch ADDRESS PORT SECONDS AT_ONCE   A server that sends as much as it can to whoever
connects, and clients that take so long of that, close and begin anew; one line per transfer, in Mbit/s."""
import socket
import sys
import threading
import time


def send_to(connection):
    data = bytes(1 << 16)
    try:
        while True:
            connection.sendall(data)
    except OSError:
        connection.close()


def serve(port):
    with socket.create_server(("", int(port)), backlog=128) as listening:
        print("ready", flush=True)
        while True:
            threading.Thread(target=send_to, args=(listening.accept()[0],), daemon=True).start()


def fetch_for(address, seconds):
    buffer, begun, taken = bytearray(1 << 18), time.monotonic(), 0
    with socket.create_connection(address, 10) as connection:
        while time.monotonic() < begun + seconds:
            taken += connection.recv_into(buffer)
    return taken * 8 / (time.monotonic() - begun) / 1e6


def fetch_on(address, seconds, first):
    time.sleep(first)
    while True:
        try:
            print(f"{fetch_for(address, seconds):.2f}", flush=True)
        except OSError as error:
            print(error, file=sys.stderr)
            time.sleep(1)


def fetch(host, port, seconds, at_once):
    seconds, count = float(seconds), int(at_once)
    clients = [threading.Thread(target=fetch_on, args=((host, int(port)), seconds, index * seconds / count), daemon=True)
               for index in range(count)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()


if __name__ == "__main__":
    {"serve": serve, "fetch": fetch}[sys.argv[1]](*sys.argv[2:])
