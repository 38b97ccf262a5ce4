# SPDX-License-Identifier: Apache-2.0
"""tune: the settings of devices and of routes. They are those of a network namespace of our own, shown by ip(8), tc(8) and a
sysfs of that namespace: what is undone must be as it was, letter for letter."""

import socket

import harness
from harness import eventually, expect, fact, finish, launch, one_error, run, succeed, tool
from linked import CONTROL, CWND, LENGTH, QDISC, QUICK, RPS, RTO, RWND, THREADED, XPS, add_nexthop_routes, device, files, other_namespace, own_links, plan_for, polled_device, qdisc, refused, shown
from tuned import LONG, apply, apply_plan, kill_guard, killed, persist, scope, status, undo


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
def what_is_gone_keeps_nothing_from_being_undone():
    own_links()
    apply("--set", f"{LENGTH}@v0=2000", f"{QDISC}@v1=pfifo", f"{CWND}@10.2.0.0/16=33", f"{LENGTH}@lo=1234", *LONG)
    tool("ip", "link", "del", "v0")
    expect([change["value_now"] for change in status()["changes"]], [None, None, None, "1234"], "what is there now")
    succeed("tune", "rollback")
    expect([row["outcome"] for row in succeed("tune", "log", "--json").json()], ["gone", "gone", "gone", "rolled-back"], "outcomes")
    assert "qlen 1000" in tool("ip", "link", "show", "lo"), "the other is undone"



@fact
def a_device_with_another_name_is_undone_and_who_took_its_name_is_not_touched():
    own_links()
    before = files("v0")
    apply("--set", f"{LENGTH}@v0=2000", f"{RPS}@v0=1 1", f"{QDISC}@v0=pfifo", *LONG)
    tool("ip", "link", "set", "v0", "name", "w0")
    tool("ip", "link", "add", "v0", "txqueuelen", "2000", "type", "veth", "peer", "name", "v9")
    succeed("tune", "rollback")
    expect([row["outcome"] for row in succeed("tune", "log", "--json").json()], ["rolled-back"] * 3, "outcomes")
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
def they_are_not_kept_over_a_boot_and_that_is_told():
    own_links()
    apply("--set", f"{LENGTH}@v0=2000", *LONG)
    succeed("tune", "confirm")
    assert f"only sysctls: {LENGTH}@v0" in one_error(persist(), 1)
    apply("--set", "net.core.somaxconn=5000", *LONG)
    succeed("tune", "confirm")
    done = persist()
    expect(done.status, 0, "exit status")
    assert done.err.count(LENGTH) == 1 and "not kept over a boot" in done.err, done.err
    assert LENGTH not in open("/etc/sysctl.d/90-netsonde.conf", encoding="ascii").read()
