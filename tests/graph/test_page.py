"""The page on graphs: its examples run, and it names all that there is."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

from simnet.graph import SEQUENCES, TOPOLOGIES

PAGE = Path(__file__).parents[2] / "docs" / "graphs.md"


def test_the_examples_of_the_page_run() -> None:
    failed, attempted = doctest.testfile(str(PAGE), module_relative=False, optionflags=doctest.FAIL_FAST)
    assert attempted > 3
    assert failed == 0


def test_the_page_names_all_graphs_over_time() -> None:
    words = set(re.findall(r"`(\w+)", PAGE.read_text(encoding="utf-8")))
    assert set(SEQUENCES) <= words
    assert {"ring_lattice"} == set(SEQUENCES) & set(TOPOLOGIES)
