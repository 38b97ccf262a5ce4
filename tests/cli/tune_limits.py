# SPDX-License-Identifier: Apache-2.0
"""tune auto where limits of the host are reached: accept queues, local ports, windows after pauses. nstat, ss and sysctl
are asked too."""

import time

from harness import eventually, expect, fact, succeed, tool
from limited import (FEW, IDLE, PORTS, RESERVED, REUSE, SOMAXCONN, backlog_of, bursts_after_pauses, bursts_of_clients, clients, counted, found,
                     goes_on, tries_nothing, value, waiting, window)
from traffic import here
from tuned import Auto, own_host


@fact
def an_accept_queue_that_overflows_is_lengthened_and_kept():
    own_host()
    tool("sysctl", "-w", f"{SOMAXCONN}=8")
    with bursts_of_clients(1000) as port:
        goes_on("TcpExtListenOverflows")
        expect(backlog_of(port), 8, "ss")
        auto = Auto()
        trying = auto.until("trying")
        expect([trying[key] for key in ("key", "from", "to", "finding", "metric")],
               [SOMAXCONN, "8", "32", "accept-overflow", "listen_overflows_per_s"], "what is tried")
        kept = auto.until("kept")
        assert kept["effect"]["high"] < 0.5 and kept["effect"]["verdict"] == "better", kept
        auto.end()
        expect((value(SOMAXCONN), backlog_of(port)), ("32", 32), "sysctl and ss")
        before = counted("TcpExtListenOverflows")
        goes_on("TcpPassiveOpens")
        expect(counted("TcpExtListenOverflows"), before, "TcpExtListenOverflows")


@fact
def what_the_server_did_not_ask_for_is_not_lengthened():
    own_host()
    tool("sysctl", "-w", f"{SOMAXCONN}=8")
    with bursts_of_clients(4) as port:
        assert "accept-overflow" in found()
        before = counted("TcpExtListenOverflows")
        assert "asked for less than somaxconn allows" in tries_nothing()[SOMAXCONN]
        assert counted("TcpExtListenOverflows") > before
        expect((value(SOMAXCONN), backlog_of(port)), ("8", 4), "sysctl and ss")


@fact
def a_queue_whose_server_never_calls_listen_again_goes_back():
    own_host()
    tool("sysctl", "-w", f"{SOMAXCONN}=8")
    with bursts_of_clients(1000, again=False) as port:
        auto = Auto()
        undone = auto.until("undone")
        expect((undone["key"], undone["effect"]["verdict"] != "better"), (SOMAXCONN, True), "what was undone")
        auto.end()
        expect((value(SOMAXCONN), backlog_of(port)), ("8", 8), "sysctl and ss")


@fact
def ports_that_run_out_are_more_and_stay_so():
    own_host()
    with clients(FEW) as port:
        eventually(lambda: waiting(port) == 256, "ports that are all taken")
        before = counted("TcpPassiveOpens")
        auto = Auto()
        trying = auto.until("trying")
        expect([trying[key] for key in ("key", "from", "to", "finding", "metric")],
               [PORTS, FEW, "10240 65535", "time-wait-pressure", "connected_per_s"], "what is tried")
        expect(counted("TcpPassiveOpens"), before, "connections that were opened until then")
        kept = auto.until("kept")
        assert kept["effect"]["low"] > 2 and kept["effect"]["verdict"] == "better", kept
        auto.end()
        expect(value(PORTS), "10240 65535", "sysctl")
        goes_on("TcpPassiveOpens")
        assert waiting(port) > 256, waiting(port)


@fact
def ports_are_taken_again_where_there_are_no_more_of_them():
    own_host()
    tool("sysctl", "-w", f"{RESERVED}=10240-65279", f"{REUSE}=2")
    with clients("10240 65535") as port:
        eventually(lambda: waiting(port) == 256, "ports that are all taken")
        auto = Auto()
        trying = auto.until("trying")
        expect([trying[key] for key in ("key", "from", "to", "finding", "metric")],
               [REUSE, "2", "1", "time-wait-pressure", "connected_per_s"], "what is tried")
        kept = auto.until("kept")
        assert kept["effect"]["low"] > 2 and kept["effect"]["verdict"] == "better", kept
        auto.end()
        before = counted("TcpExtTWRecycled")
        goes_on("TcpPassiveOpens")
        expect((value(REUSE), counted("TcpExtTWRecycled") > before), ("1", True), "sysctl and ports that were taken again")


@fact
def as_many_ports_on_many_ways_are_left_alone():
    own_host()
    with clients(FEW, services=10) as first:
        eventually(lambda: sum(waiting(first + i) for i in range(10)) > 500, "connections that wait")
        ids = found()
        assert "connection-churn" in ids and "time-wait-pressure" not in ids, ids
        assert not {PORTS, REUSE} & set(tries_nothing()), "it thought of ports"
        assert max(waiting(first + i) for i in range(10)) < 230
        expect((value(PORTS), value(REUSE)), (FEW, "2"), "sysctl")


@fact
def clients_that_are_refused_get_no_more_ports():
    own_host()
    with clients(FEW, refused=True) as port:
        ids = found()
        assert "connect-refused" in ids and "time-wait-pressure" not in ids, ids
        before = counted("TcpAttemptFails")
        assert not {PORTS, REUSE} & set(tries_nothing()), "it thought of ports"
        assert counted("TcpAttemptFails") > before and waiting(port) == 0
        expect((value(PORTS), value(REUSE)), (FEW, "2"), "sysctl")


@fact
def a_window_that_is_cut_after_each_pause_is_kept_instead():
    with bursts_after_pauses() as (port, _):
        eventually(lambda: "idle-restart" in found(), "what is found")
        # Whoever is slow enough is limited by the window all the time: not what is looked for here.
        auto = Auto("--only", IDLE, pace=("--window", "2500ms", "--blocks", "6", "--goal", "throughput", "--period", "2200ms", "--wash-out", "200ms"))
        trying = auto.until("trying")
        expect([trying[key] for key in ("key", "from", "to", "finding", "metric", "design")],
               [IDLE, "1", "0", "idle-restart", "tx_bytes_per_busy_s", "turns"], "what is tried")
        kept = auto.until("kept")
        assert kept["effect"]["low"] > 1.2 and kept["effect"]["verdict"] == "better", kept
        auto.end()
        expect(value(IDLE), "0", "sysctl")
        eventually(lambda: window(port) >= 100, "the window of a whole burst")
        until = time.monotonic() + 2.5
        while time.monotonic() < until:
            assert window(port) >= 100, "it was cut"


@fact
def a_window_that_has_grown_again_by_the_next_look_was_seen_to_be_cut():
    with bursts_after_pauses() as (port, _):
        eventually(lambda: window(port) >= 100, "the window of a whole burst")
        told = succeed("explain", "--duration", "6s", "--interval", "3s", "--json", "--filter", here()).json()[0]["findings"]
        cut = next(one for one in told if one["id"] == "idle-restart")
        figures = {one["field"]: one["value"] for one in cut["evidence"]}
        assert figures["cwnd_before_pause"] >= 100 > 2 * figures["cwnd_after_pause"] and figures["restarts"] >= 3, figures


@fact
def bursts_that_need_no_window_are_left_alone():
    with bursts_after_pauses() as (port, sender):
        eventually(lambda: "idle-restart" in found(), "what is found of large bursts")
        sender.say()
        eventually(lambda: 0 < window(port) <= 10, "a window that was cut")
        ids = found()
        assert "idle-restart" not in ids, ids
        assert IDLE not in tries_nothing(), "it thought of pauses"
        expect(value(IDLE), "1", "sysctl")
