"""The command line: ``simnet run | validate | list | plot | report | compare | trace | sweep | test | schema``."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from simnet.cli.parser import parser
from simnet.cli.terminal import INTERRUPTED, Terminal, signals
from simnet.errors import SimnetError

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: its words; by default those that the program was called with.

    Returns:
        The exit status: 0 done, 1 an expectation failed, 2 a bad scenario, option or output, 3 diverged or stalled, 130
        after Ctrl-C (143 after SIGTERM).

    Example:
        >>> main(["run", "no-such-file.yaml", "--device", "abacus"])
        2
    """
    try:
        args = parser().parse_args(argv)
    except SystemExit as stop:  # argparse has said what it had to say
        return stop.code if isinstance(stop.code, int) else 0
    terminal = Terminal()
    with signals() as received:
        try:
            status = int(args.command(args, terminal))
        except KeyboardInterrupt:
            terminal.complain("interrupted: no run was finished, nothing was written")
            status = INTERRUPTED
        except SimnetError as error:
            terminal.complain(str(error))
            status = error.exit_status
        except BrokenPipeError:  # whoever read our output has seen enough
            status = 0
    terminal.flush()
    return 128 + received[0] if received and status == INTERRUPTED else status


if __name__ == "__main__":
    sys.exit(main())
