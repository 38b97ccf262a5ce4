# SPDX-License-Identifier: Apache-2.0
"""Devices and routes of a network namespace of our own, as ip(8), tc(8) and a sysfs of that namespace show them."""

import contextlib
import fcntl
import json
import os
import socket
import struct

from harness import enter_network, eventually, one_error, run, succeed, tool
from traffic import Peer
from tuned import namespaces, own_host, scope

LENGTH, QDISC, RPS, XPS, THREADED = ("device." + name for name in ("txqueuelen", "qdisc", "rps_cpus", "xps_cpus", "threaded_napi"))
CWND, RWND, CONTROL, QUICK, RTO = ("route." + name for name in ("initcwnd", "initrwnd", "congestion_control", "quickack", "rto_min"))


def own_links():
    """A host of its own with two devices of two queues each and routes of every kind."""
    own_host()
    make_links()


def make_links():
    tool("ip", "link", "add", "v0", "numtxqueues", "2", "numrxqueues", "2", "type", "veth", "peer", "name", "v1")
    for device in ("v0", "v1"):
        tool("ip", "link", "set", device, "up")
    tool("ip", "addr", "add", "10.1.0.1/24", "dev", "v0")
    tool("ip", "addr", "add", "2001:db8:1::1/64", "dev", "v0", "nodad")
    for route in ("default via 10.1.0.9", "10.2.0.0/16 via 10.1.0.2 initcwnd 20 mtu lock 1400 src 10.1.0.1 proto static",
                  "10.4.0.0/16 nexthop via 10.1.0.2 weight 2 nexthop via 10.1.0.3 dev v0 onlink", "10.5.0.1/32 dev v1 metric 77 tos 0x10",
                  "10.6.0.0/16 via inet6 fe80::5 dev v0", "2001:db8:5::/48 via 2001:db8:1::2 metric 9 pref high"):
        tool("ip", "route", "add", *route.split())
    # The links' own addresses appear later, and so does the state of the links.
    eventually(lambda: tool("ip", "-6", "route", "show", "fe80::/64").count("fe80") == 2, "addresses of the links")
    eventually(lambda: "tentative" not in tool("ip", "-6", "addr"), "their use")


def add_nexthop_routes():
    for words in ("nexthop add id 5 via 10.1.0.2 dev v0", "route add 10.3.0.0/16 nhid 5 rto_min 40ms", "route add 10.33.0.0/16 nhid 5"):
        tool("ip", *words.split())


def routes():
    return tool("ip", "-d", "route") + tool("ip", "-d", "-6", "route")


def shown():
    """All that the kernel shows of them."""
    return routes() + tool("ip", "-d", "link") + tool("tc", "-d", "qdisc") + "".join(files("v0") + files("v1"))


def files(device):
    """What sysfs shows in this namespace, of the queues and of the polling."""
    script = f"mount -t sysfs none /sys && cd /sys/class/net/{device} && {{ grep -s . threaded queues/*/*ps_cpus; true; }}"
    return [line + "\n" for line in tool("unshare", "-m", "sh", "-c", script).splitlines()]


def qdisc(device="v0"):
    return tool("tc", "qdisc", "show", "dev", device, "root").split()[1]


def route(destination):
    return tool("ip", "-d", "route", "show", destination)


def refused(*wanted, code=1):
    return one_error(run("tune", "apply", "--yes", "--set", *wanted), code)


def value_of(key, where):
    rows = {row["where"]: row for row in succeed("tune", "list", key, "--json").json()}
    return rows[where]["value"]


def device(name, inside=None):
    of = inside or scope()
    return {"kind": "device", "name": name, "cookie": of["cookie"], "netns": int(of["name"])}


def plan_for(*rows):
    """(key, scope, from, to), or these four alone."""
    rows = [rows] if isinstance(rows[0], str) else rows
    boot = open("/proc/sys/kernel/random/boot_id", encoding="ascii").read().strip()
    proposals = [dict(zip(("key", "scope", "from", "to"), row)) | {"evidence": []} for row in rows]
    return json.dumps({"schema": 1, "time_ns": 1, "host": socket.gethostname(), "boot": boot, "goal": "", "proposals": proposals, "considered": []})


@contextlib.contextmanager
def other_namespace():
    """Has links like ours; yields its scope and what runs a function in it."""
    with namespaces(1) as (scopes, held):
        with network_of(held[0]) as inside:
            inside(make_links)
            yield scopes[0], inside


@contextlib.contextmanager
def network_of(process):
    """Yields what runs a function in the network namespace of a process."""
    own, other = (os.open(f"/proc/{pid}/ns/net", os.O_RDONLY) for pid in ("self", process.pid))

    def inside(function):
        enter_network(other)
        try:
            return function()
        finally:
            enter_network(own)

    try:
        yield inside
    finally:
        os.close(own)
        os.close(other)


@contextlib.contextmanager
def uplink(rate, waiting):
    """A host at one end of a path whose router lets so many bytes wait and sends on at that rate, while it sends all that the
    path takes. Yields what tells the bytes that wait there."""
    own_host()
    with namespaces(2) as (_, (router, far)), network_of(router) as at_router, network_of(far) as at_far:
        set_up(f"ip link add up0 type veth peer name near netns {router.pid}", "ip addr add 10.1.1.1/24 dev up0", "ip link set up0 up",
               "ip route add 10.1.2.0/24 via 10.1.1.2")
        at_router(lambda: set_up(
            f"ip link add onward type veth peer name far0 netns {far.pid}", "ip addr add 10.1.1.2/24 dev near", "ip link set near up",
            "ip addr add 10.1.2.2/24 dev onward", "ip link set onward up", "sysctl -qw net.ipv4.ip_forward=1",
            f"tc qdisc add dev onward root tbf rate {rate} burst 10000 limit {waiting}"))
        at_far(lambda: set_up("ip addr add 10.1.2.1/24 dev far0", "ip link set far0 up", "ip route add 10.1.1.0/24 via 10.1.2.2"))
        listening = at_far(lambda: socket.create_server(("10.1.2.1", 0)))
        client = socket.create_connection(("10.1.2.1", listening.getsockname()[1]))
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"reno")  # others empty the queue now and then
        server, _ = listening.accept()
        peers = [Peer(lambda _: pour(client)), Peer(lambda _: drain(server))]
        try:
            yield lambda: json.loads(at_router(lambda: tool("tc", "-s", "-j", "qdisc", "show", "dev", "onward", "root")))[0]["backlog"]
        finally:
            for peer in peers:
                peer.end()


def set_up(*commands):
    for command in commands:
        tool(*command.split())


def pour(sock):
    while True:
        sock.sendall(bytes(1 << 16))


def drain(sock):
    while sock.recv(1 << 20):
        pass


@contextlib.contextmanager
def polled_device():
    """A device of tun that is polled, and was never up."""
    set_up, tap_without_header_polled = 0x400454ca, 0x1002 | 0x0010
    with open("/dev/net/tun", "r+b", buffering=0) as tun:
        fcntl.ioctl(tun, set_up, struct.pack("16sH22x", b"t0", tap_without_header_polled))
        yield
