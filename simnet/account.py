"""What a run tells of itself: its record, its summary, and the hash of all that it has computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from math import inf
from typing import Any

import numpy as np

from simnet.accounting import describe_path, time_of_nodes
from simnet.clock import Clock, Machine, Timeline
from simnet.clock.network import Network
from simnet.clock.outages import Outages
from simnet.environment import code_version
from simnet.evaluation import Evaluations, reached
from simnet.insight import RECORDED, Insight
from simnet.metrics import METRICS
from simnet.node import Node
from simnet.observer import Observer
from simnet.result import RunRecord, Status
from simnet.result.record import table_of_numbers
from simnet.scenario import AlgorithmEntry
from simnet.setting import Setting
from simnet.values import Executor


class Account:
    """A run as far as it is looked at when it is over.

    Attributes:
        setting: network, weights and problem.
        named: the scenario's entry of the algorithm.
        clock: tells when it is.
        network: carries the messages.
        observer: counts steps and tallies.
        executor: computes the values.
        evaluations: what was measured.
        insight: metrics on request, if there are any.
        memory: the record of an earlier run whose values are recalled, if there is one.
        timeline: what happened when, if that is recorded.
        outages: when nodes and links are down, if they ever are.
        nodes: all of them, node i at place i.
        machines: the nodes, and the server if there is one.
    """

    setting: Setting
    named: AlgorithmEntry
    clock: Clock
    network: Network
    observer: Observer
    executor: Executor
    evaluations: Evaluations
    insight: Insight | None
    memory: RunRecord | None
    timeline: Timeline | None
    outages: Outages | None
    nodes: Sequence[Node]
    machines: Sequence[Machine]

    def record(self, status: Status, message: str, wall_s: float) -> RunRecord:
        """All that is left of it.

        Args:
            status: how it has ended.
            message: why.
            wall_s: how long it has taken.

        Returns:
            Its record.
        """
        evaluations, scenario = self.evaluations, self.setting.scenario
        last = evaluations.rows[-1] if evaluations.rows else {}
        average = None
        if scenario.record.average_model and evaluations.average_D is not None:
            state = self.setting.problem.state_dict(evaluations.average_D)
            average = {name: tensor.cpu().numpy() for name, tensor in state.items()}
        elif self.memory is not None:
            average = self.memory.average_model
        return RunRecord(
            algorithm=self.named.label,
            seed=self.setting.seed,
            status=status,
            message=message,
            metrics=evaluations.rows,
            summary=self._summary(last, wall_s),
            models=np.stack(evaluations.models) if evaluations.models else None,
            average_model=average,
            timeline=None if self.timeline is None else self._table_of(self.timeline),
            numbers=table_of_numbers(self.executor.numbers),
        )

    def _table_of(self, timeline: Timeline) -> dict[str, np.ndarray]:
        for node, downtime in (self.outages.nodes if self.outages else {}).items():
            for spell in downtime.between(0.0, self.clock.now):
                timeline.down(node, spell.start, spell.end, f"state: {spell.state}" if spell.end < inf else "gone")
        return timeline.table()

    def _summary(self, last: Mapping[str, float], wall_s: float) -> dict[str, Any]:
        executor, evaluations, spectrum = self.executor, self.evaluations, self.setting.spectrum
        counters = {
            "dropped_messages": sum(machine.dropped_messages for machine in self.machines),
            **self.network.counters(),
            **self.observer.counters,
        }
        batches: dict[str, Any] = {
            "mean_gradient_batch": executor.gradients / max(1, executor.gradient_calls),
            "peak_arena_rows": executor.peak_rows,
        }
        if self.insight is not None:
            batches |= self.insight.summary()
        if (memory := self.memory) is not None:
            counters |= {name: memory.summary["counters"][name] for name in self.observer.counters}
            batches = {name: memory.summary[name] for name in (*batches, *RECORDED) if name in memory.summary}
        return {
            "steps": last.get("step", 0),
            "epochs": last.get("epoch", 0.0),
            "time_s": last.get("time_s", 0.0),
            "bits_sent": last.get("bits_sent", 0.0),
            "gradients": last.get("gradients", 0),
            "messages": sum(machine.messages_sent for machine in self.machines),
            "final": {name: value for name, value in last.items() if name in METRICS},
            "targets": {name: reached(evaluations.rows, name, value) for name, value in self._targets().items()},
            "idle_share": last.get("idle_share", 0.0),
            **batches,
            "spectrum": {"rho": spectrum.rho, "gap": spectrum.gap, "how": spectrum.how},
            "wall_s": {
                "total": wall_s,
                "clock": wall_s - executor.seconds - evaluations.seconds,
                "values": executor.seconds,
                "evaluation": evaluations.seconds,
            },
            "nodes": time_of_nodes(self.nodes, self.clock.now),
            "critical_path": describe_path(self.machines),
            "counters": counters,
            "hash": self.hash(),
        }

    def _targets(self) -> Mapping[str, float]:
        targets: Mapping[str, float] = self.setting.scenario.targets
        return targets

    def hash(self) -> str:
        """What identifies the values of the run so far: every node's operations, and what they start from."""
        setting, scenario = self.setting, self.setting.scenario
        digest = blake2b(digest_size=16)
        start = setting.initial_models.cpu().numpy().tobytes()
        facts = (setting.seed, scenario.dtype, scenario.threads, setting.device.type)
        for part in (repr(facts).encode(), setting.problem.fingerprint(), start, code_version().encode()):
            digest.update(part)
        for node in self.nodes:
            digest.update(node.digest())
        return digest.hexdigest()
