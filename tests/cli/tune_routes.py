# SPDX-License-Identifier: Apache-2.0
"""tune: the settings of routes, shown by ip(8)."""

import time

from harness import eventually, expect, fact, run, succeed, tool
from linked import CWND, RTO, own_links, refused, route, routes, shown
from tuned import LONG, apply, own_host, status


@fact
def what_the_administrator_changes_of_a_route_stays():
    own_links()
    apply("--set", f"{CWND}@10.2.0.0/16=33", f"{RTO}@10.2.0.0/16=50", *LONG)
    tool("ip", "route", "change", *"10.2.0.0/16 via 10.1.0.7 initcwnd 44 rto_min 50ms".split())
    succeed("tune", "rollback")
    expect(route("10.2.0.0/16"), "unicast 10.2.0.0/16 via 10.1.0.7 dev v0 proto boot scope global initcwnd 44 \n", "their route")
    expect([one["key"] for one in status()["left_alone"]], [CWND], "left alone")



@fact
def a_destination_of_several_routes_is_refused():
    own_links()
    for words in ("10.7.0.0/16 via 10.1.0.2 metric 5", "10.7.0.0/16 via 10.1.0.2 metric 6", "10.8.0.0/16 via 10.1.0.2",
                  "10.8.0.0/16 via 10.1.0.2 tos 4", "blackhole 10.9.0.0/16", "2001:db8:7::/48 nexthop via 2001:db8:1::2 nexthop via 2001:db8:1::3"):
        tool("ip", "route", "add", *words.split())
    before = shown()
    for destination, words in [("10.7.0.0/16", "2 routes lead to 10.7.0.0/16"), ("10.8.0.0/16", "2 routes"), ("fe80::/64", "2 routes"),
                               ("10.9.0.0/16", "only be read"), ("2001:db8:7::/48", "only be read")]:
        message = refused(f"{CWND}@{destination}=30")
        assert words in message, message
    expect(shown(), before, "afterwards")
    rows = {row["where"]: row for row in succeed("tune", "list", CWND, "--json").json()}
    expect((rows["10.7.0.0/16"]["value"], rows["10.9.0.0/16"]["why_not"]), (None, "it leads nowhere"), "listed")



@fact
def a_second_route_meanwhile_is_told_and_the_first_is_undone_without_it():
    own_links()
    apply("--set", f"{CWND}@10.2.0.0/16=33", *LONG)
    tool("ip", "route", "add", *"10.2.0.0/16 via 10.1.0.2 metric 5".split())
    assert "2 routes lead to" in succeed("tune", "status").out
    done = run("tune", "rollback")
    expect(done.status, 1, "exit status")
    tool("sh", "-c", done.out.split("What remains, by hand:\n")[1].splitlines()[0])
    assert "initcwnd 20" in route("10.2.0.0/16"), "by hand, beside the other"
    tool("ip", "route", "del", *"10.2.0.0/16 metric 5".split())
    expect(run("tune", "recover").status, 0, "recover")
    assert "initcwnd 20" in route("10.2.0.0/16")



@fact
def a_link_that_is_down_does_not_keep_a_route_from_being_undone():
    own_links()
    before = {name: route(name) for name in ("10.2.0.0/16", "10.4.0.0/16")}
    apply("--set", f"{CWND}@10.2.0.0/16=33", f"{CWND}@10.4.0.0/16=33", *LONG)
    tool("ip", "link", "set", "v1", "down")
    eventually(lambda: "linkdown" in route("10.2.0.0/16"), "the end of the link")
    succeed("tune", "rollback")
    tool("ip", "link", "set", "v1", "up")
    eventually(lambda: "linkdown" not in routes(), "the link")
    expect({name: route(name) for name in before}, before, "afterwards")



@fact
def without_any_route_that_is_said():
    own_host()
    tool("ip", "link", "set", "lo", "down")
    for family in ("-4", "-6"):
        expect(tool("ip", family, "route"), "", "routes")
    expect([(row["where"], row["why_not"]) for row in succeed("tune", "list", CWND, "--json").json()], [(None, "there is no route")], "row")



@fact
def thousands_of_routes_are_listed_in_no_time():
    own_links()
    with open("/var/lib/routes", "w", encoding="ascii") as batch:
        batch.writelines(f"route add 10.{i // 250 + 100}.{i % 250}.0/24 via 10.1.0.2\n" for i in range(5000))
    tool("ip", "-batch", "/var/lib/routes")
    begun = time.monotonic()
    expect(len(succeed("tune", "list", "--all", "--json").lines) > 25000, True, "rows")
    assert time.monotonic() - begun < 10
    message = refused(f"{CWND}@10.99.0.0/16=5")
    assert len(message) < 1000 and " more" in message, message
