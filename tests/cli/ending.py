# SPDX-License-Identifier: Apache-2.0
"""However netsonde ends, nothing of it stays: programs, pins, a terminal in disorder. And an output
that cannot be written ends it."""

import errno
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import termios
import time

from harness import DEADLINE, Lines, bpf_objects, eventually, expect, fact, finish, free_port, one_error, start, tool
from traffic import Connection, Trace, here, knock_until_end, refused


def alive(objects):
    """Those that the kernel still knows."""
    def known():
        try:
            return [{(kind, entry["id"]) for kind in ["prog", "map", "link"] for entry in json.loads(tool("bpftool", "-j", kind, "show"))}]
        except (AssertionError, ValueError):  # something went while it was listed
            return None

    return objects & eventually(known, "a list of what the kernel knows")[0]


def pins():
    return {os.path.join(place, name) for place, _, names in os.walk("/sys/fs/bpf") for name in names}


def check_nothing_stays(process, end, wanted_status):
    """Ends a running netsonde and looks for what it had in the kernel."""
    objects, before = bpf_objects(process.pid), pins()
    assert {kind for kind, _ in objects} >= {"prog", "map"}, f"it held only {objects}"
    expect(alive(objects), objects, "objects before the end")
    end(process)
    done = finish(process)
    expect((done.status, done.err.count("\n") <= 1), (wanted_status, True), f"status, and at most a line: {done.err!r}")
    eventually(lambda: not alive(objects), lambda: f"gone: {alive(objects)}")
    expect(pins() - before, set(), "pins below /sys/fs/bpf")


def running_table():
    process = start("top", "--batch", "--interval", "0.2s", "--filter", here())
    assert process.stdout.readline()
    return process


@fact
def nothing_stays_after_a_signal_to_a_trace():
    for number in [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]:
        check_nothing_stays(Trace().process, lambda process: process.send_signal(number), 0)


@fact
def nothing_stays_after_a_signal_to_a_table():
    for number in [signal.SIGINT, signal.SIGTERM]:
        check_nothing_stays(running_table(), lambda process: process.send_signal(number), 0)


@fact
def nothing_stays_after_a_kill():
    check_nothing_stays(Trace().process, lambda process: process.kill(), -signal.SIGKILL)
    check_nothing_stays(running_table(), lambda process: process.kill(), -signal.SIGKILL)


# --- signals -----------------------------------------------------------------------------------

STOPS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT]
CLOSING_LINE = re.compile(r"(\d+) events: \d+ [a-z_]+(, \d+ [a-z_]+)*; lost: .+\n")


def check_closing_line(done):
    """A trace has ended as it should: its last line on standard error counts those on standard output."""
    closing = CLOSING_LINE.fullmatch(done.err)
    assert done.status == 0 and closing, f"status {done.status}, errors {done.err!r}"
    expect((int(closing[1]), done.out[-1:]), (len(done.json()), "\n"), "events told in the closing line, last byte")


@fact
def a_first_signal_ends_a_trace_with_its_closing_line():
    for number in STOPS:
        check_closing_line(Trace().end(number))


@fact
def a_first_signal_ends_a_batch_behind_a_whole_table():
    for number in STOPS:
        process = start("top", "--batch", "--json", "--interval", "0.1s", "--filter", here())
        lines = Lines(process.stdout)
        assert lines.next(), "no table"
        process.send_signal(number)
        done = lines.finish(process)
        expect((done.status, done.err, done.out[-1:]), (0, "", "\n"), f"status, errors, last byte after {number!r}")
        assert all("connections" in table for table in done.json()), done.lines[-1]


class Blocked:
    """A netsonde that waits for somebody to read its output: a pipe of one page, and that is full."""

    def __init__(self, *arguments):
        self.reader, writer = os.pipe()
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
        self.process = start(*arguments, "--json", "--filter", here(), stdout=writer)
        os.close(writer)
        port = free_port()
        eventually(lambda: refused(port) or self.waits(), lambda: f"an output that blocks; {self.process.poll()=}")

    def waits(self):
        with open(f"/proc/{self.process.pid}/wchan") as file:
            return "pipe_write" in file.read()

    def read_all(self):
        """What it has written, once somebody reads."""
        with os.fdopen(self.reader, "rb") as file:
            self.reader = None
            out = file.read()
        done = finish(self.process)
        done.out, done.lines = out.decode(), out.decode().splitlines()
        return done

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.reader is not None:
            os.close(self.reader)


def interrupt_unread(process, number):
    """Sends a signal and waits until it is taken, which a blocked output does not change."""
    process.send_signal(number)

    def taken():
        with open(f"/proc/{process.pid}/status") as file:
            return not any(int(line.split()[1], 16) for line in file if line.startswith(("SigPnd:", "ShdPnd:")))

    eventually(taken, "a signal that is taken")


@fact
def a_signal_to_a_trace_that_nobody_reads_is_heeded_once_somebody_reads():
    with Blocked("trace") as blocked:
        interrupt_unread(blocked.process, signal.SIGINT)
        eventually(blocked.waits, lambda: f"it waits for a reader; {blocked.process.poll()=}")
        check_closing_line(blocked.read_all())


@fact
def a_second_signal_ends_at_once_what_nobody_reads():
    for arguments, first, second in [(["trace"], signal.SIGINT, signal.SIGINT),
                                     (["top", "--batch", "--interval", "0.01s"], signal.SIGTERM, signal.SIGQUIT)]:
        with Blocked(*arguments) as blocked:
            objects = bpf_objects(blocked.process.pid)
            interrupt_unread(blocked.process, first)
            patient_until = time.monotonic() + 1.2
            eventually(lambda: time.monotonic() > patient_until, "more than a second of patience")
            assert blocked.waits(), f"it waits for no reader; {blocked.process.poll()=}"
            blocked.process.send_signal(second)
            done = finish(blocked.process, within=DEADLINE / 4)
            expect((done.status, done.err), (128 + second, ""), f"status and errors of {arguments}")
            eventually(lambda: not alive(objects), lambda: f"gone: {alive(objects)}")


@fact
def signals_within_a_second_of_the_first_end_nothing_that_nobody_reads():
    with Blocked("trace") as blocked:
        begun = time.monotonic()

        def ended():
            blocked.process.send_signal(signal.SIGINT)
            return blocked.process.poll() is not None

        eventually(ended, "the end after many signals")
        assert time.monotonic() - begun > 1, "it had no second to end by itself"
        expect(blocked.process.returncode, 128 + signal.SIGINT, "status")


# --- the terminal ------------------------------------------------------------------------------


class Terminal:
    """A pseudo-terminal, a netsonde on it, and every byte that it has written there."""

    def __init__(self, *arguments, environment=None, rows=24, columns=100):
        self.ours, self.theirs = pty.openpty()
        fcntl.ioctl(self.theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.before = termios.tcgetattr(self.theirs)
        environment = {"PATH": os.environ["PATH"], "TERM": "xterm-256color", "LANG": "C.UTF-8"} | (environment or {})
        self.process = start(*arguments, stdin=self.theirs, stdout=self.theirs, stderr=self.theirs, env=environment)
        self.bytes = b""

    def read(self):
        while select.select([self.ours], [], [], 0.02)[0]:
            try:
                self.bytes += os.read(self.ours, 65536)
            except OSError as error:
                if error.errno != errno.EIO:  # nobody holds the other end any more
                    raise
                break
        return self.bytes

    def wait_for(self, *any_of):
        eventually(lambda: any(words in self.read() for words in any_of), lambda: f"{any_of} in {self.bytes[-300:]}")

    def end(self):
        eventually(lambda: self.read() is not None and self.process.poll() is not None, "the end of netsonde")
        return self.process.returncode

    def close(self):
        os.close(self.ours)
        os.close(self.theirs)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.close()


RESTORED = {"main screen": rb"\x1b\[\?1049l", "cursor": rb"\x1b\[\?(12;)?25h", "mouse": rb"\x1b\[\?(1006;)?1000l"}


def check_terminal_restored(end, status):
    with Terminal("top", "--interval", "0.2s", "--filter", here()) as terminal:
        terminal.wait_for(b"sort:")
        assert termios.tcgetattr(terminal.theirs) != terminal.before, "the view left the terminal as it was"
        end(terminal)
        expect(terminal.end(), status, "status")
        expect(termios.tcgetattr(terminal.theirs), terminal.before, "settings of the terminal")
        tail = terminal.bytes[terminal.bytes.rindex(b"\x1b[?1049h"):]
        expect([what for what, sequence in RESTORED.items() if not re.search(sequence, tail)], [], "not restored")


@fact
def the_view_restores_the_terminal_when_it_quits():
    check_terminal_restored(lambda terminal: os.write(terminal.ours, b"q"), 0)


@fact
def the_view_restores_the_terminal_after_a_signal():
    for number in STOPS:
        check_terminal_restored(lambda terminal: terminal.process.send_signal(number), 0)


@fact
def a_second_signal_to_a_view_that_nobody_reads_restores_the_settings():
    with Terminal("top", "--interval", "10ms", "--filter", here(), rows=50, columns=200) as terminal:
        terminal.wait_for(b"sort:")

        def blocked():
            with open(f"/proc/{terminal.process.pid}/wchan") as file:
                return file.read() == "wait_woken"  # for room in the terminal

        port = free_port()
        eventually(lambda: refused(port) or blocked(), lambda: f"a terminal that is full; {terminal.process.poll()=}")
        interrupt_unread(terminal.process, signal.SIGINT)
        patient_until = time.monotonic() + 1.2
        eventually(lambda: time.monotonic() > patient_until, "more than a second of patience")
        terminal.process.send_signal(signal.SIGTERM)
        expect(finish(terminal.process, within=DEADLINE / 4).status, 128 + signal.SIGTERM, "status")
        expect(termios.tcgetattr(terminal.theirs), terminal.before, "settings of the terminal")


@fact
def nothing_stays_after_the_view():
    with Terminal("top", "--interval", "0.2s", "--filter", here()) as terminal:
        terminal.wait_for(b"sort:")
        objects = bpf_objects(terminal.process.pid)
        assert objects, "the view holds no BPF objects"
        os.write(terminal.ours, b"q")
        expect(terminal.end(), 0, "status")
        eventually(lambda: not alive(objects), lambda: f"gone: {alive(objects)}")


# Of the line that says how the host does: it is well, or others make it suffer.
JUDGED = b"in the last", b"of segments retransmitted", b"listen overflows/s", b"drops/s ("


@fact
def the_view_writes_no_colours_under_no_color():
    colour = re.compile(rb"\x1b\[[0-9;]*[34][0-9][;m]")
    for environment, coloured in [({}, True), ({"NO_COLOR": "1"}, False)]:
        with Terminal("top", "--interval", "0.2s", "--filter", here(), environment=environment) as terminal:
            terminal.wait_for(*JUDGED)
            expect(bool(colour.search(terminal.bytes)), coloured, f"colours with {environment}")


@fact
def the_view_writes_only_ascii_where_the_locale_or_the_user_says_so():
    for arguments, environment, ascii_only in [([], {}, False), ([], {"LANG": "C"}, True), (["--ascii"], {}, True)]:
        with Terminal("top", "--interval", "0.2s", "--filter", here(), *arguments, environment=environment) as terminal, Connection() as connection:
            for _ in range(3):
                connection.exchange()
                terminal.wait_for(*JUDGED)
            os.write(terminal.ours, b"?")
            terminal.wait_for(b"any")
            expect(all(byte < 0x80 for byte in terminal.bytes), ascii_only, f"ASCII with {arguments} {environment}")


@fact
def the_view_ends_with_its_terminal():
    with Terminal("top", "--interval", "0.2s", "--filter", here()) as terminal:
        terminal.wait_for(b"sort:")
        os.close(terminal.theirs)
        os.close(terminal.ours)
        terminal.ours, terminal.theirs = pty.openpty()
        terminal.process.wait(DEADLINE)


@fact
def a_terminal_without_cursor_motion_is_refused():
    for name in ["dumb", "nosuchterminal"]:
        with Terminal("top", environment={"TERM": name}) as terminal:
            expect(terminal.end(), 1, "status")
            expect(terminal.bytes.count(b"netsonde: "), 1, f"messages in {terminal.bytes}")
            assert name.encode() in terminal.bytes, terminal.bytes


@fact
def a_table_may_be_asked_for_on_a_terminal():
    for arguments in [["connections"], ["top", "--once"], ["top", "--json"], ["top", "--batch", "--count", "1"]]:
        with Terminal(*arguments, "--interval", "0.2s", "--filter", here()) as terminal:
            expect(terminal.end(), 0, f"status of {arguments}")
            expect((b"connections" in terminal.bytes, b"\x1b" in terminal.bytes), (True, False), "a table, escapes")


# --- output that fails -------------------------------------------------------------------------


@fact
def a_full_disk_ends_a_table_with_one_line():
    for arguments in [["--once"], ["--batch"], ["--once", "--json"]]:
        with open("/dev/full", "wb") as full:
            done = finish(start("top", *arguments, "--interval", "0.2s", "--filter", here(), stdout=full))
        message = one_error(done, 1)
        assert "No space left" in message, message


@fact
def a_full_disk_ends_a_trace_with_one_line():
    for arguments in [[], ["--json"]]:
        port = free_port()
        with open("/dev/full", "wb") as full:
            process = start("trace", *arguments, "--filter", here(), stdout=full)
            knock_until_end(process, port)
        message = one_error(finish(process), 1)
        assert "No space left" in message, message


@fact
def a_full_disk_ends_help_fields_and_doctor_with_a_failure():
    for arguments in [["--help"], ["--version"], ["fields"], ["fields", "--json"], ["doctor"], ["doctor", "--json"]]:
        with open("/dev/full", "wb") as full:
            done = finish(start(*arguments, stdout=full))
        assert done.status != 0, f"{arguments}: status 0, {done.err!r}"


@fact
def a_reader_that_left_ends_a_table_without_a_word():
    process = start("top", "--batch", "--interval", "0.1s", "--filter", here())
    lines = Lines(process.stdout)
    assert lines.next(), "no table"
    process.stdout.close()
    process.stdout = None
    expect(finish(process).err, "", "standard error")
