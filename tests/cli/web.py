# SPDX-License-Identifier: Apache-2.0
"""Servers to probe: nginx for whoever runs a module, and single ones that misbehave."""

import contextlib
import functools
import os
import socket
import struct
import subprocess
import threading

from harness import die_with_parent, eventually

HTTP, HTTPS, EXPIRED, TICKETS = 8080, 8443, 8444, 8445
NGINX = """
daemon off; master_process off; pid {home}/pid; error_log {home}/errors;
events {{ worker_connections 1024; }}
http {{
  access_log {home}/access; keepalive_requests 100000; gzip on; gzip_types *; gzip_min_length 100; limit_rate_after 0;
  client_body_temp_path {home}/a; proxy_temp_path {home}/b; fastcgi_temp_path {home}/c; uwsgi_temp_path {home}/d;
  scgi_temp_path {home}/e; default_type text/plain; root {home}/html;
  split_clients $request_id $flaky {{ 20% 1; * 0; }}
  ssl_certificate_key {home}/key.pem; ssl_protocols TLSv1.2 TLSv1.3; ssl_session_cache shared:s:1m;
  server {{
    listen 127.0.0.1:{HTTP}; listen 127.0.0.2:{HTTP}; listen [::1]:{HTTP}; listen 127.0.0.1:{HTTPS} ssl http2;
    ssl_certificate {home}/cert.pem;
    location /slow/ {{ limit_rate 1000k; alias {home}/html/; }}
    location /redirect {{ return 302 /small; }}
    location /elsewhere {{ return 302 http://127.0.0.2:{HTTP}/small; }}
    location /loop {{ return 302 /loop; }}
    location /away {{ return 302 ftp://127.0.0.1/; }}
    location /missing {{ return 404; }}
    location /busy {{ add_header Retry-After 1 always; return 503; }}
    location /cached {{ add_header Age 7; add_header X-Cache "HIT from edge"; add_header Via "1.1 edge"; return 200 ok; }}
    location /flaky {{ if ($flaky) {{ return 503; }} return 200 fine; }}
    location /put {{ client_max_body_size 0; proxy_pass http://127.0.0.1:8081; }}
  }}
  server {{ listen 127.0.0.1:8081; client_max_body_size 0; location / {{ return 200 taken; }} }}
  server {{ listen 127.0.0.1:{EXPIRED} ssl; ssl_certificate {home}/expired.pem; }}
  server {{ listen 127.0.0.1:{TICKETS} ssl http2; ssl_certificate {home}/cert.pem; ssl_protocols TLSv1.2; ssl_session_cache none; }}
}}
"""


def make_certificates(home):
    key = f"{home}/key.pem"
    subprocess.run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key], check=True)
    for name, validity in (("cert", ["-days", "61"]), ("expired", ["-not_before", "20200101000000Z"])):
        request = f"{home}/{name}.csr"
        subprocess.run(["openssl", "req", "-new", "-key", key, "-subj", "/CN=localhost", "-addext",
                        "subjectAltName=DNS:localhost,IP:127.0.0.1", "-out", request], check=True)
        if name == "cert":
            subprocess.run(["openssl", "x509", "-req", "-in", request, "-key", key, "-out", f"{home}/cert.pem", *validity,
                            "-copy_extensions", "copy"], check=True, stderr=subprocess.DEVNULL)
        else:
            # openssl 3.0 takes no dates, but a validity of less than a day before today.
            subprocess.run(["openssl", "x509", "-req", "-in", request, "-key", key, "-out", f"{home}/expired.pem",
                            "-days", "-1", "-copy_extensions", "copy"], check=True, stderr=subprocess.DEVNULL)
    with open(f"{home}/trusted.pem", "w", encoding="ascii") as trusted:
        for name in ("cert", "expired"):
            with open(f"{home}/{name}.pem", encoding="ascii") as file:
                trusted.write(file.read())


@functools.cache
def nginx():
    """Its directory, with cert.pem to trust and access, the log; serves until this process ends."""
    home = f"/run/tests/nginx-{os.getpid()}"
    os.makedirs(f"{home}/html")
    make_certificates(home)
    with open(f"{home}/html/small", "w", encoding="ascii") as file:
        file.write("hello\n")
    with open(f"{home}/html/text", "w", encoding="ascii") as file:
        file.write("the same words again and again\n" * 2000)
    with open(f"{home}/html/large", "wb") as file:
        file.write(os.urandom(500_000))
    with open(f"{home}/html/huge", "wb") as file:
        file.write(os.urandom(3_000_000))
    with open(f"{home}/nginx.conf", "w", encoding="ascii") as file:
        file.write(NGINX.format(home=home, HTTP=HTTP, HTTPS=HTTPS, EXPIRED=EXPIRED, TICKETS=TICKETS))
    subprocess.Popen(["nginx", "-p", home, "-c", f"{home}/nginx.conf"], stderr=subprocess.DEVNULL,
                     preexec_fn=die_with_parent)
    eventually(lambda: answers(HTTP), "nginx answers")
    return home


@functools.cache
def two_addresses():
    """A name with an address of each family, in this network and mount namespace."""
    path = f"/run/tests/hosts-{os.getpid()}"
    with open("/etc/hosts", encoding="utf-8") as before, open(path, "w", encoding="utf-8") as file:
        file.write(before.read() + "\n127.0.0.1 two.test\n::1 two.test\n")
    subprocess.run(["mount", "--bind", path, "/etc/hosts"], check=True)
    return "two.test"


def answers(port):
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def server(serve, backlog=16):
    """A port on which every connection is handed to serve(socket), one after the other."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", 0))
    listener.listen(backlog)
    port = listener.getsockname()[1]
    ending = threading.Event()

    def run():
        while True:
            client, _ = listener.accept()
            with client, contextlib.suppress(OSError):
                if ending.is_set():
                    return
                serve(client)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield port
    finally:
        ending.set()
        socket.create_connection(("127.0.0.1", port)).close()
        thread.join()
        listener.close()


def read_request(client):
    received = b""
    while b"\r\n\r\n" not in received:
        part = client.recv(4096)
        if not part:
            break
        received += part
    return received


def reset(client):
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def saying(answer):
    """Reads a request, then says that and closes."""
    def serve(client):
        read_request(client)
        client.sendall(answer)
    return serve
