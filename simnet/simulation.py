"""Scenario -> Result: checks a scenario, runs every algorithm with every seed, collects the records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from simnet.algorithms import ALGORITHMS, Entry, find
from simnet.checkpoint import Checkpoints
from simnet.checks import eigenvalue_notes, ideal_notes
from simnet.environment import choose_device, describe_environment
from simnet.errors import AlgorithmError, SimnetError
from simnet.execution import ExecutorName, Run
from simnet.gradient_cost import devices_of, measured
from simnet.node_memory import NodeMemory, memory_notes, node_memory
from simnet.progress import Progress, Silent
from simnet.result import Result, RunRecord
from simnet.scenario import AlgorithmEntry, AlgorithmSchemas, Scenario, load
from simnet.scenario.loader import load_text
from simnet.setting import Setting, build_setting
from simnet.units import format_seconds

Source = str | Path | Mapping[str, Any] | Scenario

TRIALS = (4, 12)
"""Steps of the two short runs that an estimate is made from."""


@dataclass(frozen=True)
class Estimate:
    """What a run will cost, extrapolated from a few steps of each algorithm on this machine.

    Args:
        wall_s: real seconds of the whole run.
        memory_bytes: of models and data at the peak.
        messages: messages that the clock will carry, by label.
        simulated_s: simulated seconds, by label, at the steps' mean so far.
    """

    wall_s: float
    memory_bytes: int
    messages: dict[str, int]
    simulated_s: dict[str, float]


@dataclass
class Plan:
    """A scenario that has been checked against everything that it names, ready to run.

    Args:
        scenario: the scenario with every default resolved.
        entries: the table's row of each of its algorithms.
        device: where values are computed.
        setting: the setting of the first seed.
        notes: what a reader of the results has to know, one sentence each.
        gradient: how its time was found, where the scenario does not say it; for ``environment.json``.
    """

    scenario: Scenario
    entries: list[Entry]
    device: torch.device
    setting: Setting
    notes: list[str] = field(default_factory=list)
    gradient: dict[str, Any] = field(default_factory=dict)

    def settings(self) -> Iterator[Setting]:
        """The setting of each seed, the first one as it was checked.

        Yields:
            One setting at a time: only one seed's data are held.
        """
        yield self.setting
        for seed in self.scenario.seeds[1:]:
            yield build_setting(self.scenario, seed, self.device, self.entries)

    def estimate(self) -> Estimate:
        """Runs a few steps of every algorithm, twice, and extrapolates the difference.

        Returns:
            What the whole run will cost.
        """
        wall_s, messages, simulated_s, peak_rows = 0.0, {}, {}, 0
        with limited_threads(self.scenario.threads):
            for named, entry in self._pairs():
                few, more = (
                    Run(shortened(self.setting, steps), named, entry, "deferred", Silent()).execute().summary
                    for steps in TRIALS
                )
                steps = expected_steps(self.setting, more)
                per_step = {key: (more[key] - few[key]) / (more["steps"] - few["steps"]) for key in ("time_s", "messages")}
                spent = [trial["wall_s"]["clock"] + trial["wall_s"]["values"] for trial in (few, more)]
                evaluations = 2 + steps / (self.scenario.run.evaluate_every or 10)
                wall_s += max(0.0, spent[1] - spent[0]) / (more["steps"] - few["steps"]) * steps + spent[0]
                wall_s += more["wall_s"]["evaluation"] / 2 * evaluations
                messages[named.label] = round(per_step["messages"] * steps)
                simulated_s[named.label] = per_step["time_s"] * steps
                peak_rows = max(peak_rows, more["peak_arena_rows"])
        problem = self.setting.problem
        number_bytes = torch.empty((), dtype=problem.dtype).element_size()
        memory = 2 * peak_rows * problem.num_parameters * number_bytes
        return Estimate(wall_s * len(self.scenario.seeds), memory, messages, simulated_s)

    @cached_property
    def node_memory(self) -> dict[str, NodeMemory]:
        """What a node needs for its model and buffers, by label; without algorithms that fail or run on one machine."""
        needs = {n.label: node_memory(self.setting, n, entry) for n, entry in self._pairs() if not entry.pooled}
        return {label: need for label, need in needs.items() if need is not None}

    def describe_devices(self) -> None:
        """Adds to the notes which devices are too small, and to the environment what a gradient takes on each."""
        cost, devices = self.setting.gradient_cost, self.setting.compute.device
        if cost is None or devices is None:
            return
        self.gradient = {"devices": cost.kinds}
        each = devices_of(devices, self.scenario.nodes)
        if any(device.memory is not None for device in each):
            self.notes += memory_notes(self.node_memory, each)

    def _pairs(self) -> Iterator[tuple[AlgorithmEntry, Entry]]:
        return zip(self.scenario.algorithms, self.entries, strict=True)

    def execute(self, executor: ExecutorName, progress: Progress, checkpoints: Checkpoints | None = None) -> Result:
        """Runs every algorithm with every seed; Ctrl-C ends it with what is finished.

        Args:
            executor: ``deferred`` or ``eager``; ``off`` lets the clock run without values.
            progress: is told how far the run has come.
            checkpoints: where the scenario's ``checkpoint_every`` keeps it, or from where it goes on.

        Returns:
            The result, with failed and interrupted runs in it; nothing is raised for them.
        """
        scenario = self.scenario
        records: list[RunRecord] = []
        hashes: dict[str, str] = {}
        complete = True
        environment = describe_environment(self.device, scenario.threads)
        environment |= {"executor": executor, "seeds": list(scenario.seeds), "hashes": hashes}
        environment |= {"gradient": self.gradient} if self.gradient else {}
        memory = self.node_memory if "devices" in self.gradient else {}
        progress.begin(len(scenario.seeds) * len(self.entries))
        if checkpoints is not None and scenario.run.checkpoint_every and executor == "deferred":
            checkpoints.begin(scenario)
        else:
            checkpoints = None
        try:
            with limited_threads(scenario.threads):
                for setting in self.settings():
                    for named, entry in self._pairs():
                        record = checkpoints.finished(len(records)) if checkpoints else None
                        if record is None:
                            keeper = checkpoints.keeper(len(records)) if checkpoints else None
                            record = followed(Run(setting, named, entry, executor, progress, keeper=keeper))
                            if named.label in memory:
                                record.summary["node_memory_bytes"] = memory[named.label].num_bytes
                        records.append(record)
                        hashes[f"{named.label}/{setting.seed}"] = record.summary["hash"]
                        if checkpoints:
                            one = Result([record], scenario.to_plain(), scenario.to_yaml())
                            checkpoints.finish(len(records) - 1, one)
        except KeyboardInterrupt:
            complete = False
        finally:
            progress.close()
        result = Result(
            records,
            scenario.to_plain(),
            scenario.to_yaml(),
            environment,
            self.setting.problem.class_table(),
            complete=complete,
            planned=len(scenario.seeds) * len(self.entries),
        )
        result.plan = self
        return result


def followed(run: Run) -> RunRecord:
    """Runs, and tells whoever watches.

    Args:
        run: with its progress.

    Returns:
        Its record.
    """
    steps, seed = run.observer.budget.steps, run.setting.seed
    simulated_s = run.setting.scenario.run.simulated_time
    run.progress.start(run.named.label, seed, None if steps == float("inf") else int(steps), simulated_s)
    record = run.execute()
    run.progress.finish(run.named.label, seed, record.status)
    return record


def run(
    source: Source,
    *,
    executor: ExecutorName = "deferred",
    device: str = "auto",
    seed: int | None = None,
    progress: Progress | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Result:
    """Runs a scenario: every algorithm with every seed.

    Args:
        source: a scenario file, a mapping with the same keys, or a `Scenario`.
        executor: ``deferred`` computes in large batches; ``eager`` computes every operation at once, for debugging and
            as a test oracle: the same numbers, slowly.
        device: ``auto``, ``cpu`` or ``cuda``.
        seed: instead of the scenario's own seeds.
        progress: is told how far the run has come.
        overrides: dotted keys and values that replace the scenario's, such as ``{"network.latency": "10 ms"}``.

    Returns:
        The result; after Ctrl-C, what was finished, with ``complete`` False.

    Raises:
        SimnetError: for an unknown executor or device.
        ScenarioError: if the scenario is wrong or impossible, with all complaints at once.
        AlgorithmError: if an algorithm's own code fails; the error's ``result`` has all that was finished.

    Example:
        >>> result = run({
        ...     "nodes": 4, "topology": "ring", "problem": {"kind": "quadratic", "dimension": 3},
        ...     "algorithms": [{"name": "dpsgd", "lr": 0.05}], "run": {"steps": 20, "evaluate_every": 20},
        ... })
        >>> [int(step) for step in result.metrics["step"]]
        [0, 20]
    """
    if executor not in ("deferred", "eager", "off"):
        raise SimnetError(f"executor: found {executor!r}; allowed: deferred, eager")
    overrides = dict(overrides or {})
    if seed is not None:
        overrides |= {"seed": seed}
    result = prepare(source, overrides, device).execute(executor, progress or Silent())
    failed = [record.message for record in result.records if record.status == "failed"]
    if failed:
        error = AlgorithmError(failed[0])
        error.result = result
        raise error
    return result


def resume(folder: str | Path, *, device: str = "auto") -> tuple[Plan, Checkpoints]:
    """What is needed to go on with an interrupted run of a scenario that has ``run: {checkpoint_every: N}``.

    Args:
        folder: where its result was to be.
        device: ``auto``, ``cpu`` or ``cuda``: that of the interrupted run.

    Returns:
        The plan, and the checkpoints to execute it with; the result is that of an uninterrupted run.

    Raises:
        OutputError: if there is no checkpoint that can be read.
        ScenarioError: if the scenario has become impossible: a file that it names is gone.
    """
    checkpoints = Checkpoints(Path(folder), resumes=True)
    text, base = checkpoints.source()
    scenario = load_text(text, file=str(base / "scenario.yaml"), algorithms=schemas(base))
    return prepare(scenario, device=device), checkpoints


def prepare(source: Source, overrides: Mapping[str, Any] | None = None, device: str = "auto") -> Plan:
    """Reads a scenario and checks everything that can be checked before it runs.

    Args:
        source: a scenario file, a mapping with the same keys, or a `Scenario`.
        overrides: dotted keys and values that replace the scenario's.
        device: ``auto``, ``cpu`` or ``cuda``.

    Returns:
        A plan that can be executed or estimated.

    Raises:
        ScenarioError: with all complaints at once.

    Example:
        >>> plan = prepare({
        ...     "nodes": 4, "topology": "ring", "problem": {"kind": "quadratic", "dimension": 3},
        ...     "algorithms": [{"name": "dpsgd", "lr": 0.05}], "run": {"steps": 20},
        ... }, overrides={"nodes": 8})
        >>> plan.setting.graph.number_of_edges(), round(plan.setting.spectrum.gap, 3)
        (8, 0.195)
    """
    folder = Path(source).parent if isinstance(source, str | Path) else None
    scenario = load(source, overrides=overrides or {}, algorithms=schemas(folder))
    chosen = choose_device(device)
    entries = [find(named.name, ALGORITHMS, scenario.base) for named in scenario.algorithms]
    setting = build_setting(scenario, scenario.seeds[0], chosen, entries)
    notes = ideal_notes(scenario) + setting.problem.notes + eigenvalue_notes(scenario, entries, setting.weights)
    gradient = {}
    if setting.compute.time == "measured":
        with limited_threads(scenario.threads):
            seconds = measured(setting.problem, setting.seed)
        scenario = scenario.model_copy(update={"compute": setting.compute.model_copy(update={"time": seconds})})
        setting = replace(setting, scenario=scenario)
        notes.append(f"a gradient takes {format_seconds(seconds)}, as measured on this computer")
        gradient = {"measured_s": seconds}
    plan = Plan(scenario, entries, chosen, setting, notes, gradient)
    plan.describe_devices()
    return plan


def schemas(folder: Path | None = None) -> AlgorithmSchemas:
    """The parameters of all algorithms that a scenario may name: those of the table, and a user's own.

    Args:
        folder: where a user's own modules may lie, beside the current folder.

    Returns:
        The schema of each algorithm's keys.
    """
    table = {name: entry.parameters for name, entry in ALGORITHMS.items()}
    return AlgorithmSchemas(table, lambda name: find(name, ALGORITHMS, folder).parameters)


def shortened(setting: Setting, steps: int) -> Setting:
    """The same setting with a budget of a few steps.

    Args:
        setting: topology, mixing matrix and problem, which stay.
        steps: of each node.

    Returns:
        A setting that evaluates at the start and at the end only.
    """
    short = setting.scenario.run.model_copy(update={"steps": steps, "epochs": None, "evaluate_every": steps})
    return replace(setting, scenario=setting.scenario.model_copy(update={"run": short}))


def expected_steps(setting: Setting, trial: Mapping[str, Any]) -> float:
    """How many steps a run will take, as far as a trial of a few steps can tell.

    Args:
        setting: has the budget.
        trial: the summary of the trial, for its steps per epoch and per simulated second.

    Returns:
        Steps of each node: the first budget to be used up.
    """
    run_spec = setting.scenario.run
    steps = [float(run_spec.steps)] if run_spec.steps is not None else []
    if run_spec.epochs is not None:
        steps.append(run_spec.epochs * trial["steps"] / trial["epochs"])
    if run_spec.simulated_time is not None and trial["time_s"]:
        steps.append(run_spec.simulated_time * trial["steps"] / trial["time_s"])
    return min(steps)


@contextmanager
def limited_threads(threads: int) -> Iterator[None]:
    """Lets torch use so many threads: a part of the scenario, since it changes the order of sums.

    Args:
        threads: of one operation of torch, until the block ends.

    Example:
        >>> with limited_threads(1):
        ...     torch.get_num_threads()
        1
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
