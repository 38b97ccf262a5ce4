# SPDX-License-Identifier: Apache-2.0
"""What one of very many requests costs: HTTP on kept connections beside wrk and h2load, DNS beside dnsperf and dig."""
import json
import re
import statistics
import subprocess
import tempfile

import probing
from measure import launch

CONNECTIONS = 64
LEVELS = (1, 2, 4, 8, 16, 32, 64)
NAMES, TIMES = 1000, 20
UNBOUND = """
server:
  directory: "{home}"
  chroot: ""
  username: ""
  pidfile: "{home}/pid"
  interface: 127.0.0.1@5300
  do-daemonize: no
  use-syslog: no
  log-queries: no
  access-control: 127.0.0.0/8 allow
  local-zone: "bench.test." static
"""


def kept_by_netsonde(netsonde):
    """A sweep of 1 to 64 at once, a second each."""
    command = [netsonde, "test", "http://127.0.1.1/", "--only", "sweep", "--concurrency", str(CONNECTIONS),
               "--requests", "10000000", "--bytes", "1000GB", "--duration", f"{len(LEVELS)}s", "--json"]
    _, cpu, _, output = probing.timed(command)
    return cpu, json.loads(output)["totals"]["requests"]


def kept_at_levels(command_of, pattern):
    """As long at each level as netsonde: few at once cost more each."""
    costs = [probing.timed(command_of(level)) for level in LEVELS]
    return sum(cost[1] for cost in costs), sum(int(re.search(pattern, cost[3]).group(1)) for cost in costs)


def kept_by_wrk(_):
    return kept_at_levels(lambda level: ["wrk", "-t1", f"-c{level}", "-d1s", "http://127.0.1.1/"], r"(\d+) requests in")


def kept_by_h2load(_):
    return kept_at_levels(lambda level: ["h2load", "--h1", f"-c{level}", "-m1", "-t1", "-D", "1", "http://127.0.1.1/"],
                          r"(\d+) succeeded")


def names():
    return [f"n{number}.bench.test" for number in range(NAMES)]


def asked_by_netsonde(netsonde, home):
    targets = f"{home}/targets"
    with open(targets, "w", encoding="utf-8") as file:
        file.writelines(f"dns://127.0.0.1:5300/{name}?type=A\n" for name in names())
    _, cpu, _, output = probing.timed([netsonde, "probe", "--file", targets, "--count", str(TIMES), "--interval", "10ms",
                                       "--parallel", str(CONNECTIONS), "--per-host", str(CONNECTIONS), "--no-bpf", "--json"])
    summary = json.loads(output.splitlines()[-1])["summary"]
    return cpu, summary["attempts"] - summary["failures"]


def asked_by_dnsperf(_, home):
    _, cpu, _, output = probing.timed(["dnsperf", "-s", "127.0.0.1", "-p", "5300", "-d", f"{home}/names", "-n", str(TIMES),
                                       "-q", str(CONNECTIONS), "-T", "1"])
    return cpu, int(re.search(r"Queries completed:\s*(\d+)", output).group(1))


def asked_by_dig(_, home):
    _, cpu, _, output = probing.timed(["dig", "@127.0.0.1", "-p", "5300", "-f", f"{home}/names"])
    return cpu, output.count("status: NOERROR")


def compare(runs, rounds):
    """CPU per request of each, in rounds that follow each other."""
    costs = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            cpu, requests = run()
            costs[name].append(cpu / max(requests, 1) * 1e6)
    return [{"tool": name, "cpu_us": statistics.median(cost), "low": min(cost), "high": max(cost)}
            for name, cost in costs.items()]


def resolver(home):
    with open(f"{home}/unbound.conf", "w", encoding="utf-8") as file:
        file.write(UNBOUND.format(home=home))
        file.writelines(f'  local-data: "{name}. 300 A 192.0.2.1"\n' for name in names())
    with open(f"{home}/names", "w", encoding="utf-8") as file:
        file.writelines(f"{name} A\n" for name in names())
    return launch(["unbound", "-c", f"{home}/unbound.conf"], stderr=subprocess.DEVNULL)


def measure(netsonde, quick):
    rounds = 2 if quick else 5
    with probing.server():
        http = compare({"netsonde test": lambda: kept_by_netsonde(netsonde),
                        "wrk": lambda: kept_by_wrk(netsonde),
                        "h2load": lambda: kept_by_h2load(netsonde)}, rounds)
    with tempfile.TemporaryDirectory() as home:
        process = resolver(home)
        try:
            probing.wait_until(lambda: asked_by_dig(netsonde, home)[1] == NAMES, "unbound")
            dns = compare({"netsonde probe": lambda: asked_by_netsonde(netsonde, home),
                           "dnsperf": lambda: asked_by_dnsperf(netsonde, home),
                           "dig -f": lambda: asked_by_dig(netsonde, home)}, rounds)
        finally:
            process.terminate()
            process.wait()
    return {"http": http, "dns": dns}
