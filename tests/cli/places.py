# SPDX-License-Identifier: Apache-2.0
"""Surroundings that lack what a host usually has."""

import json
import os
import re
import sys
import tempfile

from harness import Lines, expect, fact, netns, start, succeed, tool
from traffic import Connection, here, owner_of_connection


def rtt_samples_of_a_busy_connection(*wrap):
    """Row of the client of a connection with many RTT samples, seen by a netsonde behind wrap."""
    with Connection() as connection:
        process = start("top", "--batch", "--json", "--interval", "0.2s", "--filter", f"{here()} and rport = {connection.port}", wrap=wrap)
        lines = Lines(process.stdout)
        assert lines.next(), process.stderr.read().decode(errors="replace")
        for _ in range(20):
            connection.exchange(50)
            row = json.loads(lines.next())["connections"][0]
            if (row["rtt_samples"] or 0) > 50 and row["rtt_p99_us"]:
                break
        assert row["rtt_samples"] > 50, f"{row['rtt_samples']} samples"
        assert 0 < row["rtt_p50_us"] <= row["rtt_p90_us"] <= row["rtt_p99_us"], f"{row['rtt_p50_us']} {row['rtt_p99_us']}"
        assert row["cgroup"], "its cgroup is unknown"
        expect(row["pid"], os.getpid(), "owner")
        process.kill()


@fact
def it_sees_all_below_ip_netns_exec():
    tool("ip", "netns", "add", "elsewhere")
    try:
        rtt_samples_of_a_busy_connection("ip", "netns", "exec", "elsewhere")
    finally:
        tool("ip", "netns", "delete", "elsewhere")


@fact
def it_sees_all_without_sys_fs():
    hide = "mount -t tmpfs none /sys/fs && exec \"$@\""
    rtt_samples_of_a_busy_connection("unshare", "-m", "sh", "-c", hide, "sh")


@fact
def it_sees_all_without_sys_kernel_tracing_and_debug():
    hide = "for d in /sys/kernel/debug /sys/kernel/tracing; do [ ! -d $d ] || mount -t tmpfs none $d; done; exec \"$@\""
    rtt_samples_of_a_busy_connection("unshare", "-m", "sh", "-c", hide, "sh")


@fact
def it_sees_connections_of_other_namespaces_that_are_older():
    with owner_of_connection(b"elsewhere", elsewhere=True) as owner:
        port, space = owner.hear().split()
        rows = succeed("top", "--once", "--json", "--interval", "0.2s", "--filter", f"netns = {int(space)}").json()[0]["connections"]
        expect([(row["pid"], row["comm"]) for row in rows], [(owner.pid, "elsewhere")] * 2, "owners")
        assert int(space) != netns()


@fact
def it_runs_without_locale_home_or_terminal_in_its_environment():
    done = succeed("top", "--once", "--interval", "0.2s", "--filter", here(), env={})
    assert "COMMAND" in done.out, done.out


@fact
def it_runs_in_a_directory_that_is_gone_and_with_closed_standard_input():
    place = tempfile.mkdtemp()
    process = start("top", "--once", "--interval", "0.2s", "--filter", here(),
                    wrap=["sh", "-c", f"cd {place} && rmdir {place} && exec \"$@\" <&-", "sh"])
    out, err = process.communicate()
    expect((process.returncode, err, b"COMMAND" in out), (0, b"", True), "status, errors, a table")


@fact
def two_at_a_time_see_the_same():
    with Connection():
        words = ["top", "--once", "--json", "--interval", "0.2s", "--fields", "cookie,pid,state", "--by", "cookie", "--filter", here()]
        first, second = start(*words), start(*words)
        tables = [json.loads(process.communicate()[0])["connections"] for process in (first, second)]
        expect(tables[0], tables[1], "rows")
        expect(len(tables[0]), 2, "rows")


@fact
def doctor_says_that_it_can_run():
    done = succeed("doctor", "--json")
    told = done.json()[0]
    expect((told["can_run"], told["problem"], told["missing_capabilities"]), (True, None, []), "verdict")
    assert told["release"] == os.uname().release, told["release"]
    expect([hook["what"] for hook in told["sees"] if not hook["programs"]], [], "not seen here")


def without_own_mounts():
    """Words in front of a command whose mounts of its own are refused."""
    refuse = """if True:
        import ctypes, os, struct, sys
        load, equals, give = 0x20, 0x15, 0x06
        refused, fine, fsopen = 0x00050001, 0x7fff0000, 430
        program = [(load, 0, 0, 0), (equals, 0, 1, fsopen), (give, 0, 0, refused), (give, 0, 0, fine)]
        words = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *each) for each in program))
        filter = struct.pack("HxxxxxxP", len(program), ctypes.addressof(words))
        if ctypes.CDLL(None, use_errno=True).prctl(22, 2, filter) != 0:
            sys.exit("seccomp: " + os.strerror(ctypes.get_errno()))
        os.execvp(sys.argv[1], sys.argv[1:])
    """
    return [sys.executable, "-c", refuse]


@fact
def a_sys_that_is_refused_is_told_with_what_is_not_checked_without_it():
    done, told = (succeed("doctor", *json, wrap=without_own_mounts()) for json in ([], ["--json"]))
    reason = "/sys (interrupts and queues of devices): open sysfs: Operation not permitted"
    assert re.search(rf"^not read +{re.escape(reason)}$", done.out, re.MULTILINE), done.out
    assert reason in told.json()[0]["setup"]["not_read"], told.out
    words = ["explain", "--duration", "0.3s", "--filter", here()]
    text, told = (succeed(*words, *json, wrap=without_own_mounts()) for json in ([], ["--json"]))
    assert "Not checked: irq-imbalance (netsonde doctor says why)." in text.out, text.out
    expect(told.json()[0]["not_checked"], ["irq-imbalance"], "not checked")
    assert "irq-imbalance" not in told.json()[0]["checked"], told.out


@fact
def where_sys_is_there_nothing_is_told_of_it():
    assert "not read" not in succeed("doctor").out
    expect(succeed("doctor", "--json").json()[0]["setup"]["not_read"], [], "not read")
    assert "Not checked" not in succeed("explain", "--duration", "0.3s", "--filter", here()).out


def blocks_of(text):
    """What stands between empty lines: lists of lines."""
    return [block.splitlines() for block in text.strip("\n").split("\n\n")]


@fact
def doctor_answers_every_question_about_the_host():
    answers = dict(re.split(r" {2,}", line, maxsplit=1) for line in blocks_of(succeed("doctor").out)[0])
    with open("/proc/sys/net/ipv4/tcp_available_congestion_control") as file:
        congestion_controls = ", ".join(file.read().split())
    expect(list(answers), ["kernel", "capabilities", "cgroup2", "network namespaces", "congestion controls", "qdiscs"], "questions")
    expect((answers["kernel"], answers["capabilities"]), (os.uname().release, "all"), "kernel and capabilities")
    expect(answers["congestion controls"], congestion_controls, "congestion controls")
    assert answers["cgroup2"] in ["yes", "no"], answers
    assert re.fullmatch(r"[1-9]\d*( \(\d+ could not be entered\))?", answers["network namespaces"]), answers


@fact
def doctor_names_for_all_that_is_seen_the_programs_that_see_it():
    text, told = blocks_of(succeed("doctor").out)[1], succeed("doctor", "--json").json()[0]
    expect(text[0].split("  ")[0], "WHAT IS SEEN", "title")
    assert len(text) > 10, text
    for line, hook in zip(text[1:], told["sees"], strict=True):
        seen_by = ", ".join(hook["programs"]) or "not seen here"
        expect(re.split(r" {2,}", line.strip()), [hook["what"], seen_by] + [", ".join(hook["rejected"])] * bool(hook["rejected"]), "line")
        assert all(re.fullmatch(r"\w+: \S.*", reason) for reason in hook["rejected"]), f"refused without a reason: {line}"


@fact
def doctor_tells_what_each_program_costs_and_ends_with_its_verdict():
    blocks, told = blocks_of(succeed("doctor").out), succeed("doctor", "--json").json()[0]
    expect(blocks[2][0].split(), ["PROGRAM", "RUNS/s", "ns/RUN"], "titles")
    expect([line.split()[0] for line in blocks[2][1:]], [cost["program"] for cost in told["costs"]], "programs")
    assert {program for hook in told["sees"] for program in hook["programs"]} <= {cost["program"] for cost in told["costs"]}, told
    for line in blocks[2][1:]:
        _, runs, nanoseconds = line.split()
        assert re.fullmatch(r"[1-9]\d*" if int(runs) else "-", nanoseconds), line
    expect(blocks[-1], ["netsonde top can run here."], "the last line")


@fact
def doctor_advises_more_descriptors_where_they_are_few():
    few = ["sh", "-c", "ulimit -n 200 && exec \"$@\"", "sh"]
    advice = {entry["setting"]: entry for entry in succeed("doctor", "--json", wrap=few).json()[0]["advice"]}
    expect(advice["ulimit -n"]["value"], "200", "value")
    line = f"ulimit -n = 200: {advice['ulimit -n']['text']}"
    assert [line] in blocks_of(succeed("doctor", wrap=few).out), line
    assert "ulimit -n =" not in succeed("doctor").out, "advice without need"
