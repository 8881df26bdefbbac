from __future__ import annotations

import math

import pytest

from simnet.errors import ParameterError
from simnet.metrics import AXES, HEADLINES, METRICS, find_axis, find_metric


def test_every_name_is_its_own_entry() -> None:
    assert all(metric.name == name for name, metric in METRICS.items())
    assert all(axis.name == name for name, axis in AXES.items())
    assert not METRICS.keys() & AXES.keys()
    assert set(HEADLINES) <= METRICS.keys()


def test_shares_are_not_logarithmic() -> None:
    assert not [metric.name for metric in METRICS.values() if metric.is_share and metric.log]


@pytest.mark.parametrize("word", ["step", "steps", "time", "seconds", "time_s", "bits", "epochs", "gradients"])
def test_everyday_words_name_axes(word: str) -> None:
    assert find_axis(word).name in AXES


def test_unknown_names_are_answered_with_what_is_allowed() -> None:
    with pytest.raises(
        ParameterError, match=r"metric: found 'acuracy'; allowed: train_loss, .*did you mean accuracy\?"
    ):
        find_metric("acuracy")
    with pytest.raises(ParameterError, match=r"against: found 'tme'; .*did you mean time\?"):
        find_axis("tme")


def test_nan_reaches_no_target() -> None:
    assert not any(metric.reaches(math.nan, 0.5) for metric in METRICS.values())
    assert METRICS["accuracy"].reaches(0.9, 0.9)
    assert METRICS["train_loss"].reaches(0.9, 0.9)
