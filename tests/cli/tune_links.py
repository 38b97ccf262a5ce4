# SPDX-License-Identifier: Apache-2.0
"""tune: the settings of devices and of routes. They are those of a network namespace of our own, shown by ip(8), tc(8) and a
sysfs of that namespace: what is undone must be as it was, letter for letter."""

import contextlib
import fcntl
import json
import os
import socket
import struct
import time

import harness
from harness import enter_network, eventually, expect, fact, finish, launch, one_error, run, succeed, tool
from tuned import LONG, apply, apply_plan, kill_guard, killed, namespaces, own_host, scope, status, undo

LENGTH, QDISC, RPS, XPS, THREADED = ("device." + name for name in ("txqueuelen", "qdisc", "rps_cpus", "xps_cpus", "threaded_napi"))
CWND, RWND, CONTROL, QUICK, RTO = ("route." + name for name in ("initcwnd", "initrwnd", "congestion_control", "quickack", "rto_min"))


def own_links():
    """A host of its own with two devices of two queues each and routes of every kind."""
    own_host()
    make_links()


def make_links():
    tool("ip", "link", "add", "v0", "numtxqueues", "2", "numrxqueues", "2", "type", "veth", "peer", "name", "v1")
    for device in ("v0", "v1"):
        tool("ip", "link", "set", device, "up")
    tool("ip", "addr", "add", "10.1.0.1/24", "dev", "v0")
    tool("ip", "addr", "add", "2001:db8:1::1/64", "dev", "v0", "nodad")
    for route in ("default via 10.1.0.9", "10.2.0.0/16 via 10.1.0.2 initcwnd 20 mtu lock 1400 src 10.1.0.1 proto static",
                  "10.4.0.0/16 nexthop via 10.1.0.2 weight 2 nexthop via 10.1.0.3 dev v0 onlink", "10.5.0.1/32 dev v1 metric 77 tos 0x10",
                  "10.6.0.0/16 via inet6 fe80::5 dev v0", "2001:db8:5::/48 via 2001:db8:1::2 metric 9 pref high"):
        tool("ip", "route", "add", *route.split())
    # The links' own addresses appear later, and so does the state of the links.
    eventually(lambda: tool("ip", "-6", "route", "show", "fe80::/64").count("fe80") == 2, "addresses of the links")
    eventually(lambda: "tentative" not in tool("ip", "-6", "addr"), "their use")


def add_nexthop_routes():
    for words in ("nexthop add id 5 via 10.1.0.2 dev v0", "route add 10.3.0.0/16 nhid 5 rto_min 40ms", "route add 10.33.0.0/16 nhid 5"):
        tool("ip", *words.split())


def routes():
    return tool("ip", "-d", "route") + tool("ip", "-d", "-6", "route")


def shown():
    """All that the kernel shows of them."""
    return routes() + tool("ip", "-d", "link") + tool("tc", "-d", "qdisc") + "".join(files("v0") + files("v1"))


def files(device):
    """What sysfs shows in this namespace, of the queues and of the polling."""
    script = f"mount -t sysfs none /sys && cd /sys/class/net/{device} && {{ grep -s . threaded queues/*/*ps_cpus; true; }}"
    return [line + "\n" for line in tool("unshare", "-m", "sh", "-c", script).splitlines()]


def qdisc(device="v0"):
    return tool("tc", "qdisc", "show", "dev", device, "root").split()[1]


def route(destination):
    return tool("ip", "-d", "route", "show", destination)


def refused(*wanted, code=1):
    return one_error(run("tune", "apply", "--yes", "--set", *wanted), code)


def value_of(key, where):
    rows = {row["where"]: row for row in succeed("tune", "list", key, "--json").json()}
    return rows[where]["value"]


@fact
def every_setting_is_written_and_undone_to_the_letter():
    own_links()
    add_nexthop_routes()
    before = shown()
    for wanted, seen in [
            (f"{LENGTH}@v0=2000", "qlen 2000"), (f"{QDISC}@v0=pfifo_fast", "qdisc pfifo_fast"), (f"{RPS}@v0=3 0001", "queues/rx-0/rps_cpus:3\n"),
            (f"{XPS}@v0=1 2", "queues/tx-1/xps_cpus:2\n"), (f"{CWND}@10.2.0.0/16=33", "mtu lock 1400 initcwnd 33"),
            (f"{CWND}@10.2.0.0/16=0", "src 10.1.0.1 mtu lock 1400 \n"), (f"{RWND}@0.0.0.0/0=30", "scope global initrwnd 30"),
            (f"{CWND}@10.1.0.0/24=5", "proto kernel scope link src 10.1.0.1 initcwnd 5"), (f"{CONTROL}@10.4.0.0/16=bbr", "congctl bbr"),
            (f"{QUICK}@10.5.0.1=1", "metric 77 quickack 1"), (f"{RTO}@10.6.0.0/16=50", "rto_min lock 50ms"),
            (f"{CONTROL}@2001:db8:5::/48=reno", "congctl reno pref high"), (f"{CWND}@2001:db8:1::/64=9", "metric 256 initcwnd 9 pref medium"),
            (f"{RTO}@10.3.0.0/16=0", "10.3.0.0/16 nhid 5 via 10.1.0.2 dev v0 proto boot scope global \n"),
            (f"{RTO}@10.33.0.0/16=60", "rto_min lock 60ms")]:
        apply("--set", wanted, *LONG)
        assert seen in shown(), f"{wanted}: {seen!r} is not in {shown()}"
        succeed("tune", "rollback")
        expect(shown(), before, f"after {wanted} is undone")


@fact
def many_at_once_are_undone_by_the_guard():
    own_links()
    before = shown()
    apply("--set", f"{LENGTH}@v0=2000", f"{QDISC}@v0=pfifo", f"{QDISC}@v1=pfifo_fast", f"{RPS}@v0=3 3", f"{CWND}@default=30", f"{RTO}@default=70",
          "--confirm-within", "3s")
    eventually(lambda: status()["state"] == "rolled-back", "the rollback")
    expect(shown(), before, "afterwards")


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


@fact
def a_discipline_that_the_kernel_lacks_costs_nothing():
    own_links()
    lacking = [kind for kind in ("fq", "fq_codel", "cake", "sfq") if kind_is_missing(kind)]
    if not lacking:
        raise harness.Skip("this kernel has all of them")
    apply("--set", f"{QDISC}@v0=pfifo", *LONG)
    succeed("tune", "confirm")
    before = shown()
    for kind in lacking:
        message = refused(f"{QDISC}@v0={kind}")
        assert "unknown" in message and kind in message, message
        expect(shown(), before, "afterwards")


def kind_is_missing(kind):
    missing = finish(launch(["tc", "qdisc", "add", "dev", "v1", "root", kind])).status != 0
    if not missing:
        tool("tc", "qdisc", "del", "dev", "v1", "root")
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
def what_the_administrator_changes_of_a_route_stays():
    own_links()
    apply("--set", f"{CWND}@10.2.0.0/16=33", f"{RTO}@10.2.0.0/16=50", *LONG)
    tool("ip", "route", "change", *"10.2.0.0/16 via 10.1.0.7 initcwnd 44 rto_min 50ms".split())
    succeed("tune", "rollback")
    expect(route("10.2.0.0/16"), "unicast 10.2.0.0/16 via 10.1.0.7 dev v0 proto boot scope global initcwnd 44 \n", "their route")
    expect([one["key"] for one in status()["left_alone"]], [CWND], "left alone")


@fact
def what_is_gone_keeps_nothing_from_being_undone():
    own_links()
    apply("--set", f"{LENGTH}@v0=2000", f"{QDISC}@v1=pfifo", f"{CWND}@10.2.0.0/16=33", f"{LENGTH}@lo=1234", *LONG)
    tool("ip", "link", "del", "v0")
    expect([change["value_now"] for change in status()["changes"]], [None, None, None, "1234"], "what is there now")
    succeed("tune", "rollback")
    expect([row["outcome"] for row in succeed("tune", "log", "--json").json()], ["gone", "gone", "gone", "rolled back"], "outcomes")
    assert "qlen 1000" in tool("ip", "link", "show", "lo"), "the other is undone"


@fact
def a_device_with_another_name_is_undone_and_who_took_its_name_is_not_touched():
    own_links()
    before = files("v0")
    apply("--set", f"{LENGTH}@v0=2000", f"{RPS}@v0=1 1", f"{QDISC}@v0=pfifo", *LONG)
    tool("ip", "link", "set", "v0", "name", "w0")
    tool("ip", "link", "add", "v0", "txqueuelen", "2000", "type", "veth", "peer", "name", "v9")
    succeed("tune", "rollback")
    expect([row["outcome"] for row in succeed("tune", "log", "--json").json()], ["rolled back"] * 3, "outcomes")
    assert "qlen 1000" in tool("ip", "link", "show", "w0") and "qlen 2000" in tool("ip", "link", "show", "v0")
    expect(files("w0"), before, "masks")
    assert "pfifo" not in qdisc("w0"), qdisc("w0")


@fact
def a_device_that_takes_the_index_is_not_touched():
    own_links()
    tool("ip", "link", "add", "d0", "index", "60", "type", "veth", "peer", "name", "d1")
    apply("--set", f"{LENGTH}@d0=2000", *LONG)
    tool("ip", "link", "del", "d0")
    tool("ip", "link", "add", "e0", "index", "60", "txqueuelen", "2000", "type", "veth", "peer", "name", "e1")
    succeed("tune", "rollback")
    expect([row["outcome"] for row in succeed("tune", "log", "--json").json()], ["gone"], "outcome")
    assert "qlen 2000" in tool("ip", "link", "show", "e0")


@fact
def under_a_new_name_a_device_is_still_the_administrators():
    own_links()
    apply("--set", f"{LENGTH}@v0=2000", *LONG)
    succeed("tune", "confirm")
    tool("ip", "link", "set", "v0", "txqueuelen", "700")
    tool("ip", "link", "set", "v0", "name", "w0")
    tool("ip", "link", "property", "add", "dev", "w0", "altname", "other0")
    assert "somebody else" in refused(f"{LENGTH}@w0=600")
    assert "there is no device other0" in refused(f"{LENGTH}@other0=600")
    assert "qlen 700" in tool("ip", "link", "show", "w0")
    assert "is not left alone" in one_error(run("tune", "hand-back", f"{LENGTH}@v1"), 1)
    succeed("tune", "hand-back", f"{LENGTH}@v0")
    apply("--set", f"{LENGTH}@w0=600", *LONG)


@fact
def a_plan_that_calls_a_device_by_an_old_name_is_refused():
    own_links()
    address = tool("ip", "-br", "link", "show", "v0").split()[2]
    scope_of_v0 = device("v0") | {"index": socket.if_nametoindex("v0"), "address": address}
    tool("ip", "link", "set", "v0", "name", "w0")
    message = one_error(apply_plan(plan_for(LENGTH, scope_of_v0, "1000", "2000")), 1)
    assert "is called w0 by now: make a new plan" in message, message
    assert "not available" in one_error(apply_plan(plan_for(LENGTH, scope_of_v0 | {"name": "lo", "address": ""}, "1000", "2000")), 1)
    expect(status()["state"], "none", "state")


@fact
def a_device_that_takes_the_name_is_not_touched():
    own_links()
    apply("--set", f"{LENGTH}@v0=2000", *LONG)
    tool("ip", "link", "del", "v0")
    tool("ip", "link", "add", "v0", "txqueuelen", "777", "type", "veth", "peer", "name", "v1")
    succeed("tune", "rollback")
    assert "qlen 777" in tool("ip", "link", "show", "v0")


@fact
def a_destination_of_several_routes_is_refused():
    own_links()
    for words in ("10.7.0.0/16 via 10.1.0.2 metric 5", "10.7.0.0/16 via 10.1.0.2 metric 6", "10.8.0.0/16 via 10.1.0.2",
                  "10.8.0.0/16 via 10.1.0.2 tos 4", "blackhole 10.9.0.0/16", "2001:db8:7::/48 nexthop via 2001:db8:1::2 nexthop via 2001:db8:1::3"):
        tool("ip", "route", "add", *words.split())
    before = shown()
    for destination, words in [("10.7.0.0/16", "2 routes lead to 10.7.0.0/16"), ("10.8.0.0/16", "2 routes"), ("fe80::/64", "2 routes"),
                               ("10.9.0.0/16", "only be read"), ("2001:db8:7::/48", "only be read")]:
        message = refused(f"{CWND}@{destination}=30")
        assert words in message, message
    expect(shown(), before, "afterwards")
    rows = {row["where"]: row for row in succeed("tune", "list", CWND, "--json").json()}
    expect((rows["10.7.0.0/16"]["value"], rows["10.9.0.0/16"]["why_not"]), (None, "it leads nowhere"), "listed")


@fact
def a_second_route_meanwhile_is_told_and_the_first_is_undone_without_it():
    own_links()
    apply("--set", f"{CWND}@10.2.0.0/16=33", *LONG)
    tool("ip", "route", "add", *"10.2.0.0/16 via 10.1.0.2 metric 5".split())
    assert "2 routes lead to" in succeed("tune", "status").out
    done = run("tune", "rollback")
    expect(done.status, 1, "exit status")
    tool("sh", "-c", done.out.split("What remains, by hand:\n")[1].splitlines()[0])
    assert "initcwnd 20" in route("10.2.0.0/16"), "by hand, beside the other"
    tool("ip", "route", "del", *"10.2.0.0/16 metric 5".split())
    expect(run("tune", "recover").status, 0, "recover")
    assert "initcwnd 20" in route("10.2.0.0/16")


@fact
def a_link_that_is_down_does_not_keep_a_route_from_being_undone():
    own_links()
    before = {name: route(name) for name in ("10.2.0.0/16", "10.4.0.0/16")}
    apply("--set", f"{CWND}@10.2.0.0/16=33", f"{CWND}@10.4.0.0/16=33", *LONG)
    tool("ip", "link", "set", "v1", "down")
    eventually(lambda: "linkdown" in route("10.2.0.0/16"), "the end of the link")
    succeed("tune", "rollback")
    tool("ip", "link", "set", "v1", "up")
    eventually(lambda: "linkdown" not in routes(), "the link")
    expect({name: route(name) for name in before}, before, "afterwards")


def device(name, inside=None):
    of = inside or scope()
    return {"kind": "device", "name": name, "cookie": of["cookie"], "netns": int(of["name"])}


def plan_for(*rows):
    """(key, scope, from, to), or these four alone."""
    rows = [rows] if isinstance(rows[0], str) else rows
    boot = open("/proc/sys/kernel/random/boot_id", encoding="ascii").read().strip()
    proposals = [dict(zip(("key", "scope", "from", "to"), row)) | {"evidence": []} for row in rows]
    return json.dumps({"schema": 1, "time_ns": 1, "host": socket.gethostname(), "boot": boot, "goal": "", "proposals": proposals, "considered": []})


@contextlib.contextmanager
def other_namespace():
    """Has links like ours; yields its scope and what runs a function in it."""
    own = os.open("/proc/self/ns/net", os.O_RDONLY)
    with namespaces(1) as (scopes, held):
        other = os.open(f"/proc/{held[0].pid}/ns/net", os.O_RDONLY)

        def inside(function):
            enter_network(other)
            try:
                return function()
            finally:
                enter_network(own)

        inside(make_links)
        yield scopes[0], inside
        os.close(other)
    os.close(own)


@fact
def those_of_another_namespace_are_changed_and_undone():
    own_links()
    with other_namespace() as (there, inside):
        own, before = shown(), inside(shown)
        scopes = device("v0", there), device("default", there) | {"kind": "route"}
        done = apply_plan(plan_for((LENGTH, scopes[0], "1000", "2000"), (RPS, scopes[0], "0 0", "0 3"), (QDISC, scopes[0], "default", "pfifo"),
                                   (RPS, device("v0"), "0 0", "1 1"), (CWND, scopes[1], "0", "30")))
        expect(done.status, 0, f"exit status, {done.err}")
        seen = inside(shown)
        for words in ("qlen 2000", "queues/rx-1/rps_cpus:3\n", "qdisc pfifo", "initcwnd 30"):
            assert words in seen, (words, seen)
        assert "queues/rx-0/rps_cpus:1\n" in shown() and "initcwnd 30" not in shown(), shown()
        succeed("tune", "rollback")
        expect((inside(shown), shown()), (before, own), "afterwards")


@fact
def what_cannot_be_undone_is_undone_by_the_lines_that_are_told():
    own_links()
    add_nexthop_routes()
    with other_namespace() as (there, inside):
        before = inside(shown)
        default = device("default", there) | {"kind": "route"}
        several, prefixed = default | {"name": "10.4.0.0/16"}, default | {"name": "10.2.0.0/16"}
        expect(apply_plan(plan_for((LENGTH, device("v0", there), "1000", "2000"), (RPS, device("v0", there), "0 0", "3 1"),
                                   (XPS, device("v0", there), "0 0", "1 2"), (QDISC, device("v0", there), "default", "pfifo"),
                                   (CWND, default, "0", "30"), (CONTROL, several, "default", "bbr"), (CWND, prefixed, "20", "0"),
                                   (RTO, default | {"name": "2001:db8:5::/48"}, "0", "50"))).status, 0, "exit status")
        kill_guard()
        # Nothing can be sent over netlink, nor can sysfs be mounted.
        done = finish(launch(["strace", "-f", "-qq", "-o", "/dev/null", "-e", "inject=fsopen,sendto:error=EPERM", harness.BINARY, "tune", "rollback"]))
        expect(done.status, 1, "exit status")
        lines = done.out.split("What remains, by hand:\n")[1].splitlines()
        expect(len(lines), 8, "lines")
        for line in lines:
            tool("sh", "-c", line)
        expect(inside(shown), before, "afterwards")
        expect(run("tune", "recover").status, 0, "recover")
        expect(inside(shown), before, "in the end")


@fact
def killed_at_every_write_it_is_undone():
    own_links()
    before, seen = shown(), set()
    wanted = ("tune", "apply", "--yes", "--set", f"{RPS}@v0=3 1", f"{QDISC}@v0=pfifo", f"{CWND}@default=30", *LONG)
    for call in ("write", "sendto"):
        for number in range(1, 100):
            was_killed = killed(call, number, *wanted)
            seen.add(shown())
            undo()
            expect(shown(), before, f"{call} {number}")
            if not was_killed:
                break
    assert len(seen) > 4, "it was never killed between two writes"


@fact
def killed_while_it_writes_it_is_undone_by_the_guard():
    own_links()
    before = shown()
    wanted = ("tune", "apply", "--yes", "--set", f"{QDISC}@v0=pfifo", f"{RPS}@v0=3 1", "--confirm-within", "5s")
    for number in range(1, 100):
        if not killed("write", number, *wanted):
            raise AssertionError("it was never killed between the two masks")
        if "queues/rx-0/rps_cpus:3\n" in shown() and "queues/rx-1/rps_cpus:0\n" in shown():
            break
        undo()
    eventually(lambda: shown() == before, "the rollback")
    eventually(lambda: status()["state"] == "rolled-back", "its record")


@fact
def a_queue_whose_mask_is_refused_takes_the_others_back():
    own_links()
    before = shown()
    assert "device.rps_cpus" in refused(f"{RPS}@v0=1 ffffffff,ffffffff")
    assert "a mask for each queue" in refused(f"{RPS}@v0=1")
    expect(shown(), before, "afterwards")


@contextlib.contextmanager
def polled_device():
    """A device of tun that is polled, and was never up."""
    set_up, tap_without_header_polled = 0x400454ca, 0x1002 | 0x0010
    with open("/dev/net/tun", "r+b", buffering=0) as tun:
        fcntl.ioctl(tun, set_up, struct.pack("16sH22x", b"t0", tap_without_header_polled))
        yield


@fact
def a_device_that_is_polled_may_be_polled_by_threads():
    own_links()
    with polled_device():
        before = files("t0")
        assert "threaded:0\n" in before, before
        apply("--set", f"{THREADED}@t0=1", f"{RPS}@t0=2", *LONG)
        assert {"threaded:1\n", "queues/rx-0/rps_cpus:2\n"} <= set(files("t0")), files("t0")
        succeed("tune", "rollback")
        expect(files("t0"), before, "afterwards")


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


@fact
def what_is_so_already_is_not_changed():
    own_links()
    done = run("tune", "apply", "--yes", "--set", f"{LENGTH}@v0=1000", f"{RPS}@v0=00 0,00000000")
    expect((done.status, done.out), (0, "nothing to change\n"), "status and output")
    expect(done.err, f"netsonde: {LENGTH}@v0 is 1000 already\nnetsonde: {RPS}@v0 is 0 0 already\n", "errors")


@fact
def what_is_asked_for_is_told_when_it_is_wrong():
    own_links()
    before = shown()
    for wanted, words in [(f"{LENGTH}@v9=5", "there is no device v9; there are lo, v1, v0"),
                          (f"{CWND}@10.99.0.0/16=5", "there is no route to 10.99.0.0/16; there are"), (f"{CONTROL}@default=none", "none"),
                          (f"{XPS}@lo=1", "not available here"), (f"{THREADED}@lo=1", "not supported")]:
        message = refused(wanted)
        assert words in message, message
    for wanted, words in [
            (f"{LENGTH}=5", f"{LENGTH} is of a device: {LENGTH}@DEVICE=VALUE"), (f"{CWND}=5", f"{CWND} is of a route: {CWND}@DESTINATION=VALUE"),
            (f"{CWND}@10.2.1.0/16=5", "'10.2.1.0/16' is no destination"), (f"{LENGTH}@../../x=5", "is no name of a device"),
            (f"{LENGTH}@=5", "is no name of a device"), (f"{LENGTH}@v0=0", "is below 1"), (f"{LENGTH}@v0", "KEY=VALUE"), ("@v0=1", "catalogue"),
            ("net.core.somaxconn@v0=5000", "no setting of a device or a route"), (f"{QDISC}@v0=htb", "is none of default, fq"),
            (f"{QDISC}@v0=mq", "is none of"), (f"{RPS}@v0=x y", "hexadecimal"), (f"{CWND}@default=1001", "above 1000")]:
        message = refused(wanted, code=2)
        assert words in message, message
    expect(shown(), before, "afterwards")


@fact
def a_plan_for_what_could_not_be_called_so_is_refused():
    own_links()
    for made in (device("../v0"), device(""), device("v0" * 20), device("v0") | {"netns": "x"}, device("v0") | {"kind": "route"}):
        one_error(apply_plan(plan_for(LENGTH, made, "1000", "2000")), 1)
    other = device("v0") | {"cookie": scope()["cookie"] + 1}
    assert "not available" in one_error(apply_plan(plan_for(LENGTH, other, "1000", "2000")), 1)
    assert "is no route" in one_error(apply_plan(plan_for(CWND, device("10.2.1.0/16") | {"kind": "route"}, "20", "30")), 1)
    assert "is 1000 now" in one_error(apply_plan(plan_for(LENGTH, device("v0"), "1001", "2000")), 1)
    expect(status()["state"], "none", "state")


@fact
def list_shows_what_is_not_as_usual_and_with_all_everything():
    own_links()
    found = {(row["key"], row["where"]): row for row in succeed("tune", "list", "--json").json() if row["where"]}
    expect([(key, row["value"]) for key, row in found.items()], [((CWND, "10.2.0.0/16"), "20")], "what is not as usual")
    assert f"{CWND}@10.2.0.0/16 " in succeed("tune", "list").out
    apply("--set", f"{LENGTH}@v0=2000", *LONG)
    succeed("tune", "confirm")
    everything = {(row["key"], row["where"]): row for row in succeed("tune", "list", "--all", "--json").json() if row["where"]}
    expect(everything[LENGTH, "v0"] | {"meaning": ""},
           {"key": LENGTH, "scope": "device", "where": "v0", "value": "2000", "default": "1000", "floor": 1, "ceiling": 1000000, "unit": "packets",
            "set_by": {"kind": "netsonde", "file": None, "line": None, "file_value": None, "set": 1}, "meaning": "",
            "risk": "more waiting in a longer queue, drops in a shorter one", "available": True, "why_not": None}, "row")
    expect({where for key, where in everything if key == LENGTH}, {"lo", "v0", "v1"}, "devices")
    expect((everything[XPS, "lo"]["value"], everything[RPS, "v0"]["value"], everything[QDISC, "v0"]["value"]), (None, "0 0", "default"), "values")
    assert all(row["where"] is None for row in succeed("tune", "list", "--json").json() if row["key"].startswith("net."))


@fact
def one_device_can_be_named_alone():
    own_links()
    one = succeed("tune", "list", f"{LENGTH}@v1", "--json").json()
    expect([(row["key"], row["where"]) for row in one], [(LENGTH, "v1")], "list")
    assert "there is no device v9; there are lo, v1, v0" in one_error(run("tune", "list", f"{LENGTH}@v9"), 1)
    assert "no setting of a device" in one_error(run("tune", "list", "net.core.somaxconn@v0"), 2)
    wanted = ("tune", "apply", "--yes", *LONG, "--set", f"{LENGTH}@v0=2000", f"{LENGTH}@v1=2000", f"{CWND}@10.2.0.0/16=33")
    done = run(*wanted, "--only", f"{LENGTH}@v1", f"{CWND}@10.2.0.0/16")
    expect([(row["scope"]["name"], row["after"]) for row in succeed("tune", "log", "--json").json()], [("v1", "2000"), ("10.2.0.0/16", "33")], "changed")
    assert f"{LENGTH}: left out: --only others" in done.err, done.err
    assert "set by    change set 1, pending" in succeed("tune", "list", f"{LENGTH}@v1").out
    succeed("tune", "confirm")
    assert "set by    change set 1\n" in succeed("tune", "list", f"{LENGTH}@v1").out


@fact
def a_report_as_text_tells_all_of_a_change():
    own_links()
    apply("--set", f"{RPS}@v0=3 1", f"{CWND}@10.2.0.0/16=33", *LONG)
    words = " ".join(succeed("tune", "report").out.split())
    for told in (f"1 {RPS}", "0 0 3 1 pending", "device v0 in netns", "route 10.2.0.0/16 in netns", "asked for"):
        assert told in words, words


@fact
def without_any_route_that_is_said():
    own_host()
    tool("ip", "link", "set", "lo", "down")
    for family in ("-4", "-6"):
        expect(tool("ip", family, "route"), "", "routes")
    expect([(row["where"], row["why_not"]) for row in succeed("tune", "list", CWND, "--json").json()], [(None, "there is no route")], "row")


@fact
def they_are_not_kept_over_a_boot_and_that_is_told():
    own_links()
    apply("--set", f"{LENGTH}@v0=2000", *LONG)
    succeed("tune", "confirm")
    assert f"only sysctls: {LENGTH}@v0" in one_error(run("tune", "persist"), 1)
    apply("--set", "net.core.somaxconn=5000", *LONG)
    succeed("tune", "confirm")
    done = run("tune", "persist")
    expect(done.status, 0, "exit status")
    assert done.err.count(LENGTH) == 1 and "not kept over a boot" in done.err, done.err
    assert LENGTH not in open("/etc/sysctl.d/90-netsonde.conf", encoding="ascii").read()


@fact
def thousands_of_routes_are_listed_in_no_time():
    own_links()
    with open("/var/lib/routes", "w", encoding="ascii") as batch:
        batch.writelines(f"route add 10.{i // 250 + 100}.{i % 250}.0/24 via 10.1.0.2\n" for i in range(5000))
    tool("ip", "-batch", "/var/lib/routes")
    begun = time.monotonic()
    expect(len(succeed("tune", "list", "--all", "--json").lines) > 25000, True, "rows")
    assert time.monotonic() - begun < 10
    message = refused(f"{CWND}@10.99.0.0/16=5")
    assert len(message) < 1000 and " more" in message, message
