# SPDX-License-Identifier: Apache-2.0
"""tune experiment: what a setting does is measured, and undone."""

import contextlib
import http.server
import json
import os
import signal
import threading
import time

from harness import eventually, expect, fact, finish, is_in_its_loop, one_error, run, start, succeed, tool
from traffic import Connection, Peer
from tuned import JOURNAL, LARGE, ORIGINAL, RMEM, SMALL, SOMAXCONN, guard, kill_guard, long_path, own_host, status, values


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
        expect((logged["effect"]["metric"], logged["effect"]["ratio"], logged["outcome"]), ("load_seconds", deciding["ratio"], "rolled-back"), "log")


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
def an_experiment_ends_when_somebody_puts_the_old_value_back():
    with long_path():
        running = start("tune", "experiment", "--yes", "--keep", "--set", f"{RMEM}={LARGE}", "--load", "python3 -S /var/lib/load.py")
        eventually(lambda: os.path.exists(JOURNAL) and status()["state"] == "pending" and values(RMEM) == [LARGE.split()], "the experiment")
        tool("sysctl", "-w", f"{RMEM}={SMALL}")
        done = finish(running)
        assert done.status != 0 and f"somebody else has set it to {SMALL}" in " ".join(done.out.split()), done.out
        expect((values(RMEM), [one["key"] for one in status()["left_alone"]]), ([SMALL.split()], [RMEM]), "sysctl, what is left alone")


@fact
def an_experiment_without_a_new_connection_measures_nothing_of_what_only_those_take():
    with long_path(), Connection() as connection:
        one_by_one = Peer(lambda _: every(0.02, lambda: connection.client.sendall(b"x")))
        done = run("tune", "experiment", "--yes", "--set", f"{RMEM}={LARGE}", "--metric", "rx_bytes_per_s", "--blocks", "6", "--period", "200ms", "--wash-out", "10ms")
        one_by_one.end()
        assert done.status == 1 and "no connection was opened meanwhile" in " ".join(done.out.split()), done.out
        expect(succeed("tune", "log", "--json").json()[0]["effect"], None, "effect in the log")


def every(seconds, do):
    while True:
        do()
        time.sleep(seconds)  # the rate of what is sent


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
def a_load_too_short_for_what_guards_proves_nothing():
    with long_path():
        done = run("tune", "experiment", "--yes", "--keep", "--json", "--set", f"{RMEM}={LARGE}", "--load", "true", "--blocks", "6", "--wash-out", "10ms")
    summary = done.json()[-1]
    expect((summary["kept"], "periods are too short" in (summary["against"] or "")), (False, True), "what became of it")


@fact
def what_a_load_has_started_ends_with_it():
    own_host()
    for signal_number in (signal.SIGTERM, signal.SIGKILL):
        for begin in ("sleep 987", "[ -e /var/lib/go ] && sleep 987; sleep 0.1"):
            running = start("tune", "experiment", "--yes", "--set", f"{SOMAXCONN}=5000", "--load", begin + "; true", "--wash-out", "10ms")
            if "go" in begin:
                eventually(lambda: values(SOMAXCONN) == [["5000"]], "the change")
                open("/var/lib/go", "w", encoding="ascii").close()
            eventually(lambda: sleepers("987"), "the load")
            running.send_signal(signal_number)
            eventually(lambda: not sleepers("987"), "its end")
            finish(running)
            eventually(lambda: values(SOMAXCONN) == [["4096"]], "what was there")
            tool("rm", "-f", "/var/lib/go")


def sleepers(seconds):
    """Processes of ours that sleep so long."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/{pid}/ns/net") == os.readlink("/proc/self/ns/net"):
                with open(f"/proc/{pid}/cmdline", encoding="utf-8") as words:
                    found += [pid] if words.read() == f"sleep\0{seconds}\0" else []
    return found


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
