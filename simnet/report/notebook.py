"""How a result shows itself in a notebook: its tables, and a small picture of its headline metric."""

from __future__ import annotations

import base64
import io

from simnet.errors import ParameterError
from simnet.report.figures import overview
from simnet.report.pages import templates
from simnet.report.tables import remarks, sheets
from simnet.result import Result, describe_runs

_DPI = 100
_SHOWN_AGAINST = ("step", "time_s")


def result_html(result: Result) -> str:
    """A result as a piece of HTML.

    Args:
        result: the result.

    Returns:
        Where it ended, what the targets cost, whether it is as expected, and the headline metric against steps and
        simulated time, as a picture inside; what users wrote is escaped.

    Example:
        >>> from simnet.result import RunRecord
        >>> "<img" in result_html(Result([RunRecord("dpsgd", 1, "done", "", [], {})], {}, ""))
        False
    """
    state = "" if result.complete else f" ({len(result.records)} of {result.planned} runs)"
    return templates().get_template("result.html").render(
        name=result.name,
        question=result.question,
        runs=(describe_runs(result.records) or "no run") + state,
        sheets=[sheet for sheet in sheets(result) if sheet.name != "time"],
        notes=remarks(result),
        picture=_picture(result),
        caption="the headline metric against steps and simulated time",
    )


def _picture(result: Result) -> str:
    """The address of the picture; empty if there is nothing to draw."""
    try:
        figure = overview(result, against=_SHOWN_AGAINST)
    except ParameterError:
        return ""
    file = io.BytesIO()
    figure.savefig(file, dpi=_DPI, format="png")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
