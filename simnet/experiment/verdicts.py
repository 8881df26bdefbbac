"""Whether a result is what its scenario expects: each expectation with both its numbers."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import inf, isfinite, isinf, isnan, nan
from statistics import fmean
from typing import Any

from scipy import stats

from simnet.result import Result, RunRecord
from simnet.scenario.expectations import COUNTERS, FIRST_REACHED, Comparison, Expectation, Quantity, parse

SIGNS: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True)
class Verdict:
    """What came of one expectation.

    Args:
        text: the expectation.
        holds: whether the result is so.
        left, right: the two numbers of the case that decides: the seed or algorithm with the smallest margin, or the means.
        case: which case that is, in words; empty if there is only one.
    """

    text: str
    holds: bool
    left: float
    right: float
    case: str = ""

    @property
    def margin(self) -> float:
        """By how much the left number is below the right one, as a share of the right one (of above it, for ``>``)."""
        below = self.right - self.left if "<" in self.text else self.left - self.right
        return below / abs(self.right) if self.right and isfinite(self.right) else below

    def __str__(self) -> str:
        """The verdict in one line."""
        word = "holds" if self.holds else "FAILS"
        case = f" ({self.case})" if self.case else ""
        return f"{word}: {self.text}: {self.left:.6g} and {self.right:.6g}{case}, margin {100 * self.margin:.3g} %"


def verdicts(result: Result) -> list[Verdict]:
    """Judges all that the scenario of a result expects.

    Args:
        result: with its scenario.

    Returns:
        One verdict for each expectation, in their order.

    Example:
        >>> records = [RunRecord(name, 1, "done", "", [], {"steps": steps}) for name, steps in (("a", 3), ("b", 4))]
        >>> scenario = {"algorithms": [{"name": "a"}, {"name": "b"}], "expect": ["a.steps < b.steps"]}
        >>> print(*verdicts(Result(records, scenario, "")))
        holds: a.steps < b.steps: 3 and 4, margin 25 %
    """
    targets = list(result.scenario.get("targets") or {})
    found = []
    for given in result.scenario.get("expect") or []:
        expectation = Expectation.model_validate(given)
        found.append(judge(result, expectation, parse(expectation.that, result.labels, targets)))
    return found


def judge(result: Result, expectation: Expectation, comparison: Comparison) -> Verdict:
    """One verdict.

    Args:
        result: whose numbers are compared.
        expectation: says for which seeds it must hold.
        comparison: what is compared.

    Returns:
        The verdict; of several algorithms, that of the one that decides.
    """
    if comparison.of == "one":
        return of_seeds(result, expectation, comparison, None)
    each = [of_seeds(result, expectation, comparison, label) for label in result.labels]
    holds = all(v.holds for v in each) if comparison.of == "all" else any(v.holds for v in each)
    decides = min(each, key=rank) if comparison.of == "all" else max(each, key=rank)
    label = result.labels[each.index(decides)]
    case = ", ".join(part for part in (label, decides.case) if part)
    return Verdict(decides.text, holds, decides.left, decides.right, case)


def of_seeds(result: Result, expectation: Expectation, comparison: Comparison, label: str | None) -> Verdict:
    """One verdict about given algorithms.

    Args:
        result: whose numbers are compared.
        expectation: says for which seeds it must hold.
        comparison: what is compared.
        label: of the algorithm that unlabeled quantities are of.

    Returns:
        The verdict over all seeds.
    """
    seeds = list(dict.fromkeys(record.seed for record in result.records))
    pairs = []
    for seed in seeds:
        lookup = partial(number, {r.algorithm: r for r in result.records if r.seed == seed}, label)
        pairs.append((comparison.left(lookup), comparison.right(lookup)))
    lefts, rights = [left for left, _ in pairs], [right for _, right in pairs]
    if expectation.confidence is not None:
        holds, case = is_confident(pairs, comparison.sign, expectation.confidence)
        return Verdict(expectation.that, holds, mean(lefts), mean(rights), case)
    if expectation.seeds == "mean":
        left, right = mean(lefts), mean(rights)
        return Verdict(expectation.that, compare(left, comparison.sign, right), left, right, "mean of the seeds")
    each = [Verdict(expectation.that, compare(left, comparison.sign, right), left, right) for left, right in pairs]
    if not each:
        return Verdict(expectation.that, False, nan, nan, "no finished run")
    decides = min(each, key=rank)
    case = f"seed {seeds[each.index(decides)]}" if len(seeds) > 1 else ""
    return Verdict(decides.text, decides.holds, decides.left, decides.right, case)


def rank(verdict: Verdict) -> tuple[bool, float]:
    """What orders verdicts from worst to best.

    Args:
        verdict: any.

    Returns:
        Whether it holds, then its margin.
    """
    return verdict.holds, -inf if isnan(verdict.margin) else verdict.margin


def mean(values: Sequence[float]) -> float:
    """The mean over seeds; infinite if one of them is.

    Args:
        values: perhaps none.

    Returns:
        NaN for none.
    """
    return fmean(values) if values else nan


def compare(left: float, sign: str, right: float) -> bool:
    """Whether a comparison holds; of two infinities none does, nor of what is no number.

    Args:
        left: a number.
        sign: ``<``, ``<=``, ``>`` or ``>=``.
        right: the other one.

    Returns:
        The truth.

    Example:
        >>> compare(1.0, "<", inf), compare(inf, "<=", inf)
        (True, False)
    """
    return not (isinf(left) and isinf(right)) and SIGNS[sign](left, right)


def is_confident(pairs: Sequence[tuple[float, float]], sign: str, confidence: float) -> tuple[bool, str]:
    """Whether the difference over the seeds has its sign with this confidence, by a one-sided paired t-test.

    Args:
        pairs: both sides, for each seed.
        sign: of the comparison.
        confidence: in (0.5, 1).

    Returns:
        Whether, and the test's result in words. A side that is infinite for some seed decides by the comparison alone.

    Example:
        >>> is_confident([(1.0, 2.0), (1.1, 2.2), (0.9, 2.1)], "<", 0.95)[0]
        True
    """
    if len(pairs) < 2:
        return False, "one seed gives no confidence; use seeds: [...]"
    if not all(isfinite(value) for pair in pairs for value in pair):
        return all(compare(left, sign, right) for left, right in pairs), "some are infinite"
    differences = [left - right for left, right in pairs]
    if len(set(differences)) == 1:
        return all(compare(left, sign, right) for left, right in pairs), "no spread"
    p = float(stats.ttest_1samp(differences, 0.0, alternative="less" if "<" in sign else "greater").pvalue)
    return p < 1 - confidence, f"confidence {1 - p:.3g} over {len(pairs)} seeds"


def number(records: Mapping[str, RunRecord], label: str | None, quantity: Quantity) -> float:
    """One number of one seed's runs.

    Args:
        records: by label.
        label: of the algorithm, if the quantity names none.
        quantity: which number.

    Returns:
        NaN where the run has none.
    """
    record = records.get(quantity.label or label or "")
    if record is None:
        return nan
    summary: Mapping[str, Any] = record.summary
    first, _, rest = quantity.name.partition(".")
    if first in FIRST_REACHED:
        return float(summary.get("targets", {}).get(rest, {}).get(FIRST_REACHED[first], inf))
    if quantity.name.startswith(COUNTERS):
        return float(summary.get("counters", {}).get(rest, nan))
    value = summary[quantity.name] if quantity.name in summary else summary.get("final", {}).get(quantity.name)
    return nan if value is None else float(value)
