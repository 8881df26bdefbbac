"""The processes on the nodes, and how they are told to play a pattern together."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from real_network.patterns import Pattern
from real_network.testbed import Testbed

LEAD_S = 0.03
"""Between telling everybody when it begins and the beginning."""


class Fleet:
    """One process on each node of a test bed, which obeys lines of JSON.

    Args:
        testbed: where.
        module: of this package, to run with the node's number as first argument.
        arguments: the others.
    """

    def __init__(self, testbed: Testbed, module: str, *arguments: int) -> None:
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]),
            "GLOO_SOCKET_IFNAME": "eth0",
            "OMP_NUM_THREADS": "1",
        }
        self.processes = [
            testbed.popen(
                node,
                [sys.executable, "-m", f"real_network.{module}", str(node), *map(str, arguments)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=environment,
            )
            for node in range(testbed.num_nodes)
        ]
        for process in self.processes:
            self._read(process)

    def order(self, num_nodes: int, **order: Any) -> list[dict[str, float]]:
        """Tells the first nodes what to do, a moment from now, and waits for all.

        Returns:
            What each of them says.
        """
        line = json.dumps({**order, "start": time.monotonic() + LEAD_S})
        for process in self.processes[:num_nodes]:
            assert process.stdin is not None
            process.stdin.write(line + "\n")
            process.stdin.flush()
        return [json.loads(self._read(process)) for process in self.processes[:num_nodes]]

    def play(self, pattern: Pattern, connect: bool = False) -> float:
        """Plays a pattern over sockets.

        Args:
            pattern: the transfers.
            connect: whether everybody first opens new connections; that counts.

        Returns:
            Seconds until the last transfer had arrived.
        """
        pairs = sorted({(one.sender, one.receiver) for one in pattern}) if connect else []
        told = self.order(
            1 + max(max(one.sender, one.receiver) for one in pattern),
            connect=pairs,
            pattern=[[one.id, one.sender, one.receiver, one.size, list(one.after)] for one in pattern],
        )
        return max((end for ends in told for end in ends.values()), default=0.0)

    def connect(self, pattern: Pattern) -> None:
        """Opens the connections that a pattern needs, anew."""
        pairs = sorted({(one.sender, one.receiver) for one in pattern})
        self.order(1 + max(max(pair) for pair in pairs), connect=pairs, pattern=[])

    def stop(self) -> None:
        """Ends the processes."""
        for process in self.processes:
            process.kill()
            process.wait()

    @staticmethod
    def _read(process: subprocess.Popen[str]) -> str:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise RuntimeError("the process on a node has died; its complaint stands above")
        return line
