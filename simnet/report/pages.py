"""Reports: one page that needs nothing but a browser, and the same in Markdown with its figures and tables beside it."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from simnet.errors import OutputError
from simnet.report.contents import contents
from simnet.report.sheets import Sheet, markdown
from simnet.result import Result

PAGE, TEXT = "report.html", "report.md"
_FENCE = re.compile(r"`{3,}")


def write_report(result: Result, target: str | Path) -> Path:
    """Write a report; it appears whole or not at all.

    Args:
        result: the result.
        target: a file ``*.html`` (the page alone), or a folder, which gets the page, the same in Markdown, and both
            ``figures`` (PNG) and ``tables`` (CSV and LaTeX); a previous report there is replaced.

    Returns:
        The page.

    Raises:
        OutputError: it cannot be written there.
    """
    place = Path(target)
    check_target(place)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        holder = Path(tempfile.mkdtemp(prefix=f".{place.name[:80]}.", dir=place.parent))
        try:
            (new := holder / "new").mkdir()
            fill(result, new)
            if is_page(place):
                (new / PAGE).replace(place)
            else:
                _take_place(new, place, holder / "old")
        finally:
            shutil.rmtree(holder, ignore_errors=True)
    except OSError as error:
        raise OutputError(f"{target}: cannot be written ({error.strerror or error}); name another place with --out") from error
    return place if is_page(place) else place / PAGE


def is_page(place: Path) -> bool:
    """Whether a report is to be the page alone.

    Args:
        place: where it is to be written.

    Returns:
        Whether its name is that of a page.

    Example:
        >>> is_page(Path("a.html")), is_page(Path("runs/a"))
        (True, False)
    """
    return place.suffix.lower() in {".html", ".htm"}


def check_target(place: Path) -> None:
    """Refuse a place where a report would destroy something else.

    Args:
        place: where it is to be written.

    Raises:
        OutputError: with what is allowed.

    Example:
        >>> check_target(Path("report.pdf"))
        Traceback (most recent call last):
        simnet.errors.OutputError: report.pdf: found the ending '.pdf'; allowed: FILE.html, or a folder for all of a report
    """
    if is_page(place):
        if place.is_dir():
            raise OutputError(f"{place}: is a folder; allowed: a file ending with .html, or a folder without that ending")
    elif place.is_file() or place.suffix.lower() in {".md", ".pdf", ".txt"}:
        what = "a file" if place.is_file() else f"the ending {place.suffix!r}"
        raise OutputError(f"{place}: found {what}; allowed: FILE.html, or a folder for all of a report")
    elif place.is_dir() and any(place.iterdir()) and not (place / PAGE).is_file():
        raise OutputError(f"{place}: holds something that is no report; allowed are a new or empty folder, and an old report")


def fill(result: Result, folder: Path) -> None:
    """Write all that belongs to a report.

    Args:
        result: the result.
        folder: an empty one.
    """
    found = contents(result, folder)
    (folder / PAGE).write_text(rendered(PAGE, found), encoding="utf-8", newline="")
    (folder / TEXT).write_text(rendered(TEXT, found), encoding="utf-8", newline="")
    (folder / "tables").mkdir()
    for sheet in [*found["sheets"], *found["time_sheets"], found["classes"], found["nodes"]]:
        if isinstance(sheet, Sheet):
            for ending, text in ((".csv", sheet.to_csv()), (".tex", sheet.to_latex())):
                (folder / "tables" / f"{sheet.name}{ending}").write_text(text, encoding="utf-8", newline="")


def rendered(template: str, found: Mapping[str, Any]) -> str:
    """A template with everything filled in; what users wrote is escaped.

    Args:
        template: its name; HTML is escaped throughout, Markdown where the template says so.
        found: what it names.

    Returns:
        The text.
    """
    return templates().get_template(template).render(fence=_fence(str(found.get("scenario", ""))), **found).lstrip("\n")


@cache
def templates() -> Environment:
    """The templates, and what they may call.

    Returns:
        Jinja's environment.
    """
    environment = Environment(
        loader=PackageLoader("simnet.report"),
        autoescape=select_autoescape(("html",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"markdown": markdown, "exactly": repr}
    return environment


def _fence(text: str) -> str:
    """Backticks enough to hold a text that may have some itself."""
    return "`" * max([3, *(len(run) + 1 for run in _FENCE.findall(text))])


def _take_place(new: Path, place: Path, old: Path) -> None:
    """Put a folder where another one may be; undo it if that fails."""
    had_one = place.exists()
    if had_one:
        place.rename(old)
    try:
        new.rename(place)
    except OSError:
        if had_one:
            old.rename(place)
        raise
