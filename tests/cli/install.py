# SPDX-License-Identifier: Apache-2.0
"""make install and uninstall; completions; the manual."""

import os
import re
import shutil
import subprocess

import harness
from harness import Skip, expect, fact, succeed

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
COMMANDS = ["top", "connections", "trace", "monitor", "doctor", "fields"]


def needed(path):
    if not os.path.exists(path):
        raise Skip(f"{os.path.basename(path)} does not exist yet")
    return path


def manual():
    return needed(os.path.join(os.path.dirname(harness.BINARY), "netsonde.8"))


def completion():
    return needed(os.path.join(REPOSITORY, "user", "completion.bash"))


def options_of(*command):
    return set(re.findall(r"--[a-z][a-z-]*", "\n".join(line[:30] for line in succeed(*command, "--help").lines if line.startswith("  -"))))


def make(target, destination):
    build = os.path.dirname(harness.BINARY)
    done = subprocess.run(["make", "-C", REPOSITORY, "-o", "all", "-o", f"{build}/netsonde.8", target, f"BUILD={build}", f"DESTDIR={destination}", "PREFIX=/usr"],
                          capture_output=True, timeout=harness.DEADLINE)
    expect(done.returncode, 0, f"make {target}: {done.stderr.decode(errors='replace')}")


def files_below(place):
    return {os.path.relpath(os.path.join(folder, name), place) for folder, _, names in os.walk(place) for name in names}


@fact
def install_puts_four_files_and_uninstall_removes_them():
    manual(), completion()
    place = "/run/tests/installed"
    make("install", place)
    expect(files_below(place), {"usr/sbin/netsonde", "usr/share/man/man8/netsonde.8", "usr/share/bash-completion/completions/netsonde",
                                "usr/share/zsh/site-functions/_netsonde"}, "files")
    version = subprocess.run([f"{place}/usr/sbin/netsonde", "--version"], capture_output=True)
    expect(version.returncode, 0, "status of the installed program")
    make("uninstall", place)
    expect(files_below(place), set(), "files after uninstall")


def completed(*words):
    """What bash would offer for the last word."""
    script = ('compopt() { :; }; . "$1"; shift; complete -p netsonde >/dev/null || exit 3; '
              'function=$(complete -p netsonde | sed "s/.*-F \\([^ ]*\\).*/\\1/"); COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); '
              'COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}; previous=${COMP_WORDS[COMP_CWORD - 1]}; '
              '"$function" netsonde "${COMP_WORDS[COMP_CWORD]}" "$previous"; printf "%s\\n" "${COMPREPLY[@]}"')
    environment = {"PATH": f"{os.path.dirname(harness.BINARY)}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", script, "bash", completion(), *words], capture_output=True, env=environment, timeout=harness.DEADLINE)
    expect((done.returncode, done.stderr), (0, b""), f"status and errors of the completion of {words}")
    return {word.strip() for word in done.stdout.decode().split("\n")}


@fact
def bash_completes_every_command():
    expect(set(COMMANDS) - completed("netsonde", ""), set(), "commands that are not offered")


@fact
def bash_completes_every_long_option_and_no_other():
    for command in COMMANDS:
        offered = {word.rstrip("=") for word in completed("netsonde", command, "--") if word.startswith("--")}
        hidden = {"--man"}
        expect(options_of(command) - offered - hidden, set(), f"options of {command} that are not offered")
        expect(offered - options_of(command), set(), f"offered for {command} but unknown")


@fact
def bash_completes_fields_after_fields_and_by():
    for option in ["--fields", "--by"]:
        assert "srtt_us" in completed("netsonde", "top", option, "srtt"), option


@fact
def zsh_completion_has_no_syntax_error():
    path = needed(os.path.join(REPOSITORY, "user", "completion.zsh"))
    if not shutil.which("zsh"):
        raise Skip("zsh is not installed")
    expect(subprocess.run(["zsh", "-n", path]).returncode, 0, "zsh -n")


@fact
def zsh_knows_every_long_option():
    with open(needed(os.path.join(REPOSITORY, "user", "completion.zsh"))) as file:
        text = file.read()
    options = set().union(*(options_of(command) for command in COMMANDS)) - {"--man"}
    expect({option for option in options if option not in text}, set(), "options that are not offered")


@fact
def the_manual_names_every_option_and_field():
    with open(manual(), encoding="utf-8") as file:
        text = file.read().replace("\\-", "-")
    options = set().union(options_of(), *(options_of(command) for command in COMMANDS)) - {"--man"}
    expect({option for option in options if option not in text}, set(), "options that it does not name")
    fields = {line.split()[0].rstrip(",") for line in succeed("fields").lines}
    expect({field for field in fields if field not in text}, set(), "fields that it does not name")
    assert not re.search(r"@[A-Z]+@", text), "a place that the build was to fill"


@fact
def the_manual_has_no_roff_errors():
    manual()
    if not shutil.which("groff"):
        raise Skip("groff is not installed")
    done = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-z", manual()], capture_output=True)
    expect((done.returncode, done.stderr), (0, b""), "status and warnings of groff")
