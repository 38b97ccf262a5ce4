# SPDX-License-Identifier: Apache-2.0
"""The figures as tables, beside what they should be."""


def table(title, heads, rows):
    """The first column is text, the others are figures; short rows end in a remark."""
    cells = [heads] + [["" if cell is None else str(cell) for cell in row] for row in rows]
    full = [row for row in cells if len(row) == len(heads)]
    widths = [max(len(row[i]) for row in full) for i in range(len(heads))]
    widths[0] = max(len(row[0]) for row in cells)
    print(f"\n{title}")
    for row in cells:
        figures = row[1:]
        if len(row) == len(heads):
            figures = [cell.rjust(width) for cell, width in zip(figures, widths[1:])]
        print("  " + "  ".join([row[0].ljust(widths[0])] + figures).rstrip())


def interval(row):
    return f"{row['ratio']:.3f} [{row['low']:.3f}..{row['high']:.3f}]"


def find(rows, **wanted):
    """The first row with these values."""
    matching = (row for row in rows if all(row.get(k) == v for k, v in wanted.items()))
    return next(matching, None)


def print_ratios(rows):
    table("Work per CPU-second with netsonde's programs / without (median and 95% interval)",
          ["workload, programs", "ratio", "pairs"],
          [[f"{row['workload']}, {row['row']}", interval(row), row["pairs"]] for row in rows])


def print_costs(rows):
    lines = []
    for row in rows:
        if row["program"].startswith("empty "):
            continue
        empty = find(rows, workload=row["workload"], program="empty " + row["program"])
        floor = round(empty["ns_median"]) if empty else None
        lines.append([f"{row['workload']}, {row['program']}", row["runs_per_s"],
                      round(row["ns_min"]), round(row["ns_median"]), floor])
    table("Nanoseconds per run, with the kernel's statistics; empty: a program that does nothing",
          ["workload, program", "runs/s", "min", "median", "empty"], lines)


def print_peers(rows):
    lines = []
    for row in rows:
        line = [f"{row['workload']}, {row['row']}"]
        if "error" in row:
            lines.append(line + ["does not run here: " + row["error"]])
        else:
            lines.append(line + [interval(row), row["pairs"]])
    table("Work per CPU-second while the whole tool runs / without",
          ["workload, tool", "ratio", "pairs"], lines)


def print_scale(rows):
    def cell(value):
        return f"{value:.1f}" if isinstance(value, float) else value

    keys = ["sockets", "view_cpu_ms", "batch_cpu_ms", "ss_cpu_ms", "ss_over_view", "ss_over_batch",
            "rss_mib", "rss_with_history_mib", "lost"]
    table("Idle sockets, one look per second: CPU milliseconds per second; resident MiB of the view",
          ["sockets", "top (view)", "top --batch", "ss -tinem", "ss / view", "ss / batch", "MiB",
           "with history", "lost"],
          [[cell(row[key]) for key in keys] for row in rows])


def print_diagnosis(rows):
    table("Diagnosis in the live view, 10000 sockets: CPU milliseconds per tick",
          ["sockets", "watched", "following events", "looking for findings", "both"],
          [[row["how"], round(row["watched"]), f"{row['follow_ms']:.1f}", f"{row['look_ms']:.1f}",
            f"{row['tick_ms']:.1f}"] for row in rows])


def print_start(rows):
    table("Milliseconds to the first full screen; what top --once takes beyond its interval",
          ["sockets", "first screen", "top --once"],
          [[row["sockets"], round(row["first_screen_ms"]), round(row["once_ms"])] for row in rows])


def print_events(rows):
    table("netsonde trace --json > /dev/null: the most without a loss, then the first with, if any",
          ["load", "connections/s", "events/s", "lost", "CPU", "events per CPU-second"],
          [[row["load"], round(row["units_per_s"]), round(row["events_per_s"]), row["lost"],
            f"{row['cpu']:.0%}", round(row["events_per_cpu_s"])] for row in rows])


def print_recording(rows):
    for row in rows:
        table("A recording of connections that come and go, as fast as a core makes them",
              ["", "figure"],
              [["records per second", round(row["records_per_s"])],
               ["not recorded or lost", row["not_recorded"]],
               ["CPU with capture, of a core", f"{row['cpu_with_capture']:.1%}"],
               ["recording alone, ns per record", round(row["record_ns"])],
               ["bytes per record", f"{row['bytes_per_record']:.1f}"],
               ["events as JSON lines through zstd -3, bytes", f"{row['json_zstd_bytes']:.1f}"],
               ["and ns per event", round(row["json_zstd_ns"])],
               ["replayed records per CPU-second", round(row["replayed_per_cpu_s"])],
               [f"a table of some time in {row['large_mib']:.0f} MiB, ms, median",
                round(row["open_ms"])],
               ["longest", round(row["open_ms_max"])]])


def recording_goals(rows):
    for row in rows:
        percent, size = row["core_percent_at_100k"], row["bytes_per_record"]
        speed, ms = row["replayed_per_cpu_s"], row["open_ms"]
        yield "recording 100000/s, of a core", f"{percent:.1f}%", "<= 15%", percent <= 15
        yield "bytes per record", f"{size:.1f}", "<= 16", size <= 16
        yield "replay, records per core", f"{speed / 1e6:.1f}M/s", ">= 2M/s", speed >= 2e6
        yield f"opening {row['large_mib']:.0f} MiB at a time", f"{ms:.0f} ms", "< 200 ms", ms < 200


def work_goals(rows):
    for workload, name, least, low in [("bulk", "netsonde top", 0.99, 0.985),
                                       ("rr", "netsonde top", 0.99, 0.985),
                                       ("rr", "netsonde trace", 0.98, 0.975),
                                       ("churn", "netsonde top", 0.92, 0)]:
        row = find(rows, workload=workload, row=name)
        if row:
            met = row["ratio"] >= least and row["low"] >= low
            goal = f">= {least}" + (f", low >= {low}" if low else "")
            yield f"work ratio, {workload}, {name}", interval(row), goal, met


def scale_goals(rows):
    for sockets, times in [(1000, 20), (10000, 8), (100000, 5)]:
        row = find(rows, sockets=sockets)
        if row:
            ratio = row["ss_over_view"]
            yield (f"CPU of ss / netsonde, {sockets} sockets", f"{ratio:.1f}", f">= {times}",
                   ratio >= times)
    at_10k, at_100k = find(rows, sockets=10000), find(rows, sockets=100000)
    if at_10k:
        mib = at_10k["rss_mib"]
        yield "resident memory, 10000 sockets", f"{mib:.1f} MiB", "<= 30 MiB", mib <= 30
    if at_10k and at_100k:
        each = (at_100k["rss_mib"] - at_10k["rss_mib"]) * 1024 / 90000
        yield "per further connection", f"{each:.2f} KiB", "<= 1 KiB", each <= 1
    for row in rows:
        yield f"lost events, {row['sockets']} sockets", str(row["lost"]), "0", row["lost"] == 0


def diagnosis_goals(rows):
    for row in rows:
        ms = row["tick_ms"]
        yield f"diagnosis: CPU per tick at 10k, {row['how']}", f"{ms:.1f} ms", "< 20 ms", ms < 20


def start_goals(rows):
    for row in rows:
        ms = row["first_screen_ms"]
        yield f"first screen, {row['sockets']} sockets", f"{ms:.0f} ms", "<= 300 ms", ms <= 300


def print_probes(rows):
    table("A sweep over 1000 endpoints, 64 at once (medians; CPU: lowest..highest run)",
          ["scheme, tool", "wall s", "CPU us/probe", "", "MiB", "failures"],
          [[f"{row['scheme']}, {row['tool']}", f"{row['wall_s']:.2f}", round(row["cpu_us_per_probe"]),
            f"{row['cpu_us_low']:.0f}..{row['cpu_us_high']:.0f}", f"{row['rss_mib']:.0f}", row["failures"]]
           for row in rows["sweeps"]])

    def us(value):
        return "-" if value is None else f"{value:.0f}"

    table("The same path with more probes at once: medians in microseconds",
          ["at once", "connect (user)", "SYN RTT (kernel)", "min RTT (kernel)", "prober delay"],
          [[row["parallel"], us(row["connect_us"]), us(row["syn_rtt_us"]), us(row["min_rtt_us"]),
            us(row["prober_delay_us"])] for row in rows["delay"]])


def probe_goals(rows):
    if not rows:
        return
    for scheme, faster, cheaper in (("http", 5, 1 / 7), ("https", 2, 0.8)):
        ours = find(rows["sweeps"], scheme=scheme, tool="netsonde")
        theirs = find(rows["sweeps"], scheme=scheme, tool="blackbox_exporter")
        wall = theirs["wall_s"] / ours["wall_s"]
        yield f"{scheme} sweep, faster than blackbox_exporter", f"{wall:.1f}x", f">= {faster}x", wall >= faster
        cpu = ours["cpu_us_per_probe"] / theirs["cpu_us_per_probe"]
        yield f"{scheme} sweep, CPU of blackbox_exporter's", f"{cpu:.3f}", f"<= {cheaper:.3f}", cpu <= cheaper
    crowd = find(rows["delay"], parallel=1000)
    if crowd["syn_rtt_us"] and crowd["min_rtt_us"]:
        ratio = crowd["syn_rtt_us"] / crowd["min_rtt_us"]
        yield "1000 at once, path / kernel's min RTT", f"{ratio:.2f}", "<= 2", ratio <= 2


def print_loads(rows):
    for key, what in (("http", "a request on a kept connection, 1 to 64 at once"), ("dns", "a DNS query, 64 at once (dig: one)")):
        table(f"CPU of {what} (medians; lowest..highest run)", ["", "us", ""],
              [[row["tool"], f"{row['cpu_us']:.1f}", f"{row['low']:.1f}..{row['high']:.1f}"] for row in rows[key]])


def load_goals(rows):
    if not rows:
        return
    ours, wrk = (find(rows["http"], tool=tool)["cpu_us"] for tool in ("netsonde test", "wrk"))
    yield "kept connection, CPU of wrk's", f"{ours / wrk:.2f}", "<= 2", ours / wrk <= 2
    query = find(rows["dns"], tool="netsonde probe")["cpu_us"]
    yield "DNS query, CPU", f"{query:.1f} us", "<= 7 us", query <= 7


def print_tuning(rows):
    table("Mbit/s of transfers on emulated paths (medians; lowest..highest)",
          ["path", "no tuning", "profile throughput", "after tune auto", "what it did"],
          tuned_lines(row for row in rows if "before" in row))


def print_limits(rows):
    table("Where limits of the host hold traffic back, and only seem to (medians; lowest..highest)",
          ["limit", "no tuning", "profile", "after tune auto", "what it did", ""],
          [[*line, row["unit"]] for line, row in zip(tuned_lines(rows), rows)])


def tuned_lines(rows):
    lines = []
    for row in rows:
        figures = [f"{row[state]['median']:.1f} ({row[state]['low']:.1f}..{row[state]['high']:.1f})" for state in ("before", "profile", "after")]
        changes = [f"{one['key']} {one['to']}: {one['event']}" for one in row["events"] if one["event"] in ("kept", "undone")]
        lines.append([row["case"], *figures, "; ".join(changes) or "nothing tried"])
    return lines


def limits_goals(rows):
    for row in rows:
        kept = [f"{one['key']} {one['to']}" for one in row["events"] if one["event"] == "kept"]
        wanted = row["name"] in ("accept queue", "local ports", "idle restart")
        yield f"{row['name']}: what was kept", ", ".join(kept) or "nothing", "its limit" if wanted else "nothing", bool(kept) == wanted


def tuning_goals(rows):
    for row in rows:
        name = row["name"]
        if name in ("receive cap", "send cap"):
            yield f"{name}: Mbit/s after tune auto", f"{row['after']['median']:.0f}", ">= 80", row["after"]["median"] >= 80
            ratio = row["cap_over_product"]
            yield f"{name}: over rate times round trip", f"{ratio:.1f}", "2 to 4", 2 <= ratio <= 4
        elif name == "1% random loss":
            share = row["at_least_85"]
            yield f"{name}: transfers of >= 85 Mbit/s after the verdict", f"{100 * share:.0f}%", ">= 95%", share >= 0.95
        elif name == "idle":
            yield "tune auto at rest: CPU", f"{row['cpu_percent']:.2f}% of a core", "<= 0.1%", row["cpu_percent"] <= 0.1
            yield "tune auto at rest: wake-ups", f"{row['wake_ups_per_s']:.2f}/s", "<= 1/s", row["wake_ups_per_s"] <= 1
        elif "after" in row:
            kept = [one["to"] for one in row["events"] if one["event"] == "kept"]
            yield f"{name}: what was kept", ", ".join(kept) or "nothing", "nothing", not kept


def print_all(results):
    for part, show in [("ratios", print_ratios), ("costs", print_costs), ("peers", print_peers),
                       ("scale", print_scale), ("diagnosis", print_diagnosis),
                       ("start", print_start), ("events", print_events),
                       ("recording", print_recording), ("probes", print_probes), ("loads", print_loads),
                       ("tuning", print_tuning), ("virtual", print_tuning), ("limits", print_limits)]:
        if results.get(part):
            show(results[part])
    goals = [*work_goals(results["ratios"]), *recording_goals(results["recording"]),
             *scale_goals(results["scale"]),
             *diagnosis_goals(results["diagnosis"]), *start_goals(results["start"]),
             *probe_goals(results["probes"]), *load_goals(results["loads"]), *tuning_goals(results["tuning"]),
             *tuning_goals(results["virtual"]),
             *limits_goals(results["limits"])]
    if goals:
        table("Goals", ["", "measured", "goal", ""],
              [[what, value, goal, "met" if met else "MISSED"] for what, value, goal, met in goals])
