# SPDX-License-Identifier: Apache-2.0
"""tune: settings are changed, and undone. The settings are those of a network namespace of our own, read by sysctl(8);
the journal and the files of sysctl.d lie on file systems of our own."""

import json
import os
import socket

from harness import eventually, expect, fact, finish, netns, one_error, run, start, succeed, tool
from tuned import (BOTH, CHANGED, IDLE, JOURNAL, LONG, ORIGINAL, SOMAXCONN, apply, apply_plan, guard, kill_guard, namespaces, own_host,
                   persist, scope, status, undo, values)


@fact
def what_is_applied_is_in_force_and_pending():
    own_host()
    expect(values(), ORIGINAL, "before")
    apply()
    expect(values(), CHANGED, "sysctl")
    found = status()
    expect((found["state"], found["set"]), ("pending", 1), "state")
    assert 50 < found["seconds_left"] <= 60, found
    expect([(change["key"], change["before"], change["after"], change["read_back"], change["outcome"]) for change in found["changes"]],
           [(SOMAXCONN, "4096", "5000", "5000", "pending"), (IDLE, "1", "0", "0", "pending")], "changes")
    expect(found["changes"][0]["scope"]["name"], str(netns()), "scope")
    undo()


@fact
def without_a_confirmation_the_guard_rolls_back():
    own_host()
    apply(*BOTH, "--confirm-within", "100ms")
    eventually(lambda: status()["state"] == "rolled-back", "the rollback")
    expect(values(), ORIGINAL, "sysctl")
    eventually(lambda: guard() is None, "the end of the guard")
    assert "not confirmed in time" in " ".join(succeed("tune", "log").out.split())
    expect({row["outcome"] for row in succeed("tune", "log", "--json").json()}, {"rolled-back"}, "outcomes")


@fact
def the_guard_belongs_to_nobodys_session():
    own_host()
    apply()
    pid = guard()
    assert os.getsid(pid) not in (os.getsid(0), pid), "it could get a terminal"
    expect(len(os.listdir(f"/proc/{pid}/fd")), 7, "descriptors")
    undo()


@fact
def what_is_confirmed_stays():
    own_host()
    apply(*BOTH, "--confirm-within", "10s")
    succeed("tune", "confirm")
    eventually(lambda: guard() is None, "the end of the guard")
    expect((values(), status()["state"]), (CHANGED, "confirmed"), "afterwards")
    assert "nothing is pending" in one_error(run("tune", "confirm"), 1)


@fact
def rollback_undoes_the_newest_and_to_all_after_one():
    own_host()
    for value in (5000, 6000, 7000):
        apply("--set", f"{SOMAXCONN}={value}", *LONG)
        succeed("tune", "confirm")
    succeed("tune", "rollback")
    expect(values(SOMAXCONN), [["6000"]], "the newest is undone")
    succeed("tune", "rollback", "--to", "1")
    expect(values(SOMAXCONN), [["5000"]], "so is the second")
    succeed("tune", "rollback", "--to", "0")
    expect(values(SOMAXCONN), [["4096"]], "all are")
    assert "nothing to roll back" in one_error(run("tune", "rollback"), 1)
    assert "no change set 9" in one_error(run("tune", "rollback", "--to", "9"), 1)


@fact
def wait_ends_with_the_outcome():
    own_host()
    waiting = start("tune", "apply", "--yes", "--wait", *BOTH, *LONG)
    eventually(lambda: os.path.exists(JOURNAL) and status()["state"] == "pending", "the changes")
    succeed("tune", "confirm")
    expect(finish(waiting).status, 0, "exit status after a confirmation")
    done = run("tune", "apply", "--yes", "--wait", "--set", f"{SOMAXCONN}=6000", "--confirm-within", "100ms")
    expect((done.status, values(SOMAXCONN)), (1, [["5000"]]), "status and value after a rollback")
    assert "not confirmed in time" in done.out, done.out


@fact
def wait_takes_over_from_a_guard_that_is_killed():
    own_host()
    waiting = start("tune", "apply", "--yes", "--wait", *BOTH, *LONG)
    eventually(lambda: os.path.exists(JOURNAL) and status()["state"] == "pending", "the changes")
    kill_guard()
    expect(finish(waiting).status, 1, "exit status")
    expect((values(), status()["state"]), (ORIGINAL, "rolled-back"), "afterwards")


@fact
def what_may_not_be_written_is_refused():
    own_host()
    for wanted, words, code in [("kernel.core_pattern=x", "not in the catalogue", 2), ("../../etc/passwd=x", "not in the catalogue", 2),
                                (f"{SOMAXCONN}=0", "below 1", 2), (f"{SOMAXCONN}=70000", "above 65535", 2), (f"{SOMAXCONN}=many", "many", 2),
                                (f"{SOMAXCONN}=5000\n6000", SOMAXCONN, 2), (SOMAXCONN, "KEY=VALUE", 2),
                                ("net.core.rmem_max=8000000", "only be read", 1), ("net.ipv4.tcp_congestion_control=none", "not available in netns", 1)]:
        message = one_error(run("tune", "apply", "--yes", "--set", wanted), code)
        assert words in message, message
    expect(values(), ORIGINAL, "sysctl")
    expect(status()["state"] in ("none", "rolled-back"), True, "state")


@fact
def nobody_is_taken_to_agree():
    own_host()
    assert "--yes" in one_error(run("tune", "apply", *BOTH), 1)
    expect((values(), status()["state"]), (ORIGINAL, "none"), "afterwards")


@fact
def a_second_change_waits_for_the_first():
    own_host()
    apply()
    message = one_error(run("tune", "apply", "--yes", "--set", f"{SOMAXCONN}=6000"), 1)
    assert "change set 1 is pending" in message, message
    undo()


@fact
def of_many_at_once_one_changes():
    own_host()
    crowd = [start("tune", "apply", "--yes", "--set", f"{SOMAXCONN}={5000 + i}", *LONG) for i in range(8)]
    winners = [i for i, process in enumerate(crowd) if finish(process).status == 0]
    expect(len(winners), 1, "of them")
    expect(values(SOMAXCONN), [[str(5000 + winners[0])]], "value")
    undo()
    expect(values(), ORIGINAL, "afterwards")


@fact
def what_the_administrator_sets_meanwhile_stays_and_is_left_alone():
    own_host()
    apply()
    tool("sysctl", "-w", f"{SOMAXCONN}=7777")
    succeed("tune", "rollback")
    expect(values(), [["7777"], ["1"]], "sysctl")
    expect([one["key"] for one in status()["left_alone"]], [SOMAXCONN], "left alone")
    message = one_error(run("tune", "apply", "--yes", "--set", f"{SOMAXCONN}=5000"), 1)
    assert "somebody else" in message and "hand-back" in message, message
    succeed("tune", "hand-back", SOMAXCONN)
    apply("--set", f"{SOMAXCONN}=5000", *LONG)
    succeed("tune", "rollback")
    expect(values(SOMAXCONN), [["7777"]], "sysctl, in the end")


@fact
def what_the_administrator_sets_after_the_confirmation_is_left_alone():
    own_host()
    apply()
    succeed("tune", "confirm")
    tool("sysctl", "-w", f"{SOMAXCONN}=7777")
    message = one_error(run("tune", "apply", "--yes", "--set", f"{SOMAXCONN}=5000"), 1)
    assert "somebody else" in message, message
    succeed("tune", "rollback", "--to", "0")
    expect(values(), [["7777"], ["1"]], "sysctl")


def plan(**changes):
    boot = open("/proc/sys/kernel/random/boot_id", encoding="ascii").read().strip()
    proposal = {"key": SOMAXCONN, "scope": scope(), "from": "4096", "to": "5000", "evidence": []}
    made = {"schema": 1, "time_ns": 1, "host": socket.gethostname(), "boot": boot, "goal": "balanced",
            "proposals": [proposal | changes.pop("proposal", {})], "considered": []}
    return json.dumps(made | changes)


@fact
def a_plan_from_a_file_is_applied():
    own_host()
    expect((apply_plan(plan()).status, values(SOMAXCONN)), (0, [["5000"]]), "status and value")
    undo()


@fact
def a_plan_that_does_not_fit_is_refused():
    own_host()
    other = scope() | {"cookie": scope()["cookie"] + 1}
    for text, words in [(plan(host="other"), "made for other"), (plan(boot="x"), "before this host was booted"), (plan(schema=2), "schema"),
                        (plan(proposal={"from": "4095"}), "is 4096 now"), (plan(proposal={"to": "0"}), "below"),
                        (plan(proposal={"key": "kernel.panic"}), "catalogue"), (plan(proposal={"scope": {"kind": "host", "name": ""}}), "of a netns"),
                        (plan(proposal={"scope": other}), "not available"), (plan(proposal={"to": 5000}), "to"), (plan(proposals={}), "proposals"),
                        ("", "not JSON"), ("[" * 100000, "not JSON"), ("\0", "not JSON"), ("{}", "schema"), ('{"schema": 1e9}', "schema"),
                        (plan(proposal={"to": "5000\n6000"}), SOMAXCONN), (plan(proposal={"to": "5000\u0000"}), SOMAXCONN)]:
        message = one_error(apply_plan(text), 1)
        assert words in message, (words, message)
    twice = json.loads(plan())
    twice["proposals"] *= 2
    assert "two proposals" in one_error(apply_plan(json.dumps(twice)), 1)
    for path in ("/var/lib/none", "/var/lib", "/dev/zero"):
        one_error(run("tune", "apply", "--yes", path), 1)
    expect((values(), status()["state"]), (ORIGINAL, "none"), "afterwards")


def values_in(processes):
    return [tool("nsenter", "-t", str(process.pid), "-n", "sysctl", "-n", SOMAXCONN).strip() for process in processes]


def plan_for(scopes):
    made = json.loads(plan())
    made["proposals"] = [made["proposals"][0] | {"scope": one} for one in scopes]
    return json.dumps(made)


@fact
def a_thousand_other_namespaces_are_changed_and_undone():
    own_host()
    with namespaces(1000) as (scopes, held):
        some = held[::20]
        done = apply_plan(plan_for(scopes))
        expect((done.status, set(values_in(some))), (0, {"5000"}), f"status and values, {done.err}")
        expect(values(SOMAXCONN), [["4096"]], "the own one")
        succeed("tune", "rollback")
        expect(set(values_in(some)), {"4096"}, "afterwards")


@fact
def a_namespace_that_vanishes_keeps_nothing_from_being_undone():
    own_host()
    with namespaces(3) as (scopes, held):
        expect(apply_plan(plan_for(scopes)).status, 0, "exit status")
        kill_guard()  # it holds none of them, but whoever looks into one does for a while
        held[1].kill()
        held[1].wait()
        succeed_or_told = run("tune", "rollback")
        expect(succeed_or_told.status, 0, "exit status")
        expect(values_in([held[0], held[2]]), ["4096", "4096"], "the others")
        outcomes = [row["outcome"] for row in succeed("tune", "log", "--json").json()]
        expect(outcomes, ["rolled-back", "gone", "rolled-back"], "outcomes")


@fact
def what_is_confirmed_can_be_persisted_and_later_files_are_told():
    own_host()
    assert "nothing that holds here is confirmed" in one_error(persist(), 1)
    apply()
    succeed("tune", "confirm")
    with open("/etc/sysctl.d/95-later.conf", "w", encoding="ascii") as later:
        later.write(f"\n{IDLE} = 1\n")
    done = persist()
    expect(done.status, 0, "exit status")
    assert f"netsonde: /etc/sysctl.d/95-later.conf:2 overrides {IDLE}\n" in done.err, done.err
    lines = open("/etc/sysctl.d/90-netsonde.conf", encoding="ascii").read().splitlines()
    expect([line for line in lines if line and line[0] != "#"], [f"{SOMAXCONN} = 5000", f"{IDLE} = 0"], "file")
    tool("sysctl", "-w", f"{SOMAXCONN}=4096")
    tool("sysctl", "-p", "/etc/sysctl.d/90-netsonde.conf")
    expect(values(), CHANGED, "after sysctl has read it")
    succeed("tune", "unpersist")
    expect(os.listdir("/etc/sysctl.d"), ["95-later.conf"], "files")


@fact
def elsewhere_than_in_the_first_network_namespace_nothing_is_persisted():
    own_host()
    apply()
    succeed("tune", "confirm")
    expect(persist().status, 0, "exit status there")
    assert "first network namespace" in one_error(run("tune", "persist"), 1)
    expect(len(persisted()), 2, "settings")


@fact
def a_later_change_that_was_undone_takes_nothing_from_the_file():
    own_host()
    apply("--set", f"{SOMAXCONN}=5000", *LONG)
    succeed("tune", "confirm")
    expect(persist().status, 0, "exit status")
    apply("--set", f"{SOMAXCONN}=6000", *LONG)
    expect((persist().status, persisted()), (0, [f"{SOMAXCONN} = 5000"]), "while another is pending")
    done = succeed("tune", "rollback")
    assert "is still in" not in done.out, done.out
    expect((persist().status, persisted()), (0, [f"{SOMAXCONN} = 5000"]), "after it was undone")


def persisted():
    with open("/etc/sysctl.d/90-netsonde.conf", encoding="ascii") as file:
        return [line for line in file.read().splitlines() if line and line[0] != "#"]


@fact
def what_is_undone_or_not_so_any_more_is_not_persisted():
    own_host()
    for key, value in ((SOMAXCONN, 5000), (IDLE, 0)):
        apply("--set", f"{key}={value}", *LONG)
        succeed("tune", "confirm")
    persist()
    expect(len(persisted()), 2, "settings")
    assert "is still in /etc/sysctl.d/90-netsonde.conf" in succeed("tune", "rollback").out
    persist()
    expect(persisted(), [f"{SOMAXCONN} = 5000"], "after one is undone")
    tool("sysctl", "-w", f"{SOMAXCONN}=7777")
    assert "7777" in succeed("tune", "status").out
    done = persist()
    assert done.status == 0 and f"{SOMAXCONN} is 7777 now, not 5000" in done.err, done.err
    expect(os.listdir("/etc/sysctl.d"), [], "files")


@fact
def one_setting_is_not_changed_twice_at_once():
    own_host()
    message = one_error(run("tune", "apply", "--yes", "--set", f"{SOMAXCONN}=5000", f"{SOMAXCONN}=6000"), 1)
    assert f"two proposals for {SOMAXCONN}" in message, message
    assert "no namespace" in one_error(apply_plan(plan(proposal={"scope": scope() | {"name": "0" + scope()["name"]}})), 1)
    expect((values(), status()["state"]), (ORIGINAL, "none"), "afterwards")
