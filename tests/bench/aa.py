# SPDX-License-Identifier: Apache-2.0
"""How often experiments alarm where nothing differs: real runs against a server on this host, each with a seed that
the system chose. Every run counts, in the order in which it was made."""
import json
import subprocess
import sys

import probing

RUNS = 50


def measure(netsonde, quick):
    with probing.server() as home:
        return [run(netsonde, home, number) for number in range(1, (5 if quick else RUNS) + 1)]


def run(netsonde, home, number):
    """Its seed, A/A comparisons and their alarms."""
    command = [netsonde, "experiment", "https://127.0.1.1/", "--ca", f"{home}/cert.pem", "--compare", "reuse,http,tls",
               "--json"]
    lines = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True).stdout
    *rows, last = map(json.loads, lines.splitlines())
    again = [row for row in rows if row.get("aa")]
    told = {"run": number, "seed": last["summary"]["seed"], "comparisons": len(again),
            "smallest_p": min(row["p"] for row in again),
            "alarms": [f"{row['factor']} {row['metric']} {row['ratio']:.3f}" for row in again if row["verdict"] == "alarm"]}
    print(f"  run {number}: seed {told['seed']}, smallest p {told['smallest_p']:.4f}, "
          f"alarms: {', '.join(told['alarms']) or 'none'}", file=sys.stderr)
    return told


def print_summary(runs):
    if not runs:
        return
    alarmed = sum(bool(run["alarms"]) for run in runs)
    print(f"\nA/A: in {alarmed} of {len(runs)} experiments the baseline differed from itself; "
          f"of {sum(run['comparisons'] for run in runs)} A/A comparisons, {sum(len(run['alarms']) for run in runs)}")
