# SPDX-License-Identifier: Apache-2.0
"""tune connection: live connections are changed, and changed back. What they are like ss(8) tells, and who owns them."""

import contextlib
import json
import os
import re
import signal
import socket
import time

import harness
from harness import (eventually, expect, fact, finish, launch, netns, one_error, run, start, succeed, tool)
from traffic import Connection, Peer
from tuned import JOURNAL, LONG, apply_plan, guard, kill_guard, own_host, persist, status, undo

PACING, NO_LIMIT = 47, 0xFFFFFFFF  # SO_MAX_PACING_RATE


@contextlib.contextmanager
def connections(count=2):
    """Connections of a namespace of our own, all with reno, which any namespace may have."""
    own_host()
    tool("sysctl", "-w", "net.ipv4.tcp_congestion_control=reno")
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(Connection()) for _ in range(count)]


def congestion(end):
    """As ss(8) has it of one end."""
    port, peer = end.getsockname()[1], end.getpeername()[1]
    lines = tool("ss", "-tinH", f"sport = {port} and dport = {peer}").splitlines()
    return lines[1].split()[0]


def to_port(connection, *arguments, yes=("--yes",)):
    """The arguments that change the client's end alone."""
    return ("tune", "connection", "--where", f"remote_port = {connection.port}", *(arguments or ("--congestion", "cubic")), *yes)


def pacing(end):
    return end.getsockopt(socket.SOL_SOCKET, PACING) & NO_LIMIT


def clamp(end):
    return end.getsockopt(socket.IPPROTO_TCP, socket.TCP_WINDOW_CLAMP)


@fact
def what_matches_is_changed_and_nothing_else():
    with connections() as (one, other):
        done = succeed(*to_port(one), *LONG)
        assert re.search(rf"congestion_control \(connection 127.0.0.1:{one.client_port} > 127.0.0.1:{one.port} \(.*\[{os.getpid()}\]\) "
                         rf"in netns {netns()}\): reno -> cubic", " ".join(done.out.split())), done.out
        expect([congestion(end) for end in (one.client, one.server, other.client, other.server)], ["cubic", "reno", "reno", "reno"], "ss")
        found = status()
        expect((found["state"], found["changes"][0]["scope"]["kind"], found["changes"][0]["value_now"]), ("pending", "connection", "cubic"), "status")
        undo()


@fact
def a_rollback_restores_exactly_what_was_there():
    with connections() as (one, other):
        one.client.setsockopt(socket.SOL_SOCKET, PACING, 50_000_000)
        before = pacing(one.client), clamp(one.client), congestion(one.client)
        succeed(*to_port(one, "--congestion", "cubic", "--max-pacing-rate", "1MB", "--window-clamp", "30000"), *LONG)
        expect((pacing(one.client), clamp(one.client), congestion(one.client)), (1_000_000, 30000, "cubic"), "changed")
        assert "pacing_rate 8000000bps/8000000bps" in tool("ss", "-tin", f"dport = {one.port}")
        expect(pacing(other.client), NO_LIMIT, "the other")
        succeed("tune", "rollback")
        expect((pacing(one.client), clamp(one.client), congestion(one.client)), before, "afterwards")
        succeed(*to_port(one, "--max-pacing-rate", "unlimited"), *LONG)
        expect(pacing(one.client), NO_LIMIT, "no limit")
        undo()
        expect(pacing(one.client), 50_000_000, "in the end")


@fact
def what_is_confirmed_stays_with_the_connection():
    with connections(1) as (one,):
        succeed(*to_port(one), *LONG)
        succeed("tune", "confirm")
        eventually(lambda: guard() is None, "the end of the guard")
        expect((congestion(one.client), status()["state"]), ("cubic", "confirmed"), "afterwards")
        done = persist()
        assert done.status == 1 and "ends with them" in done.err, done.err
        expect(os.listdir("/etc/sysctl.d"), [], "files")
        row = json.loads(succeed("tune", "report", "--format", "json").out)["sections"]["changes"]["tables"]["changes"]["rows"][0]
        assert f"> 127.0.0.1:{one.port} " in row["scope"] and row["outcome"] == "confirmed", row
        undo()
        expect(congestion(one.client), "reno", "in the end")


@fact
def without_a_confirmation_the_guard_restores():
    with connections(1) as (one,):
        succeed(*to_port(one), "--confirm-within", "500ms")
        eventually(lambda: status()["state"] == "rolled-back", "the rollback")
        expect(congestion(one.client), "reno", "afterwards")


@fact
def killed_at_any_time_it_is_undone():
    with connections(1) as (one,):
        for call, number in (("pwrite64", 1), ("pwrite64", 2), ("pwrite64", 3), ("pwrite64", 4), ("fdatasync", 2), ("fdatasync", 3)):
            process = launch(["strace", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:signal=SIGKILL:when={number}",
                              harness.BINARY, *to_port(one, "--congestion", "cubic", "--max-pacing-rate", "1MB"), *LONG])
            finish(process)
            if guard():
                kill_guard()
            undo()
            expect((congestion(one.client), pacing(one.client)), ("reno", NO_LIMIT), f"after {call} {number}")


@fact
def killed_without_its_guard_it_is_recovered():
    with connections(1) as (one,):
        succeed(*to_port(one), *LONG)
        kill_guard()
        expect((status()["state"], congestion(one.client)), ("needs-recovery", "cubic"), "state")
        expect(run("tune", "recover").status, 0, "recover")
        expect(congestion(one.client), "reno", "afterwards")


@fact
def a_connection_that_has_closed_is_gone_and_nothing_is_stuck():
    with connections(1) as (one,):
        second = Connection(client_port=0)
        succeed("tune", "connection", "--where", f"remote_port in {one.port}, {second.port}", "--congestion", "cubic", "--yes", *LONG)
        second.close()
        assert "but that is gone" in " ".join(succeed("tune", "status").out.split())
        done = succeed("tune", "rollback")
        assert "rolled-back" in done.out and ": gone" in done.out and "is reno again" in done.out, done.out
        expect(congestion(one.client), "reno", "afterwards")
        expect(sorted(row["outcome"] for row in succeed("tune", "log", "--json").json()), ["gone", "rolled-back"], "outcomes")


@fact
def one_that_closes_before_the_plan_is_applied_keeps_nothing_from_being_changed():
    with connections(1) as (one,):
        second = Connection()
        plan = succeed("tune", "connection", "--where", f"remote_port in {one.port}, {second.port}", "--congestion", "cubic", "--json").out
        expect(congestion(one.client), "reno", "the plan alone changes nothing")
        second.close()
        done = apply_plan(plan)
        assert done.status == 0 and "1 of 2 changes are of connections that have closed" in done.err, done.err
        expect(congestion(one.client), "cubic", "the other")
        undo()
        one.close()
        message = one_error(apply_plan(plan), 1)
        assert "every connection of the plan has closed" in message, message


@fact
def what_its_owner_sets_meanwhile_stays():
    with connections(1) as (one,):
        succeed(*to_port(one, "--congestion", "cubic", "--max-pacing-rate", "1MB"), *LONG)
        one.client.setsockopt(socket.SOL_SOCKET, PACING, 2_000_000)
        succeed("tune", "rollback")
        expect((congestion(one.client), pacing(one.client)), ("reno", 2_000_000), "afterwards")
        expect([row["key"] for row in status()["left_alone"]], ["connection.max_pacing_rate"], "left alone")
        message = one_error(run(*to_port(one, "--max-pacing-rate", "1MB")), 1)
        assert "somebody else" in message, message
        one.close()
        expect(status()["left_alone"], [], "left alone when it has closed")


@fact
def a_plan_that_no_longer_fits_is_refused():
    with connections(1) as (one,):
        plan = succeed(*to_port(one, yes=("--json",))).out
        one.client.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"bbr")
        message = one_error(apply_plan(plan), 1)
        assert "is bbr now; the plan was made when it was reno" in message, message
        for name in ("x", "0", "-1", "../1"):
            made = json.loads(plan)
            made["proposals"][0]["scope"]["name"] = name
            assert "is no connection" in one_error(apply_plan(json.dumps(made)), 1)
        expect((congestion(one.client), status()["state"]), ("bbr", "none"), "afterwards")


@fact
def what_cannot_be_done_is_one_line_and_changes_nothing():
    with connections(1) as (one,):
        for arguments, words, code in [
                (to_port(one, "--congestion", "none"), "congestion control none is not available in netns", 1),
                (("tune", "connection", "--where", "remote_port = 1", "--congestion", "cubic", "--yes"), "no connection matches", 1),
                (("tune", "connection", "--where", f"local_port = {one.port} and state = LISTEN", "--congestion", "cubic", "--yes"), "no connection", 1),
                (("tune", "connection", "--where", " ", "--congestion", "cubic", "--yes"), "--where wants a filter", 2),
                (("tune", "connection", "--where", "remote_port = 1", "--yes"), "wants one of", 2),
                (("tune", "connection", "--congestion", "cubic", "--yes"), "--where", 2),
                (to_port(one, "--max-pacing-rate", "10"), "is not between", 2),
                (to_port(one, "--congestion", "a b"), "more than one name", 2),
                (to_port(one, yes=()), "--yes", 1),
                (("tune", "apply", "--yes", "--set", "connection.congestion_control=cubic"), "netsonde tune connection", 2)]:
            message = one_error(run(*arguments), code)
            assert words in message, message
        assert "nothing to change" in run(*to_port(one, "--congestion", "reno")).out
        expect((congestion(one.client), status()["state"]), ("reno", "none"), "afterwards")
        assert "each connection has its own" in succeed("tune", "list", "connection.congestion_control").out
        assert "connection." not in succeed("tune", "list").out


@fact
def more_than_a_plan_takes_are_refused():
    own_host()
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(socket.create_server(("127.0.0.1", harness.free_port()), backlog=128))
        for _ in range(501):
            stack.enter_context(socket.create_connection(listening.getsockname()))
            stack.enter_context(listening.accept()[0])
        where = ("tune", "connection", "--where", f"remote_port = {listening.getsockname()[1]}", "--yes", "--max-pacing-rate", "1MB")
        message = one_error(run(*where, "--window-clamp", "30000"), 1)
        assert "501 connections match, 1002 changes; at most 1000 are made at once" in message, message
        began = time.monotonic()
        succeed(*where, "--confirm-within", "60s")
        assert time.monotonic() - began < 30, "too slow"
        expect(tool("ss", "-tin", f"dport = {listening.getsockname()[1]}").count("pacing_rate 8000000bps/8000000bps"), 501, "ss")
        succeed("tune", "rollback")
        expect(tool("ss", "-tin").count("pacing_rate 8000000bps/8000000bps"), 0, "ss, afterwards")


@fact
def connections_of_another_namespace_are_changed_there():
    with connections(1) as (one,):
        def live(peer):
            harness.enter_own_network()
            tool("sysctl", "-w", "net.ipv4.tcp_congestion_control=reno")
            with Connection(port=one.port) as inner:
                peer.say(str(netns()).encode())
                while peer.hear() != b"end":
                    peer.say(congestion(inner.client).encode())

        other = Peer(live)
        space = other.hear().decode()
        succeed("tune", "connection", "--where", f"remote_port = {one.port} and netns = {space}", "--congestion", "cubic", "--yes", *LONG)
        other.say()
        expect((other.hear(), congestion(one.client)), (b"cubic", "reno"), "there and here")
        succeed("tune", "rollback")
        other.say()
        expect(other.hear(), b"reno", "afterwards")
        other.say(b"end")


@fact
def wait_ends_with_the_outcome_and_the_guard_obeys():
    with connections(1) as (one,):
        waiting = start(*to_port(one), "--wait", *LONG)
        eventually(lambda: os.path.exists(JOURNAL) and status()["state"] == "pending", "the change")
        os.kill(guard(), signal.SIGTERM)
        expect((finish(waiting).status, congestion(one.client)), (1, "reno"), "status, afterwards")
