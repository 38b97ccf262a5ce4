# SPDX-License-Identifier: Apache-2.0
"""A live view in tmux."""

import os
import re
import shutil
import subprocess
import tempfile

import harness
from harness import Skip, eventually, launch
from traffic import here


class View:
    """A netsonde top in a tmux of its own that knows nothing of the user's."""

    def __init__(self, *arguments, columns=80, rows=24):
        if not shutil.which("tmux"):
            raise Skip("tmux is not installed")
        self.folder = tempfile.mkdtemp()
        self.server = launch(["tmux", "-D", "-S", f"{self.folder}/socket", "-f", "/dev/null"], start_new_session=True)
        eventually(lambda: os.path.exists(f"{self.folder}/socket"), "a tmux server")
        words = [harness.BINARY, "top", "--filter", f"{here()} and state != LISTEN", *arguments]
        if "--from" not in arguments:
            words += ["--interval", "0.3s"]
        # The shell stays, so that what the view leaves behind can be looked at.
        script = 'trap : INT; echo BEFORE; stty -a >settings; "$@"; echo $? >status; stty -a >>settings; echo AFTER; exec sleep 1000'
        self.tmux("new-session", "-d", "-x", str(columns), "-y", str(rows), "-c", self.folder,
                  "sh", "-c", script, "sh", *words)

    def tmux(self, *words):
        command = ["tmux", "-S", f"{self.folder}/socket", *words]
        environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
        done = subprocess.run(command, capture_output=True, timeout=harness.DEADLINE, env=environment)
        assert done.returncode == 0, f"{' '.join(words)}: {done.stderr.decode()}"
        return done.stdout.decode()

    def screen(self):
        return self.tmux("capture-pane", "-p")

    def keys(self, *keys):
        self.tmux("send-keys", *keys)

    def type(self, text):
        self.tmux("send-keys", "-l", text)

    def shows(self, *words, but=()):
        """The screen once it shows all of these words (a number: so many rows) and none of the others."""

        def has(screen, word):
            return word in screen if isinstance(word, str) else re.search(rf"^{word} (of \d+ )?sockets", screen, re.M)

        def right():
            screen = self.screen()
            return screen if all(has(screen, word) for word in words) and not any(has(screen, word) for word in but) else None

        return eventually(right, lambda: f"{words} without {but} on\n{self.screen()}")

    def rows(self):
        """The lines below the titles."""
        lines = self.screen().splitlines()
        status = next(number for number, line in enumerate(lines) if "| sort: " in line)
        return [line for line in lines[status + 2:-1] if line.strip()]

    def process(self):
        """The pid of the view."""
        shell = self.tmux("display-message", "-p", "#{pane_pid}").strip()
        with open(f"/proc/{shell}/task/{shell}/children") as file:
            return int(file.read().split()[0])

    def ended(self):
        """What it left: its status, and the settings of the terminal before and after."""
        self.shows("AFTER")
        with open(f"{self.folder}/status") as file:
            status = int(file.read())
        with open(f"{self.folder}/settings") as file:
            settings = file.read().splitlines()
        return status, settings[:len(settings) // 2], settings[len(settings) // 2:]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.terminate()
        self.server.wait()
