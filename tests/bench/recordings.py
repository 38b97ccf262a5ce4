# SPDX-License-Identifier: Apache-2.0
"""What recordings cost and how fast they are read, on real connections that come and go."""
import json
import os
import re
import resource
import statistics
import subprocess
import tempfile
import time

from measure import Load

GIB = 1 << 30


def children_cpu():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def record(netsonde, load_tool, path, span):
    """A recording of churn as fast as it goes; its summary line."""
    load = Load(load_tool, "churn")
    load.done(0)
    command = [netsonde, "record", "-o", path, "--force", "--duration", f"{span}s", "--ring-size",
               "32MiB"]
    begin = children_cpu()
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=True)
    cpu = children_cpu() - begin
    load.stop()
    return done.stderr.strip(), cpu


def as_json_lines(netsonde, path):
    """The same events (samples are none) as JSON lines through zstd: bytes and CPU seconds per
    event, beside those of the recording's reader alone."""
    begin = children_cpu()
    script = f'"{netsonde}" trace --from "{path}" --json 2>/dev/null | zstd -q -3'
    packed = subprocess.run(["sh", "-c", script], stdout=subprocess.PIPE, check=True).stdout
    cpu = children_cpu() - begin
    done = subprocess.run([netsonde, "trace", "--from", path], stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True, check=True)
    events = int(re.search(r"^(\d+) events", done.stderr, re.M).group(1))
    return len(packed) / events, cpu / events * 1e9


def open_times(netsonde, path, looks):
    """Milliseconds until the table of some time is printed."""
    times = []
    for look in range(looks):
        command = [netsonde, "top", "--once", "--limit", "20", "--from", path, "--at",
                   f"{(look + 1) * 7}s"]
        begin = time.monotonic()
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        times.append((time.monotonic() - begin) * 1000)
    return statistics.median(times), max(times)


def measure(tools, netsonde, quick):
    large = GIB // 16 if quick else GIB
    with tempfile.TemporaryDirectory() as folder:
        path, big = f"{folder}/churn.nsr", f"{folder}/large.nsr"
        span = 5 if quick else 20
        summary, cpu = record(netsonde, f"{tools}/load", path, span)
        row = json.loads(subprocess.run([f"{tools}/recording", path, big, str(large)], check=True,
                                        stdout=subprocess.PIPE, text=True).stdout)
        row["not_recorded"] = summary.split("lost: ")[1]
        row["records_per_s"] = row["records"] / span
        row["cpu_with_capture"] = cpu / span
        row["json_zstd_bytes"], row["json_zstd_ns"] = as_json_lines(netsonde, path)
        row["large_mib"] = os.path.getsize(big) / (1 << 20)
        row["open_ms"], row["open_ms_max"] = open_times(netsonde, big, 5 if quick else 15)
        return [row]
