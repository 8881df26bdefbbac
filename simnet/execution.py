"""One run: one algorithm with one seed, from its nodes to its record."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from hashlib import blake2b
from math import ceil, inf
from time import perf_counter
from typing import Any, Literal, cast
from weakref import WeakValueDictionary

import numpy as np

from simnet.accounting import describe_path, time_of_nodes
from simnet.algorithms import Entry
from simnet.clock import Clock, Machine, Process, Program, Timeline, build_network
from simnet.clock.causes import Past
from simnet.clock.varying import link_parameters
from simnet.environment import code_version
from simnet.errors import AlgorithmError, SimnetError, StalledError
from simnet.evaluation import Evaluations, reached
from simnet.membership import Lifecycle, MembershipObserver, MortalNode, mortal
from simnet.metrics import METRICS
from simnet.node import Node
from simnet.node_kinds import SilentNode, node_maker
from simnet.observer import Budget, Observer
from simnet.progress import Progress
from simnet.result import RunRecord, Status
from simnet.scenario import AlgorithmEntry, Deadline
from simnet.setting import Setting
from simnet.streams import stream, stream_key
from simnet.values import LEAF, EagerExecutor, Executor, Recorder, Row, SilentRecorder, WaveExecutor

ExecutorName = Literal["deferred", "eager", "off"]

NODE_STEPS_AT_ONCE = {"synchronous": 8192, "asynchronous": 32768}
"""How many node-steps are recorded before they are computed.

Nodes in step fill a batch with a single step each, and what is recorded should fit in a cache. Nodes out of step leave
the last waves before each computation half empty, so it should come seldom (n = 64, 50 % jitter: mean batch 0.78 n at
8192, 0.81 n at 16384, 0.83 n at 32768); evaluations wait for it, as long as the models that they hold fit.
"""

MEMORY_BUDGET = 2 << 30
"""Bytes that one batched call may take, roughly; larger waves are split."""

class Run:
    """Assembles the two planes for one algorithm and lets the clock run.

    Args:
        setting: network, weights and problem.
        named: the scenario's entry.
        entry: the table's row.
        executor: ``deferred``, ``eager``, or ``off`` (the clock alone).
        progress: is told how far the run has come.
    """

    def __init__(
        self, setting: Setting, named: AlgorithmEntry, entry: Entry, executor: ExecutorName, progress: Progress
    ) -> None:
        self.setting = setting = setting.pooled if entry.pooled else setting
        self.named = named
        self.progress = progress
        self.entry = entry
        problem = setting.problem
        max_batch = max(1, MEMORY_BUDGET // (64 * problem.num_parameters))
        self.executor: Executor = EagerExecutor(problem) if executor == "eager" else WaveExecutor(problem, max_batch)
        self.is_silent = executor == "off"
        steps_per_epoch = float(np.mean([problem.epoch_length(i) for i in range(setting.num_nodes)]))
        self.evaluations = Evaluations(
            setting, self.executor, steps_per_epoch, setting.scenario.record.models, setting.num_nodes
        )
        wait = named.wait or setting.scenario.run.wait
        self.wait = wait.deadline if isinstance(wait, Deadline) else wait
        is_asynchronous = entry.asynchronous or (self.wait == "none" and not entry.pooled)
        self.clock = Clock()
        trace = setting.scenario.run.trace
        self.timeline = None if trace is None else Timeline(self.clock, trace)
        self.outages = None if entry.pooled else setting.outages
        observer_type = Observer if self.outages is None else MembershipObserver
        self.observer = observer_type(
            budget=budget_of(setting, steps_per_epoch, is_asynchronous),
            asynchronous=is_asynchronous,
            executor=self.executor,
            evaluate=self.evaluations.note if self.is_silent else self.evaluations.evaluate,
            advance=progress.advance,
            stop=self.clock.stop,
        )
        self.machines: list[Machine] = []
        self.nodes: list[Node] = []
        self.clock.tidy = Past(self.machines).add_up

    def execute(self) -> RunRecord:
        """Runs to the end, whichever way it ends.

        Returns:
            The record; its status says which way.
        """
        start = perf_counter()
        status: Status = "done"
        message = ""
        with quiet_collector():
            self.assemble()
            try:
                self.run_clock()
            except StalledError as error:
                status, message = "stalled", str(error)
            except AlgorithmError as error:
                status, message = "failed", str(error)
        self.progress.advance(self.observer.total_steps / len(self.nodes), self.clock.now)
        if self.evaluations.message:
            status, message = "diverged", self.evaluations.message
        record = self._record(status, message, perf_counter() - start)
        self.executor.close()
        return record

    def assemble(self) -> None:
        """Makes the network and the nodes, looks at the initial models, and starts every program."""
        setting, named = self.setting, self.named
        server = self.entry.server(named.parameters, setting.num_nodes, setting.vector_bits)
        num_machines = setting.num_nodes + (server is not None)
        scenario = setting.scenario
        parameters = link_parameters(setting.network, setting.num_nodes, num_machines, setting.seed, scenario.base)
        network = self.network = build_network(
            *(setting.network, parameters, self.clock, setting.seed, setting.num_nodes),
            *(setting.edges, self.outages, None if self.timeline is None else self.timeline.watch),
        )
        times = setting.compute_times()
        models = self._initial_rows()
        shared: WeakValueDictionary[int, Row] = WeakValueDictionary()
        node_type, recorder_type = (SilentNode, SilentRecorder) if self.is_silent else (Node, Recorder)
        if self.outages is not None:
            node_type = mortal(node_type)
        make_node = node_maker(node_type, setting.compute)
        for i in range(setting.num_nodes):
            draws = setting.problem.draws(i, setting.seed)
            node = make_node(
                *(i, self.clock, network, self.machines),
                surroundings=setting.surroundings(i, self.wait),
                recorder=recorder_type(i, self.executor, draws, shared),
                model=models[i],
                compute_times=times[i],
                rng=stream(setting.seed, "algorithm", i),
                shared_key=self._shared_key,
                observer=self.observer,
            )
            self.machines.append(node)
            self.nodes.append(node)
        programs = partial(self.entry.program, **named.parameters)
        if isinstance(self.observer, MembershipObserver) and self.outages is not None:
            mortals = cast("list[MortalNode]", self.nodes)
            lifecycle = Lifecycle(self.clock, mortals, self.outages, self.observer, programs, self._followed)
            self.observer.begin(self.nodes)
            self.processes = lifecycle.begin()
        else:
            self.observer.begin(self.nodes)
            self.processes = [self._process(node, programs(node)) for node in self.nodes]
        if server is not None:
            machine = Machine(setting.num_nodes, self.clock, network, self.machines)
            self.machines.append(machine)
            self.processes.append(self._process(machine, server(machine)))
            self.observer.extra_machines.append(machine)

    def _process(self, machine: Machine, program: Program) -> Process:
        return Process(self.clock, self._followed(machine, program))

    def _followed(self, machine: Machine, program: Program) -> Program:
        return program if self.timeline is None else self.timeline.follow(machine, program)

    def _initial_rows(self) -> list[Row]:
        if self.is_silent:
            return [SilentRecorder.only] * self.setting.num_nodes
        slots = self.executor.store(self.setting.initial_models)
        rows = [Row.leaf(slot, LEAF + i, self.executor.freed) for i, slot in enumerate(slots)]
        return rows * self.setting.num_nodes if len(rows) == 1 else rows

    def _shared_key(self, *names: int | str) -> int:
        return stream_key(self.setting.seed, *names) >> 1

    def run_clock(self) -> None:
        """Lets things happen until the observer has seen enough.

        Raises:
            StalledError: if nothing can happen any more and nodes still wait.
            AlgorithmError: if the algorithm's own code fails.
        """
        clock, limit = self.clock, self.observer.budget.simulated_s
        try:
            clock.run_until(limit)
        except Exception as error:
            raise self._explained(error) from error
        if clock.is_idle and not clock.is_stopped:
            raise StalledError(f"{self._who_waits()}; nothing can happen any more")
        if not clock.is_stopped:
            self.observer.out_of_time()

    def _explained(self, error: Exception) -> Exception:
        """An error in an algorithm's own code, told in one sentence that says where; any other as it is."""
        if isinstance(error, StalledError):
            return StalledError(f"{error}; {self._who_waits()}")
        failed = [i for i, process in enumerate(self.processes) if process.error is error]
        if not failed:
            return error
        node = self.nodes[failed[0]]
        where = f"{self.named.label}: node {node.id} in step {node.step} (t = {node.now:g} s)"
        if isinstance(error, SimnetError):
            return AlgorithmError(f"{where}: {error}")
        return AlgorithmError(f"{where}: {type(error).__name__}: {error}{line_of(error)}")

    def _who_waits(self) -> str:
        """Whoever waits in vain, first those who wait for somebody that waits for nobody."""
        waiting = {machine.id: machine for machine in self.machines if self._is_waiting(machine)}
        first = sorted(waiting.values(), key=lambda machine: all(i in waiting for i in machine.awaited()))
        told = [
            f"node {machine.id} in step {machine.step} (t = {self.clock.now:g} s) waits for {machine.waits_for()}"
            for machine in first
        ]
        more = f"; and {len(told) - 3} more" if len(told) > 3 else ""
        waits = "; ".join(told[:3]) + more if told else "all nodes have ended before their budget"
        suspects = self.outages.suspects(self.clock.now) if self.outages is not None else []
        return "; ".join([waits, *self.network.troubles(), *suspects])

    def _is_waiting(self, machine: Machine) -> bool:
        return bool(machine.awaited()) or self.processes[machine.id].is_alive

    def _record(self, status: Status, message: str, wall_s: float) -> RunRecord:
        evaluations, scenario = self.evaluations, self.setting.scenario
        last = evaluations.rows[-1] if evaluations.rows else {}
        average = None
        if scenario.record.average_model and evaluations.average_D is not None:
            state = self.setting.problem.state_dict(evaluations.average_D)
            average = {name: tensor.cpu().numpy() for name, tensor in state.items()}
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
            "mean_gradient_batch": executor.gradients / max(1, executor.gradient_calls),
            "peak_arena_rows": executor.peak_rows,
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
            "hash": self._hash(),
        }

    def _targets(self) -> Mapping[str, float]:
        targets: Mapping[str, float] = self.setting.scenario.targets
        return targets

    def _hash(self) -> str:
        """Identifies the values of the run: every node's operations, and what they start from."""
        setting, scenario = self.setting, self.setting.scenario
        digest = blake2b(digest_size=16)
        start = setting.initial_models.cpu().numpy().tobytes()
        facts = (setting.seed, scenario.dtype, scenario.threads, setting.device.type)
        for part in (repr(facts).encode(), setting.problem.fingerprint(), start, code_version().encode()):
            digest.update(part)
        for node in self.nodes:
            digest.update(node.digest())
        return digest.hexdigest()


def budget_of(setting: Setting, steps_per_epoch: float, is_asynchronous: bool) -> Budget:
    """When the scenario says that a run ends.

    Args:
        setting: the scenario, and how large n and D are.
        steps_per_epoch: mini-batches in one pass over a node's data, mean over the nodes.
        is_asynchronous: whether steps are counted over all nodes together.

    Returns:
        Limits in steps and seconds; an epoch that ends within a step counts that step in full.
    """
    run = setting.scenario.run
    steps = inf if run.steps is None else run.steps
    kind = "asynchronous" if is_asynchronous else "synchronous"
    epochs = inf if run.epochs is None else max(1, ceil(run.epochs * steps_per_epoch - 1e-9))
    return Budget(
        steps=min(steps, epochs),
        simulated_s=inf if run.simulated_time is None else run.simulated_time,
        evaluate_every=run.evaluate_every or 10,
        compute_every=max(1, NODE_STEPS_AT_ONCE[kind] // setting.num_nodes),
        most_snapshots=max(1, MEMORY_BUDGET // (8 * setting.num_nodes * setting.problem.num_parameters)),
    )


def line_of(error: BaseException) -> str:
    """The file and line that raised an error, for whoever wrote it.

    Args:
        error: as it was caught.

    Returns:
        `` (file:line)``, of the innermost call; empty if the error was never raised.
    """
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "" if trace is None else f" ({trace.tb_frame.f_code.co_filename}:{trace.tb_lineno})"


@contextmanager
def quiet_collector() -> Iterator[None]:
    """Keeps Python's cyclic garbage collector from walking over all recorded operations: a run makes no cycles."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
