"""What runs on a node: it is told transfers, makes them over TCP when their time has come, and says when they arrived.

One JSON object per line comes in and one goes out. The clock is the machine's (CLOCK_MONOTONIC), the same in all
namespaces. A message is a header (its number and size, 8 bytes, part of its size) and zeros; every ordered pair of nodes
has its own connection, on which messages follow each other in the order in which they became ready.
"""

from __future__ import annotations

import json
import os
import selectors
import socket
import struct
import sys
import time
from collections import deque
from typing import Any

from real_network.patterns import Pattern, Transfer
from real_network.testbed import address

PORT = 5000
HEADER = struct.Struct("!II")
ZEROS = memoryview(bytes(1 << 18))
WAIT_S = 60.0


class Incoming:
    """One connection's arriving bytes, cut into messages."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.header = b""
        self.id = 0
        self.missing = 0

    def read(self, room: memoryview) -> list[int]:
        """Takes what has arrived; the numbers of the messages that are complete now."""
        length = self.connection.recv_into(room)
        if not length:
            raise ConnectionError("the sender has gone")
        done = []
        start = 0
        while start < length:
            if not self.missing:
                part = bytes(room[start : min(length, start + HEADER.size - len(self.header))])
                self.header += part
                start += len(part)
                if len(self.header) < HEADER.size:
                    break
                self.id, size = HEADER.unpack(self.header)
                self.header, self.missing = b"", size - HEADER.size
            taken = min(self.missing, length - start)
            self.missing -= taken
            start += taken
            if not self.missing:
                done.append(self.id)
        # Woken once for many frames: the processor is needed elsewhere.
        enough = min(self.missing, 1 << 15) or HEADER.size - len(self.header)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, enough)
        return done


class Outgoing:
    """One connection's bytes that still have to go."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.parts: deque[memoryview] = deque()

    def put(self, transfer: Transfer) -> None:
        """Appends a message."""
        first = min(transfer.size, 1 << 16)
        self.parts.append(memoryview(HEADER.pack(transfer.id, transfer.size) + bytes(first - HEADER.size)))
        rest = transfer.size - first
        while rest > 0:
            self.parts.append(ZEROS[: min(rest, len(ZEROS))])
            rest -= len(self.parts[-1])

    def write(self) -> bool:
        """Hands over as much as the socket takes; says whether all is gone."""
        try:
            while self.parts:
                part = self.parts[0]
                sent = self.connection.send(part)
                if sent < len(part):
                    self.parts[0] = part[sent:]
                else:
                    self.parts.popleft()
        except BlockingIOError:
            return False
        return True


class Agent:
    """One node.

    Args:
        node: its number.
    """

    def __init__(self, node: int) -> None:
        self.node = node
        self.server = socket.create_server((address(node), PORT), backlog=64)
        self.incoming: dict[int, Incoming] = {}
        self.outgoing: dict[int, Outgoing] = {}
        self.room = memoryview(bytearray(1 << 20))

    def connect(self, pairs: list[tuple[int, int]]) -> None:
        """Opens a new connection for every pair (sender, receiver) with this node in it, once the others listen."""
        old = [one.connection for one in self.incoming.values()] + [one.connection for one in self.outgoing.values()]
        for connection in old:
            connection.close()
        self.incoming, self.outgoing = {}, {}
        for sender, receiver in pairs:
            if sender == self.node:
                connected = socket.create_connection((address(receiver), PORT), timeout=WAIT_S)
                connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.outgoing[receiver] = Outgoing(connected)
        for _ in range(sum(receiver == self.node for _, receiver in pairs)):
            accepted, (host, _port) = self.server.accept()
            sender = next(i for i, _ in pairs if address(i) == host)
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.incoming[sender] = Incoming(accepted)

    def run(self, pattern: Pattern, start: float) -> dict[int, float]:
        """Plays this node's part.

        Args:
            pattern: everybody's transfers.
            start: when it begins, on the machine's clock.

        Returns:
            For each transfer to this node, how many seconds after the start it was complete.
        """
        awaited = {one.id for one in pattern if one.receiver == self.node}
        waiting = {one.id: set(one.after) for one in pattern if one.sender == self.node}
        transfers = {one.id: one for one in pattern}
        selector = selectors.DefaultSelector()
        for incoming in self.incoming.values():
            incoming.connection.setblocking(False)
            selector.register(incoming.connection, selectors.EVENT_READ, incoming)
        for outgoing in self.outgoing.values():
            outgoing.connection.setblocking(False)
        arrived: dict[int, float] = {}
        self._send_ready(waiting, set(), transfers, selector)
        while awaited or any(outgoing.parts for outgoing in self.outgoing.values()):
            events = selector.select(WAIT_S)
            if not events:
                raise TimeoutError(f"node {self.node} waits for {sorted(awaited)}")
            for key, _ in events:
                if isinstance(key.data, Outgoing):
                    if key.data.write():
                        selector.unregister(key.data.connection)
                    continue
                for done in key.data.read(self.room):
                    arrived[done] = time.monotonic() - start
                    awaited.remove(done)
                    self._send_ready(waiting, {done}, transfers, selector)
        selector.close()
        return arrived

    def _send_ready(
        self, waiting: dict[int, set[int]], done: set[int], transfers: dict[int, Transfer], selector: selectors.BaseSelector
    ) -> None:
        for number in list(waiting):
            waiting[number] -= done
            if not waiting[number]:
                del waiting[number]
                outgoing = self.outgoing[transfers[number].receiver]
                was_idle = not outgoing.parts
                outgoing.put(transfers[number])
                if was_idle and not outgoing.write():
                    selector.register(outgoing.connection, selectors.EVENT_WRITE, outgoing)


def obey(agent: Agent, order: dict[str, Any]) -> Any:
    """Does what one line says: opens connections, plays a pattern, or both at once."""
    pairs = [(sender, receiver) for sender, receiver in order["connect"]]
    pattern = [Transfer(*facts) for facts in order["pattern"]]
    time.sleep(max(0.0, order["start"] - time.monotonic()))
    if pairs:
        agent.connect(pairs)
    return agent.run(pattern, order["start"])


def main() -> None:
    """Reads orders until there are no more."""
    os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(5))
    agent = Agent(int(sys.argv[1]))
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(obey(agent, json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
