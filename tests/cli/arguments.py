# SPDX-License-Identifier: Apache-2.0
"""What is refused, and how; help; configuration; privilege. None of it needs a BPF program."""

import os
import re
import shutil
import tempfile

from harness import Skip, expect, fact, one_error, run, succeed

COMMANDS = ["top", "connections", "trace", "monitor", "doctor", "fields"]


def refused(*arguments):
    return one_error(run(*arguments), status=2)


def names(message, *words):
    for word in words:
        assert word in message, f"{word!r} is not in {message!r}"


@fact
def an_unknown_option_is_named():
    names(refused("trace", "--bogus"), "--bogus")
    names(refused("--bogus", "top"), "--bogus")


@fact
def an_unknown_command_is_named():
    names(refused("connectoins"), "connectoins")


@fact
def a_word_too_many_is_named():
    names(refused("fields", "surplus"), "surplus")


@fact
def no_command_at_all_is_refused():
    refused()


@fact
def a_missing_value_is_refused():
    names(refused("trace", "--filter"), "--filter")


@fact
def an_unknown_field_is_answered_with_the_nearest():
    names(refused("top", "--fields", "comm,srtt_uz"), "'srtt_uz'", "'srtt_us'")
    names(refused("top", "--by", "retransmit"), "'retransmit'", "'retransmits'")


@fact
def advice_names_only_options_that_exist():
    message = refused("top", "--fields", "nosuch")
    options = re.findall(r"--[a-z-]+", message)
    known = run("--help").out + run("top", "--help").out
    expect([option for option in options if option not in known], [], f"unknown options in {message!r}")


@fact
def a_bad_filter_shows_its_text_and_a_caret_at_the_place():
    for text, column in [("rport = = 4", 8), ("srtt > 5 lightyears", 7), ("comm = 'x' and nosuch = 1", 15), ("(rport = 1", 10)]:
        for option in ["--filter", "--deep"]:
            done = run("trace", option, text)
            expect((done.status, done.out), (2, ""), "status and output")
            lines = done.err.splitlines()
            expect(len(lines), 3, f"lines of {done.err!r}")
            expect(lines[1].strip(), text, "the second line")
            expect(lines[2].index("^") - lines[1].index(text), column, f"caret below {text!r}")


@fact
def a_filter_of_control_characters_is_shown_escaped():
    done = run("trace", "--filter", "nosuch\x1b[31m = 1")
    expect((done.status, "\x1b" in done.err), (2, False), f"status, escape in {done.err!r}")


@fact
def an_option_of_control_characters_is_shown_escaped():
    for arguments in [["--\x1b[31m"], ["top", "\x1b[31m"], ["top", "--by", "\x1b[31m"], ["top", "--limit", "\x1b[31m"]]:
        assert "\x1b" not in refused(*arguments), arguments


@fact
def an_unknown_event_is_answered_with_the_known_ones():
    names(refused("trace", "--events", "connect,bogus"), "'bogus'", "connect", "retransmit", "rtt")


@fact
def a_bad_duration_is_named_with_its_option():
    for option, command in [("--interval", "top"), ("--duration", "trace")]:
        for value in ["soon", "3 parsecs", "-1s", "1e400s"]:
            names(refused(command, f"{option}={value}"), option, value.split()[-1])
    names(refused("top", "--interval", "1ms"), "--interval", "10ms")


@fact
def a_bad_size_is_named_with_its_option():
    for option in ["--history", "--ring-size"]:
        for value in ["much", "3 lightyears", "-1"]:
            names(refused("top", f"{option}={value}"), option, value.split()[-1])
    names(refused("top", "--ring-size", "1"), "--ring-size", "4.0KiB")


@fact
def a_bad_number_is_named_with_its_option():
    for option in ["--count", "--limit"]:
        for value in ["many", "-1", "1.5"]:
            names(refused("top", f"{option}={value}"), option, value)


def config(text):
    with tempfile.NamedTemporaryFile("w", suffix=".toml", delete=False) as file:
        file.write(text)
    return file.name


@fact
def an_unknown_key_of_the_configuration_is_named_with_its_line():
    path = config("# comment: bogus\n[top]\nlimit = 3\n\nbogus = 4\n")
    names(refused("--config", path, "top", "--once"), f"{path}:5:", "bogus")


@fact
def an_unknown_section_of_the_configuration_is_named_with_its_line():
    path = config("[top]\nlimit = 3\n[tpo]\nlimit = 4\n")
    names(refused("--config", path, "top", "--once"), f"{path}:3:", "tpo")


@fact
def a_bad_value_in_the_configuration_is_named_with_its_line():
    path = config("[top]\n\ninterval = \"soon\"\n")
    names(refused("--config", path, "top", "--once"), f"{path}:3:", "interval")


@fact
def a_configuration_that_is_no_toml_is_named_with_its_line():
    path = config("[top]\nlimit = 3\n[trace\ncount = 4\n")
    names(refused("--config", path, "top", "--once"), f"{path}:3:")


@fact
def an_unreadable_configuration_is_named():
    for path in ["/run/tests/missing.toml", "/run/tests"]:
        names(refused("--config", path, "top", "--once"), path)


@fact
def the_configuration_gives_defaults_that_arguments_replace():
    path = config("[top]\nby = \"nosuch\"\n")
    names(refused("--config", path, "top", "--once"), "'nosuch'")
    names(refused("--config", path, "top", "--by", "another"), "'another'")


@fact
def every_setting_of_a_probe_stands_in_the_configuration_too():
    bad = {"count": "some", "interval": "soon", "parallel": "0", "per-host": "0", "pool": "-1", "retries": "many", "backoff": "x",
           "breaker": "x", "dns-cache": "x", "timeout": "x", "dns-timeout": "x", "connect-timeout": "x", "tls-timeout": "x",
           "response-timeout": "x", "max-body": "x", "http": "4", "redirects": "x", "send": "x", "ca": "/nosuch",
           "receive-buffer": "x", "dscp": "64"}
    for key, value in bad.items():
        path = config(f"[probe]\n{key} = \"{value}\"\n")
        names(refused("--config", path, "probe", "tcp://127.0.0.1:9"), f"{path}:2:", key)
    path = config("[probe]\ncount = 3\ninterval = \"10ms\"\njson = true\nno-bpf = true\n")
    for words, attempts in ((), 3), (("--count", "1"), 1):
        lines = run("--config", path, "probe", "tcp://127.0.0.1:9", *words).out.splitlines()
        expect(len(lines), attempts + 1, f"attempts and the summary with {words}")


@fact
def a_configuration_that_is_no_file_is_refused():
    names(refused("--config", "/dev/zero", "top", "--once"), "/dev/zero", "regular file")


@fact
def a_section_of_the_configuration_is_for_its_command_alone():
    path = config("[top]\nby = \"nosuch\"\ncount = 3\n[trace]\nevents = \"bogus\"\n")
    names(refused("--config", path, "top", "--once"), "'nosuch'")
    names(refused("--config", path, "trace"), "'bogus'")
    names(refused("--config", path, "connections", "--by", "another"), "'another'")


@fact
def help_and_version_end_well():
    done = succeed("--help")
    names(done.out, "--config", *COMMANDS)
    assert re.fullmatch(r"netsonde \d+\.\d+\.\d+\n", succeed("--version").out), "version"


@fact
def every_command_has_help_of_its_own():
    for command in COMMANDS:
        done = succeed(command, "--help")
        names(done.out, f"netsonde {command} [OPTIONS]", "--help")
        assert f"{command} {command}" not in done.out, done.out


@fact
def help_fits_in_a_hundred_columns():
    for command in COMMANDS:
        longest = max(succeed(command, "--help").lines, key=len)
        assert len(longest) <= 100, longest


@fact
def fields_lists_each_field_once_with_a_sentence():
    lines = succeed("fields").lines
    identifiers = [line.split()[0].rstrip(",") for line in lines]
    expect(len(set(identifiers)), len(identifiers), "different names")
    names(identifiers, "srtt_us", "limited_by", "rtt_p99_us", "cookie")
    expect([line for line in lines if not line.endswith(".")], [], "lines without a sentence")


@fact
def fields_speaks_json():
    entries = succeed("fields", "--json").json()
    names([entry["id"] for entry in entries], "srtt_us", "limited_by")
    expect(len(entries), len(succeed("fields").lines), "number of fields")


# --- privilege ---------------------------------------------------------------------------------


def without(*words):
    """netsonde where everybody may read it, behind setpriv with these words."""
    place = "/run/tests/netsonde"
    if not os.path.exists(place):
        import harness
        shutil.copy(harness.BINARY, place)
        os.chmod(place, 0o755)
    if not shutil.which("setpriv"):
        raise Skip("setpriv is not installed")
    return ["setpriv", *words, place]


def run_without(words, *arguments):
    import harness
    command = [*without(*words), *arguments]
    return harness.finish(harness.launch(command))


NOBODY = ["--reuid=65534", "--regid=65534", "--clear-groups"]


@fact
def an_ordinary_user_is_told_which_capabilities_are_missing():
    for arguments in [["top", "--once"], ["trace"], ["connections"]]:
        message = one_error(run_without(NOBODY, *arguments), status=1)
        names(message, "CAP_BPF", "CAP_PERFMON", "CAP_NET_ADMIN", "CAP_SYS_ADMIN", "root")


@fact
def a_single_missing_capability_is_named_alone():
    for missing in ["bpf", "perfmon", "net_admin", "sys_admin"]:
        message = one_error(run_without([f"--bounding-set=-{missing}", f"--inh-caps=-{missing}"], "trace"), status=1)
        expect(re.findall(r"CAP_\w+", message), [f"CAP_{missing.upper()}"], "capabilities named")


@fact
def an_ordinary_user_may_read_help_fields_and_errors():
    for arguments, status in [(["--help"], 0), (["fields"], 0), (["trace", "--filter", "nosuch = 1"], 2)]:
        expect(run_without(NOBODY, *arguments).status, status, " ".join(arguments))


NEEDED = ["CAP_BPF", "CAP_PERFMON", "CAP_NET_ADMIN", "CAP_SYS_ADMIN"]


@fact
def doctor_tells_an_ordinary_user_what_is_missing():
    done = run_without(NOBODY, "doctor")
    expect((done.status, done.err), (1, ""), "status and errors")
    answers = [re.split(r" {2,}", line, maxsplit=1) for line in done.lines[:done.lines.index("")]]
    expect([answer for answer in answers if len(answer) < 2 or not answer[1]], [], "questions without an answer")
    expect(dict(answers)["kernel"], os.uname().release, "kernel")
    expect(dict(answers)["capabilities"], "missing " + ", ".join(NEEDED), "capabilities")
    expect(done.lines[-1], f"netsonde top cannot run here: lacks {', '.join(NEEDED)}: run it as root", "the last line")


@fact
def doctor_tells_an_ordinary_user_what_is_missing_in_json_too():
    done = run_without(NOBODY, "doctor", "--json")
    expect((done.status, done.err, len(done.lines)), (1, "", 1), "status, errors, lines")
    told = done.json()[0]
    expect((told["can_run"], told["missing_capabilities"], told["sees"], told["costs"]), (False, NEEDED, [], []), "verdict")
    names(told["problem"], *NEEDED, "root")


@fact
def doctor_names_a_single_missing_capability_alone():
    for missing in ["bpf", "sys_admin"]:
        done = run_without([f"--bounding-set=-{missing}", f"--inh-caps=-{missing}"], "doctor")
        expect(done.status, 1, "status")
        expect(set(re.findall(r"CAP_\w+", done.out)), {f"CAP_{missing.upper()}"}, "capabilities named")
