# SPDX-License-Identifier: Apache-2.0
"""What probes cost beside those of others: a sweep over many endpoints, by HTTP and with verified
certificates; and how much of a measured time is the prober's own when many run at once."""
import contextlib
import json
import os
import statistics
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

from measure import launch

ENDPOINTS = 1000
PARALLEL = 64
NGINX = """
daemon off; pid {home}/pid; error_log {home}/errors; worker_processes 1; worker_rlimit_nofile 65536;
events {{ worker_connections 16384; }}
http {{ access_log off; keepalive_requests 1000000000; client_body_temp_path {home}/a; proxy_temp_path {home}/b; fastcgi_temp_path {home}/c;
  uwsgi_temp_path {home}/d; scgi_temp_path {home}/e;
  server {{ listen 0.0.0.0:80 backlog=4096; listen 0.0.0.0:443 ssl http2 backlog=4096; ssl_certificate {home}/cert.pem;
    ssl_certificate_key {home}/key.pem; location / {{ return 200 "hello, world\\n"; }} }} }}
"""
BLACKBOX = """
modules:
  http:
    prober: http
    timeout: 10s
    http: {{preferred_ip_protocol: ip4, tls_config: {{ca_file: {home}/cert.pem}}}}
"""


def addresses():
    return [f"127.0.{i // 250 + 1}.{i % 250 + 1}" for i in range(ENDPOINTS)]


def hosts(scheme):
    """A certificate goes by name."""
    return [f"n{i}.bench.test" for i in range(ENDPOINTS)] if scheme == "https" else addresses()


@contextlib.contextmanager
def server():
    """nginx on every loopback address; yields its directory, with the certificate of all."""
    with tempfile.TemporaryDirectory() as home:
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                        "-keyout", f"{home}/key.pem", "-out", f"{home}/cert.pem", "-days", "30", "-subj", "/CN=bench.test",
                        "-addext", "subjectAltName=DNS:*.bench.test,IP:127.0.1.1"], check=True, stderr=subprocess.DEVNULL)
        with open(f"{home}/nginx.conf", "w", encoding="utf-8") as file:
            file.write(NGINX.format(home=home))
        with open(f"{home}/hosts", "w", encoding="utf-8") as file:
            file.writelines(f"{address} {name}\n" for address, name in zip(addresses(), hosts("https")))
        subprocess.run(["mount", "--bind", f"{home}/hosts", "/etc/hosts"], check=True)
        process = launch(["nginx", "-p", home, "-c", f"{home}/nginx.conf"], stderr=subprocess.DEVNULL)
        wait_for("http://127.0.1.1/")
        try:
            yield home
        finally:
            process.terminate()
            process.wait()
            subprocess.run(["umount", "/etc/hosts"], check=True)


def wait_until(holds, what, limit=10):
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        if holds():
            return
        time.sleep(0.05)
    raise SystemExit(f"bench: no answer from {what}")


def wait_for(url):
    def answers():
        with contextlib.suppress(OSError):
            return urllib.request.urlopen(url, timeout=1).read()
        return False

    wait_until(answers, url)


def timed(command, **options):
    """Wall seconds, CPU seconds and resident MiB of a command; its output."""
    begin = time.monotonic()
    process = launch(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, **options)
    output = process.stdout.read()
    usage = os.wait4(process.pid, 0)[2]
    process.returncode = 0
    wall = time.monotonic() - begin
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, output


def by_netsonde(netsonde, home, scheme):
    targets = f"{home}/targets"
    with open(targets, "w", encoding="utf-8") as file:
        file.writelines(f"{scheme}://{host}/\n" for host in hosts(scheme))
    wall, cpu, rss, output = timed([netsonde, "probe", "--file", targets, "--parallel", str(PARALLEL), "--no-bpf",
                                    "--json", "--ca", f"{home}/cert.pem"])
    summary = json.loads(output.splitlines()[-1])["summary"]
    return wall, cpu, rss, summary["failures"]


def by_curl(_, home, scheme):
    config = f"{home}/curl"
    with open(config, "w", encoding="utf-8") as file:
        for host in hosts(scheme):
            file.write(f'url = "{scheme}://{host}/"\noutput = "/dev/null"\n')
    wall, cpu, rss, output = timed(["curl", "-sZ", "--parallel-max", str(PARALLEL), "--parallel-immediate", "--cacert",
                                    f"{home}/cert.pem", "-w", "%{http_code}\\n", "-K", config])
    return wall, cpu, rss, ENDPOINTS - output.split().count("200")


def cpu_and_rss(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        rss = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    return time.clock_gettime((~pid << 3) | 2), rss / 1024


def by_blackbox(_, home, scheme):
    """The exporter alone: who asks it costs nothing here."""
    with open(f"{home}/blackbox.yml", "w", encoding="utf-8") as file:
        file.write(BLACKBOX.format(home=home))
    process = launch(["prometheus-blackbox-exporter", f"--config.file={home}/blackbox.yml",
                      "--web.listen-address=127.0.0.1:9115"], stderr=subprocess.DEVNULL)
    try:
        wait_for("http://127.0.0.1:9115/-/healthy")
        before, _ = cpu_and_rss(process.pid)
        begin = time.monotonic()
        failures = ask_blackbox(scheme)
        wall = time.monotonic() - begin
        after, rss = cpu_and_rss(process.pid)
        return wall, after - before, rss, failures
    finally:
        process.terminate()
        process.wait()


def ask_blackbox(scheme):
    targets, failures, lock = iter(hosts(scheme)), [], threading.Lock()

    def ask():
        while True:
            with lock:
                address = next(targets, None)
            if address is None:
                return
            query = urllib.parse.urlencode({"module": "http", "target": f"{scheme}://{address}/"})
            answer = urllib.request.urlopen(f"http://127.0.0.1:9115/probe?{query}").read()
            if b"probe_success 1" not in answer:
                failures.append(address)

    threads = [threading.Thread(target=ask) for _ in range(PARALLEL)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(failures)


def sweeps(netsonde, home, rounds):
    rows = []
    for scheme in ("http", "https"):
        runs = {"netsonde": [], "curl -Z": [], "blackbox_exporter": []}
        for _ in range(rounds):
            for name, sweep in zip(runs, (by_netsonde, by_curl, by_blackbox)):
                runs[name].append(sweep(netsonde, home, scheme))
        for name, measured in runs.items():
            wall, cpu, rss, failures = zip(*measured)
            rows.append({"scheme": scheme, "tool": name, "wall_s": statistics.median(wall),
                         "cpu_us_per_probe": statistics.median(cpu) / ENDPOINTS * 1e6,
                         "cpu_us_low": min(cpu) / ENDPOINTS * 1e6, "cpu_us_high": max(cpu) / ENDPOINTS * 1e6,
                         "rss_mib": max(rss), "failures": sum(failures)})
    return rows


def own_delay(netsonde, home):
    """Of the same path with more and more probes at once: medians over them, in microseconds."""
    rows = []
    for parallel in (1, 64, 1000):
        with open(f"{home}/targets", "w", encoding="utf-8") as file:
            file.writelines(f"http://{address}/\n" for address in addresses())
        output = timed([netsonde, "probe", "--file", f"{home}/targets", "--parallel", str(parallel), "--per-host", "1000",
                        "--no-bpf", "--json"])[3]
        attempts = [json.loads(line) for line in output.splitlines()[:-1]]
        kernel = [attempt["kernel"] for attempt in attempts if attempt["kernel"]]

        def median(values):
            known = [value for value in values if value is not None]
            return statistics.median(known) if known else None

        rows.append({"parallel": parallel, "connect_us": median(attempt["connect_us"] for attempt in attempts),
                     "syn_rtt_us": median(k["syn_rtt_us"] for k in kernel),
                     "min_rtt_us": median(k["min_rtt_us"] for k in kernel),
                     "prober_delay_us": median(k["prober_delay_us"] for k in kernel)})
    return rows


def measure(netsonde, quick):
    with server() as home:
        return {"sweeps": sweeps(netsonde, home, 3 if quick else 7), "delay": own_delay(netsonde, home)}
