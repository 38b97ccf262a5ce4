# SPDX-License-Identifier: Apache-2.0
"""tune, killed at every step, without room, with a journal that cannot be trusted: what was there comes back."""

import contextlib
import fcntl
import itertools
import os
import signal

from harness import eventually, expect, fact, finish, launch, one_error, run, start, succeed, tool
from tuned import (BOTH, CHANGED, IDLE, JOURNAL, LARGE, LONG, ORIGINAL, RMEM, SMALL, SOMAXCONN, apply, guard, kill_guard, killed,
                   long_path, own_host, status, undo, values)


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
def what_is_confirmed_stays_though_the_guard_gets_no_lock():
    own_host()
    apply(*BOTH, "--confirm-within", "5s")
    pid = guard()
    os.kill(pid, signal.SIGSTOP)
    succeed("tune", "confirm")
    with open(JOURNAL, encoding="ascii") as journal:
        fcntl.flock(journal, fcntl.LOCK_EX)
        os.kill(pid, signal.SIGCONT)
        eventually(lambda: guard() is None, "the end of the guard", within=60)
        expect(values(), CHANGED, "afterwards")


def has_open(process, path):
    with contextlib.suppress(OSError):
        return path in [os.readlink(f"/proc/{process.pid}/fd/{name}") for name in os.listdir(f"/proc/{process.pid}/fd")]
    return False


@fact
def a_journal_that_is_moved_away_meanwhile_is_not_written():
    own_host()
    apply()
    with open(JOURNAL, encoding="ascii") as journal:
        fcntl.flock(journal, fcntl.LOCK_EX)
        confirming = start("tune", "confirm")
        eventually(lambda: has_open(confirming, JOURNAL), "its look at the journal")
        os.rename(JOURNAL, JOURNAL + ".old")
    assert "moved or replaced" in one_error(finish(confirming), 1)
    os.rename(JOURNAL + ".old", JOURNAL)
    expect((values(), status()["state"]), (CHANGED, "pending"), "afterwards")
    undo()


@fact
def after_the_deadline_nothing_can_be_confirmed():
    own_host()
    apply(*BOTH, "--confirm-within", "2s")
    os.kill(guard(), signal.SIGSTOP)
    eventually(lambda: status()["state"] == "needs-recovery", "the deadline")
    outcomes = {row["outcome"] for row in succeed("tune", "log", "--json").json() + status()["changes"]}
    expect(outcomes, {"needs-recovery"}, "outcomes")
    for words in (("log",), ("report",), ("list", SOMAXCONN)):
        text = succeed("tune", *words).out
        assert "needs-recovery" in text and "pending" not in text, text
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
