"""``simnet report`` and ``compare``: results for readers."""

from __future__ import annotations

import argparse
from pathlib import Path

from simnet.cli.terminal import Terminal
from simnet.report.pages import TEXT, check_target, is_page, write_report
from simnet.report.side_by_side import comparison_sheets, letters
from simnet.result import Result


def report(args: argparse.Namespace, terminal: Terminal) -> int:
    """Write a report of a result.

    Args:
        args: directory, out.
        terminal: where to speak.

    Returns:
        0.

    Raises:
        SimnetError: no result there, or the report cannot be written.
    """
    out = Path(args.out) if args.out else Path(args.directory) / "report"
    check_target(out)
    result = Result.load(args.directory)
    terminal.tell("drawing every figure; this takes some seconds ...")
    page = write_report(result, out)
    terminal.say(f"page:     {page}, to be opened in a browser; it needs nothing else")
    if not is_page(out):
        terminal.say(f"markdown: {out / TEXT}, with figures and tables (CSV, LaTeX) beside it")
    return 0


def compare(args: argparse.Namespace, terminal: Terminal) -> int:
    """Show results side by side.

    Args:
        args: first, others.
        terminal: where to speak.

    Returns:
        0.

    Raises:
        SimnetError: there are no two results.
    """
    directories = [args.first, *args.others]
    results = [Result.load(directory) for directory in directories]
    for letter, directory, result in zip(letters(len(results)), directories, results, strict=True):
        question = f": {result.question}" if result.question else ""
        terminal.say(f"{letter}: {directory}{question}")
    differing, numbers = comparison_sheets(results)
    if differing.rows:
        terminal.show(differing.to_rich())
    else:
        terminal.say("The scenarios and environments say the same.")
    terminal.show(numbers.to_rich())
    return 0
