"""The floor under the event layer: D-PSGD's messages on a ring as a bare hand-written SimPy loop, without any values.

Run `python benchmarks/bare_clock.py` (`--help` names the options). Each node computes, sends its model to its two
neighbours meanwhile, and goes on when both of theirs for the same step are there and its own computation is over.

`bare`: one process per node; a message is one event, its arrival found by arithmetic, and a callback puts it into the
receiver's mailbox. `idiomatic`: a process and a `Store` entry per message, as SimPy's tutorials write it.
"""

from __future__ import annotations

import argparse
import gc
from collections import defaultdict
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import measure
import numpy as np
import simpy

COMPUTE, LATENCY, BANDWIDTH, MESSAGE = 30e-3, 50e-3, 20e6, 650 * 32  # s, s, bit/s, bit
Program = Generator[simpy.Event, Any, None]


def compute_times(n: int, num_steps: int) -> list[list[float]]:
    """Log-normal computation times of every node [s], so that no two nodes stay in step."""
    factors = np.random.default_rng(0).lognormal(sigma=0.1, size=(n, num_steps))
    times: list[list[float]] = (COMPUTE * factors).tolist()
    return times


def latencies(n: int) -> list[tuple[float, float]]:
    """The latency from each node to its two neighbours [s]."""
    drawn = np.random.default_rng(1).normal(LATENCY, LATENCY / 10, size=(n, 2))
    return [(left, right) for left, right in drawn.tolist()]


class Mailbox:
    """What one node has received, by step; wakes its node when a step's messages are complete."""

    __slots__ = ("awaited", "messages", "waiter")

    def __init__(self) -> None:
        self.messages: defaultdict[int, list[int]] = defaultdict(list)
        self.awaited = -1
        self.waiter: simpy.Event | None = None

    def deposit(self, event: simpy.Event) -> None:
        """Take the message that arrives with this event."""
        message: Any = event.value
        step, sender = message
        received = self.messages[step]
        received.append(sender)
        if step == self.awaited and len(received) == 2 and self.waiter is not None:
            self.waiter.succeed()


def bare(n: int, num_steps: int) -> simpy.Environment:
    """The lean loop, ready to run."""
    env = simpy.Environment()
    boxes = [Mailbox() for _ in range(n)]
    delays = [[latency + MESSAGE / BANDWIDTH for latency in pair] for pair in latencies(n)]
    times = compute_times(n, num_steps)

    def node(i: int) -> Program:
        own, timeout, event = boxes[i], env.timeout, env.event
        (to_left, to_right), deposit_left, deposit_right = delays[i], boxes[i - 1].deposit, boxes[(i + 1) % n].deposit
        for step, time in enumerate(times[i]):
            computed = timeout(time)
            message = (step, i)
            timeout(to_left, message).callbacks.append(deposit_left)
            timeout(to_right, message).callbacks.append(deposit_right)
            if len(own.messages[step]) < 2:
                own.awaited, own.waiter = step, event()
                yield own.waiter
            del own.messages[step]
            yield computed

    for i in range(n):
        env.process(node(i))
    return env


def idiomatic(n: int, num_steps: int) -> simpy.Environment:
    """The same with a process per message and a Store per node."""
    env = simpy.Environment()
    stores = [simpy.Store(env) for _ in range(n)]
    delay = latencies(n)
    times = compute_times(n, num_steps)

    def transfer(sender: int, side: int, step: int) -> Program:
        yield env.timeout(delay[sender][side] + MESSAGE / BANDWIDTH)
        yield stores[(sender + 2 * side - 1) % n].put((step, sender))

    def node(i: int) -> Program:
        received: defaultdict[int, list[int]] = defaultdict(list)
        for step, time in enumerate(times[i]):
            computed = env.timeout(time)
            for side in (0, 1):
                env.process(transfer(i, side, step))
            while len(received[step]) < 2:
                of_step, sender = yield stores[i].get()
                received[of_step].append(sender)
            del received[step]
            yield computed

    for i in range(n):
        env.process(node(i))
    return env


def finish_time(build: Callable[[int, int], simpy.Environment], n: int, num_steps: int) -> float:
    """The simulated time at which the last node ends [s]."""
    env = build(n, num_steps)
    env.run()
    return float(env.now)


def messages_per_second(build: Callable[[int, int], simpy.Environment], n: int, num_steps: int) -> float:
    """Messages delivered per second of wall time, collector off."""
    env = build(n, num_steps)
    gc.collect()
    gc.disable()
    try:
        return 2 * n * num_steps / measure.seconds(env.run)
    finally:
        gc.enable()


def seconds_per_message(build: Callable[[int, int], simpy.Environment], n: int, num_steps: int) -> Callable[[], float]:
    """A function that measures once, for `measure.interleaved`."""
    return lambda: 1 / messages_per_second(build, n, num_steps)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Messages per second of a bare SimPy loop.")
    parser.add_argument("--nodes", type=int, nargs="+", default=[64, 256, 1024])
    parser.add_argument("--messages", type=int, default=100_000, help="of one measurement")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--json", type=Path, help="write the figures there, too")
    options = parser.parse_args()
    rows: list[measure.Row] = []
    for n in options.nodes:
        num_steps = max(1, options.messages // (2 * n))
        if finish_time(bare, n, num_steps) != finish_time(idiomatic, n, num_steps):
            raise SystemExit("the two loops do not simulate the same network")
        kinds = {"bare": bare, "idiomatic": idiomatic}
        runs = {name: seconds_per_message(build, n, num_steps) for name, build in kinds.items()}
        figures = measure.interleaved(runs, options.repeats)
        rates = {f"{name} [messages/s]": 1 / value for name, value in measure.best(figures).items()}
        rows.append({"n": n, **rates, "bare / idiomatic": measure.ratio(figures, "idiomatic", "bare")})
    measure.report("Event layer: D-PSGD's messages on a ring, no values", rows, options.json)


if __name__ == "__main__":
    main()
