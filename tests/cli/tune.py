# SPDX-License-Identifier: Apache-2.0
"""tune: settings are changed, and undone whatever happens. The settings are those of a network namespace of our own,
read by sysctl(8); the journal and the files of sysctl.d lie on file systems of our own."""

import contextlib
import fcntl
import http.server
import itertools
import json
import os
import signal
import socket
import threading

import tuned
from harness import eventually, expect, fact, finish, is_in_its_loop, launch, netns, one_error, run, start, succeed, tool
from tuned import (JOURNAL, LARGE, LONG, RMEM, SMALL, SOMAXCONN, apply_plan, guard, kill_guard, killed, long_path, namespaces,
                   overflowing_listener, own_host, scope, status, undo)

IDLE = "net.ipv4.tcp_slow_start_after_idle"


def values(*keys):
    """As sysctl(8) reads them."""
    return [tool("sysctl", "-n", key).split() for key in keys or (SOMAXCONN, IDLE)]


ORIGINAL, CHANGED = [["4096"], ["1"]], [["5000"], ["0"]]
BOTH = ("--set", f"{SOMAXCONN}=5000", f"{IDLE}=0")


def apply(*arguments):
    return tuned.apply(*(arguments or (*BOTH, *LONG)))


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
    expect({row["outcome"] for row in succeed("tune", "log", "--json").json()}, {"rolled back"}, "outcomes")


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


# What changes something outside of the process: between any two of these it may be killed.
CALLS = ("write", "pwrite64", "fdatasync", "fsync", "openat2", "flock", "mkdir", "fallocate", "clone", "pipe2")


def cuts(*arguments, prepare=lambda: None):
    """Kills the command at each of its calls; yields where, with the host as that has left it."""
    own_host()
    for call in CALLS:
        for number in itertools.count(1):
            prepare()
            was_killed = killed(call, number, *arguments)
            yield f"{call} {number}"
            if not was_killed:
                break


def settles(what):
    """After whatever has happened, and what an administrator does then, the host is as it was."""
    undo()
    expect((values(), status()["state"] in ("none", "rolled-back")), (ORIGINAL, True), what)


@fact
def killed_at_every_call_while_it_applies_it_is_undone():
    count = 0
    for count, place in enumerate(cuts("tune", "apply", "--yes", *BOTH, *LONG)):
        assert values() == ORIGINAL or status()["state"] in ("pending", "needs-recovery"), (place, status())
        settles(place)
    assert count > 30, count


@fact
def killed_at_every_call_together_with_its_guard_it_is_undone():
    for place in cuts("tune", "apply", "--yes", *BOTH, *LONG):
        if guard():
            kill_guard()
        if values() != ORIGINAL:
            expect(status()["state"], "needs-recovery", place)
            run("tune", "recover")
        expect(values(), ORIGINAL, place)
        settles(place)


@fact
def killed_at_every_call_while_it_rolls_back_it_is_undone():
    for place in cuts("tune", "rollback", prepare=apply):
        settles(place)


@fact
def killed_at_every_call_while_it_confirms_it_stays_pending_or_confirmed():
    for place in cuts("tune", "confirm", prepare=apply):
        expect((values(), status()["state"] in ("pending", "confirmed")), (CHANGED, True), place)
        settles(place)


@fact
def the_guard_rolls_back_also_when_it_was_killed_while_it_did():
    own_host()
    for number in range(1, 60):
        apply()
        tracer = launch(["strace", "-qq", "-o", "/dev/null", "-p", str(guard()), "-e", "trace=pwrite64,fdatasync,openat2,write,flock", "-e",
                         f"inject=pwrite64,fdatasync,openat2,write,flock:signal=SIGKILL:when={number}"])
        pid = guard()
        eventually(lambda: "TracerPid:\t0" not in open(f"/proc/{pid}/status", encoding="ascii").read(), "the tracer")
        os.kill(pid, signal.SIGTERM)
        finish(tracer)
        eventually(lambda: guard() is None, "the end of the guard")
        ended = status()["state"]
        settles(f"killed at call {number}")
        if ended == "rolled-back":
            return
    raise AssertionError("it never ends")


@fact
def a_guard_that_is_told_to_end_rolls_back_first():
    own_host()
    apply()
    os.kill(guard(), signal.SIGTERM)
    eventually(lambda: guard() is None, "the end of the guard")
    expect((values(), status()["state"]), (ORIGINAL, "rolled-back"), "afterwards")


@fact
def without_its_guard_a_set_needs_recovery():
    own_host()
    apply()
    kill_guard()
    expect(status()["state"], "needs-recovery", "state")
    assert "recover" in one_error(run("tune", "confirm"), 1)
    done = run("tune", "recover")
    expect((done.status, values(), status()["state"]), (0, ORIGINAL, "rolled-back"), "afterwards")
    assert "nothing was interrupted" in succeed("tune", "recover").out


@fact
def the_next_change_undoes_what_was_interrupted():
    own_host()
    apply()
    kill_guard()
    done = run("tune", "apply", "--yes", "--set", f"{SOMAXCONN}=6000", *LONG)
    expect((done.status, values()), (0, [["6000"], ["1"]]), "afterwards")
    assert "change set 1 was interrupted" in done.err, done.err
    undo()


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


@fact
def without_room_for_the_journal_nothing_is_changed():
    own_host("4k")
    with open("/var/lib/full", "wb") as full, contextlib.suppress(OSError):
        full.write(bytes(65536))
    message = one_error(run("tune", "apply", "--yes", *BOTH), 1)
    assert "No space left" in message, message
    expect(values(), ORIGINAL, "sysctl")


@fact
def below_a_read_only_file_system_nothing_is_changed():
    own_host()
    tool("mount", "-o", "remount,ro", "/var/lib")
    message = one_error(run("tune", "apply", "--yes", *BOTH), 1)
    assert "Read-only file system" in message, message
    expect(values(), ORIGINAL, "sysctl")


@fact
def a_disk_that_fills_up_meanwhile_does_not_keep_it_from_undoing():
    own_host("64k")
    apply()
    with open("/var/lib/full", "wb") as full, contextlib.suppress(OSError):
        full.write(bytes(1 << 20))
    succeed("tune", "rollback")
    expect((values(), status()["state"]), (ORIGINAL, "rolled-back"), "afterwards")


@fact
def a_journal_that_others_may_write_is_not_trusted():
    own_host()
    os.mkdir("/var/lib/netsonde", 0o700)
    for spoil in (lambda: os.symlink("/etc/passwd", JOURNAL), lambda: os.mkfifo(JOURNAL),
                  lambda: os.close(os.open(JOURNAL, os.O_CREAT | os.O_WRONLY, 0o600)) or os.chmod(JOURNAL, 0o666),
                  lambda: os.close(os.open(JOURNAL, os.O_CREAT | os.O_WRONLY, 0o600)) or os.chown(JOURNAL, 1000, 0)):
        spoil()
        one_error(run("tune", "apply", "--yes", *BOTH), 1)
        os.unlink(JOURNAL)
    os.chmod("/var/lib/netsonde", 0o777)
    assert "trusted" in one_error(run("tune", "apply", "--yes", *BOTH), 1)
    expect(values(), ORIGINAL, "sysctl")


@fact
def a_damaged_journal_is_told_and_nothing_is_changed():
    own_host()
    apply()
    succeed("tune", "confirm")
    with open(JOURNAL, "r+b") as journal:
        journal.seek(100)
        journal.write(b"!")
    for arguments in (("status",), ("log",), ("apply", "--yes", "--set", f"{SOMAXCONN}=6000"), ("rollback",)):
        message = one_error(run("tune", *arguments), 1)
        assert "is damaged: record 1" in message, message
    expect(values(), CHANGED, "sysctl")


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
        expect(outcomes, ["rolled back", "gone", "rolled back"], "outcomes")


@fact
def what_is_confirmed_can_be_persisted_and_later_files_are_told():
    own_host()
    assert "nothing is confirmed" in one_error(run("tune", "persist"), 1)
    apply()
    succeed("tune", "confirm")
    with open("/etc/sysctl.d/95-later.conf", "w", encoding="ascii") as later:
        later.write(f"\n{IDLE} = 1\n")
    done = run("tune", "persist")
    expect(done.status, 0, "exit status")
    assert f"netsonde: /etc/sysctl.d/95-later.conf:2 overrides {IDLE}\n" in done.err, done.err
    lines = open("/etc/sysctl.d/90-netsonde.conf", encoding="ascii").read().splitlines()
    expect([line for line in lines if line and line[0] != "#"], [f"{SOMAXCONN} = 5000", f"{IDLE} = 0"], "file")
    tool("sysctl", "-w", f"{SOMAXCONN}=4096")
    tool("sysctl", "-p", "/etc/sysctl.d/90-netsonde.conf")
    expect(values(), CHANGED, "after sysctl has read it")
    succeed("tune", "unpersist")
    expect(os.listdir("/etc/sysctl.d"), ["95-later.conf"], "files")


def persisted():
    with open("/etc/sysctl.d/90-netsonde.conf", encoding="ascii") as file:
        return [line for line in file.read().splitlines() if line and line[0] != "#"]


@fact
def what_is_undone_or_not_so_any_more_is_not_persisted():
    own_host()
    for key, value in ((SOMAXCONN, 5000), (IDLE, 0)):
        apply("--set", f"{key}={value}", *LONG)
        succeed("tune", "confirm")
    run("tune", "persist")
    expect(len(persisted()), 2, "settings")
    assert "is still in /etc/sysctl.d/90-netsonde.conf" in succeed("tune", "rollback").out
    run("tune", "persist")
    expect(persisted(), [f"{SOMAXCONN} = 5000"], "after one is undone")
    tool("sysctl", "-w", f"{SOMAXCONN}=7777")
    assert "7777" in succeed("tune", "status").out
    done = run("tune", "persist")
    assert done.status == 1 and f"{SOMAXCONN} is 7777 now, not 5000" in done.err, done.err
    expect(os.listdir("/etc/sysctl.d"), [], "files")


@fact
def without_its_journal_the_guard_undoes_what_it_remembers():
    for lose in (lambda: tool("rm", "-r", "/var/lib/netsonde"), lambda: os.rename("/var/lib/netsonde", "/var/lib/away"),
                 lambda: open(JOURNAL, "wb").close(), lambda: os.chmod(JOURNAL, 0o666), lambda: tool("mount", "-t", "tmpfs", "none", "/var/lib")):
        own_host()
        apply(*BOTH, "--confirm-within", "300ms")
        lose()
        eventually(lambda: values() == ORIGINAL, "the rollback")


@fact
def a_stopped_process_does_not_stop_the_guard():
    own_host()
    apply(*BOTH, "--confirm-within", "1s")
    with open(JOURNAL, "rb") as journal:
        fcntl.flock(journal, fcntl.LOCK_EX)
        eventually(lambda: values() == ORIGINAL, "the rollback", within=30)
    undo()


@fact
def after_the_deadline_nothing_can_be_confirmed():
    own_host()
    apply(*BOTH, "--confirm-within", "2s")
    os.kill(guard(), signal.SIGSTOP)
    eventually(lambda: status()["state"] == "needs-recovery", "the deadline")
    assert "recover" in one_error(run("tune", "confirm"), 1)
    expect(run("tune", "recover").status, 0, "recover")
    expect((values(), status()["state"]), (ORIGINAL, "rolled-back"), "afterwards")
    kill_guard()


@fact
def a_rollback_that_fails_for_a_while_is_tried_again():
    own_host()
    apply("--set", f"{IDLE}=0", "--confirm-within", "2s")
    tool("mount", "--bind", "/proc/sys/net/ipv4", "/proc/sys/net/ipv4")
    tool("mount", "-o", "remount,bind,ro", "/proc/sys/net/ipv4")
    eventually(lambda: status()["state"] == "needs-recovery", "the failure")
    done = succeed("tune", "status")
    assert "sysctl -w" in done.out, done.out
    tool("umount", "/proc/sys/net/ipv4")
    eventually(lambda: values(IDLE) == [["1"]], "the next try")
    eventually(lambda: status()["state"] == "rolled-back", "its record")


@fact
def who_cannot_tell_undoes_all_the_same():
    for arguments in (("recover",), ("apply", "--yes", "--set", "net.core.rmem_max=8000000")):
        own_host()
        apply()
        kill_guard()
        with open("/dev/full", "wb") as full:
            finish(start("tune", *arguments, stderr=full))
        expect(values(), ORIGINAL, "sysctl")


@fact
def one_setting_is_not_changed_twice_at_once():
    own_host()
    message = one_error(run("tune", "apply", "--yes", "--set", f"{SOMAXCONN}=5000", f"{SOMAXCONN}=6000"), 1)
    assert f"two proposals for {SOMAXCONN}" in message, message
    assert "no namespace" in one_error(apply_plan(plan(proposal={"scope": scope() | {"name": "0" + scope()["name"]}})), 1)
    expect((values(), status()["state"]), (ORIGINAL, "none"), "afterwards")


@fact
def an_experiment_cannot_be_confirmed_and_ends_without_its_guard():
    with long_path():
        running = start("tune", "experiment", "--yes", "--set", f"{RMEM}={LARGE}", "--load", "python3 -S /var/lib/load.py", "--wash-out", "10ms")
        eventually(lambda: os.path.exists(JOURNAL) and status()["state"] == "pending", "the experiment")
        expect((status()["deadline"], status()["seconds_left"]), (None, None), "deadline")
        assert "experiment" in one_error(run("tune", "confirm"), 1)
        kill_guard()
        done = finish(running)
        assert "the guard has died" in done.out, done.out
        expect((values(RMEM), status()["state"]), ([SMALL.split()], "rolled-back"), "afterwards")


@fact
def an_experiment_whose_guard_is_stopped_can_be_recovered_when_it_was_killed():
    with long_path():
        running = start("tune", "experiment", "--yes", "--set", f"{RMEM}={LARGE}", "--load", "python3 -S /var/lib/load.py", "--wash-out", "10ms")
        eventually(lambda: values(RMEM) == [LARGE.split()], "the change")
        expect(run("tune", "recover").out, "nothing was interrupted\n", "while it runs")
        stopped = guard()
        os.kill(stopped, signal.SIGSTOP)
        try:
            running.kill()
            running.wait()
            expect(status()["state"], "needs-recovery", "state")
            expect(run("tune", "recover").status, 0, "recover")
            expect((values(RMEM), status()["state"]), ([SMALL.split()], "rolled-back"), "afterwards")
        finally:
            os.kill(stopped, signal.SIGCONT)
        eventually(lambda: guard() is None, "the end of the guard")


@fact
def what_somebody_else_has_set_is_not_proposed():
    own_host()
    apply("--set", f"{SOMAXCONN}=5000", *LONG)
    tool("sysctl", "-w", f"{SOMAXCONN}=6000")
    succeed("tune", "rollback")
    made = json.loads(succeed("tune", "plan", "--profile", "server", "--json").out)
    assert SOMAXCONN not in [one["key"] for one in made["proposals"]], made
    assert any(one["key"] == SOMAXCONN and "hand-back" in one["why_not"] for one in made["considered"]), made["considered"]


@fact
def list_shows_the_values_of_the_kernel_and_who_set_them():
    own_host()
    with open("/etc/sysctl.d/50-own.conf", "w", encoding="ascii") as own:
        own.write(f"{SOMAXCONN} = 4096\n{IDLE}=0\n")
    rows = {row["key"]: row for row in succeed("tune", "list", "--json").json()}
    for key, row in rows.items():
        expect(row["value"].split(), tool("sysctl", "-n", key).split(), key)
    expect(rows[SOMAXCONN]["set_by"] | {"set": 0}, {"kind": "file", "file": "/etc/sysctl.d/50-own.conf", "line": 1, "file_value": "4096", "set": 0}, "file")
    expect((rows[IDLE]["set_by"]["kind"], rows[IDLE]["set_by"]["file_value"]), ("run-time", "0"), "run time")
    apply("--set", f"{IDLE}=0", *LONG)
    succeed("tune", "confirm")
    expect(succeed("tune", "list", IDLE, "--json").json()[0]["set_by"]["set"], 1, "change set")
    assert not any(row["value"] is None for row in rows.values())
    everything = succeed("tune", "list", "--all", "--json").json()
    missing = [row for row in everything if row["value"] is None]
    assert missing and all(row["why_not"] and not row["available"] for row in missing), missing
    assert "not in the catalogue" in one_error(run("tune", "list", "kernel.panic"), 2)


@fact
def without_root_values_are_listed_and_nothing_is_changed():
    own_host()
    nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    expect(run("tune", "list", wrap=nobody).status, 0, "list")
    for arguments in (("apply", "--yes", *BOTH), ("confirm",), ("rollback",), ("recover",), ("status",), ("log",), ("persist",)):
        message = one_error(run("tune", *arguments, wrap=nobody), 1)
        assert "root" in message, message
    expect(values(), ORIGINAL, "sysctl")


@contextlib.contextmanager
def web_server():
    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def experiment(value, *arguments):
    return run("tune", "experiment", "--yes", "--set", f"{RMEM}={value}", "--load", "python3 -S /var/lib/load.py", "--blocks", "6",
               "--wash-out", "10ms", *arguments)


@fact
def an_experiment_finds_what_a_setting_does_and_undoes_it():
    with long_path():
        done = experiment(LARGE, "--json")
        expect((done.status, done.err), (0, ""), "status and errors")
        deciding, summary = done.json()[0], done.json()[-1]
        expect((deciding["metric"], deciding["verdict"], deciding["blocks"]), ("load_seconds", "better", 6), "verdict")
        assert deciding["high"] < 0.9, deciding
        expect((summary["kept"], summary["set"], summary["ended_early"]), (False, 1, None), "summary")
        expect(values(RMEM), [SMALL.split()], "sysctl")
        logged = succeed("tune", "log", "--json").json()[0]
        expect((logged["effect"]["metric"], logged["effect"]["ratio"], logged["outcome"]), ("load_seconds", deciding["ratio"], "rolled back"), "log")


@fact
def what_an_experiment_proved_stays_if_wanted():
    with long_path():
        expect(experiment(LARGE, "--keep").status, 0, "exit status")
        expect((values(RMEM), status()["state"]), ([LARGE.split()], "confirmed"), "afterwards")
        eventually(lambda: guard() is None, "the end of the guard")


@fact
def what_an_experiment_did_not_prove_does_not_stay():
    with long_path():
        tool("sysctl", "-w", f"{RMEM}={LARGE}")
        done = experiment(SMALL, "--keep")
        expect((done.status, values(RMEM), status()["state"]), (4, [LARGE.split()], "rolled-back"), "afterwards")
        assert "worse" in done.out, done.out


@fact
def an_experiment_that_is_interrupted_or_killed_is_undone():
    with long_path():
        for number in (signal.SIGINT, signal.SIGKILL):
            sleeps_later = "[ ! -e /var/lib/tried ] || sleep 60; touch /var/lib/tried"
            running = start("tune", "experiment", "--yes", "--set", f"{RMEM}={LARGE}", "--load", sleeps_later)
            eventually(lambda: os.path.exists(JOURNAL) and status()["state"] == "pending" and is_in_its_loop(running), "the experiment")
            os.kill(running.pid, number)
            finish(running)
            eventually(lambda: guard() is None, "the end of the guard")
            expect((values(RMEM), status()["state"]), ([SMALL.split()], "rolled-back"), f"after signal {number}")
            os.unlink("/var/lib/tried")


@fact
def an_experiment_ends_when_somebody_else_sets_what_it_tries():
    with long_path():
        running = start("tune", "experiment", "--yes", "--set", f"{RMEM}={LARGE}", "--load", "python3 -S /var/lib/load.py")
        eventually(lambda: os.path.exists(JOURNAL) and status()["state"] == "pending", "the experiment")
        tool("sysctl", "-w", f"{RMEM}=4096 32768 99999")
        done = finish(running)
        assert done.status != 0 and "somebody else has set it to 4096 32768 99999" in " ".join(done.out.split()), done.out
        expect(values(RMEM), [["4096", "32768", "99999"]], "sysctl")


@fact
def an_experiment_ends_when_somebody_rolls_it_back():
    with long_path():
        running = start("tune", "experiment", "--yes", "--set", f"{RMEM}={LARGE}", "--load", "python3 -S /var/lib/load.py")
        eventually(lambda: os.path.exists(JOURNAL) and status()["state"] == "pending", "the experiment")
        succeed("tune", "rollback")
        done = finish(running)
        assert done.status != 0 and "somebody else has ended it" in done.out, done.out
        expect(values(RMEM), [SMALL.split()], "sysctl")


@fact
def an_experiment_with_a_load_that_fails_later_says_so():
    with long_path():
        done = run("tune", "experiment", "--yes", "--set", f"{RMEM}={LARGE}", "--load", "rm /var/lib/load.py || exit 3", "--wash-out", "10ms")
        assert done.status == 1 and "the load ended with status 3" in done.out, done.out
        expect((values(RMEM), status()["state"]), ([SMALL.split()], "rolled-back"), "afterwards")


@fact
def an_experiment_measures_a_probe():
    own_host()
    with web_server() as url:
        done = run("tune", "experiment", "--yes", "--set", f"{SOMAXCONN}=5000", "--probe", url, "--blocks", "6", "--period", "100ms",
                   "--wash-out", "10ms", "--json")
    deciding, summary = done.json()[0], done.json()[-1]
    # Round trips of microseconds scatter so much that it may take them for harm.
    expect((deciding["metric"], deciding["blocks"]), ("probe_us", summary["blocks"] if summary["harmed"] else 6), "what decides")
    assert deciding["before"] > 0 and deciding["after"] > 0, deciding
    expect(values(), ORIGINAL, "sysctl")


@fact
def bad_arguments_of_an_experiment_are_one_line():
    own_host()
    wanted = ("--yes", "--set", f"{SOMAXCONN}=5000")
    for arguments, words in [((), "--metric"), (("--metric", "speed"), "'speed' is none of"), (("--load", "x", "--probe", "http://x"), "only one"),
                             (("--metric", "load_seconds"), "--load"), (("--metric", "probe_us", "--load", "x"), "--probe"),
                             (("--probe", "ftp://x"), "ftp"), (("--load", "x", "--blocks", "3"), "from 6 to 1000")]:
        message = one_error(run("tune", "experiment", *wanted, *arguments), 2)
        assert words in message, message
    assert "nothing to try" in run("tune", "experiment", "--yes", "--set", f"{SOMAXCONN}=4096", "--load", "true").err
    expect((values(), status()["state"]), (ORIGINAL, "none"), "afterwards")


@fact
def a_plan_proposes_what_it_has_evidence_for_and_changes_nothing():
    own_host()
    with overflowing_listener():
        done = run("tune", "plan", "--duration", "2s", "-o", "/var/lib/plan.json", "--json")
        expect((done.status, done.out, values(SOMAXCONN)), (0, "", [["8"]]), "status, output and value")
        with open("/var/lib/plan.json", encoding="ascii") as file:
            made = json.load(file)
        proposal = next(one for one in made["proposals"] if one["scope"]["name"] == str(netns()))
        expect([proposal[key] for key in ("key", "from", "to", "finding")], [SOMAXCONN, "8", "32", "accept-overflow"], "proposal")
        evidence = {one["field"]: one["value"] for one in proposal["evidence"]}
        assert evidence["listen_overflows"] > 50 and evidence["limit.somaxconn"] == 8, evidence
        made["proposals"] = [proposal]
        expect((apply_plan(json.dumps(made)).status, values(SOMAXCONN)), (0, [["32"]]), "status and value after it is applied")
        undo()


@fact
def without_evidence_nothing_is_proposed():
    own_host()
    tool("sysctl", "-w", f"{SOMAXCONN}=8")
    made = json.loads(succeed("tune", "plan", "--duration", "1s", "--json").out)
    expect([one for one in made["proposals"] if one["scope"]["name"] == str(netns())], [], "proposals")


@fact
def what_is_left_out_of_a_plan_is_said():
    own_host()
    with overflowing_listener():
        made = json.loads(succeed("tune", "plan", "--duration", "1s", "--json", "--except", SOMAXCONN).out)
        assert SOMAXCONN not in [one["key"] for one in made["proposals"]], made
        assert {"key": SOMAXCONN, "why_not": "left out: --except"} in made["considered"], made["considered"]
    assert "not in the catalogue" in one_error(run("tune", "plan", "--only", "kernel.panic"), 2)


@fact
def a_plan_may_come_from_a_recording_of_this_host():
    own_host()
    with overflowing_listener():
        succeed_with_notes("record", "-o", "/var/lib/host.nsr", "--duration", "2s", "--interval", "500ms")
        made = json.loads(run("tune", "plan", "--from", "/var/lib/host.nsr", "--json").out)
        assert any(one["key"] == SOMAXCONN and one["scope"]["name"] == str(netns()) for one in made["proposals"]), made


def succeed_with_notes(*arguments):
    done = run(*arguments)
    expect(done.status, 0, f"exit status, {done.err}")


@fact
def a_profile_raises_and_does_not_lower():
    own_host()
    tool("sysctl", "-w", f"{SOMAXCONN}=60000")
    names = [line.split()[0] for line in succeed("tune", "profile", "list").lines if line[0] != " "]
    expect(names, ["classic", "latency", "server", "throughput", "wan"], "names")
    for name in names:
        assert succeed("tune", "profile", "show", name).out.startswith(name + ": ")
    made = json.loads(succeed("tune", "plan", "--profile", "server", "--json").out)
    assert SOMAXCONN not in [one["key"] for one in made["proposals"]], made
    assert any(one["key"] == SOMAXCONN and "60000" in one["why_not"] for one in made["considered"]), made["considered"]
    apply("--profile", "server", *LONG)
    for one in made["proposals"]:
        expect(values(one["key"]), [one["to"].split()], one["key"])
    succeed("tune", "rollback")
    for one in made["proposals"]:
        expect(values(one["key"]), [one["from"].split()], one["key"])


@fact
def an_administrators_profile_stands_before_ours():
    own_host()
    for folder in ("upper", "work"):
        os.mkdir(f"/var/lib/{folder}")
    tool("mount", "-t", "overlay", "none", "-o", "lowerdir=/etc,upperdir=/var/lib/upper,workdir=/var/lib/work", "/etc")
    os.makedirs("/etc/netsonde/profiles")
    with open("/etc/netsonde/profiles/server.toml", "w", encoding="ascii") as file:
        file.write(f'summary = "ours"\n[[setting]]\nkey = "{SOMAXCONN}"\nvalue = 5000\nwhy = "so"\n')
    made = json.loads(succeed("tune", "plan", "--profile", "server", "--json").out)
    expect([(one["key"], one["to"], one["finding"]) for one in made["proposals"]], [(SOMAXCONN, "5000", "profile server")], "proposals")
    for content in (f'[[setting]]\nkey = "{SOMAXCONN}"\nvalue = 0\n', '[[setting]]\nkey = "kernel.panic"\nvalue = 0\n', "[" * 100000, "\0"):
        with open("/etc/netsonde/profiles/server.toml", "w", encoding="ascii") as file:
            file.write('summary = "bad"\n' + content)
        message = one_error(run("tune", "plan", "--profile", "server"), 1)
        assert "/etc/netsonde/profiles/server.toml" in message, message
    assert "there is no profile 'none'" in one_error(run("tune", "apply", "--yes", "--profile", "none"), 2)


@fact
def a_report_tells_every_change_and_its_effect():
    with long_path():
        expect(experiment(LARGE, "--keep").status, 0, "exit status")
        logged = succeed("tune", "log", "--json").json()[0]["effect"]
        report = json.loads(succeed("tune", "report", "--format", "json").out)
        row = report["sections"]["changes"]["tables"]["changes"]["rows"][0]
        expect([row[key] for key in ("key", "before", "after", "metric", "outcome")], [RMEM, SMALL, LARGE, "load_seconds", "confirmed"], "row")
        for name, ratio in (("improved", "ratio"), ("improved_low", "high"), ("improved_high", "low")):
            assert abs(row[name + "_percent"] - 100 * (1 - logged[ratio])) < 0.01, (row, logged)
        assert RMEM in succeed("tune", "report").out
        for form in ("html", "md"):
            assert run("tune", "report", "-o", f"/var/lib/changes.{form}").status == 0
            with open(f"/var/lib/changes.{form}", encoding="utf-8") as file:
                assert RMEM in file.read()
        whole = json.loads(run("report", "--duration", "1s", "--format", "json").out)
        expect(whole["sections"]["changes"]["tables"]["changes"]["rows"], [row], "changes in the report of the host")
    message = one_error(run("tune", "report", "-o", "changes.pdf"), 2)
    assert "changes.pdf" in message, message
