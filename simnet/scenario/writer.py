"""Plain values as YAML that a person would have written: short mappings and rows of numbers in one line."""

from __future__ import annotations

import io
import re
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

LONGEST_LINE = 110
LARGE = 256
# U+FDD0 is no character: Unicode reserves it for such internal use.
PLACEHOLDER = re.compile("\ufdd0([0-9]+)\ufdd0")
PLAIN_WORDS = re.compile(r"\w[\w .:/<>=+*()%-]*")


def to_yaml(plain: dict[str, Any]) -> str:
    """The YAML text of a scenario.

    Args:
        plain: mappings, lists, text, numbers, true, false and None.

    Returns:
        The text, which reads back as the same values.

    Example:
        >>> print(to_yaml({"nodes": 4, "topology": {"kind": "ring"}, "init": [[0.5, 1.0]]}), end="")
        nodes: 4
        topology: {kind: ring}
        init:
        - [0.5, 1.0]
    """
    yaml = YAML(typ="rt")
    yaml.width = 2**30
    yaml.allow_unicode = True
    text = io.StringIO()
    blocks: list[str] = []
    yaml.dump(_styled(plain, blocks, is_top=True), text)
    return PLACEHOLDER.sub(lambda match: blocks[int(match[1])], text.getvalue())


def _styled(value: Any, blocks: list[str], *, is_top: bool = False) -> Any:
    """The same value, marked with how it is to be written; large arrays move to ``blocks``, leaving a placeholder."""
    if isinstance(value, dict):
        mapping = CommentedMap((_styled(key, blocks), _styled(inner, blocks)) for key, inner in value.items())
        if not is_top and len(repr(value)) <= LONGEST_LINE:
            mapping.fa.set_flow_style()
        return mapping
    if isinstance(value, list):
        if _is_large_array(value):
            blocks.append("[" + ",\n    ".join(map(repr, value)) + "]")
            return f"\ufdd0{len(blocks) - 1}\ufdd0"
        sequence = CommentedSeq(_styled(inner, blocks) for inner in value)
        if not any(isinstance(inner, dict | list) for inner in value):
            sequence.fa.set_flow_style()
        return sequence
    # Anything but plain words is quoted here; what still looks like a number or null, the library quotes.
    return DoubleQuotedScalarString(value) if isinstance(value, str) and not PLAIN_WORDS.fullmatch(value) else value


def _is_large_array(rows: list[Any]) -> bool:
    """Whether these are many rows of floats, which the library would take minutes to write."""
    return (
        len(rows) > 1
        and all(isinstance(row, list) for row in rows)
        and sum(map(len, rows)) > LARGE
        and all(type(entry) is float for row in rows for entry in row)
    )
