"""simnet's clock alone, values switched off, against two plain SimPy loops of the same pattern (`bare_clock.py`).

Run `python benchmarks/event_layer.py` (`--help` names the options).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import bare_clock
import measure
import workload


def simnet_seconds_per_message(n: int, steps: int) -> Callable[[], float]:
    """A function that measures once, for `measure.interleaved`."""
    us_per_node_step = workload.us_per_node_step("linear", n, steps, "off")
    return lambda: 1e-6 * us_per_node_step() / 2


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Messages per second of simnet's clock and of bare SimPy loops.")
    parser.add_argument("--nodes", type=int, nargs="+", default=[64, 256, 1024])
    parser.add_argument("--messages", type=int, default=50_000, help="of one measurement")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--json", type=Path, help="write the figures there, too")
    options = parser.parse_args()
    rows: list[measure.Row] = []
    for n in options.nodes:
        steps = max(16, options.messages // (2 * n))
        loops = {
            "bare": bare_clock.seconds_per_message(bare_clock.bare, n, steps),
            "idiomatic": bare_clock.seconds_per_message(bare_clock.idiomatic, n, steps),
            "simnet": simnet_seconds_per_message(n, steps),
        }
        figures = measure.interleaved(loops, options.repeats)
        rates = {f"{name} [messages/s]": 1 / value for name, value in measure.best(figures).items()}
        rows.append({"n": n, **rates, "simnet / bare": measure.ratio(figures, "bare", "simnet")})
    measure.report("Event layer: messages per second, no values", rows, options.json)


if __name__ == "__main__":
    main()
