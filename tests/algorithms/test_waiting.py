"""What becomes of the algorithms when messages are missing, and who refuses that."""

from __future__ import annotations

from itertools import islice
from typing import Any

import numpy as np
import pytest

from simnet.errors import ScenarioError
from tests.algorithms.cases import DEFAULTS, LR, Case, arrays, each, run
from tests.algorithms.oracles.references import allreduce
from tests.algorithms.oracles.world import World, quadratic

RULES: dict[str, Any] = {"all": "all", "none": "none", "deadline": {"deadline": "100 ms"}}


def waiting(rule: str, steps: int = 6) -> dict[str, Any]:
    return {"run": {"steps": steps, "evaluate_every": 1, "wait": RULES[rule]}}


@pytest.mark.parametrize(
    ("case", "rule"),
    [
        (Case("dpsgd"), "none"),
        (Case("dpsgd"), "deadline"),
        (Case("dpsgd", {"order": "atc"}), "deadline"),
        (Case("moniqua", {"theta": 8.0}), "deadline"),
    ],
    ids=str,
)
def test_who_hears_nothing_goes_on_alone(case: Case, rule: str) -> None:
    """The weight of a message that has not come goes to oneself: without any, this is gradient descent of each node."""
    outcome = run(case, 4, network={"latency": "1 h"}, **waiting(rule))
    values = arrays(4)
    for i in range(4):
        own = {key: value[i : i + 1] for key, value in values.items()}
        world = World(np.ones((1, 1)), quadratic(own["curvature"], own["optimum"]))
        expected = list(islice(allreduce(own["init"], world, lambda _: LR), 6))
        np.testing.assert_allclose(outcome.models[1:, i : i + 1], expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("rule", RULES)
@each(DEFAULTS)
def test_a_rule_that_is_not_tolerated_is_refused(case: Case, rule: str) -> None:
    """Asynchronous and pooled algorithms have no rounds to wait for, so that no rule concerns them."""
    if case.entry.asynchronous or case.entry.pooled or rule in case.entry.tolerates:
        assert run(case, 4, **waiting(rule)).summary["steps"] == 6
    else:
        with pytest.raises(ScenarioError, match=f"it needs wait: .*, but this scenario says wait: {rule}"):
            run(case, 4, **waiting(rule))
