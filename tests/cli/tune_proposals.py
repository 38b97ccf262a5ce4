# SPDX-License-Identifier: Apache-2.0
"""tune list, plan and profiles: what there is, and what is proposed."""

import json
import os

from harness import expect, fact, netns, one_error, run, succeed, tool
from tuned import AS_FIRST, BOTH, IDLE, LONG, ORIGINAL, SOMAXCONN, apply, apply_plan, namespaces, overflowing_listener, own_host, undo, values


@fact
def what_somebody_else_has_set_is_not_proposed():
    own_host()
    apply("--set", f"{SOMAXCONN}=5000", *LONG)
    tool("sysctl", "-w", f"{SOMAXCONN}=6000")
    succeed("tune", "rollback")
    made = json.loads(succeed("tune", "plan", "--profile", "server", "--json").out)
    assert SOMAXCONN not in [one["key"] for one in made["proposals"]], made
    assert any(one["key"] == SOMAXCONN and "hand-back" in one["why_not"] for one in made["considered"]), made["considered"]


@fact
def list_shows_the_values_of_the_kernel_and_who_set_them():
    own_host()
    with open("/etc/sysctl.d/50-own.conf", "w", encoding="ascii") as own:
        own.write(f"{SOMAXCONN} = 4096\n{IDLE}=0\n")
    elsewhere = {row["key"]: row["set_by"] for row in succeed("tune", "list", "--json").json()}
    expect((elsewhere[SOMAXCONN]["kind"], elsewhere[IDLE]["file"]), ("kernel", None), "where nobody reads the file")
    rows = {row["key"]: row for row in succeed("tune", "list", "--json", wrap=AS_FIRST).json()}
    for key, row in rows.items():
        expect(row["value"].split(), tool("sysctl", "-n", key).split(), key)
    expect(rows[SOMAXCONN]["set_by"] | {"set": 0}, {"kind": "file", "file": "/etc/sysctl.d/50-own.conf", "line": 1, "file_value": "4096", "set": 0}, "file")
    expect((rows[IDLE]["set_by"]["kind"], rows[IDLE]["set_by"]["file_value"]), ("run-time", "0"), "run time")
    apply("--set", f"{IDLE}=0", *LONG)
    succeed("tune", "confirm")
    expect(succeed("tune", "list", IDLE, "--json").json()[0]["set_by"]["set"], 1, "change set")
    assert not any(row["value"] is None for row in rows.values())
    everything = succeed("tune", "list", "--all", "--json").json()
    missing = [row for row in everything if row["value"] is None]
    assert missing and all(row["why_not"] and not row["available"] for row in missing), missing
    assert "not in the catalogue" in one_error(run("tune", "list", "kernel.panic"), 2)


@fact
def without_root_values_are_listed_and_nothing_is_changed():
    own_host()
    nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    expect(run("tune", "list", wrap=nobody).status, 0, "list")
    for arguments in (("apply", "--yes", *BOTH), ("confirm",), ("rollback",), ("recover",), ("status",), ("log",), ("persist",)):
        message = one_error(run("tune", *arguments, wrap=nobody), 1)
        assert "root" in message, message
    expect(values(), ORIGINAL, "sysctl")


@fact
def a_plan_proposes_what_it_has_evidence_for_and_changes_nothing():
    own_host()
    with overflowing_listener():
        done = run("tune", "plan", "--duration", "2s", "-o", "/var/lib/plan.json", "--json")
        expect((done.status, done.out, values(SOMAXCONN)), (0, "", [["8"]]), "status, output and value")
        with open("/var/lib/plan.json", encoding="ascii") as file:
            made = json.load(file)
        proposal = next(one for one in made["proposals"] if one["scope"]["name"] == str(netns()))
        expect([proposal[key] for key in ("key", "from", "to", "finding")], [SOMAXCONN, "8", "32", "accept-overflow"], "proposal")
        evidence = {one["field"]: one["value"] for one in proposal["evidence"]}
        assert evidence["listen_overflows"] > 50 and evidence["limit.somaxconn"] == 8, evidence
        made["proposals"] = [proposal]
        expect((apply_plan(json.dumps(made)).status, values(SOMAXCONN)), (0, [["32"]]), "status and value after it is applied")
        undo()


@fact
def without_evidence_nothing_is_proposed():
    own_host()
    tool("sysctl", "-w", f"{SOMAXCONN}=8")
    made = json.loads(succeed("tune", "plan", "--duration", "1s", "--json").out)
    expect([one for one in made["proposals"] if one["scope"]["name"] == str(netns())], [], "proposals")


@fact
def what_is_left_out_of_a_plan_is_said():
    own_host()
    with overflowing_listener():
        made = json.loads(succeed("tune", "plan", "--duration", "1s", "--json", "--except", SOMAXCONN).out)
        assert SOMAXCONN not in [one["key"] for one in made["proposals"]], made
        assert {"key": SOMAXCONN, "why_not": "left out: --except"} in made["considered"], made["considered"]
    assert "not in the catalogue" in one_error(run("tune", "plan", "--only", "kernel.panic"), 2)


@fact
def a_plan_from_a_recording_is_for_where_that_was_made():
    own_host()
    with overflowing_listener(), namespaces(1) as (_, held):
        succeed_with_notes("record", "-o", "/var/lib/host.nsr", "--duration", "2s", "--interval", "500ms")
        for wrap in ((), ("nsenter", "-n", "-t", str(held[0].pid))):
            made = json.loads(run("tune", "plan", "--from", "/var/lib/host.nsr", "--json", wrap=wrap).out)
            assert any(one["key"] == SOMAXCONN and one["scope"]["name"] == str(netns()) for one in made["proposals"]), (wrap, made)
            assert made["observed"]["seconds"] > 1 and made["observed"]["lost"] == 0, made["observed"]


def succeed_with_notes(*arguments):
    done = run(*arguments)
    expect(done.status, 0, f"exit status, {done.err}")


@fact
def a_profile_raises_and_does_not_lower():
    own_host()
    tool("sysctl", "-w", f"{SOMAXCONN}=60000")
    names = [line.split()[0] for line in succeed("tune", "profile", "list").lines if line[0] != " "]
    expect(names, ["classic", "latency", "server", "throughput", "wan"], "names")
    for name in names:
        assert succeed("tune", "profile", "show", name).out.startswith(name + ": ")
    made = json.loads(succeed("tune", "plan", "--profile", "server", "--json").out)
    assert SOMAXCONN not in [one["key"] for one in made["proposals"]], made
    assert any(one["key"] == SOMAXCONN and "60000" in one["why_not"] for one in made["considered"]), made["considered"]
    apply("--profile", "server", *LONG)
    for one in made["proposals"]:
        expect(values(one["key"]), [one["to"].split()], one["key"])
    succeed("tune", "rollback")
    for one in made["proposals"]:
        expect(values(one["key"]), [one["from"].split()], one["key"])


@fact
def an_administrators_profile_stands_before_ours():
    own_host()
    for folder in ("upper", "work"):
        os.mkdir(f"/var/lib/{folder}")
    tool("mount", "-t", "overlay", "none", "-o", "lowerdir=/etc,upperdir=/var/lib/upper,workdir=/var/lib/work", "/etc")
    os.makedirs("/etc/netsonde/profiles")
    with open("/etc/netsonde/profiles/server.toml", "w", encoding="ascii") as file:
        file.write(f'summary = "ours"\n[[setting]]\nkey = "{SOMAXCONN}"\nvalue = 5000\nwhy = "so"\n')
    made = json.loads(succeed("tune", "plan", "--profile", "server", "--json").out)
    expect([(one["key"], one["to"], one["finding"]) for one in made["proposals"]], [(SOMAXCONN, "5000", "profile server")], "proposals")
    for content in (f'[[setting]]\nkey = "{SOMAXCONN}"\nvalue = 0\n', '[[setting]]\nkey = "kernel.panic"\nvalue = 0\n', "[" * 100000, "\0"):
        with open("/etc/netsonde/profiles/server.toml", "w", encoding="ascii") as file:
            file.write('summary = "bad"\n' + content)
        message = one_error(run("tune", "plan", "--profile", "server"), 1)
        assert "/etc/netsonde/profiles/server.toml" in message, message
    assert "there is no profile 'none'" in one_error(run("tune", "apply", "--yes", "--profile", "none"), 2)
