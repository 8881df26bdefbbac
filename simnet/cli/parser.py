"""The words of the command line."""

from __future__ import annotations

import argparse
from importlib.metadata import PackageNotFoundError, version
from typing import NoReturn

from simnet.cli.catalog import TOPICS, list_topic
from simnet.cli.looking import plot, schema, validate
from simnet.cli.reporting import compare, report
from simnet.cli.running import run
from simnet.cli.sweeping import listed, sweep
from simnet.cli.testing import test
from simnet.cli.tracing import trace

DEVICES = ("auto", "cpu", "cuda")


class Parser(argparse.ArgumentParser):
    """A parser that complains in one line.

    Example:
        >>> Parser(prog="simnet").error("no such word")
        Traceback (most recent call last):
        SystemExit: 2
    """

    def error(self, message: str) -> NoReturn:
        """Say what was wrong and where to read on.

        Args:
            message: what argparse found.
        """
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def parser() -> argparse.ArgumentParser:
    """Everything that ``simnet`` understands.

    Returns:
        The parser; the parsed arguments have a ``command(args, terminal) -> exit status``.

    Example:
        >>> parser().parse_args(["run", "ring.yaml", "--set", "nodes=8"]).overrides
        [('nodes', '8')]
    """
    top = Parser(
        prog="simnet",
        description="Simulate decentralized training: real gradients on a simulated clock.",
        epilog="example: simnet run scenarios/quickstart.yaml",
        allow_abbrev=False,
    )
    top.add_argument("--version", action="version", version=f"simnet {_version()}")
    commands = top.add_subparsers(dest="word", required=True, metavar="command", parser_class=Parser)
    _add_run(commands)
    _add_validate(commands)
    _add_list(commands)
    _add_plot(commands)
    _add_report(commands)
    _add_compare(commands)
    _add_trace(commands)
    _add_test(commands)
    _add_sweep(commands)
    _add_schema(commands)
    return top


def assignment(text: str) -> tuple[str, str]:
    """Read ``key.path=value``.

    Args:
        text: the word after ``--set``.

    Returns:
        Key path and value, still as text.

    Raises:
        argparse.ArgumentTypeError: it has another form.

    Example:
        >>> assignment("algorithms.dpsgd.lr=0.2")
        ('algorithms.dpsgd.lr', '0.2')
    """
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise argparse.ArgumentTypeError(f"found {text!r}; allowed: key.path=value, such as network.latency='10 ms'")
    return key.strip(), value.strip()


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"found {text!r}; allowed: a whole number of at least 0")
    return int(text)


def _version() -> str:
    try:
        return version("simnet")
    except PackageNotFoundError:
        return "(not installed)"


def _add(commands: argparse._SubParsersAction[Parser], name: str, text: str, example: str) -> Parser:
    return commands.add_parser(
        name,
        help=text,
        description=f"{text[0].upper()}{text[1:]}.",
        epilog=f"example: {example}",
        allow_abbrev=False,
    )


def _add_scenario(command: argparse.ArgumentParser, *, is_needed: bool = True) -> None:
    command.add_argument("scenario", metavar="FILE", nargs=None if is_needed else "?", help="a scenario (YAML)")
    command.add_argument(
        "--set",
        dest="overrides",
        metavar="KEY=VALUE",
        action="append",
        type=assignment,
        default=[],
        help="change one value of the scenario, such as run.steps=100 or algorithms.dpsgd.lr=0.2; repeatable",
    )
    command.add_argument("--device", choices=DEVICES, default="auto", help="where to compute (default: auto)")


def _add_run(commands: argparse._SubParsersAction[Parser]) -> None:
    example = "simnet run scenarios/quickstart.yaml --set run.steps=100 --out runs/short"
    command = _add(commands, "run", "run a scenario and write metrics, summary and figures", example)
    _add_scenario(command, is_needed=False)
    command.add_argument("--out", metavar="DIR", help="where to write the result (default: runs/<name>)")
    command.add_argument("--resume", metavar="DIR", help="go on with an interrupted run that has run.checkpoint_every")
    command.add_argument("--seed", type=_seed, help="run this one seed instead of the scenario's")
    command.add_argument("--quiet", action="store_true", help="say nothing but what goes wrong")
    command.set_defaults(command=run)


def _add_validate(commands: argparse._SubParsersAction[Parser]) -> None:
    example = "simnet validate scenarios/quickstart.yaml"
    command = _add(commands, "validate", "check a scenario and estimate time and memory, without running it", example)
    _add_scenario(command)
    command.set_defaults(command=validate)


def _add_list(commands: argparse._SubParsersAction[Parser]) -> None:
    command = _add(commands, "list", "say what a scenario can be made of", "simnet list algorithms")
    command.add_argument("topic", nargs="?", choices=tuple(TOPICS), help="what to list (default: all names)")
    command.set_defaults(command=list_topic)


def _add_plot(commands: argparse._SubParsersAction[Parser]) -> None:
    example = "simnet plot runs/quickstart --metric accuracy --against time_s --out accuracy.pdf"
    command = _add(commands, "plot", "draw the figures of a result again, or one of them", example)
    command.add_argument("directory", metavar="DIR", help="the folder of a result")
    command.add_argument("--metric", help="one metric (see simnet list metrics; default: the scenario's headline)")
    command.add_argument("--against", metavar="AXIS", help="step, time_s, bits_sent, epoch or gradients")
    command.add_argument("--out", metavar="FILE", help=".png, .pdf or .svg (default: in the result's figures folder)")
    command.set_defaults(command=plot)


def _add_report(commands: argparse._SubParsersAction[Parser]) -> None:
    example = "simnet report runs/quickstart --out quickstart.html"
    command = _add(commands, "report", "write all of a result as one page for a browser, and as Markdown", example)
    command.add_argument("directory", metavar="DIR", help="the folder of a result")
    where = "FILE.html for the page alone, or a folder for page, Markdown, figures and tables (default: DIR/report)"
    command.add_argument("--out", metavar="FILE_OR_DIR", help=where)
    command.set_defaults(command=report)


def _add_compare(commands: argparse._SubParsersAction[Parser]) -> None:
    example = "simnet compare runs/quickstart runs/fast"
    command = _add(commands, "compare", "show results side by side: what differs, and what came of it", example)
    command.add_argument("first", metavar="DIR", help="the folder of a result, which the others are compared with")
    command.add_argument("others", metavar="DIR", nargs="+", help="the folder of another result")
    command.set_defaults(command=compare)


def _add_trace(commands: argparse._SubParsersAction[Parser]) -> None:
    example = "simnet trace scenarios/quickstart.yaml --algorithm dpsgd --until 2s"
    command = _add(commands, "trace", "record who computes, waits and sends when, for Perfetto and as figures", example)
    _add_scenario(command)
    command.add_argument("--out", metavar="DIR", help="where to write it (default: runs/<name>-trace)")
    command.add_argument("--algorithm", metavar="LABEL", help="run this one alone (default: all of the scenario)")
    command.add_argument("--seed", type=_seed, help="run this one seed instead of the scenario's")
    command.add_argument("--from", dest="start", metavar="TIME", help="record from this simulated time on, such as '10 s'")
    command.add_argument("--until", metavar="TIME", help="record and run until this simulated time")
    command.set_defaults(command=trace)


def _add_test(commands: argparse._SubParsersAction[Parser]) -> None:
    example = "simnet test scenarios/quickstart.yaml"
    command = _add(commands, "test", "run scenarios and say whether what they expect is so; exit status 1 if not", example)
    command.add_argument("sources", metavar="FILE|FOLDER", nargs="+", help="a scenario, or all in a folder that have expect:")
    command.add_argument("--update", action="store_true", help="record what each run gives now, for later comparison")
    command.add_argument("--baselines", metavar="DIR", help="where that is kept (default: baselines beside each scenario)")
    command.add_argument("--device", choices=DEVICES, default="auto", help="where to compute (default: auto)")
    command.add_argument("--quiet", action="store_true", help="say nothing but what fails")
    command.set_defaults(command=test)


def _add_sweep(commands: argparse._SubParsersAction[Parser]) -> None:
    example = "simnet sweep scenarios/quickstart.yaml --grid network.latency='1 ms,10 ms,100 ms' --out runs/latencies"
    command = _add(commands, "sweep", "run a scenario at many points, on all processors or a Dask cluster", example)
    _add_scenario(command)
    for name, text in (
        ("grid", "a key and its values, all of which are combined with those of the others; repeatable"),
        ("zip", "a key and its values, the first of which goes with the first of the others, and so on; repeatable"),
    ):
        command.add_argument(f"--{name}", metavar="KEY=V1,V2", action="append", type=listed, default=[], help=text)
    command.add_argument("--out", metavar="DIR", help="where to write the tables, or to go on (default: runs/<name>-sweep)")
    command.add_argument("--workers", type=_seed, metavar="N", help="processes; 0: this one alone (default: one per processor)")
    command.add_argument("--scheduler", metavar="ADDRESS", help="use the workers of this Dask scheduler instead")
    command.add_argument("--retries", type=_seed, metavar="N", default=2, help="try a run that fails again (default: 2 times)")
    command.add_argument("--quiet", action="store_true", help="say nothing but what goes wrong")
    command.set_defaults(command=sweep)


def _add_schema(commands: argparse._SubParsersAction[Parser]) -> None:
    example = "simnet schema --out scenario.schema.json"
    command = _add(commands, "schema", "write the JSON Schema of scenario files, for editors", example)
    command.add_argument("--out", metavar="FILE", help="where to write it (default: standard output)")
    command.set_defaults(command=schema)
