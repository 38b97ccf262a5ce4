# SPDX-License-Identifier: Apache-2.0
"""bench.py BUILD [PART...]   Measures what netsonde costs and how fast it is, beside the tools that
people use today; prints tables and writes BUILD/bench.json. Run by run.sh, in namespaces of its
own.

Parts: work (programs on and off, nanoseconds per run), peers, scale, diagnosis, start, events,
recording, probes, loads, tuning, limits; only when named: aa (experiments in which nothing differs), virtual (tuning, with
cubic, in a machine of its own).
QUICK=1: fewer pairs, shorter spans.
"""
import json
import os
import re
import signal
import subprocess
import sys
import time

import aa
import limits
import peers
import loads
import probing
import recordings
import report
import tuning
from measure import Holders, Load, Terminal, cpu_of_runs, cpu_s, launch, rss_kib

QUICK = bool(os.environ.get("QUICK"))
SS = ["ss", "-tinem"]


class Bench:
    def __init__(self, build):
        self.netsonde = os.path.abspath(f"{build}/netsonde")
        self.tools = os.path.abspath(f"{build}/tests/bench")
        parts = ("ratios", "costs", "readers", "peers", "scale", "diagnosis", "start", "events",
                 "recording", "probes", "loads", "tuning", "virtual", "limits")
        self.results = {part: [] for part in parts}

    def work(self):
        for workload in ("bulk", "rr", "churn"):
            self.work_of("top", workload, all_rows=not QUICK)
            if workload != "bulk":
                self.work_of("trace", workload, all_rows=False)

    def work_of(self, netsonde_command, workload, all_rows):
        command = [f"{self.tools}/work", workload, "20" if QUICK else "50", netsonde_command]
        command += ["all"] if all_rows else []
        lines = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
        for row in map(json.loads, lines.splitlines()):
            self.results[row.pop("kind") + "s"].append(row)

    def peers(self):
        for workload in ("churn",) if QUICK else ("rr", "churn"):
            rows = peers.measure(self.tools, self.netsonde, workload, 2 if QUICK else 8)
            self.results["peers"] += rows

    def scale(self):
        for sockets in (1000, 10000, 100000):
            holders = Holders(f"{self.tools}/scale", sockets)
            row = {"sockets": sockets, **self.view_cost(sockets)}
            row["batch_cpu_ms"] = self.batch_cost()
            row["ss_cpu_ms"] = cpu_of_runs(SS, 3 if QUICK else 7, 1.0) * 1000
            row["ss_over_view"] = row["ss_cpu_ms"] / row["view_cpu_ms"]
            row["ss_over_batch"] = row["ss_cpu_ms"] / row["batch_cpu_ms"]
            self.results["scale"].append(row)
            holders.stop()

    def view_cost(self, sockets):
        """Of the live view, from when it has settled."""
        span = 6 if QUICK else 30  # every 30 s a pass visits also sockets that did nothing
        view = Terminal([self.netsonde, "top"])
        view.wait_first_frame()
        time.sleep(2 + sockets / 50000)
        ms = self.cpu_ms_per_s(view.pid, span)
        row = {
            "view_cpu_ms": ms,
            "rss_with_history_mib": rss_kib(view.pid) / 1024,
            "lost": int(view.last(rb"lost (\d+)") or -1),
        }
        view.stop()
        view = Terminal([self.netsonde, "top", "--history", "0"])
        view.wait_first_frame()
        time.sleep(3 + sockets / 50000)
        row["rss_mib"] = rss_kib(view.pid) / 1024
        view.stop()
        return row

    def batch_cost(self):
        command = [self.netsonde, "top", "--batch", "--limit", "20"]
        batch = launch(command, stdout=subprocess.DEVNULL)
        time.sleep(3)
        ms = self.cpu_ms_per_s(batch.pid, 5 if QUICK else 10)
        batch.send_signal(signal.SIGTERM)
        batch.wait()
        return ms

    @staticmethod
    def cpu_ms_per_s(pid, span):
        cpu, begin = cpu_s(pid), time.monotonic()
        time.sleep(span)
        return (cpu_s(pid) - cpu) * 1000 / (time.monotonic() - begin)

    def diagnosis(self):
        for how in ("idle", "active"):
            holders = Holders(f"{self.tools}/scale", 10000, how)
            command = [f"{self.tools}/diagnosis", "15" if QUICK else "40"]
            line = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
            self.results["diagnosis"].append({"sockets": 10000, "how": how, **json.loads(line)})
            holders.stop()

    def start(self):
        runs = 3 if QUICK else 7
        for sockets in (0, 1000, 10000):
            holders = Holders(f"{self.tools}/scale", sockets)
            screens, overheads = [], []
            for _ in range(runs):
                view = Terminal([self.netsonde, "top"])
                screens.append((view.wait_first_frame() or 10) * 1000)
                view.stop()
                begin = time.monotonic()
                subprocess.run([self.netsonde, "top", "--once", "--interval", "100ms"], check=True,
                               stdout=subprocess.DEVNULL)
                overheads.append((time.monotonic() - begin) * 1000 - 100)
            self.results["start"].append({
                "sockets": sockets,
                "first_screen_ms": sorted(screens)[runs // 2],
                "once_ms": sorted(overheads)[runs // 2],
            })
            holders.stop()

    def recording(self):
        self.results["recording"] = recordings.measure(self.tools, self.netsonde, QUICK)

    def probes(self):
        self.results["probes"] = probing.measure(self.netsonde, QUICK)

    def loads(self):
        self.results["loads"] = loads.measure(self.netsonde, QUICK)

    def tuning(self):
        self.results["tuning"] = tuning.measure(self.tools, self.netsonde, QUICK)

    def limits(self):
        self.results["limits"] = limits.measure(self.tools, self.netsonde, QUICK)

    def virtual(self):
        self.results["virtual"] = tuning.in_machine(self.tools, self.netsonde, QUICK)

    def aa(self):
        self.results["aa"] = aa.measure(self.netsonde, QUICK)
        aa.print_summary(self.results["aa"])

    def events(self):
        for name in ("churn",) if QUICK else ("churn", "refused", "reset"):
            self.results["events"] += self.ramp(name)

    def ramp(self, name):
        """More and more events until some are lost, or the load cannot make more."""
        span, rows = 2 if QUICK else 5, []
        for rate in (1000, 2000, 4000, 8000, 12000, 16000, 24000, 32000, 48000, 0):
            row = self.trace_under(name, rate, span)
            rows.append(row)
            if row["lost"] or row["units_per_s"] < 0.9 * rate:
                break
        kept = [row for row in rows if not row["lost"]]
        return kept[-1:] + [row for row in rows if row["lost"]]

    def trace_under(self, name, rate, span):
        trace = launch([self.netsonde, "trace", "--json"], stdout=subprocess.DEVNULL,
                       stderr=subprocess.PIPE, text=True)
        time.sleep(1)
        load = Load(f"{self.tools}/load", name)
        load.done(rate)
        time.sleep(0.5)
        cpu, begin, units = cpu_s(trace.pid), time.monotonic(), load.done()[0]
        time.sleep(span)
        cpu, span, units = cpu_s(trace.pid) - cpu, time.monotonic() - begin, load.done()[0] - units
        all_units = load.done()[0]
        load.stop()
        trace.send_signal(signal.SIGINT)
        summary = trace.communicate()[1]
        events = int(re.search(r"^(\d+) events", summary, re.M).group(1)) * units / all_units
        return {
            "load": name,
            "units_per_s": units / span,
            "events_per_s": events / span,
            "cpu": cpu / span,
            "events_per_cpu_s": events / cpu,
            "lost": self.lost(summary),
        }

    @staticmethod
    def lost(summary):
        """Drops are rate-limited on purpose; they are still counted."""
        causes = summary.rsplit("lost: ", 1)[1].split(",")
        counts = [re.match(r"\s*(\d+)", cause) for cause in causes if "rate limit" not in cause]
        return sum(int(count.group(1)) for count in counts if count)


def main():
    build, parts = sys.argv[1], sys.argv[2:] or ["work", "peers", "scale", "diagnosis", "start",
                                              "events", "recording", "probes", "loads", "tuning", "limits"]
    bench = Bench(build)
    bench.results["machine"] = {"kernel": os.uname().release, "cores": os.cpu_count(),
                                "load_before": os.getloadavg()[0]}
    for part in parts:
        print(f"bench: {part} ...", file=sys.stderr)
        getattr(bench, part)()
    report.print_all(bench.results)
    with open(f"{build}/bench.json", "w", encoding="utf-8") as file:
        json.dump(bench.results, file, indent=1)


if __name__ == "__main__":
    main()
