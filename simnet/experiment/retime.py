"""The same values under another clock: the time plane runs alone, and the hash of the operations proves that it may."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from simnet.algorithms import Entry
from simnet.execution import Run
from simnet.progress import Silent
from simnet.result import Result, RunRecord
from simnet.scenario import AlgorithmEntry, load, load_text
from simnet.setting import Setting, build_setting, with_times
from simnet.simulation import Plan, limited_threads, prepare, schemas
from simnet.values import ForgottenError

SETTINGS = "settings_by_seed"


def retime(
    result: Result,
    *,
    network: Mapping[str, Any] | None = None,
    compute: Mapping[str, Any] | None = None,
    trace: bool | Mapping[str, Any] | None = None,
) -> Result:
    """The runs of a result under another clock; see `Result.retime`.

    Args:
        result: has the values.
        network: keys below ``network`` and their new values.
        compute: the same below ``compute``.
        trace: as ``run.trace``.

    Returns:
        A complete result; its `recomputed` names the runs whose values had to be computed anew.

    Raises:
        ScenarioError: if the changed scenario is wrong or impossible.
    """
    plan = plan_of(result)
    changes = {f"network.{key}": value for key, value in (network or {}).items()}
    changes |= {f"compute.{key}": value for key, value in (compute or {}).items()}
    changes |= {} if trace is None else {"run.trace": trace}
    scenario = load(plan.scenario, overrides=changes, algorithms=schemas(plan.scenario.base))
    timed = Timed(plan, {seed: with_times(setting, scenario, plan.entries) for seed, setting in settings_of(plan).items()})
    records = [timed.record(memory) for memory in result.records]
    hashes = {f"{record.algorithm}/{record.seed}": record.summary["hash"] for record in records}
    retimed = Result(
        records,
        scenario.to_plain(),
        scenario.to_yaml(),
        {**result.environment, "hashes": hashes},
        result.class_table,
        result.complete,
        result.planned,
    )
    retimed.plan = replace(plan, scenario=scenario, setting=timed.settings[scenario.seeds[0]])
    retimed.recomputed = timed.recomputed
    return retimed


def plan_of(result: Result) -> Plan:
    """What a result was made of: what it remembers, or, if it was loaded, its scenario read anew.

    Relative paths in the scenario of a result that was loaded start from the current folder.

    Args:
        result: any.

    Returns:
        A plan on the device that the result was computed on.
    """
    if result.plan is None:
        scenario = load_text(result.scenario_yaml, algorithms=schemas())
        result.plan = prepare(scenario, device=str(result.environment.get("device_type", "cpu")))
    plan: Plan = result.plan
    return plan


def settings_of(plan: Plan) -> dict[int, Setting]:
    """The setting of each seed, built once and remembered with the plan's first setting.

    Args:
        plan: whose seeds.

    Returns:
        Setting by seed.
    """
    remembered = plan.setting.__dict__.setdefault(SETTINGS, {plan.setting.seed: plan.setting})
    for seed in plan.scenario.seeds:
        if seed not in remembered:
            remembered[seed] = build_setting(plan.scenario, seed, plan.device, plan.entries)
    return dict(remembered)


class Timed:
    """Runs under another clock, one after the other.

    Args:
        plan: with the scenario as it was.
        settings: by seed, with the scenario as it is to be.

    Attributes:
        recomputed: the runs whose values had to be computed anew.
    """

    def __init__(self, plan: Plan, settings: Mapping[int, Setting]) -> None:
        self.settings = settings
        self.entries = {named.label: (index, entry) for index, (named, entry) in enumerate(plan._pairs())}
        self.recomputed: list[str] = []

    def record(self, memory: RunRecord) -> RunRecord:
        """The record of one run under the new clock.

        Args:
            memory: its record under the old one.
        """
        setting = self.settings[memory.seed]
        index, entry = self.entries[memory.algorithm]
        named = setting.scenario.algorithms[index]
        with limited_threads(setting.scenario.threads):
            record = recalled(setting, named, entry, memory)
            if record is None:
                self.recomputed.append(f"{memory.algorithm} (seed {memory.seed})")
                record = Run(setting, named, entry, "deferred", Silent()).execute()
        return record


def recalled(setting: Setting, named: AlgorithmEntry, entry: Entry, memory: RunRecord) -> RunRecord | None:
    """A run without values, which those of an earlier run fit.

    Args:
        setting: of the run's seed, with its clock.
        named: the scenario's entry of the algorithm.
        entry: the table's row of it.
        memory: the record of the earlier run.

    Returns:
        The record; None if the operations differ, so that the values have to be computed.
    """
    if entry.asynchronous or memory.status not in {"done", "diverged"}:
        return None
    try:
        return Run(setting, named, entry, "deferred", Silent(), memory).execute()
    except ForgottenError:
        return None
