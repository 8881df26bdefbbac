"""One run: one algorithm with one seed, from its nodes to its record."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from math import ceil, inf
from time import perf_counter
from typing import Literal, cast

import numpy as np

from simnet.account import Account
from simnet.algorithms import Entry
from simnet.checkpoint import Keeper
from simnet.clock import Clock, Machine, Process, Program, Timeline, build_network
from simnet.clock.causes import Past
from simnet.clock.varying import link_parameters
from simnet.errors import AlgorithmError, OutputError, SimnetError, StalledError
from simnet.evaluation import Evaluations, RecalledEvaluations, ResumedEvaluations
from simnet.insight import insight_for
from simnet.membership import Lifecycle, MembershipObserver, MortalNode, mortal
from simnet.node import Node
from simnet.node_kinds import Server, SilentNode, node_maker
from simnet.observer import Budget, Observer
from simnet.progress import Progress
from simnet.result import RunRecord, Status
from simnet.scenario import AlgorithmEntry, Deadline
from simnet.setting import Setting
from simnet.streams import stream, stream_key
from simnet.values import (
    LEAF,
    EagerExecutor,
    Executor,
    ForgottenError,
    RecallingExecutor,
    ResumableExecutor,
    Row,
    SilentRecorder,
    WaveExecutor,
    recorder_maker,
)

ExecutorName = Literal["deferred", "eager", "off"]

NODE_STEPS_AT_ONCE = {"synchronous": 8192, "asynchronous": 32768}
"""How many node-steps are recorded before they are computed.

Nodes in step fill a batch with a single step each, and what is recorded should fit in a cache. Nodes out of step leave
the last waves before each computation half empty, so it should come seldom (n = 64, 50 % jitter: mean batch 0.78 n at
8192, 0.81 n at 16384, 0.83 n at 32768); evaluations wait for it, as long as the models that they hold fit.
"""

MEMORY_BUDGET = 2 << 30
"""Bytes that one batched call may take, roughly; larger waves are split."""


class Run(Account):
    """Assembles the two planes for one algorithm and lets the clock run.

    Args:
        setting: network, weights and problem.
        named: the scenario's entry.
        entry: the table's row.
        executor: ``deferred``, ``eager``, or ``off`` (the clock alone).
        progress: is told how far the run has come.
        memory: the record of an earlier run whose values are not to be computed again.
        keeper: keeps its state now and then, and knows where to go on.
    """

    def __init__(
        self,
        setting: Setting,
        named: AlgorithmEntry,
        entry: Entry,
        executor: ExecutorName,
        progress: Progress,
        memory: RunRecord | None = None,
        keeper: Keeper | None = None,
    ) -> None:
        self.setting = setting = setting.pooled if entry.pooled else setting
        self.named = named
        self.progress = progress
        self.entry = entry
        problem = setting.problem
        max_batch = max(1, MEMORY_BUDGET // (64 * problem.num_parameters))
        self.executor: Executor = EagerExecutor(problem) if executor == "eager" else WaveExecutor(problem, max_batch)
        self.memory = memory
        if memory is not None:
            self.executor = RecallingExecutor(problem, max_batch, memory.decisions)
        if keeper is not None:
            self.executor = ResumableExecutor(problem, max_batch, keeper.memory.decisions, keeper.state is None)
        self.is_silent = executor == "off"
        steps_per_epoch = float(np.mean([problem.epoch_length(i) for i in range(setting.num_nodes)]))
        silent = self.is_silent or memory is not None
        self.insight = None if silent else insight_for(setting, self.executor, named.parameters)
        keep_models = setting.scenario.record.models
        facts = (setting, self.executor, steps_per_epoch, keep_models, setting.num_nodes, self.insight)
        self.evaluations = Evaluations(*facts) if memory is None else RecalledEvaluations(*facts, memory)
        if keeper is not None:
            self.evaluations = ResumedEvaluations(*facts, keeper.memory)
        wait = named.wait or setting.scenario.run.wait
        self.wait = wait.deadline if isinstance(wait, Deadline) else wait
        is_asynchronous = entry.asynchronous or (self.wait == "none" and not entry.pooled)
        self.clock = Clock()
        trace = setting.scenario.run.trace
        self.timeline = None if trace is None else Timeline(self.clock, trace)
        self.outages = None if entry.pooled else setting.outages
        observer_type = Observer if self.outages is None else MembershipObserver
        self.observer = observer_type(
            budget=replace(
                budget_of(setting, steps_per_epoch, is_asynchronous), checkpoint_every=keeper.every if keeper else inf
            ),
            asynchronous=is_asynchronous,
            executor=self.executor,
            evaluate=self.evaluations.note if self.is_silent else self.evaluations.evaluate,
            advance=progress.advance,
            stop=self.clock.stop,
            keep=partial(keeper.keep, self) if keeper else lambda _: None,
        )
        self.machines: list[Machine] = []
        self.nodes: list[Node] = []
        self.clock.tidy = Past(self.machines).add_up

    def execute(self) -> RunRecord:
        """Runs to the end, whichever way it ends.

        Returns:
            The record; its status says which way.

        Raises:
            ForgottenError: if the earlier run, whose values were to be recalled, has done something else.
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
        record = self.record(status, message, perf_counter() - start)
        self.executor.close()
        if self.memory is not None and record.summary["hash"] != self.memory.summary["hash"]:
            raise ForgottenError("hash")
        return record

    def assemble(self) -> None:
        """Makes the network and the nodes, looks at the initial models, and starts every program."""
        setting, named = self.setting, self.named
        server = self.entry.server(named.parameters, setting.num_nodes, setting.vector_bits)
        num_machines = setting.num_nodes + (server is not None)
        scenario = setting.scenario
        parameters = link_parameters(setting.network, setting.num_nodes, num_machines, setting.seed, scenario.base)
        links = setting.edges if setting.network.routing == "hops" else ()
        network = self.network = build_network(
            *(setting.network, parameters, self.clock, setting.seed, setting.num_nodes),
            *(links, self.outages, None if self.timeline is None else self.timeline.watch),
        )
        times = setting.compute_times()
        models = self._initial_rows()
        make_recorder = recorder_maker(setting.problem, self.executor, setting.seed, is_silent=self.is_silent)
        node_type = SilentNode if self.is_silent else Node
        if self.insight is not None:
            node_type = self.insight.watched(node_type)
        if self.outages is not None:
            node_type = mortal(node_type)
        make_node = node_maker(node_type, setting.compute, setting.places_over_time)
        for i in range(setting.num_nodes):
            node = make_node(
                *(i, self.clock, network, self.machines),
                surroundings=setting.surroundings(i, self.wait, self.entry.uses_tree),
                recorder=make_recorder(i),
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
            number = setting.num_nodes
            machine = Server(number, self.clock, network, self.machines, recorder=make_recorder(number))
            self.machines.append(machine)
            self.processes.append(self._process(machine, server(machine, self._shared_key)))
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
        if isinstance(self.executor, ResumableExecutor):
            self.executor.track(rows)
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
        if isinstance(error, ForgottenError | OutputError):
            return error
        if isinstance(error, StalledError):
            return StalledError(f"{error}; {self._who_waits()}")
        failed = [i for i, process in enumerate(self.processes) if process.error is error]
        if not failed:
            return error
        node = self.machines[failed[0]]
        where = f"{self.named.label}: node {node.id} in step {node.step} (t = {self.clock.now:g} s)"
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
    room = MEMORY_BUDGET // setting.problem.num_parameters
    return Budget(
        steps=min(steps, epochs),
        simulated_s=inf if run.simulated_time is None else run.simulated_time,
        evaluate_every=run.evaluate_every or 10,
        compute_every=max(1, NODE_STEPS_AT_ONCE[kind] // setting.num_nodes),
        most_snapshots=1 if setting.scenario.record.metrics else max(1, room // (8 * setting.num_nodes)),
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
