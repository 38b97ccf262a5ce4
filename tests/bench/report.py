# SPDX-License-Identifier: Apache-2.0
"""The figures as tables, beside what they should be."""


def table(title, heads, rows):
    """The first column is text, the others are figures."""
    cells = [heads] + [["" if cell is None else str(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(heads))]
    print(f"\n{title}")
    for row in cells:
        text = [row[0].ljust(widths[0])] + [c.rjust(w) for c, w in zip(row[1:], widths[1:])]
        print("  " + "  ".join(text).rstrip())


def interval(row):
    return f"{row['ratio']:.3f} [{row['low']:.3f}..{row['high']:.3f}]"


def print_ratios(rows):
    table("Work per CPU-second with netsonde's programs / without (median and 95% interval)",
          ["workload, programs", "ratio", "pairs"],
          [[f"{row['workload']}, {row['row']}", interval(row), row["pairs"]] for row in rows])


def print_costs(rows):
    real = [row for row in rows if not row["program"].startswith("empty ")]
    floor = {(row["workload"], row["program"][6:]): row for row in rows if row not in real}
    lines = []
    for row in real:
        empty = floor.get((row["workload"], row["program"]))
        lines.append([f"{row['workload']}, {row['program']}", row["runs_per_s"], round(row["ns_min"]),
                      round(row["ns_median"]), round(empty["ns_median"]) if empty else None])
    table("Nanoseconds per run, statistics included; empty: a program that does nothing on the same hook",
          ["workload, program", "runs/s", "min", "median", "empty"], lines)


def print_peers(rows):
    lines = []
    for row in rows:
        name = f"{row['workload']}, {row['row']}"
        if "error" in row:
            lines.append([name, "does not run here: " + row["error"]])
        else:
            lines.append([name, interval(row)])
    table("Work per CPU-second while the whole tool runs / without", ["workload, tool", "ratio"], lines)


def print_scale(rows):
    keys = ["view_cpu_ms", "batch_cpu_ms", "ss_cpu_ms", "ss_over_view", "rss_mib", "lost"]
    table("Idle sockets: CPU milliseconds per second at one look per second; resident memory of the view",
          ["sockets", "top (view)", "top --batch", "ss -tinem", "ss / view", "MiB", "lost"],
          [[row["sockets"]] + [f"{row[k]:.1f}" if isinstance(row[k], float) else row[k] for k in keys]
           for row in rows])


def print_start(rows):
    table("Milliseconds to the first full screen; what top --once takes beyond its interval",
          ["sockets", "first screen", "top --once"],
          [[row["sockets"], round(row["first_screen_ms"]), round(row["once_ms"])] for row in rows])


def print_events(rows):
    table("netsonde trace --json > /dev/null: the most events per second without a loss, and with, if any",
          ["load", "connections/s", "events/s", "lost", "CPU", "events per CPU-second"],
          [[row["load"], round(row["units_per_s"]), round(row["events_per_s"]), row["lost"],
            f"{row['cpu']:.0%}", round(row["events_per_cpu_s"])] for row in rows])


def find(rows, **wanted):
    return next((row for row in rows if all(row.get(key) == value for key, value in wanted.items())), None)


def goals(results):
    """What, measured, target, whether it is met. Rows whose part was not run are left out."""
    for workload, row, least, low in [("bulk", "without exact owner", 0.99, 0.985),
                                      ("rr", "without exact owner", 0.99, 0.985),
                                      ("bulk", "netsonde", 0.98, 0.975), ("rr", "netsonde", 0.98, 0.975),
                                      ("churn", "netsonde", 0.92, 0.0)]:
        found = find(results.get("ratios", []), workload=workload, row=row)
        if found:
            met = found["ratio"] >= least and found["low"] >= low
            yield (f"work ratio, {workload}, {row}", interval(found),
                   f">= {least}" + (f", low >= {low}" if low else ""), met)
    for sockets, times in [(1000, 20), (10000, 8), (100000, 5)]:
        found = find(results.get("scale", []), sockets=sockets)
        if found:
            yield (f"CPU of ss / netsonde, {sockets} sockets", f"{found['ss_over_view']:.1f}", f">= {times}",
                   found["ss_over_view"] >= times)
    yield from memory_goals(results.get("scale", []))
    for row in results.get("start", []):
        yield (f"first screen, {row['sockets']} sockets", f"{row['first_screen_ms']:.0f} ms", "<= 300 ms",
               row["first_screen_ms"] <= 300)


def memory_goals(rows):
    at_10k, at_100k = find(rows, sockets=10000), find(rows, sockets=100000)
    if at_10k:
        yield "resident memory, 10000 sockets", f"{at_10k['rss_mib']:.1f} MiB", "<= 30 MiB", at_10k["rss_mib"] <= 30
    if at_10k and at_100k:
        each = (at_100k["rss_mib"] - at_10k["rss_mib"]) * 1024 / 90000
        yield "per further connection", f"{each:.2f} KiB", "<= 1 KiB", each <= 1
    for row in rows:
        yield f"lost events, {row['sockets']} sockets", str(row["lost"]), "0", row["lost"] == 0


def print_all(results):
    for part, show in [("ratios", print_ratios), ("costs", print_costs), ("peers", print_peers),
                       ("scale", print_scale), ("start", print_start), ("events", print_events)]:
        if results.get(part):
            show(results[part])
    rows = [[what, value, target, "met" if met else "MISSED"] for what, value, target, met in goals(results)]
    if rows:
        table("Goals", ["", "measured", "goal", ""], rows)
