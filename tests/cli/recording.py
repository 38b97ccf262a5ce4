# SPDX-License-Identifier: Apache-2.0
"""record and snapshot: what is kept whatever happens, and how it is read again."""

import os
import shutil
import signal
import subprocess
import tempfile

from harness import eventually, expect, fact, finish, free_port, one_error, run, start
from traffic import Connection, here, refused


def folder():
    return tempfile.mkdtemp()


def record(*arguments, **options):
    return start("record", "--interval", "0.1s", "--filter", here(), *arguments, **options)


def connects(path):
    """How many attempts to connect are in a recording, as far as it can be read now."""
    done = run("trace", "--from", path, "--events", "connect", "--json")
    return len(done.lines) if done.status == 0 else -1


def knock(path, times=1):
    """Attempts to connect until that many more are in the recording."""
    before = max(connects(path), 0)
    port = free_port()
    eventually(lambda: refused(port) or connects(path) >= before + times, "recorded attempts to connect")


def recorded():
    path = os.path.join(folder(), "a.nsr")
    with Connection() as connection:
        process = record("-o", path)
        knock(path)
        connection.exchange(10)
        process.send_signal(signal.SIGINT)
        done = finish(process)
    expect(done.status, 0, "status")
    assert "lost: none" in done.err, done.err
    return path


@fact
def the_exit_status_is_that_of_the_command():
    path = os.path.join(folder(), "a.nsr")
    done = run("record", "-o", path, "--", "sh", "-c", "exit 7")
    expect(done.status, 7, "status")
    error = one_error(run("record", "-o", path + "2", "--", "/no/such/command"), 1)
    assert "No such file" in error, error


@fact
def a_recording_reads_the_same_twice():
    path = recorded()
    for command in (["trace", "--json"], ["explain", "--json"], ["top", "--batch", "--json"], ["monitor", "--json"]):
        first, second = (run(*command, "--from", path) for _ in range(2))
        expect(first.status, 0, f"status of {command}; {first.err}")
        assert first.out_bytes, command
        expect(first.out_bytes, second.out_bytes, f"output of {command}")


@fact
def a_file_that_exists_is_replaced_only_when_forced():
    path = recorded()
    assert "exists; --force" in one_error(run("record", "-o", path), 1)
    assert connects(path) >= 1
    expect(finish(record("-o", path, "--force", "--duration", "0.2s")).status, 0, "status")
    expect(connects(path), 0, "attempts in the new one")


@fact
def what_was_recorded_before_sigkill_can_be_read_and_the_cut_is_told():
    path = os.path.join(folder(), "a.nsr")
    process = record("-o", path)
    knock(path, 3)
    process.kill()
    process.wait()
    done = run("trace", "--from", path, "--events", "connect")
    expect(done.status, 0, "status")
    assert len(done.lines) >= 3, done.out
    assert "was not closed" in done.err or "cut off" in done.err, done.err


@fact
def a_full_disk_ends_a_recording_with_a_line_and_keeps_what_fits():
    place = folder()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8k", "tiny", place], check=True)
    path = os.path.join(place, "a.nsr")
    process = record("-o", path)
    port = free_port()
    eventually(lambda: refused(port) or process.poll() is not None, "an end", within=60)
    error = one_error(finish(process), 1)
    assert "No space left on device" in error, error
    assert connects(path) >= 0, "it cannot be read"


@fact
def a_rolling_recording_stays_within_its_bound_and_goes_on_after_a_restart():
    place = os.path.join(folder(), "rolling")
    bound = 1 << 20
    for _ in range(2):
        before = len(files_in(place)) if os.path.isdir(place) else 0
        process = start("record", "--interval", "0.05s", "--rolling", place, "--max-size", "1MiB", "--keep", "2s")
        eventually(lambda: os.path.isdir(place) and len(files_in(place)) > before, "a file of this run")
        second = one_error(run("record", "--rolling", place), 1)
        assert "another netsonde records there" in second, second
        begun = len(files_in(place))
        eventually(lambda: within(place, bound) and len(files_in(place)) > begun, "a further file", within=60)
        process.send_signal(signal.SIGTERM)
        expect(finish(process).status, 0, "status")
    done = run("top", "--once", "--from", place)
    expect(done.status, 0, f"status; {done.err}")
    assert "nothing was recorded from" in done.err, done.err


def files_in(place):
    return sorted(name for name in os.listdir(place) if name.endswith(".nsr"))


def within(place, bound):
    size = sum(entry.stat().st_size for entry in os.scandir(place))
    assert size <= bound, f"{size} bytes"
    return True


@fact
def a_part_is_cut_out_while_it_is_recorded():
    place, part = os.path.join(folder(), "rolling"), os.path.join(folder(), "part.nsr")
    process = record("--rolling", place)
    eventually(lambda: os.path.isdir(place) and connects(place) >= 0, "a recording")
    knock(place, 2)
    done = run("snapshot", "--from", place, "--since", "1h", "-o", part)
    expect(done.status, 0, f"status; {done.err}")
    assert connects(part) >= 2, "attempts in the part"
    process.send_signal(signal.SIGINT)
    finish(process)
    assert "exists; --force" in one_error(run("snapshot", "--from", place, "-o", part), 1)


@fact
def damaged_and_foreign_files_are_refused_with_the_place():
    path = recorded()
    with open(path, "rb") as file:
        good = file.read()
    damaged = path + ".damaged"
    half = len(good) // 2
    for name, content, words in (("empty", b"", "is empty"), ("foreign", b"\x7fELF" + bytes(500), "no recording"),
                                 ("cut", good[:half], ""), ("flipped", good[:half] + bytes([good[half] ^ 64]) + good[half + 1:],
                                                            "--salvage")):
        with open(damaged, "wb") as file:
            file.write(content)
        done = run("trace", "--from", damaged)
        if name == "cut":
            expect(done.status, 0, "status of what was cut off")
            assert "cut off" in done.err or "was not closed" in done.err, done.err
            continue
        expect(done.status, 1, f"status of {name}; {done.err}")
        assert words in done.err, done.err
    expect(run("trace", "--from", damaged, "--salvage").status, 0, "status of what is salvaged")


@fact
def times_that_mean_nothing_or_lie_beside_the_recording_are_refused():
    path = recorded()
    assert "is no time" in one_error(run("trace", "--from", path, "--since", "soon"), 1)
    assert "after the recording" in one_error(run("trace", "--from", path, "--since", "2099-01-01T00:00Z"), 1)
    assert "before the recording" in one_error(run("top", "--once", "--from", path, "--at", "2001-01-01T00:00Z"), 1)
    assert one_error(run("trace", "--since", "03:12"), 2)
    assert one_error(run("record"), 2)


@fact
def reading_needs_no_root():
    path = recorded()
    os.chmod(os.path.dirname(path), 0o755)
    os.chmod(path, 0o644)
    copy = shutil.copy(path, "/run/tests/readable.nsr")
    os.chmod("/run/tests", 0o755)
    nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--bounding-set", "-all"]
    done = run("trace", "--from", copy, "--events", "connect", wrap=nobody)
    expect(done.status, 0, f"status; {done.err}")
    assert done.lines, "no events"


@fact
def a_recording_of_format_1_reads_as_it_always_did():
    place = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "replay", "format1")
    for name, command in (("trace", ["trace"]), ("explain", ["explain"]), ("top", ["top", "--once", "--json", "--listeners"])):
        done = run(*command, "--from", place + ".nsr")
        expect(done.status, 0, f"status of {name}; {done.err}")
        with open(f"{place}.{name}", "rb") as file:
            assert done.out_bytes == file.read(), f"{name} is another; if that is meant, tests/replay/format1.{name} too"
