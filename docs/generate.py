"""Writes what README.md and docs/algorithms.md say of the algorithms, out of the table and the docstrings.

Run `make docs` after a change; a test holds pages and table equal. What stands outside the markers is written by hand.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from pathlib import Path

from simnet.algorithms import ALGORITHMS, FAMILIES, Entry

ROOT = Path(__file__).resolve().parents[1]
WAITS = {"all": "all messages", "none": "old and missing messages", "deadline": "late and lost messages"}


def table() -> str:
    """The README's table: one row for each algorithm."""
    rows = ["| name | what it does | paper | one node sends in a step | time of a step | waits |", "|---|---|---|---|---|---|"]
    for entry in ALGORITHMS.values():
        name = f"[`{entry.name}`](docs/algorithms.md#{entry.name})"
        facts = (entry.sentence.removesuffix("."), entry.paper, entry.message, first_time(entry), waits(entry))
        rows.append(f"| {name} | {' | '.join(fact.replace('|', chr(92) + '|') for fact in facts)} |")
    return "\n".join(rows)


def first_time(entry: Entry) -> str:
    """The overlap class for the default parameters."""
    times = [entry.overlap] if isinstance(entry.overlap, str) else list(entry.overlap.values())
    return times[0] + (" ..." if len(times) > 1 else "")


def waits(entry: Entry) -> str:
    """Whether an algorithm is synchronous, and which waiting rules it allows."""
    if entry.pooled:
        return "-"
    return "asynchronous" if entry.asynchronous else ", ".join(entry.tolerates)


def page() -> str:
    """The generated part of docs/algorithms.md."""
    parts = []
    for family, entries in FAMILIES.items():
        parts.append(f"## {family[0].upper()}{family[1:]}")
        parts += [section(entry) for entry in entries]
    return "\n\n".join(parts)


def section(entry: Entry) -> str:
    """What the page says of one algorithm."""
    doc = inspect.getdoc(entry.program) or ""
    title = doc.partition("\n")[0].partition(": ")[0]
    head, _, rest = doc.partition("\nArgs:\n")
    body = head.partition("\n")[2].strip("\n")
    arguments, *others = re.split(r"\n\n(?=\S)", rest)
    rest = "\n\n".join(others)
    parts = [
        f"### {entry.name}",
        f"**{title}**: {entry.sentence}",
        fenced(body),
        "Parameters:\n\n" + listed(arguments),
        marked(one_line(rest, "Message")),
        facts(entry),
        f"* Use it {lowered(entry.use)}\n* Not {lowered(entry.avoid)}" if entry.use else "",
        f"*Written from memory, since the source could not be read*: {entry.recalled}." if entry.recalled else "",
        "*Source*: " + marked(one_line(rest, "Reference")),
    ]
    return "\n\n".join(part for part in parts if part)


def lowered(sentence: str) -> str:
    """A sentence that goes on where another one has begun."""
    return sentence[:1].lower() + sentence[1:]


def fenced(text: str) -> str:
    """Markdown of the formulas and what stands around them."""
    blocks = []
    for paragraph in re.split(r"\n\n(?=\S)", text):
        prose, is_formula, formula = paragraph.rpartition("::\n\n")
        if is_formula:
            ending = ":" if prose else ""
            blocks.append(marked(prose + ending))
            blocks.append("```\n" + textwrap.dedent(formula).strip("\n") + "\n```")
        else:
            blocks.append(marked(paragraph))
    return "\n\n".join(block for block in blocks if block)


def listed(arguments: str) -> str:
    """The parameters as a list, without the node."""
    items = re.split(r"\n(?=    \w)", "\n" + arguments)[1:]
    lines = [re.sub(r"\n {6}", "\n", item.strip()) for item in items if not item.startswith("    node:")]
    return "\n".join("* " + marked(re.sub(r"^(\w+(?:, \w+)*):", r"`\1`:", line)) for line in lines)


def one_line(text: str, word: str) -> str:
    """The paragraph that begins with this word, less the word."""
    found = re.search(rf"^{word}:\s*(.*?)(?=\n\n[A-Z]|\Z)", text, re.MULTILINE | re.DOTALL)
    paragraph = found.group(1).strip() if found else ""
    return paragraph if word == "Reference" else f"{word}: {paragraph}" if paragraph else ""


def marked(text: str) -> str:
    """The markup of docstrings as Markdown."""
    return text.replace("``", "`").strip()


def facts(entry: Entry) -> str:
    """What the table knows of it."""
    bears = ", ".join(WAITS[rule] for rule in entry.tolerates)
    lines = [f"A step takes `{entry.times}`." if isinstance(entry.overlap, str) else f"A step takes {entry.times}."]
    lines.append("Asynchronous." if entry.asynchronous else f"Bears {bears}." if bears and not entry.pooled else "")
    if entry.uses_topology and not entry.pooled:
        lines.append({"any": "", "columns": "W column stochastic."}.get(entry.sums, "W doubly stochastic."))
    if entry.fixed_topology:
        lines.append(f"Neighbors must stay the same: {entry.fixed_topology}.")
    return " ".join(line for line in lines if line)


def inserted(text: str, name: str, content: str) -> str:
    """A page with another content between its markers."""
    begin, end = f"<!-- {name}: written by make docs -->", f"<!-- end of {name} -->"
    head, _, rest = text.partition(begin)
    return f"{head}{begin}\n{content}\n{end}{rest.partition(end)[2]}"


PAGES = {"README.md": ("table of algorithms", table), "docs/algorithms.md": ("algorithms", page)}


def main() -> None:
    """Writes the pages."""
    for name, (marker, content) in PAGES.items():
        path = ROOT / name
        path.write_text(inserted(path.read_text(encoding="utf-8"), marker, content()), encoding="utf-8")


if __name__ == "__main__":
    main()
