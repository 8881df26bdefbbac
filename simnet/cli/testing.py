"""``simnet test``."""

from __future__ import annotations

import argparse

from simnet.cli.terminal import INTERRUPTED, Terminal
from simnet.experiment.testing import Outcome, check, execute, planned
from simnet.report.display import choose_progress
from simnet.report.judgements import change_table, verdict_sheet
from simnet.report.tables import remarks


def test(args: argparse.Namespace, terminal: Terminal) -> int:
    """Run scenarios, judge what they expect, compare with their baselines.

    Args:
        args: sources, update, baselines, device, quiet.
        terminal: where to speak.

    Returns:
        0; 1 if an expectation fails or a run has left its baseline; 2 if an algorithm's own code failed; 3 if a run diverged
        or stalled (the largest of these); 130 if it was interrupted.

    Raises:
        SimnetError: a scenario or baseline is bad; nothing was run.
    """
    tests = planned(args.sources, args.baselines, update=args.update)
    check(tests, args.device, needs_expectations=not args.update)
    status, failed = 0, []
    for number, one in enumerate(tests):
        try:
            outcome = execute(one, args.update, args.device, choose_progress(terminal.err, args.quiet))
        except KeyboardInterrupt:
            terminal.complain(f"interrupted: {', '.join(str(rest.path) for rest in tests[number:])} not tested")
            return INTERRUPTED
        if not (args.quiet and outcome.passed):
            report(outcome, terminal)
        status = max(status, outcome.exit_status)
        failed += [] if outcome.passed else [str(one.path)]
    if failed:
        terminal.complain(f"{len(failed)} of {len(tests)} failed: {', '.join(failed)}")
    elif not args.quiet:
        terminal.say("all is as expected" if len(tests) == 1 else f"all is as expected in {len(tests)} scenarios")
    return status


def report(outcome: Outcome, terminal: Terminal) -> None:
    """Say what came of one scenario.

    Args:
        outcome: verdicts and changes.
        terminal: where to speak.
    """
    if outcome.verdicts:
        terminal.show(verdict_sheet(outcome.verdicts, str(outcome.path)).to_rich())
    for line in remarks(outcome.result):
        terminal.say(line)
    if outcome.changes:
        terminal.show(change_table(outcome.changes))
        first, rest = outcome.changes[0], len(outcome.changes) - 1
        more = f"; and {rest} more" if rest else ""
        terminal.say(f"{outcome.baseline}: {first}{more}; if that is meant, record it with simnet test --update")
    elif outcome.recorded:
        terminal.say(f"{outcome.baseline}: {outcome.recorded}")
    elif outcome.baseline:
        terminal.say(f"{outcome.baseline}: nothing has moved")
