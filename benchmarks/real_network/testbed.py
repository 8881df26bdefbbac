r"""The test bed: nodes in network namespaces, joined in a star, with shaped links and a delay.

    node 0: eth0 --veth-- p1 \
    node 1: eth0 --veth-- p2 --- wire (in the router's namespace): holds every frame for the latency
    node 2: eth0 --veth-- p3 /

A token bucket (tc tbf) on eth0 limits what the node sends, one on pN what it receives. Segmentation and checksum
offloading are off, so that what crosses a link are frames as on a cable: 1514 bytes with 1448 of payload.
"""

from __future__ import annotations

import atexit
import ctypes
import fcntl
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

HERE = Path(__file__).parent
SYSCTLS = {
    "net.ipv6.conf.all.disable_ipv6": "1",
    "net.ipv4.tcp_no_metrics_save": "1",  # a new connection must not know what an old one found out
    "net.ipv4.tcp_slow_start_after_idle": "1",
    "net.ipv4.tcp_rmem": "4096 16777216 33554432",  # the receive window shall not be what limits
    "net.ipv4.tcp_wmem": "4096 16384 33554432",
}
CLONE_NEWNET = 0x40000000
SIOCETHTOOL = 0x8946
OFFLOADS = {"rx": 0x15, "tx": 0x17, "sg": 0x19, "tso": 0x1F, "gso": 0x24, "gro": 0x2C}


@dataclass(frozen=True)
class Link:
    """What every node's connection to the network is like.

    Args:
        rate: bit/s, up and down.
        latency: seconds from node to node.
        buffer: bytes that may wait before each limit.
    """

    rate: float
    latency: float
    buffer: int = 64 << 20

    @property
    def burst(self) -> int:
        """Bytes that a limit lets through at once after a pause: a frame, and what it may fall behind by a late timer."""
        return 1514 + round(self.rate / 8 * 250e-6)

    @property
    def delay(self) -> float:
        """How long the wire holds a frame [s]: the latency, and the time that the burst would take on a cable."""
        return self.latency + 8 * self.burst / self.rate


def sh(command: str) -> str:
    """Runs a command and returns what it printed.

    Raises:
        RuntimeError: with the command and its complaint, if it fails.
    """
    done = subprocess.run(command.split(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{command}: {done.stderr.strip()}")
    return done.stdout


@contextmanager
def inside(namespace: str) -> Iterator[None]:
    """This thread lives in a network namespace for a while."""
    libc = ctypes.CDLL(None, use_errno=True)
    with Path("/proc/self/ns/net").open() as home, Path("/run/netns", namespace).open() as there:
        for_sure = libc.setns(there.fileno(), CLONE_NEWNET)
        if for_sure:
            raise OSError(ctypes.get_errno(), f"cannot enter {namespace}")
        try:
            yield
        finally:
            libc.setns(home.fileno(), CLONE_NEWNET)


@contextmanager
def allowed(congestion_control: str) -> Iterator[None]:
    """Namespaces may choose this congestion control for a moment, which some machines restrict."""
    setting = Path("/proc/sys/net/ipv4/tcp_allowed_congestion_control")
    before = setting.read_text()
    setting.write_text(f"{before.strip()} {congestion_control}")
    try:
        yield
    finally:
        setting.write_text(before)


def switch_offloads_off(interface: str) -> None:
    """What `ethtool -K INTERFACE rx off tx off sg off tso off gso off gro off` does, in this namespace."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        for command in OFFLOADS.values():
            value = ctypes.create_string_buffer(struct.pack("II", command, 0))
            request = struct.pack("16sP", interface.encode(), ctypes.addressof(value))
            fcntl.ioctl(any_socket, SIOCETHTOOL, request)


class Testbed:
    """Namespaces, links and the wire; a context manager that leaves nothing behind.

    Args:
        num_nodes: how many nodes.
        congestion_control: of TCP, in the nodes.
        sysctls: settings of the nodes' kernels beside `SYSCTLS`.
    """

    def __init__(self, num_nodes: int, congestion_control: str = "cubic", **sysctls: str) -> None:
        self.num_nodes = num_nodes
        self.names = [f"simnet{os.getpid()}-{i}" for i in range(num_nodes)]
        self.router = f"simnet{os.getpid()}-router"
        self.congestion_control = congestion_control
        self.sysctls = {**SYSCTLS, **sysctls}
        self.wire: subprocess.Popen[str] | None = None
        self.folder = tempfile.TemporaryDirectory()

    def __enter__(self) -> Self:
        if os.geteuid():
            raise SystemExit("network namespaces need root; run this with sudo")
        atexit.register(self.clean_up)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        try:
            sh(f"cc -O2 -o {self.folder.name}/wire {HERE / 'wire.c'}")
            self._build()
        except BaseException:
            self.clean_up()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.clean_up()

    def _build(self) -> None:
        for name in (self.router, *self.names):
            sh(f"ip netns add {name}")
            sh(f"ip -n {name} link set lo up")
        for i, name in enumerate(self.names):
            sh(f"ip -n {name} link add eth0 type veth peer name p{i + 1} netns {self.router}")
            for namespace, interface in ((name, "eth0"), (self.router, f"p{i + 1}")):
                with inside(namespace):
                    switch_offloads_off(interface)
                sh(f"ip -n {namespace} link set {interface} gso_max_segs 1")
            sh(f"ip -n {name} link set eth0 address {mac(i)}")
            sh(f"ip -n {name} address add {address(i)}/24 dev eth0")
            sh(f"ip -n {name} link set eth0 up")
            sh(f"ip -n {self.router} link set p{i + 1} up")
            for other in range(self.num_nodes):
                if other != i:
                    sh(f"ip -n {name} neighbor add {address(other)} lladdr {mac(other)} dev eth0 nud permanent")
            for key, value in self.sysctls.items():
                self.set(i, key, value)
        with allowed(self.congestion_control):
            for i in range(self.num_nodes):
                self.set(i, "net.ipv4.tcp_congestion_control", self.congestion_control)

    def set(self, node: int, key: str, value: str) -> None:
        """Changes a setting of one node's kernel."""
        with inside(self.names[node]):
            Path("/proc/sys", key.replace(".", "/")).write_text(value)

    def shape(self, link: Link) -> None:
        """Gives every node this connection; nothing may be on its way."""
        self._stop_wire()
        limit = f"tbf rate {link.rate:.0f}bit burst {link.burst} limit {link.buffer}"
        for i, name in enumerate(self.names):
            sh(f"tc -n {name} qdisc replace dev eth0 root {limit}")
            sh(f"tc -n {self.router} qdisc replace dev p{i + 1} root {limit}")
        ports = " ".join(f"p{i + 1}" for i in range(self.num_nodes))
        command = f"ip netns exec {self.router} {self.folder.name}/wire {link.delay * 1e6:.0f} {ports}"
        self.wire = subprocess.Popen(command.split(), stdout=subprocess.PIPE, text=True)
        assert self.wire.stdout is not None
        if self.wire.stdout.readline().strip() != "ready":
            raise RuntimeError("the wire does not come up")

    def drops(self) -> int:
        """Frames that found a full buffer since the links were last shaped."""
        namespaces = [*self.names, self.router]
        found = [json.loads(sh(f"tc -n {name} -s -j qdisc show")) for name in namespaces]
        return sum(one["drops"] for qdiscs in found for one in qdiscs if one["kind"] == "tbf")

    def popen(self, node: int, command: list[str], **options: Any) -> subprocess.Popen[str]:
        """Starts a program on a node."""
        return subprocess.Popen(["ip", "netns", "exec", self.names[node], *command], text=True, **options)

    def _stop_wire(self) -> dict[str, float]:
        if self.wire is None:
            return {}
        self.wire.terminate()
        told, _ = self.wire.communicate(timeout=10)
        self.wire = None
        facts: dict[str, float] = json.loads(told) if told else {}
        if facts.get("overflowed"):
            print(f"the wire lost frames: {facts}", file=sys.stderr)
        return facts

    def clean_up(self) -> None:
        """Removes everything; may be called twice."""
        self._stop_wire()
        existing = sh("ip netns list").split()
        for name in (*self.names, self.router):
            if name in existing:
                for pid in sh(f"ip netns pids {name}").split():
                    os.kill(int(pid), signal.SIGKILL)
                sh(f"ip netns delete {name}")
        self.folder.cleanup()
        atexit.unregister(self.clean_up)


def address(node: int) -> str:
    """The node's address on the network."""
    return f"10.77.0.{node + 1}"


def mac(node: int) -> str:
    """The node's address on the wire; its last byte is the port."""
    return f"02:00:00:00:00:{node + 1:02x}"
