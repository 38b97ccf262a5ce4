# SPDX-License-Identifier: Apache-2.0
"""tune: the queueing disciplines of devices, shown by tc(8)."""

import json
import re
import socket
import time

import harness
from harness import eventually, expect, fact, finish, launch, one_error, run, succeed, tool
from linked import LENGTH, QDISC, device, own_links, plan_for, polled_device, qdisc, refused, shown, uplink, value_of
from tuned import LONG, apply, apply_plan, undo


@fact
def one_discipline_takes_the_place_of_the_other():
    own_links()
    before = shown()
    for kind in ("pfifo", "pfifo_fast", "pfifo"):
        apply("--set", f"{QDISC}@v0={kind}", *LONG)
        succeed("tune", "confirm")
        expect((qdisc(), value_of(QDISC, "v0")), (kind, kind), "discipline")
    succeed("tune", "rollback")
    expect(qdisc(), "pfifo_fast", "after the newest is undone")
    apply("--set", f"{QDISC}@v0=default", *LONG)
    expect(shown(), before, "the kernel's own")
    undo()
    expect(shown(), before, "in the end")


@fact
def a_shaper_has_the_rate_that_was_asked_for():
    own_links()
    before = shown()
    for wanted, rate in (("tbf:80Mbit", "rate 80Mbit "), ("tbf:40000kbit", "rate 40Mbit "), ("tbf:100Gbit", "rate 100Gbit ")):
        apply("--set", f"{QDISC}@v0={wanted}", *LONG)
        succeed("tune", "confirm")
        line = tool("tc", "qdisc", "show", "dev", "v0", "root")
        assert line.startswith("qdisc tbf 6e79: ") and rate in line, line
    expect(value_of(QDISC, "v0"), "tbf:100Gbit", "value")
    assert "already" in run("tune", "apply", "--yes", "--set", f"{QDISC}@v0=tbf:100000Mbit").err
    succeed("tune", "rollback")
    assert "rate 40Mbit " in tool("tc", "qdisc", "show", "dev", "v0", "root"), "after the newest is undone"
    undo()
    expect(shown(), before, "in the end")
    one_error(run("tune", "apply", "--yes", "--set", f"{QDISC}@v0=tbf:95"), 2)


@fact
def another_rate_in_a_shaper_of_ours_is_the_administrators():
    own_links()
    apply("--set", f"{QDISC}@v0=tbf:80Mbit", *LONG)
    for rate, burst, limit in (("10mbit", 20000, 100000), ("80mbit", 50000, 100000), ("80mbit", 90000, 500000)):
        tool("tc", "qdisc", "change", "dev", "v0", "root", "handle", "6e79:", "tbf", "rate", rate, "burst", str(burst), "limit", str(limit))
        shown = tool("tc", "qdisc", "show", "dev", "v0", "root")
        run("tune", "rollback")
        expect(tool("tc", "qdisc", "show", "dev", "v0", "root"), shown, "what the administrator set")
        assert value_of(QDISC, "v0").startswith("tbf 6e79: rate"), value_of(QDISC, "v0")
        tool("tc", "qdisc", "del", "dev", "v0", "root")
        succeed("tune", "hand-back", QDISC)
        apply("--set", f"{QDISC}@v0=tbf:80Mbit", *LONG)


def needs(*kinds):
    for kind in kinds:
        if kind_is_missing(kind):
            raise harness.Skip(f"this kernel has no {kind}")


@fact
def a_fair_shaper_has_the_rate_and_a_queue_for_each_flow():
    own_links()
    needs("htb", "fq_codel")
    before = shown()
    for wanted, rate in (("htb:80Mbit", "80Mbit"), ("htb:40000kbit", "40Mbit"), ("tbf:80Mbit", None), ("htb:100Gbit", "100Gbit")):
        apply("--set", f"{QDISC}@v0={wanted}", *LONG)
        succeed("tune", "confirm")
        if rate:
            shows_htb(rate)
    expect(value_of(QDISC, "v0"), "htb:100Gbit", "value")
    assert "already" in run("tune", "apply", "--yes", "--set", f"{QDISC}@v0=htb:100000Mbit").err
    succeed("tune", "rollback", "--to", "2")
    shows_htb("40Mbit")
    undo()
    expect(shown(), before, "in the end")


def shows_htb(rate):
    """One class with it, and in it a discipline that keeps flows apart."""
    root, inner, line = tree()
    assert root.startswith("qdisc htb 6e7a: root ") and "default 0x1 " in root, root
    assert inner.startswith("qdisc fq_codel 6e7b: parent 6e7a:1 "), inner
    assert line.startswith("class htb 6e7a:1 root leaf 6e7b: ") and f" rate {rate} ceil {rate} " in line, line


def tree():
    """The disciplines, and the classes that stay, for each flow that waits is one of fq_codel as long as it does; without counters."""
    shown = tool("tc", "qdisc", "show", "dev", "v0") + tool("tc", "class", "show", "dev", "v0")
    return [re.sub(r"direct_packets_stat \d+ ", "", line) for line in shown.splitlines() if not line.startswith("class fq_codel")]


@fact
def what_is_changed_inside_a_fair_shaper_is_the_administrators():
    own_links()
    needs("htb", "fq_codel", "pfifo")
    for command in ("class change dev v0 parent 6e7a: classid 6e7a:1 htb rate 10mbit burst 20000 cburst 20000",
                    "class change dev v0 parent 6e7a: classid 6e7a:1 htb rate 80mbit ceil 90mbit burst 50000 cburst 50000",
                    "class change dev v0 parent 6e7a: classid 6e7a:1 htb rate 80mbit burst 50000 cburst 50000 overhead 20",
                    "class add dev v0 parent 6e7a: classid 6e7a:2 htb rate 10mbit", "qdisc replace dev v0 parent 6e7a:1 pfifo",
                    "qdisc add dev v0 parent 6e7a:1 handle 6e7b: pfifo", "qdisc del dev v0 parent 6e7a:1", "class del dev v0 classid 6e7a:1"):
        apply("--set", f"{QDISC}@v0=htb:80Mbit", *LONG)
        if command.startswith(("class del", "qdisc add")):
            tool("tc", "qdisc", "del", "dev", "v0", "parent", "6e7a:1")
        tool("tc", *command.split())
        theirs = tree()
        run("tune", "rollback")
        expect(tree(), theirs, command)
        assert value_of(QDISC, "v0").startswith("htb 6e7a:"), value_of(QDISC, "v0")
        tool("tc", "qdisc", "del", "dev", "v0", "root")
        succeed("tune", "hand-back", QDISC)


@fact
def a_shaper_sends_no_faster_than_it_says():
    own_links()
    kinds = [kind for kind in ("tbf", "htb") if not kind_is_missing(kind) and (kind == "tbf" or not kind_is_missing("fq_codel"))]
    for kind in kinds:
        apply("--set", f"{QDISC}@v0={kind}:64kbit", *LONG)
        before, begun = received("v1"), time.monotonic()
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
            raw.bind(("v0", 0x88b5))
            for _ in range(100):
                raw.send(b"\xff" * 6 + b"\x02" * 6 + b"\x88\xb5" + bytes(986))
        seconds = time.monotonic() - begun
        arrived = received("v1") - before
        assert 0 < arrived < 40_000 + 8_000 * seconds, (kind, arrived, seconds)
        undo()


def received(name):
    return json.loads(tool("ip", "-j", "-s", "link", "show", name))[0]["stats64"]["rx"]["bytes"]


@fact
def a_discipline_that_the_kernel_lacks_costs_nothing():
    own_links()
    lacking = [kind for kind in ("fq", "fq_codel", "cake", "sfq") if kind_is_missing(kind)]
    if not lacking:
        raise harness.Skip("this kernel has all of them")
    apply("--set", f"{QDISC}@v0=pfifo", *LONG)
    succeed("tune", "confirm")
    before = shown()
    for kind in lacking + ["htb:80Mbit"] * ("fq_codel" in lacking):
        for there in ("v0", "v1"):  # in place of another, of the kernel's own
            message = refused(f"{QDISC}@{there}={kind}")
            assert "unknown" in message and kind.split(":")[0] in message, message
            expect(shown(), before, "afterwards")


@fact
def a_shaper_that_would_drop_the_largest_packets_is_refused():
    own_links()
    tool("ip", "link", "set", "v0", "mtu", "15127")
    before = shown()
    message = refused(f"{QDISC}@v0=tbf:8Mbit")
    assert "15141" in message and "htb" in message, message
    expect(shown(), before, "afterwards")
    tool("ip", "link", "set", "v0", "mtu", "15126")
    apply("--set", f"{QDISC}@v0=tbf:8Mbit", *LONG)
    undo()


def kind_is_missing(kind, device="v1"):
    missing = finish(launch(["tc", "qdisc", "add", "dev", device, "root", kind])).status != 0
    if not missing:
        tool("tc", "qdisc", "del", "dev", device, "root")
    return missing


@fact
def the_administrators_discipline_is_read_and_left_alone():
    own_links()
    tool("tc", "qdisc", "add", "dev", "v0", "root", "handle", "7:", "pfifo", "limit", "17")
    before = shown()
    expect(value_of(QDISC, "v0"), "pfifo 7:", "as it reads")
    row = next(row for row in succeed("tune", "list", QDISC, "--json").json() if row["where"] == "v0")
    expect((row["available"], row["why_not"]), (False, "here it may only be read"), "why")
    assert "pfifo 7:" in refused(f"{QDISC}@v0=pfifo_fast") and "pfifo 7:" in refused(f"{QDISC}@v0=default")
    made = plan_for(QDISC, device("v0"), "pfifo", "pfifo_fast")
    assert "may only be read" in one_error(apply_plan(made), 1)
    expect(shown(), before, "afterwards")


@fact
def what_the_administrator_attaches_meanwhile_stays():
    own_links()
    for arguments in (("handle", "7:", "pfifo", "limit", "17"), ("bfifo",)):
        apply("--set", f"{QDISC}@v0=pfifo", f"{LENGTH}@v0=2000", *LONG)
        tool("tc", "qdisc", "replace", "dev", "v0", "root", *arguments)
        theirs = tool("tc", "qdisc", "show", "dev", "v0")
        done = succeed("tune", "rollback")
        assert "left to somebody else" in done.out, done.out
        expect(tool("tc", "qdisc", "show", "dev", "v0"), theirs, "theirs")
        assert "qlen 1000" in tool("ip", "link", "show", "v0"), "what is not theirs is undone"
        assert "may only be read" in refused(f"{QDISC}@v0=pfifo") or "written back" in refused(f"{QDISC}@v0=pfifo")
        tool("tc", "qdisc", "del", "dev", "v0", "root")
        succeed("tune", "hand-back", QDISC)


@fact
def what_the_administrator_attaches_inside_a_shaper_of_ours_stays():
    own_links()
    apply("--set", f"{QDISC}@v0=tbf:100Mbit", *LONG)
    parent = tool("tc", "qdisc", "show", "dev", "v0").split()[2]
    tool("tc", "qdisc", "add", "dev", "v0", "parent", f"{parent}1", "handle", "99:", "pfifo", "limit", "77")
    assert "left to somebody else" in succeed("tune", "rollback").out
    assert "limit 77" in tool("tc", "qdisc", "show", "dev", "v0"), "theirs"


@fact
def a_device_that_was_never_up_has_the_kernels_discipline():
    own_links()
    with polled_device():
        expect(tool("tc", "qdisc", "show", "dev", "t0"), "", "discipline")
        expect(value_of(QDISC, "t0"), "default", "as it reads")
        apply("--set", f"{QDISC}@t0=pfifo", *LONG)
        expect(qdisc("t0"), "pfifo", "discipline")
        tool("ip", "link", "set", "t0", "up")
        succeed("tune", "rollback")
        expect((value_of(QDISC, "t0"), "pfifo " in tool("tc", "qdisc", "show", "dev", "t0", "root")), ("default", False), "afterwards")


def planned(part, *arguments):
    """A plan and what it says there of the discipline: a look at which the sender was kept from sending tells no rate."""
    def says():
        plan = json.loads(succeed("tune", "plan", "--duration", "5s", "--json", *arguments).out)
        return next(((plan, one) for one in plan[part] if one["key"] == QDISC), None)
    return eventually(says, f"{QDISC} in the {part}", within=60)


@fact
def a_queue_on_the_path_is_taken_in_at_a_rate_below_the_measured_one():
    with uplink("8mbit", 250_000) as waiting_there:
        eventually(lambda: waiting_there() > 100_000, "a queue on the path")
        plan, proposal = planned("proposals", "--goal", "latency")
        evidence = {one["field"]: one["value"] for one in proposal["evidence"]}
        taken = 8 * evidence["path_bytes_per_s"]
        assert evidence["device"] == proposal["scope"]["name"] == "up0" and 7e6 < taken < 8.2e6, evidence
        kind, rate = proposal["to"].split(":")
        expect(kind, "tbf" if kind_is_missing("fq_codel", "lo") else "htb", "kind")
        assert 0.94 * taken < 1000 * int(rate.removesuffix("kbit")) <= 0.95 * taken, (rate, taken)
        plan["proposals"] = [proposal]
        expect(apply_plan(json.dumps(plan)).status, 0, "status when it is applied")
        eventually(lambda: waiting_there() == 0, "no queue on the path")
        undo()
        eventually(lambda: waiting_there() > 100_000, "the queue again")


@fact
def for_another_goal_no_rate_is_given_away():
    with uplink("8mbit", 250_000) as waiting_there:
        eventually(lambda: waiting_there() > 100_000, "a queue on the path")
        plan, considered = planned("considered")
        assert QDISC not in [one["key"] for one in plan["proposals"]], plan["proposals"]
        assert "--goal latency" in considered["why_not"], considered
