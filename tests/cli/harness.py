# SPDX-License-Identifier: Apache-2.0
"""What all tests share: facts and their outcome, isolation, running netsonde, waiting."""

import contextlib
import ctypes
import json
import os
import select
import signal
import subprocess
import tempfile
import time
import traceback

BINARY = ""  # set by main.py
DEADLINE = float(os.environ.get("DEADLINE", 20))  # seconds that anything may take, on a busy host too

facts = []
_libc = ctypes.CDLL(None, use_errno=True)
_next_port = 0


class Skip(Exception):
    """The fact cannot be examined here; the message says why."""


def fact(function):
    facts.append(function)
    return function


def one_line(error):
    where = [frame for frame in traceback.extract_tb(error.__traceback__) if "tests/cli" in frame.filename]
    place = f" ({os.path.basename(where[-1].filename)}:{where[-1].lineno})" if where else ""
    text = str(error) or type(error).__name__
    return ascii(text)[1:-1][:1000].replace("\\\\", "\\") + place


def outcome_of(function):
    name = function.__name__
    signal.signal(signal.SIGALRM, too_long)
    signal.alarm(int(3 * DEADLINE))
    try:
        function()
        return f"ok {name}"
    except Skip as reason:
        return f"skip {name}: {reason}"
    except Exception as error:
        return f"not ok {name}: {one_line(error)}"
    finally:
        signal.alarm(0)
        end_all()


def too_long(*_):
    raise AssertionError(f"still running after {3 * DEADLINE}s")


def expect(actual, wanted, what):
    assert actual == wanted, f"{what}: {actual!r} instead of {wanted!r}"


# --- isolation ---------------------------------------------------------------------------------


def _call(name, *arguments):
    if getattr(_libc, name)(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def unshare(flags):
    _call("unshare", flags)


NEW_MOUNTS, NEW_NETWORK = 0x00020000, 0x40000000


def enter_own_mounts():
    """Mounts that nobody else sees, and an empty /run for all that the tests write."""
    private_recursive = 0x4000 | 0x40000
    unshare(NEW_MOUNTS)
    _call("mount", b"none", b"/", None, private_recursive, None)
    _call("mount", b"none", b"/run", b"tmpfs", 0, b"mode=755")
    os.mkdir("/run/netns")
    os.mkdir("/run/tests")
    tempfile.tempdir = "/run/tests"


def enter_own_network(number=None):
    """A network namespace with loopback up. With a number: also ports of its own."""
    global _next_port
    unshare(NEW_NETWORK)
    tool("ip", "link", "set", "lo", "up")
    if number is not None:
        _next_port = 20000 + 400 * number  # below those that the kernel gives out


def enter_network(descriptor):
    _call("setns", descriptor, NEW_NETWORK)


def netns():
    return os.stat("/proc/self/ns/net").st_ino


def free_port():
    """One that no other test uses, in whatever namespace."""
    global _next_port
    _next_port += 1
    return _next_port


def die_with_parent():
    set_death_signal = 1
    _libc.prctl(set_death_signal, signal.SIGKILL)


def set_name(name):
    """The comm of this process, any bytes."""
    _libc.prctl(15, name)


# --- processes ---------------------------------------------------------------------------------

_started = []


def end_all():
    """Ends what the test has started and not ended."""
    while _started:
        process = _started.pop()
        if process.poll() is None:
            process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream:
                stream.close()


def tool(*command):
    """Runs another program, which must succeed; its output."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=DEADLINE)
    except FileNotFoundError:
        raise Skip(f"{command[0]} is not installed") from None
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr.decode(errors='replace')}"
    return done.stdout.decode(errors="replace")


def launch(command, **options):
    settings = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    process = subprocess.Popen(command, preexec_fn=die_with_parent, **settings)
    _started.append(process)
    return process


def start(*arguments, wrap=(), **options):
    """netsonde with these arguments, behind the words of wrap (env, setpriv, ...)."""
    return launch([*wrap, BINARY, *map(str, arguments)], **options)


class Done:
    """A netsonde that has ended: its status, and its output as bytes and as text."""

    def __init__(self, process, out, err):
        self.status, self.out_bytes, self.err_bytes = process.returncode, out or b"", err or b""
        self.out, self.err = (b.decode(errors="surrogateescape") for b in (self.out_bytes, self.err_bytes))
        self.lines = self.out.splitlines()

    def json(self):
        return [json.loads(line) for line in self.lines]


def finish(process, within=DEADLINE):
    try:
        return Done(process, *process.communicate(timeout=within))
    except subprocess.TimeoutExpired:
        raise AssertionError(f"{' '.join(process.args)}: still running after {within}s") from None


def run(*arguments, **options):
    return finish(start(*arguments, **options))


def succeed(*arguments, **options):
    done = run(*arguments, **options)
    expect((done.status, done.err), (0, ""), f"status and errors of {' '.join(map(str, arguments))}")
    return done


def one_error(done, status):
    """The only line that a failed netsonde has printed."""
    lines = done.err.splitlines()
    expect((done.status, done.out, len(lines)), (status, "", 1), f"status, output, lines of {done.err!r}")
    assert lines[0].startswith("netsonde: "), lines[0]
    return lines[0]


def is_in_its_loop(process):
    """It waits for events: whatever comes before that, it has done."""
    assert process.poll() is None, process.stderr.read().decode(errors="replace")
    with contextlib.suppress(OSError), open(f"/proc/{process.pid}/syscall", encoding="ascii") as file:
        return file.read().startswith("441 ")  # epoll_pwait2, on every architecture
    return False


def bpf_objects(pid):
    """("prog" | "map" | "link", id) of what a process holds open."""
    found = set()
    for number in os.listdir(f"/proc/{pid}/fdinfo"):
        try:
            with open(f"/proc/{pid}/fdinfo/{number}") as file:
                info = dict(line.split(":", 1) for line in file.read().splitlines() if ":" in line)
        except FileNotFoundError:
            continue  # it was closed meanwhile
        for kind in ["prog", "map", "link"]:
            if f"{kind}_id" in info and f"{kind}_type" in info:
                found.add((kind, int(info[f"{kind}_id"])))
    return found


def eventually(condition, what, within=DEADLINE):
    """The first true result of the condition."""
    end = time.monotonic() + within
    while True:
        result = condition()
        if result:
            return result
        assert time.monotonic() < end, f"not within {within}s: {what() if callable(what) else what}"
        time.sleep(0.02)


class Lines:
    """The output of a running process, line by line as it comes."""

    def __init__(self, stream):
        self.fd, self.rest, self.seen = stream.fileno(), b"", []

    def finish(self, process):
        """Like finish(), with what has been read here in front."""
        done = finish(process)
        before = b"".join(line + b"\n" for line in self.seen) + self.rest
        return Done(process, before + done.out_bytes, done.err_bytes)

    def next(self, within=DEADLINE):
        """One line without its end; None at the end of the output or when none comes in time."""
        end = time.monotonic() + within
        while b"\n" not in self.rest:
            if not select.select([self.fd], [], [], max(end - time.monotonic(), 0))[0]:
                return None
            chunk = os.read(self.fd, 65536)
            if not chunk:
                return None
            self.rest += chunk
        line, self.rest = self.rest.split(b"\n", 1)
        self.seen.append(line)
        return line
