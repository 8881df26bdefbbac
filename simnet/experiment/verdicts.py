"""Whether a result is what its scenario expects: each expectation with both its numbers."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf, isfinite, isinf, isnan, nan, sqrt
from statistics import stdev
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
        sign: of its comparison.
        holds: whether the result is so.
        left, right: the two numbers of the case that decides: the seed or algorithm with the smallest margin, or the means.
        case: which case that is, in words; empty if there is only one.
    """

    text: str
    sign: str
    holds: bool
    left: float
    right: float
    case: str = ""

    @property
    def margin(self) -> float:
        """By how much the left number is below the right one (above it, for ``>``), as a share of the right one.

        The plain difference, where that is zero or infinite; negative, where it is on the wrong side.
        """
        good = difference(self.left, self.sign, self.right)
        return good / abs(self.right) if self.right and isfinite(self.right) else good

    @property
    def margin_text(self) -> str:
        """The margin for a reader: in per cent, where it is a share; empty, where there is none."""
        if isnan(self.margin):
            return ""
        return f"{100 * self.margin:.3g} %" if self.right and isfinite(self.right) else f"{self.margin:.3g}"

    @property
    def numbers_text(self) -> str:
        """Both numbers, whose they are, and the margin."""
        case = f" ({self.case})" if self.case else ""
        margin = f", margin {self.margin_text}" if self.margin_text else ""
        return f"{self.left:.6g} and {self.right:.6g}{case}{margin}"

    def __str__(self) -> str:
        """The verdict in one line."""
        return f"{'holds' if self.holds else 'FAILS'}: {self.text}: {self.numbers_text}"


@dataclass
class Lookup:
    """The numbers of one seed's runs.

    Args:
        records: by label.
        seed: of all of them.
        label: of the algorithm, where a quantity names none.

    Attributes:
        lacking: what was asked for and is not there, in words.
    """

    records: Mapping[str, RunRecord]
    seed: int
    label: str | None
    lacking: list[str] = field(default_factory=list)

    def __call__(self, quantity: Quantity) -> float:
        """One number; NaN where the run has none.

        Args:
            quantity: which number.
        """
        label = quantity.label or self.label or ""
        record = self.records.get(label)
        found = nan if record is None else number(record, quantity.name)
        if isnan(found):
            lack = f"{label} has no {quantity.name}" if record else f"no run of {label} with seed {self.seed}"
            self.lacking += [lack] if lack not in self.lacking else []
        return found


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
    each = {label: of_seeds(result, expectation, comparison, label) for label in result.labels}
    decides = (min if comparison.of == "all" else max)(each, key=lambda label: rank(each[label]))
    verdict = each[decides]  # the worst of all holds if all do, the best of all if any does
    return replace(verdict, case=", ".join(part for part in (decides, verdict.case) if part))


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
    lookups = [Lookup({r.algorithm: r for r in result.records if r.seed == seed}, seed, label) for seed in seeds_of(result)]
    pairs = [(comparison.left(lookup), comparison.right(lookup)) for lookup in lookups]
    left, right = mean([left for left, _ in pairs]), mean([right for _, right in pairs])
    lacking = ", ".join(dict.fromkeys(text for lookup in lookups for text in lookup.lacking))
    sign, several = comparison.sign, len(pairs) > 1
    if expectation.confidence is not None:
        holds, case = is_confident(pairs, sign, expectation.confidence)
        return Verdict(expectation.that, sign, holds, left, right, lacking or case)
    if expectation.seeds == "mean":
        case = lacking or (f"mean of {len(pairs)} seeds" if several else "")
        return Verdict(expectation.that, sign, compare(left, sign, right), left, right, case)
    each = []
    for lookup, (one, other) in zip(lookups, pairs, strict=True):
        case = ", ".join(([f"seed {lookup.seed}"] if several else []) + lookup.lacking)
        each.append(Verdict(expectation.that, sign, compare(one, sign, other), one, other, case))
    return min(each, key=rank, default=Verdict(expectation.that, sign, False, nan, nan, "no run was finished"))


def seeds_of(result: Result) -> list[int]:
    """All seeds that a result was to have, those without a finished run included.

    Args:
        result: any.

    Returns:
        Those of its scenario, then others that it has.
    """
    given = result.scenario.get("seeds") or [result.scenario.get("seed")]
    known = [int(seed) for seed in given if seed is not None]
    return list(dict.fromkeys([*known, *(record.seed for record in result.records)]))


def rank(verdict: Verdict) -> tuple[bool, float]:
    """What orders verdicts from worst to best.

    Args:
        verdict: any.

    Returns:
        Whether it holds, then its margin as a share of the larger number, so that no zero decides.
    """
    good = difference(verdict.left, verdict.sign, verdict.right)
    if isnan(good):
        return verdict.holds, -inf
    return verdict.holds, good / (max(abs(verdict.left), abs(verdict.right)) or 1.0) if isfinite(good) else good


def difference(left: float, sign: str, right: float) -> float:
    """How far a comparison is from failing.

    Args:
        left: a number.
        sign: ``<``, ``<=``, ``>`` or ``>=``.
        right: the other one.

    Returns:
        Positive on the good side; NaN of two equal infinities.

    Example:
        >>> difference(3.0, "<", 4.0), difference(3.0, ">=", 4.0)
        (1.0, -1.0)
    """
    return right - left if "<" in sign else left - right


def mean(values: Sequence[float]) -> float:
    """The mean over seeds; infinite if one of them is.

    Args:
        values: perhaps none.

    Returns:
        NaN for none, and where both infinities are among them.
    """
    return sum(values) / len(values) if values else nan


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
        Whether, and the test's result in words. Where a side is infinite for some seed, or all differences are the same,
        the comparison must hold for each.

    Example:
        >>> is_confident([(1.0, 2.0), (1.1, 2.2), (0.9, 2.1)], "<", 0.95)
        (True, 'confidence 0.999 over 3 seeds')
    """
    if len(pairs) < 2:
        return False, "one seed gives no confidence; use seeds: [...]"
    differences = [difference(left, sign, right) for left, right in pairs]
    if not all(map(isfinite, differences)):
        return all(compare(left, sign, right) for left, right in pairs), "some are infinite: held against each seed"
    spread = stdev(differences)
    if spread == 0:
        return all(compare(left, sign, right) for left, right in pairs), "no spread: held against each seed"
    found = float(stats.t.cdf(mean(differences) / (spread / sqrt(len(pairs))), len(pairs) - 1))
    wanted = "" if found > confidence else f"; {confidence:g} is wanted"
    return found > confidence, f"confidence {found:.3g} over {len(pairs)} seeds{wanted}"


def number(record: RunRecord, name: str) -> float:
    """One number of one run.

    Args:
        record: of the run.
        name: of the quantity.

    Returns:
        NaN where the run has none; infinity for a target that it has not reached.
    """
    summary: Mapping[str, Any] = record.summary
    first, _, rest = name.partition(".")
    if first in FIRST_REACHED:
        return float(summary.get("targets", {}).get(rest, {}).get(FIRST_REACHED[first], inf))
    if name.startswith(COUNTERS):
        return float(summary.get("counters", {}).get(rest, nan))
    value = summary[name] if name in summary else summary.get("final", {}).get(name)
    return nan if value is None else float(value)
