"""What a notebook shows of a result."""

from __future__ import annotations

import base64
import io
import re

import matplotlib.image
import pytest

from simnet.result import Result, RunRecord


def pictures(page: str) -> list[bytes]:
    return [base64.b64decode(data) for data in re.findall(r'src="data:image/png;base64,([^"]+)"', page)]


def test_a_result_shows_its_tables_and_one_picture(result: Result) -> None:
    page = result._repr_html_()
    (picture,) = pictures(page)
    height, width, _ = matplotlib.image.imread(io.BytesIO(picture)).shape
    assert 1.5 < width / height < 2.5  # two panels
    assert "to reach test accuracy 85 %" in page
    accuracies = [r.summary["final"]["accuracy"] for r in result.records if r.algorithm == "dpsgd"]
    assert f'<data value="{sum(accuracies) / 3!r}">' in page
    assert "moniqua-8bit (seed 3): diverged" in page
    assert repr(result).startswith("<simnet.Result slow-ring: ")
    assert len(page) < 200_000


@pytest.mark.parametrize("rows", [[], [{"step": 0, "time_s": 0.0, "accuracy": 0.1}], [{"step": 0}, {"step": 5}]])
def test_a_result_without_curves_has_no_picture(rows: list[dict[str, float]]) -> None:
    page = Result([RunRecord("a", 1, "done", "", rows, {"time_s": 90.0})], {"name": "x"}, "# Why?\nname: x\n")._repr_html_()
    assert pictures(page) == []
    assert "90 s" in page
    assert "<strong>x</strong>: Why?" in page


def test_nothing_and_less_than_everything() -> None:
    assert "no run" in Result([], {}, "")._repr_html_()
    half = Result([RunRecord("a", 1, "done", "", [], {})], {"expect": ["a.steps < 3"]}, "", complete=False, planned=2)
    assert "(1 of 2 runs)" in half._repr_html_()
    assert "was not judged" in half._repr_html_()
