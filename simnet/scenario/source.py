"""Files and Python mappings as plain values, with the line of every key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from simnet.errors import ScenarioError
from simnet.sentences import Complaint, Location, shown

MAX_VALUES = 20_000_000
LARGEST_INT = 2**63


class Plain:
    """Turns what a YAML reader or a user hands over into mappings, lists, text, numbers, truth values and None.

    Attributes:
        complaints: about everything that is none of these.
        lines: the line of every key and item, where the reader knows it.
    """

    def __init__(self) -> None:
        self.complaints: list[Complaint] = []
        self.lines: dict[Location, int] = {(): 1}
        self._num_values = 0

    def convert(self, value: Any, here: Location = ()) -> Any:
        """The plain form of a value.

        Args:
            value: anything.
            here: where it stands.

        Returns:
            The plain form; None after a complaint.

        Raises:
            ScenarioError: there are more than 20 million values, as a few aliases of aliases can make.

        Example:
            >>> plain = Plain()
            >>> plain.convert({"nodes": 4, "mixing": 1j}), plain.complaints[0][0]
            ({'nodes': 4, 'mixing': None}, ('mixing',))
        """
        self._num_values += 1
        if self._num_values > MAX_VALUES:
            raise ScenarioError(f"found more than {MAX_VALUES} values (aliases count each time); put large arrays into files")
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            return self._text(str(value), here)
        if isinstance(value, int):
            return self._integer(int(value), here)
        if isinstance(value, float):
            return float(value)
        return self._collection(value, here)

    def _text(self, value: str, here: Location) -> str | None:
        if value.isascii() or value.encode(errors="ignore").decode() == value:
            return value
        self.complaints.append((here, "found half a character (a lone surrogate); allowed: Unicode text"))
        return None

    def _integer(self, value: int, here: Location) -> int | None:
        if -LARGEST_INT <= value < LARGEST_INT:
            return value
        self.complaints.append((here, "found a huge number; allowed: whole numbers of at most 64 bits"))
        return None

    def _collection(self, value: Any, here: Location) -> Any:
        if isinstance(value, Mapping):
            return self._mapping(value, here)
        if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray | memoryview):
            return self._sequence(value, here)
        if isinstance(value, Path):
            return str(value)
        for name in ("tolist", "model_dump"):  # NumPy, PyTorch; a Schedule
            method = getattr(value, name, None)
            if callable(method) and not isinstance(value, type):
                return self.convert(method(mode="json") if name == "model_dump" else method(), here)
        found = (
            "a value with a tag" if type(value).__module__.startswith("ruamel") else f"a {type(value).__name__} ({value!s:.40})"
        )
        self.complaints.append((here, f"found {found}; allowed: text (in quotes), numbers, true, false, lists, mappings"))
        return None

    def _mapping(self, value: Mapping[Any, Any], here: Location) -> dict[str, Any]:
        marks = getattr(getattr(value, "lc", None), "data", None) or {}
        plain: dict[str, Any] = {}
        for key, inner in value.items():
            if not isinstance(key, str) or self._text(key, here) is None:
                self.complaints.append((here, f"found the key {ascii(shown(key))[1:-1]}; allowed: keys that are text"))
                continue
            there = (*here, str(key))
            # A mapping in Python has no lines; its complaints come in the order of its keys all the same.
            unmarked = self.lines.get(here, 1) if marks else self._num_values
            self.lines[there] = marks[key][0] + 1 if key in marks else unmarked
            plain[str(key)] = self.convert(inner, there)
        return plain

    def _sequence(self, value: Sequence[Any], here: Location) -> list[Any]:
        marks = getattr(getattr(value, "lc", None), "data", None) or {}
        for i in range(len(value)):
            if i in marks:
                self.lines[(*here, i)] = marks[i][0] + 1
        return [self.convert(inner, (*here, i)) for i, inner in enumerate(value)]


def read_yaml(text: str, file: str) -> Any:
    """The values in a YAML 1.2 text, as ruamel.yaml's round-trip reader gives them, with line numbers.

    Args:
        text: the text.
        file: what to call it in a message.

    Returns:
        The value at the top.

    Raises:
        ScenarioError: the text is no YAML, with the line.

    Example:
        >>> read_yaml("{sharing: none, lr: 1e-3}", "a.yaml") == {"sharing": "none", "lr": 0.001}
        True
    """
    try:
        return YAML(typ="rt").load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark is not None else 1
        problem = " ".join(str(error.problem or error.context or "it cannot be read").split())
        raise ScenarioError(f"{file}:{line}: {problem}; allowed: YAML, see the lines above this one too") from None
    except YAMLError as error:
        raise ScenarioError(f"{file}:1: {' '.join(str(error).split())}; allowed: YAML") from None
    except RecursionError:
        raise ScenarioError(
            f"{file}:1: found lists or mappings nested too deeply; allowed: a scenario needs five levels"
        ) from None
    # Impossible dates, tags that contradict their text and the like make the reader stumble in its own ways.
    except Exception as error:  # noqa: BLE001
        reason = " ".join(str(error).split())[:120]
        raise ScenarioError(f"{file}:1: found something that cannot be read as YAML ({reason}); put text into quotes") from None


def read_text(path: Path) -> str:
    """The text of a scenario file.

    Args:
        path: the file.

    Returns:
        Its text, without a byte-order mark.

    Raises:
        ScenarioError: it cannot be read, or is no text.

    Example:
        >>> read_text(Path("nowhere.yaml"))
        Traceback (most recent call last):
        simnet.errors.ScenarioError: nowhere.yaml: cannot be read: No such file or directory; allowed: the path of a YAML file
    """
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ScenarioError(f"{path}:1: found byte {error.start + 1} that is no UTF-8 text; allowed: a YAML file") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ScenarioError(f"{path}: cannot be read: {reason}; allowed: the path of a YAML file") from None
