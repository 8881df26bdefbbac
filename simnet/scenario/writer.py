"""Plain values as YAML that a person would have written: short mappings and rows of numbers in one line."""

from __future__ import annotations

import io
import re
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

LONGEST_LINE = 110
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
    yaml.dump(_styled(plain, is_top=True), text)
    return text.getvalue()


def _styled(value: Any, *, is_top: bool = False) -> Any:
    """The same value, marked with how it is to be written."""
    if isinstance(value, dict):
        mapping = CommentedMap((_styled(key), _styled(inner)) for key, inner in value.items())
        if not is_top and len(repr(value)) <= LONGEST_LINE:
            mapping.fa.set_flow_style()
        return mapping
    if isinstance(value, list):
        sequence = CommentedSeq(_styled(inner) for inner in value)
        if not any(isinstance(inner, dict | list) for inner in value):
            sequence.fa.set_flow_style()
        return sequence
    # Anything but plain words is quoted here; what still looks like a number or null, the library quotes.
    return DoubleQuotedScalarString(value) if isinstance(value, str) and not PLAIN_WORDS.fullmatch(value) else value
