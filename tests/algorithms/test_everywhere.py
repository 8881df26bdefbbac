"""Every algorithm of the table on real data, and its time per step as its row states it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import simnet
from simnet.algorithms import ALGORITHMS
from simnet.scenario import parameters_model
from tests.algorithms.cases import ALL, DEFAULTS, Case, each, execute, scenario

DIGITS = {"dataset": "digits", "model": "linear", "partition": "iid", "batch_size": 16}


def resolved(case: Case) -> dict[str, Any]:
    """The case's parameters with the algorithm's defaults."""
    given = {"lr": 0.1, **case.parameters}
    model = parameters_model(case.entry.program)
    fields = model.model_fields
    plain = model.model_validate({key: value for key, value in given.items() if key in fields}).model_dump()
    return {key: plain.get(key) for key in fields}  # what is None is not written out


@each(DEFAULTS)
def test_every_algorithm_learns_digits(case: Case) -> None:
    steps = 480 if case.name == "defacto" else 60  # it moves once in 8 steps
    source = scenario(case, 4, lr=0.1, steps=steps, evaluate_every=steps, dtype="float32")
    del source["init"]
    source |= {"problem": DIGITS, "record": {}}
    result = simnet.run(source, device="cpu")
    first, last = result.metrics.iloc[0], result.metrics.iloc[-1]
    assert result.records[0].status == "done", result.records[0].message
    assert last["train_loss"] < 0.8 * first["train_loss"]
    assert np.isfinite(last["node_loss_worst"])


TIMED = [case for case in ALL if case.entry.synchronous]


@pytest.mark.parametrize(("c", "T"), [(3.0, 1.0), (1.0, 3.0), (2.0, 2.0)])
@each(TIMED)
def test_a_step_takes_as_long_as_the_table_says(case: Case, c: float, T: float) -> None:
    """A ring of equal nodes that are far apart: gradients take c, messages T, whatever their size."""
    n, steps = 4, 24
    source = scenario(case, n, lr=0.01, steps=2 * steps, compute={"time": f"{c} s"}, network={"latency": f"{T} s"})
    times = execute(source).times
    parameters = resolved(case)
    expression = case.entry.time_of_step(parameters)
    names = {**parameters, "c": c, "T": T, "n": n, "degree": 2, "outputs": 3, "max": max, "log2": np.log2}
    expected = eval(expression, {"__builtins__": {}}, names)
    assert (times[-1] - times[steps]) / steps == pytest.approx(expected, rel=1e-9)


def test_an_overlap_class_is_stated_for_all_parameters() -> None:
    for case in ALL:
        assert ALGORITHMS[case.name].time_of_step(resolved(case))
