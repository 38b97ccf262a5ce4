# SPDX-License-Identifier: Apache-2.0
"""tune: what is asked for, planned, listed and told; as in tune.py on a host of our own."""

import json
import os
import re

from harness import eventually, expect, fact, finish, free_port, netns, one_error, run, start, succeed, tool
from tuned import AS_FIRST, JOURNAL, LARGE, RMEM, SOMAXCONN, apply_plan, long_path, overflowing_listener, own_host, scope, status, undo

VALUE = ("--set", f"{SOMAXCONN}=5000")


@fact
def what_means_nothing_on_any_host_ends_with_2_and_what_this_one_lacks_with_1():
    own_host()
    for arguments, words in [
            (("plan", "--profile", "none"), "there is no profile 'none'; there are classic"), (("profile", "show", "none"), "no profile 'none'"),
            (("apply", "--yes", "--profile", "none"), "no profile 'none'"), (("apply", "--yes"), "wants one of"),
            (("apply", "plan.json", "--yes", *VALUE), "wants one of"), (("apply", "--yes", "--profile", "server", *VALUE), "wants one of"),
            (("apply", "--yes", "--set", "kernel.panic=1"), "not in the catalogue"), (("apply", "--yes", "--set", f"{SOMAXCONN}@lo=5"), "no setting of"),
            (("apply", "--yes", "--set", SOMAXCONN), "not KEY=VALUE"), (("apply", "--yes", "--set", f"{SOMAXCONN}=x"), "number"),
            (("plan", "--only", "net.x"), "--only: net.x is not"), (("plan", "--except", "net.x"), "--except: net.x is not"),
            (("list", "net.x"), "net.x is not in"), (("hand-back", "net.x"), "net.x is not in"), (("auto", "--only", "net.x"), "--only: net.x is not"),
            (("plan", "--from", "/var/lib/x.nsr", "--profile", "server"), "looks at no recording")]:
        message = one_error(run("tune", *arguments), 2)
        assert words in message, message
    for arguments, words in [(("hand-back", SOMAXCONN), "not left alone"), (("apply", "--yes", "/var/lib/none"), "No such file"),
                             (("apply", "--yes", "--set", "device.txqueuelen@none=5"), "there is no device none"), (("rollback",), "nothing to roll back")]:
        message = one_error(run("tune", *arguments), 1)
        assert words in message, message
    nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    assert "root" in one_error(run("tune", "apply", "--yes", *VALUE, wrap=nobody), 1)
    expect(status()["state"], "none", "state")


def record(path):
    done = run("record", "-o", path, "--duration", "1500ms", "--interval", "250ms")
    expect(done.status, 0, f"exit status, {done.err}")


def proposed(*arguments):
    done = run("tune", "plan", "--json", *arguments)
    expect(done.status, 0, f"exit status, {done.err}")
    return [one["key"] for one in json.loads(done.out)["proposals"] if one["scope"]["name"] == str(netns())]


@fact
def what_a_plan_says_moves_no_terminal():
    own_host()
    plan = json.loads(succeed("tune", "plan", "--profile", "server", "--json").out)
    plan["proposals"] = [one | {"finding": "evil\u001b]0;title\u0007\u001b[2J"} for one in plan["proposals"][:1]]
    expect(apply_plan(json.dumps(plan)).status, 0, "status when it is applied")
    for words in ((), ("log",), ("report",)):
        assert "\x1b" not in succeed("tune", *(words or ("status",))).out, words
    undo()
    plan["proposals"][0]["finding"] = "long " * 8000
    message = one_error(apply_plan(json.dumps(plan)), 1)
    assert "longer than 32768 bytes" in message, message


@fact
def a_plan_looks_only_at_the_part_of_a_recording_that_is_wanted():
    own_host()
    os.mkdir("/var/lib/recorded")
    record("/var/lib/recorded/quiet.nsr")
    with overflowing_listener():
        record("/var/lib/recorded/worse.nsr")
        recorded = ("--from", "/var/lib/recorded")
        for part, wanted in [((), [SOMAXCONN]), (("--until", "+1s"), []), (("--since", "1s"), [SOMAXCONN]), (("--at", "+1s"), []),
                             (("--at", "0s", "--duration", "1s"), [SOMAXCONN])]:
            expect(proposed(*recorded, *part), wanted, f"proposals of {part}")
    for arguments, words in [(("--since", "1s"), "--from"), (("--at", "1s", "--profile", "server"), "--from"),
                             ((*recorded, "--at", "1s", "--since", "1s"), "not both")]:
        message = one_error(run("tune", "plan", *arguments), 2)
        assert words in message, message


def made_plan(**proposal):
    """A plan for this host as it is written down."""
    made = json.loads(succeed("tune", "plan", "--profile", "server", "--json").out)
    made["proposals"] = [{"key": SOMAXCONN, "scope": scope(), "from": "4096", "to": "5000", "evidence": []} | proposal]
    return json.dumps(made)


CONTROL = "net.ipv4.tcp_congestion_control"


@fact
def a_congestion_control_that_is_not_there_is_refused_before_anything_is_kept():
    own_host()
    tool("ip", "link", "add", "v0", "type", "veth", "peer", "name", "v1")
    tool("ip", "addr", "add", "10.1.0.1/24", "dev", "v0")
    tool("ip", "link", "set", "v0", "up")
    tool("ip", "route", "add", "10.2.0.0/16", "via", "10.1.0.2")
    there = tool("sysctl", "-n", CONTROL).strip()
    available = tool("sysctl", "-n", "net.ipv4.tcp_available_congestion_control").strip()
    before = os.path.exists(JOURNAL) and os.path.getsize(JOURNAL)
    for done in (run("tune", "apply", "--yes", "--set", f"{CONTROL}=vegas_x"), run("tune", "apply", "--yes", "--set", "route.congestion_control@10.2.0.0/16=vegas_x"),
                 run("tune", "experiment", "--yes", "--load", "true", "--set", f"{CONTROL}=vegas_x"),
                 apply_plan(made_plan(key=CONTROL, **{"from": there, "to": "vegas_x"}))):
        message = one_error(done, 1)
        assert "vegas_x is not available in netns" in message and f"which has {available};" in message, message
        with open(JOURNAL, encoding="ascii") as journal:
            expect(journal.read(), "", "journal")
    expect(before, False, "journal at first")
    succeed("tune", "apply", "--yes", "--set", "route.congestion_control@10.2.0.0/16=" + available.split()[0])
    succeed("tune", "confirm")
    succeed("tune", "apply", "--yes", "--set", "route.congestion_control@10.2.0.0/16=default")
    undo()


IDLE = "net.ipv4.tcp_slow_start_after_idle"


def now(key):
    return tool("sysctl", "-n", key).strip()


@fact
def a_part_of_what_could_be_applied_is_and_the_rest_is_told():
    own_host()
    both = json.loads(made_plan())
    both["proposals"].append(both["proposals"][0] | {"key": IDLE, "from": "1", "to": "0"})
    for source in (("--set", f"{SOMAXCONN}=5000", f"{IDLE}=0"), None):
        for part, words in [(("--only", IDLE), f"netsonde: {SOMAXCONN}: left out: --only others\n"), (("--except", SOMAXCONN), f"netsonde: {SOMAXCONN}: left out: --except\n")]:
            done = run("tune", "apply", "--yes", *source, *part) if source else apply_plan(json.dumps(both), *part)
            expect((done.status, done.err), (0, words), "status and what is told")
            expect((now(SOMAXCONN), now(IDLE)), ("4096", "0"), "values")
            expect(len(status()["changes"]), 1, "changes")
            succeed("tune", "rollback")
    done = run("tune", "apply", "--yes", "--profile", "server", "--only", SOMAXCONN)
    expect((done.status, [one["key"] for one in status()["changes"]]), (0, [SOMAXCONN]), f"changes of a profile, {done.err}")
    assert done.err and all(line.endswith(": left out: --only others") for line in done.err.splitlines()), done.err
    undo()
    done = run("tune", "apply", "--yes", "--set", f"{SOMAXCONN}=5000", "--except", SOMAXCONN)
    expect((done.status, done.out), (0, "nothing to change\n"), "of nothing that is left")


def own_profiles():
    """Those of an administrator, on a file system that nobody else sees."""
    place = "/etc/netsonde/profiles"
    if not os.path.isdir(place):
        for folder in ("upper", "work"):
            os.mkdir(f"/var/lib/{folder}")
        tool("mount", "-t", "overlay", "none", "-o", "lowerdir=/etc,upperdir=/var/lib/upper,workdir=/var/lib/work", "/etc")
        os.makedirs(place)
    tool("mount", "-t", "tmpfs", "-o", "mode=755", "none", place)


def write_profile(name, summary="ours"):
    path = f"/etc/netsonde/profiles/{name}.toml"
    with open(path, "w", encoding="ascii") as file:
        file.write(f'summary = "{summary}"\n[[setting]]\nkey = "{SOMAXCONN}"\nvalue = 5000\nwhy = "so"\nmemory_at_least = "1MiB"\n')
    return path


@fact
def profiles_are_told_as_json_too():
    own_host()
    own_profiles()
    path = write_profile("mine")
    rows = {row["name"]: row for row in succeed("tune", "profile", "list", "--json").json()}
    expect(rows["mine"], {"name": "mine", "description": "ours", "file": path, "settings": 1}, "ours")
    expect([line.split()[0] for line in succeed("tune", "profile", "list").lines if line[0] != " "], list(rows), "names")
    for name, row in rows.items():
        (shown,) = succeed("tune", "profile", "show", name, "--json").json()
        expect({key: shown[key] for key in ("name", "description", "file")} | {"settings": len(shown["settings"])}, row, name)
        planned = json.loads(succeed("tune", "plan", "--profile", name, "--json").out)
        expect([shown["plan"][key] for key in ("goal", "proposals")], [planned[key] for key in ("goal", "proposals")], "plan")
    (shown,) = succeed("tune", "profile", "show", "mine", "--json").json()
    expect(shown["settings"], [{"key": SOMAXCONN, "value": "5000", "may_lower": False, "memory_at_least": 1 << 20, "link_at_least": None, "why": "so"}], "settings")


@fact
def a_profile_that_others_may_have_written_is_refused():
    own_host()
    own_profiles()
    for spoil, words in ((lambda path: os.chmod(path, 0o664), "may be written by others"), (lambda path: os.chmod(path, 0o646), "may be written by others"),
                         (lambda path: os.chown(path, 1000, 0), "belongs to user 1000")):
        path = write_profile("server")
        spoil(path)
        for arguments in (("apply", "--yes", "--profile", "server"), ("plan", "--profile", "server"), ("profile", "show", "server")):
            message = one_error(run("tune", *arguments), 1)
            expect(message, f"netsonde: {path} {words}: it cannot be trusted", "message")
        done = run("tune", "profile", "list")
        expect((done.status, done.err), (0, f"netsonde: not read: {path} {words}: it cannot be trusted\n"), "status and errors of the list")
        assert not any(line.startswith("server") for line in done.lines), done.out
        os.unlink(path)
    expect(now(SOMAXCONN), "4096", "value")
    write_profile("server")
    expect(succeed("tune", "apply", "--yes", "--profile", "server").status, 0, "one that is root's alone")
    undo()


def words_of(text):
    """However the lines were broken."""
    return "".join(text.split())


@fact
def what_is_listed_fits_80_columns_and_nothing_of_it_is_lost():
    own_host()
    own_profiles()
    path = write_profile("mine", summary=" ".join(["words"] * 40))
    file = f"/etc/sysctl.d/{'50-of-the-administrator-' * 4}.conf"
    with open(file, "w", encoding="ascii") as own:
        own.write(f"{SOMAXCONN} = 4096\n")
    tool("ip", "link", "add", "a-device-of-15c", "type", "veth", "peer", "name", "v1")
    tool("ip", "addr", "add", "2001:db8::1/64", "dev", "a-device-of-15c")
    tool("ip", "link", "set", "a-device-of-15c", "up")
    tool("ip", "route", "add", "2001:db8:1234:5678:9abc::/80", "dev", "a-device-of-15c")
    tables = [succeed("tune", *words, wrap=AS_FIRST).out for words in (("list",), ("list", "--all"), ("profile", "list"))]
    succeed("tune", "apply", "--yes", "--set", "net.ipv4.tcp_slow_start_after_idle=0", "net.ipv4.tcp_rmem=4096 131072 33554431",
            "route.initcwnd@2001:db8:1234:5678:9abc::/80=20")
    told = [succeed("tune", *words).out for words in (("status",), ("log",), ("list",))]
    for text in tables + told:
        assert all(len(line) <= 80 for line in text.splitlines()), [line for line in text.splitlines() if len(line) > 80]
    assert words_of(file + ":1") in words_of(tables[0]) and words_of(path) in words_of(tables[2]), tables
    for row in succeed("tune", "list", "--all", "--json").json():
        name = row["key"] + ("@" + row["where"] if row["where"] else "")
        assert name in words_of(tables[1]), name
    for row in succeed("tune", "list", "--json").json():
        name = row["key"] + ("@" + row["where"] if row["where"] else "")
        assert words_of(name + row["value"] + (row["default"] or "-")) in words_of(told[2]), (name, told[2])
    for change in status()["changes"]:
        for text in told[:2]:
            assert words_of(f"{change['before']}->{change['after']}") in words_of(text), (change, text)
    undo()


@fact
def status_tells_what_is_in_force_and_that_nothing_is_pending():
    own_host()

    def lines():
        return [line.replace(f" (netns {netns()})", "") for line in succeed("tune", "status").lines]

    expect(lines(), ["none: nothing was changed since this host was booted", "In force, set by netsonde: nothing"], "at first")
    succeed("tune", "apply", "--yes", *VALUE)
    first, *rest = lines()
    assert first.startswith("pending: change set 1, rolled back in ") and first.endswith(" s unless you run: netsonde tune confirm"), first
    expect(rest, ["In force, set by netsonde:", f"  {SOMAXCONN}: 4096 -> 5000, by change set 1"], "while it is pending")
    succeed("tune", "rollback")
    expect(lines(), ["rolled-back: change set 1 (netsonde tune rollback); nothing is pending", "In force, set by netsonde: nothing"], "after the rollback")
    succeed("tune", "apply", "--yes", "--set", f"{IDLE}=0")
    succeed("tune", "confirm")
    expect(lines()[0], "confirmed: change set 2; nothing is pending", "once it is confirmed")
    in_force = ["In force, set by netsonde:", f"  {IDLE}: 1 -> 0, by change set 2"]
    expect(lines()[1:], in_force, "what is in force then")
    succeed("tune", "apply", "--yes", *VALUE, "--confirm-within", "1s")
    eventually(lambda: status()["state"] == "rolled-back", "the rollback")
    expect(lines(), ["rolled-back: change set 3 (not confirmed in time); nothing is pending", *in_force], "and of an earlier one still is")
    undo()


@fact
def the_figures_of_an_experiment_carry_their_units():
    with long_path():
        done = run("tune", "experiment", "--yes", "--set", f"{RMEM}={LARGE}", "--load", "python3 -S /var/lib/load.py", "--blocks", "6", "--wash-out", "10ms")
    rows = {line.split()[0]: line.split() for line in done.lines if line.startswith("  ") and len(line.split()) > 5}
    for metric, figure in (("load_seconds", r"\d+ms|\d\.\d\ds"), ("rtt_p99_us", r"[\d.]+ms"), ("retransmit_percent", r"[\d.]+%")):
        for column in (1, 2) if metric in rows else ():
            assert re.fullmatch(figure, rows[metric][column]), rows[metric]
    assert {"load_seconds", "rtt_p99_us"} <= set(rows), done.out


@fact
def a_load_or_a_probe_that_fails_at_once_is_told_before_anything_is_kept():
    own_host()
    port = free_port()
    for arguments, words in [(("--load", "exit 3"), "the load ended with status 3"), (("--probe", f"http://127.0.0.1:{port}/"), "refused"),
                             (("--probe", "tcp://nothing.invalid:80"), "nothing.invalid")]:
        message = one_error(run("tune", "experiment", "--yes", *VALUE, *arguments), 1)
        assert words in message, message
        with open(JOURNAL, encoding="ascii") as journal:
            expect(journal.read(), "", "journal")
    marker = "/var/lib/marker"
    assert "--yes" in one_error(run("tune", "experiment", *VALUE, "--load", f"touch {marker}"), 1)
    expect(os.path.exists(marker), False, "a load that ran though nobody could be asked")


@fact
def the_question_of_an_experiment_says_how_long_it_takes():
    own_host()
    for arguments, words in [(("--metric", "rx_bytes_per_s"), r"About 3m: 12 blocks of two turns of 5\.0s, 2\.0s apart\.\n"),
                             (("--metric", "rx_bytes_per_s", "--blocks", "6", "--period", "1s", "--wash-out", "1s"),
                              r"About 24s: 6 blocks of two turns of 1\.0s, 1\.0s apart\.\n"),
                             (("--load", "sleep 0.5", "--blocks", "6"), r"About (\d+)s, if the load goes on taking ([\d.]+)(m?)s: 6 blocks of two turns, 2\.0s apart\.\n")]:
        ours, theirs = os.openpty()
        asking = start("tune", "experiment", *VALUE, *arguments, stdin=theirs)
        os.write(ours, b"n\n")
        done = finish(asking)
        expect(done.status, 1, f"exit status, {done.err}")
        said = re.search(words, done.out)
        assert said and "Apply this change? [y/N]" in done.out, done.out
        if said.groups():
            whole, load, milli = said.groups()
            assert abs(int(whole) - 12 * (float(load) / (1000 if milli else 1) + 2)) < 2, done.out
        os.close(ours)
        os.close(theirs)
    expect((now(SOMAXCONN), status()["state"]), ("4096", "none"), "afterwards")


@fact
def a_plan_says_that_it_looks_and_whom_its_evidence_is_about():
    own_host()
    with overflowing_listener() as listening:
        who = f"[{os.getpid()}] listening on 127.0.0.1:{listening.getsockname()[1]}"
        ours, theirs = os.openpty()
        done = finish(start("tune", "plan", "--duration", "2s", "-o", "/var/lib/plan.json", stderr=theirs))
        told = b""
        while not told.endswith(b"\r\033[K"):
            told += os.read(ours, 1000)
        os.close(ours)
        os.close(theirs)
        assert told.startswith(b"looking for 2.0s"), told
        assert any(line.startswith("  subject   ") and line.endswith(who) for line in done.lines), done.out
    with open("/var/lib/plan.json", encoding="ascii") as file:
        made = json.load(file)
    (proposal,) = [one for one in made["proposals"] if one["key"] == SOMAXCONN and one["scope"]["name"] == str(netns())]
    assert proposal["subject"].endswith(who), proposal
    expect(made["schema"], 1, "schema")
    made["proposals"] = [{key: value for key, value in proposal.items() if key != "subject"}]
    for plan in (made, made | {"proposals": [proposal]}):
        done = apply_plan(json.dumps(plan))
        expect((done.status, now(SOMAXCONN)), (0, "32"), f"status and value, {done.err}")
        succeed("tune", "rollback")
