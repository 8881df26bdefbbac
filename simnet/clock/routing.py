"""Messages that travel over the topology's links only: store and forward, along the path with the least latency."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import dijkstra

from simnet.clock.events import Leg, Transfer
from simnet.clock.links import Link
from simnet.clock.sharing import Carry


class Routes:
    """Least-latency paths over directed links; of equals those with the fewest hops, then with the smallest node numbers.

    Paths are found from one sender to all others at once, when one of them is first asked for. ``previous[s][j]`` is the
    node before j on the way from s.

    Args:
        links: pairs (from, to).
        latencies: of each of them [s].
        num_machines: machines have the numbers below.

    Example:
        >>> routes = Routes([(0, 1), (1, 2), (0, 3), (3, 2)], [1.0, 1.0, 1.0, 1.0], 4)
        >>> routes.path(0, 2)
        [0, 1, 2]
    """

    def __init__(self, links: Sequence[tuple[int, int]], latencies: Sequence[float], num_machines: int) -> None:
        self.tails, self.heads = np.array(sorted(links), dtype=np.intp).reshape(-1, 2).T
        order = sorted(range(len(links)), key=links.__getitem__)
        self.latencies = np.array(latencies, dtype=np.float64)[order]
        self.shape = (num_machines, num_machines)
        self.matrix = self._matrix(self.latencies, slice(None))
        self.previous: dict[int, np.ndarray] = {}

    def path(self, sender: int, receiver: int) -> list[int]:
        """The machines on the way, both ends included.

        Args:
            sender: where it starts.
            receiver: where it ends; some path must lead there.
        """
        previous = self.previous.get(sender)
        if previous is None:
            previous = self.previous[sender] = self._tree(sender)
        path = [receiver]
        while path[-1] != sender:
            path.append(int(previous[path[-1]]))
        return path[::-1]

    def _tree(self, sender: int) -> np.ndarray:
        """For each machine the one before it on its path; the sum of latencies is the same float along every best path."""
        distance = dijkstra(self.matrix, indices=[sender])[0]
        is_best = distance[self.tails] + self.latencies == distance[self.heads]
        hops = dijkstra(self._matrix(np.ones(len(self.tails)), is_best), indices=[sender])[0]
        tails, heads = self.tails[is_best], self.heads[is_best]
        is_next = hops[tails] + 1 == hops[heads]
        previous = np.full(self.shape[0], self.shape[0], dtype=np.int32)
        np.minimum.at(previous, heads[is_next], tails[is_next])
        return previous

    def _matrix(self, weights: np.ndarray, chosen: Any) -> csr_array[Any, Any]:
        return csr_array(coo_array((weights[chosen], (self.tails[chosen], self.heads[chosen])), shape=self.shape))


class Hops:
    """Carries messages link by link; each hop starts when the last bit of the one before has arrived.

    Args:
        carry: what sends over one link.
        make: makes a link between two machines.
        links: pairs (from, to) of machines that have one.
        latency: of the link between two machines [s]; paths are chosen by it.
        num_machines: n, or n + 1 with a parameter server.

    Attributes:
        forwarded_bits: what was sent on for others; what is sent for the first time does not count.
    """

    def __init__(
        self,
        carry: Carry,
        make: Callable[[int, int], Link],
        links: Sequence[tuple[int, int]],
        latency: Callable[[int, int], float],
        num_machines: int,
    ) -> None:
        self.carry = carry
        self.make = make
        self.routes = Routes(links, [latency(*ends) for ends in links], num_machines)
        self.made: dict[tuple[int, int], Link] = {}
        self.ways: dict[Link, list[Link]] = {}
        self.forwarded_bits = 0.0

    def link(self, sender: int, receiver: int) -> Link:
        """What stands for all the links between two machines; its latency is their sum, its limit the narrowest.

        Args:
            sender: number of the machine at the beginning.
            receiver: number of the machine at the end.
        """
        way = [self._made(*ends) for ends in pairwise(self.routes.path(sender, receiver))]
        whole = self.make(sender, receiver)
        whole.own = way[0].own
        whole.latency = sum(link.latency for link in way)
        whole.limit = min(link.limit for link in way)
        whole.resources = tuple(resource for link in way for resource in link.resources)
        self.ways[whole] = way
        return whole

    def transmit(self, link: Link, message: Transfer) -> None:
        """Sends a message on its first hop; the last one ends with its arrival.

        Args:
            link: what `link` gave for sender and receiver.
            message: it starts now.
        """
        self._hop(self.ways[link], 0, message)

    def _hop(self, way: list[Link], k: int, message: Transfer) -> None:
        if k:
            self.forwarded_bits += message.bits
        if k == len(way) - 1:
            self.carry(way[k], message)
        else:
            self.carry(way[k], Leg(message, message.bits, (lambda _: self._hop(way, k + 1, message),)))

    def counters(self) -> dict[str, float]:
        """What was sent on for others."""
        return {"forwarded_bits": self.forwarded_bits}

    def troubles(self) -> list[str]:
        """None: a hop that fails is a matter of the link."""
        return []

    def _made(self, sender: int, receiver: int) -> Link:
        """The one link from a machine to a neighbor, which all messages that pass there share."""
        link = self.made.get((sender, receiver))
        if link is None:
            link = self.made[sender, receiver] = self.make(sender, receiver)
        return link
