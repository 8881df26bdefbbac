"""What runs on a node for torch.distributed: exchanges and all-reduces over gloo, timed by the machine's clock.

Run as ``python -m real_network.gloo_agent NODE NUM_NODES GROUP_SIZE...``; one JSON object per line comes in, one goes out.
"""

from __future__ import annotations

import json
import os
import sys
import time
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist

from real_network.testbed import address

PORT = 29500


def exchange(node: int, num_nodes: int, size: int) -> None:
    """Sends to both neighbors on the ring and receives from both, at once (two nodes: one message each way)."""
    neighbors = sorted({(node + 1) % num_nodes, (node - 1) % num_nodes})
    sent = torch.zeros(size, dtype=torch.uint8)
    received = [torch.empty(size, dtype=torch.uint8) for _ in neighbors]
    works = [dist.irecv(buffer, source) for buffer, source in zip(received, neighbors, strict=True)]
    works += [dist.isend(sent, target) for target in neighbors]
    for work in works:
        assert work is not None
        work.wait()


def main() -> None:
    """Reads orders until there are no more."""
    node, num_nodes, *sizes = map(int, sys.argv[1:])
    os.nice(-20)  # before gloo starts its threads, which inherit it
    torch.set_num_threads(1)
    store = dist.TCPStore(  # type: ignore[attr-defined]
        address(0), PORT, num_nodes, is_master=node == 0, timeout=timedelta(seconds=120))
    dist.init_process_group("gloo", store=store, rank=node, world_size=num_nodes, timeout=timedelta(seconds=120))
    groups = {size: dist.new_group(list(range(size))) for size in sizes}
    print("ready", flush=True)
    for line in sys.stdin:
        order: dict[str, Any] = json.loads(line)
        group_size, size, start = order["nodes"], order["size"], order["start"]
        vector = torch.zeros(size // 4)
        time.sleep(max(0.0, start - time.monotonic()))
        if order["pattern"] == "exchange":
            exchange(node, group_size, size)
        else:
            dist.all_reduce(vector, group=groups[group_size])
        print(json.dumps({"end": time.monotonic() - start}), flush=True)


if __name__ == "__main__":
    main()
