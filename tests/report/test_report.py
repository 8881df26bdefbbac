"""What a report holds is what the result holds; its page needs nothing from outside and runs nothing."""

from __future__ import annotations

import base64
import csv
import html
import io
import math
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from statistics import fmean
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree as ET

import matplotlib.image
import numpy as np
import pytest

import simnet
from simnet.errors import OutputError
from simnet.report import pages
from simnet.report.contents import environment_sheet, facts
from simnet.report.pages import write_report
from simnet.report.sheets import markdown
from simnet.report.tables import sheets
from simnet.result import Result, RunRecord

EVIL = '<img src="http://example.org/x.png" onerror="alert(1)"> ```<script>alert(2)</script>'
QUESTION = f"Who is first | {EVIL}?"
LABEL = "slow_gossip & 5 %"
SCENARIO = f"""# {QUESTION}
name: a <b>name</b>
seeds: [1, 2]
nodes: 6
topology: ring
network: {{latency: 20 ms, bandwidth: 1 Mbit/s}}
compute: {{time: 10 ms, stragglers: {{fraction: 0.2, slowdown: 3}}}}
problem: {{kind: quadratic, dimension: 4, noise: 0.1}}
algorithms:
  - {{name: allreduce, lr: 0.05}}
  - {{name: dpsgd, lr: 0.05, label: "{LABEL}"}}
run: {{steps: 30, evaluate_every: 10, trace: {{until: 200 ms}}}}
targets: {{optimum_distance: 2.0}}
expect:
  - "{LABEL}.time_s < allreduce.time_s"
  - all(consensus_distance < 1e-9)
"""
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Result:
    file = tmp_path_factory.mktemp("scenario") / "question.yaml"
    file.write_text(SCENARIO)
    return simnet.run(file, device="cpu")


@pytest.fixture(scope="module")
def folder(result: Result, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of the result as it is read back from its folder."""
    saved = tmp_path_factory.mktemp("runs") / "a"
    result.save(saved)
    return write_report(simnet.load(saved), saved / "report").parent


@pytest.fixture(scope="module")
def page(folder: Path) -> str:
    return (folder / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def tree(page: str) -> ET.Element:
    return ET.fromstring(page)  # noqa: S314, RUF100  our own text


def tables(tree: ET.Element) -> dict[str, list[dict[str, tuple[str, float | str]]]]:
    """By caption, for each row and column of a table what it shows and what is behind it."""
    found = {}
    for table in tree.iter("table"):
        titles = ["".join(th.itertext()) for th in table.findall("./thead/tr/th")]
        rows = [[entry(cell) for cell in row] for row in table.findall("./tbody/tr")]
        caption = table.find("caption")
        name = str(caption.text) if caption is not None else titles[0]
        found[name] = [dict(zip(titles, row, strict=True)) for row in rows]
    return found


def entry(cell: ET.Element) -> tuple[str, float | str]:
    data = cell.find("data")
    text = "".join(cell.itertext())
    return text, text if data is None else float(data.attrib["value"])


def lines_of(folder: Path, name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO((folder / "tables" / f"{name}.csv").read_text(encoding="utf-8"))))


def mean(result: Result, label: str, *path: str) -> float:
    values = []
    for record in result.records:
        if record.algorithm == label:
            value: Any = record.summary
            for key in path:
                value = value[key]
            values.append(value)
    return fmean(values)


def test_the_page_is_well_formed_and_begins_as_a_page(page: str, tree: ET.Element) -> None:
    assert page.startswith("<!DOCTYPE html>")
    assert tree.tag == "html"
    assert tree.findtext("./head/title") == "a <b>name</b>"
    ids = [section.attrib["id"] for section in tree.iter("section")]
    assert ids == [a.attrib["href"].removeprefix("#") for a in tree.iter("a")]


def test_the_page_fetches_nothing_and_runs_nothing(page: str, tree: ET.Element) -> None:
    class Strict(HTMLParser):
        """What a browser, which forgives more than a reader of XML, would find."""

        def __init__(self) -> None:
            super().__init__()
            self.tags: set[str] = set()
            self.targets: set[str] = set()

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.tags.add(tag)
            assert not [name for name, _ in attrs if name.startswith("on")]
            self.targets |= {str(v) for name, v in attrs if name in {"src", "href", "srcset", "data", "action", "style"}}

    parser = Strict()
    parser.feed(page)
    assert not parser.tags & {"script", "link", "iframe", "object", "embed", "form", "base", "video", "audio"}
    assert {target.partition(":")[0] for target in parser.targets if not target.startswith("#")} == {"data"}
    (style,) = ("".join(element.itertext()) for element in tree.iter("style"))
    assert "url(" not in style
    assert "@import" not in style
    policies = [meta.attrib["content"] for meta in tree.iter("meta") if "http-equiv" in meta.attrib]
    assert policies == ["default-src 'none'; img-src data:; style-src 'unsafe-inline'"]


def test_what_users_wrote_is_shown_as_they_wrote_it(tree: ET.Element) -> None:
    texts = {"".join(element.itertext()) for element in tree.iter()}
    assert QUESTION in texts
    assert LABEL in texts
    assert any(text.startswith(f"# {QUESTION}\nname: ") for text in texts)


def test_every_figure_is_in_the_page(folder: Path, tree: ET.Element) -> None:
    uris = [image.attrib["src"] for image in tree.iter("img")]
    embedded = [base64.b64decode(uri.removeprefix("data:image/png;base64,"), validate=True) for uri in uris]
    files = {path.name: path.read_bytes() for path in (folder / "figures").iterdir()}
    assert sorted(embedded) == sorted(files.values())
    assert all(image.attrib["alt"] for image in tree.iter("img"))
    labels = ("allreduce", "slow_gossip %26 5 %25")
    timelines = {f"{kind}_{label}.png" for kind in ("timeline", "utilization") for label in labels}
    assert {"overview.png", "topology.png", "time_of_nodes.png", "optimum_distance_vs_time_s.png"} | timelines <= set(files)


def test_the_final_table_has_the_numbers_of_the_result(result: Result, tree: ET.Element) -> None:
    rows = tables(tree)["algorithm"]
    assert [row["algorithm"][0] for row in rows] == ["allreduce", LABEL]
    for row in rows:
        label = row["algorithm"][0]
        for title, path in (
            ("distance to the optimum", ("final", "optimum_distance")),
            ("simulated time", ("time_s",)),
            ("data sent", ("bits_sent",)),
            ("idle", ("idle_share",)),
        ):
            assert row[title][1] == mean(result, label, *path), title
        shown, value = row["distance to the optimum"]
        assert shown.startswith(f"{value:.3g} ± ")
        assert row["idle"][0] == f"{100 * mean(result, label, 'idle_share'):.0f} %"
        assert row["status"][0] == "done"


def test_the_target_table_has_the_numbers_of_the_result(result: Result, tree: ET.Element) -> None:
    for row in tables(tree)["to reach distance to the optimum 2"]:
        runs = [record.summary for record in result.records if record.algorithm == row["algorithm"][0]]
        hits = [run["targets"]["optimum_distance"] for run in runs if run["targets"]["optimum_distance"]["step"] < math.inf]
        assert row["reached"][0] == f"{len(hits)} of 2 seeds"
        for title, key in (("steps", "step"), ("simulated time", "time_s"), ("data sent", "bits_sent")):
            assert row[title][1] == fmean(hit[key] for hit in hits)


def test_expectations_stand_there_with_both_numbers(result: Result, tree: ET.Element) -> None:
    first, second = tables(tree)["what is expected"]
    times = [mean(result, label, "time_s") for label in (LABEL, "allreduce")]
    assert (first["verdict"][0], first["left"][1], first["right"][1]) == ("holds", *times)
    assert first["margin"][1] == pytest.approx(1 - times[0] / times[1])
    assert (second["verdict"][0], second["right"]) == ("FAILS", ("1e-09", 1e-9))
    worst = max(r.summary["final"]["consensus_distance"] for r in result.records)
    assert second["left"][1] == worst
    assert second["where"][0].startswith(LABEL)


def test_where_the_time_went_is_that_of_the_summary(result: Result, folder: Path, tree: ET.Element) -> None:
    for row in tables(tree)["where the nodes' time went, and what the run waited for most"]:
        runs = [record.summary for record in result.records if record.algorithm == row["algorithm"][0]]
        for kind in ("computing", "waiting", "sending", "down"):
            shares = [fmean(s["nodes"][f"{kind}_s"]) / s["critical_path"]["time_s"] for s in runs]
            assert row[kind][1] == fmean(shares)
    for row in tables(tree)["what was on the critical path"]:
        path = next(r.summary["critical_path"] for r in result.records if r.algorithm == row["algorithm"][0])
        assert (row["computing"][1], row["on links"][1]) == (path["computing"], path["on_links"])
        assert next(iter(path["nodes"])) in row["its nodes"][0]
    lines = lines_of(folder, "nodes")
    assert len(lines) == 2 * 2 * 6
    nodes = {(r.algorithm, str(r.seed)): r.summary["nodes"] for r in result.records}
    assert all(float(e["waiting_s"]) == nodes[e["algorithm"], e["seed"]]["waiting_s"][int(e["node"])] for e in lines)


def test_all_forms_of_a_table_say_the_same(result: Result, folder: Path, tree: ET.Element) -> None:
    text = (folder / "report.md").read_text(encoding="utf-8")
    for sheet in sheets(result):
        shown = tables(tree)[sheet.title or "algorithm"]
        assert [[cell.text for cell in row] for row in sheet.rows] == [[text for text, _ in row.values()] for row in shown]
        assert sheet.to_markdown() in text
        lines = lines_of(folder, sheet.name)
        for row, line in zip(shown, lines, strict=True):
            for column in sheet.columns:
                value = row[column.title][1]
                assert line[column.name] == (value if isinstance(value, str) else repr(value))
        latex = (folder / "tables" / f"{sheet.name}.tex").read_text(encoding="utf-8")
        assert latex.count(r" \\") == 1 + len(sheet.rows)
        assert (r"slow\_gossip \& 5 \% & " in latex) == (sheet.columns[0].name == "algorithm")


def test_the_deviation_over_seeds_is_a_column_of_its_own(result: Result, folder: Path) -> None:
    (line, _) = lines_of(folder, "final")
    values = [r.summary["final"]["optimum_distance"] for r in result.records if r.algorithm == "allreduce"]
    assert float(line["optimum_distance_sd"]) == pytest.approx(float(np.std(values, ddof=1)))


def test_the_markdown_finds_its_figures_and_holds_the_scenario(result: Result, folder: Path) -> None:
    text = (folder / "report.md").read_text(encoding="utf-8")
    links = [unquote(link) for link in re.findall(r"^!\[.*\]\((.*)\)$", text, re.MULTILINE)]
    assert sorted(links) == sorted(f"figures/{path.name}" for path in (folder / "figures").iterdir())
    assert f"````yaml\n{result.scenario_yaml}````\n" in text  # the question has three backticks itself
    assert f"**{markdown(QUESTION)}**" in text
    assert "\\<script\\>" in text


def test_the_environment_is_there(result: Result) -> None:
    rows = {row[0].text: row[1].text for row in environment_sheet(result).rows}
    assert rows["packages: torch"] == result.environment["packages"]["torch"]
    assert rows["seeds"] == "1, 2"
    assert rows["hashes: allreduce/1"] == result.records[0].summary["hash"]


@pytest.fixture
def tiny() -> Result:
    """One figure or two, no scenario that could be read."""
    rows = [{"step": 0, "accuracy": 0.1}, {"step": 9, "accuracy": 0.9}]
    scenario = {"name": "tiny", "nodes": 4, "expect": ["a.steps < 3"], "algorithms": [{"name": "a"}]}
    return Result([RunRecord("a", 1, "done", "", rows, {"final": {"accuracy": 0.9}})], scenario, "name: tiny\nnodes: 4\n")


def contents_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_same_result_gives_the_same_bytes_and_replaces_an_old_report(tiny: Result, tmp_path: Path) -> None:
    write_report(tiny, tmp_path / "one")
    write_report(tiny, tmp_path / "two")
    (tmp_path / "two" / "figures" / "old.png").touch()
    write_report(tiny, tmp_path / "two")
    assert contents_of(tmp_path / "one") == contents_of(tmp_path / "two")
    assert {path.name for path in tmp_path.iterdir()} == {"one", "two"}


def test_a_file_is_the_page_alone(tiny: Result, tmp_path: Path) -> None:
    file = write_report(tiny, tmp_path / "new" / "page.html")
    assert contents_of(tmp_path / "new") == {"page.html": file.read_bytes()}
    write_report(tiny, tmp_path / "all")
    assert file.read_bytes() == (tmp_path / "all" / "report.html").read_bytes()


def test_a_scenario_that_cannot_be_read_any_more_is_said(tiny: Result, tmp_path: Path) -> None:
    page = html.unescape(write_report(tiny, tmp_path / "page.html").read_text())
    assert "Not drawn, since the scenario cannot be read any more: scenario.yaml:" in page
    assert "No run kept account of it." in page


def test_a_large_graph_is_said_not_to_be_drawn(tmp_path: Path) -> None:
    source: Mapping[str, Any] = {
        "nodes": 300,
        "topology": "ring",
        "problem": {"kind": "quadratic", "dimension": 1},
        "algorithms": [{"name": "dpsgd", "lr": 0.1}],
        "run": {"steps": 1},
    }
    result = simnet.run(source, executor="off")
    folder = write_report(result, tmp_path / "r").parent
    assert "Not drawn: found more than 256 nodes or 2048 edges." in (folder / "report.html").read_text()
    assert not (folder / "figures" / "topology.png").exists()
    assert facts(result, result.plan)[0] == "300 nodes (ring)"


def test_an_interrupted_result_says_so_and_judges_nothing(tiny: Result, tmp_path: Path) -> None:
    tiny.complete, tiny.planned = False, 4
    page = write_report(tiny, tmp_path / "page.html").read_text()
    assert "1 of 4 runs" in page
    assert "what the scenario expects was not judged, since runs are missing" in page
    assert "FAILS" not in page


def test_a_report_that_fails_leaves_the_old_one(tiny: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_report(tiny, tmp_path / "r").parent
    before = contents_of(folder)

    def fail(*_: object) -> Iterator[None]:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pages, "rendered", fail)
    with pytest.raises(OutputError, match=r"cannot be written \(No space left on device\)"):
        write_report(tiny, folder)
    assert contents_of(folder) == before
    assert [path.name for path in tmp_path.iterdir()] == ["r"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("other", "holds something that is no report"), ("a.txt", "found a file"), ("b.pdf", "found the ending '.pdf'")],
)
def test_other_peoples_things_are_left_alone(tiny: Result, tmp_path: Path, name: str, expected: str) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").touch()
    (tmp_path / "a.txt").touch()
    with pytest.raises(OutputError, match=expected):
        write_report(tiny, tmp_path / name)


@pytest.mark.skipif(BROWSER is None, reason="no Chromium here")
@pytest.mark.parametrize("is_dark", [False, True])
def test_a_browser_without_a_network_shows_the_page(folder: Path, tmp_path: Path, is_dark: bool) -> None:
    words = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run"]
    words += ["--disable-background-networking", "--proxy-server=127.0.0.1:9", f"--user-data-dir={tmp_path / 'profile'}"]
    words += ["--window-size=1200,1500", f"--screenshot={tmp_path / 'shot.png'}", *(["--force-dark-mode"] if is_dark else [])]
    command = [str(BROWSER), *words, (folder / "report.html").as_uri()]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    picture = np.round(255 * matplotlib.image.imread(tmp_path / "shot.png")[..., :3]).astype(int)
    assert picture.shape == (1500, 1200, 3)
    assert tuple(picture[0, 0]) == ((0x16, 0x18, 0x1C) if is_dark else (255, 255, 255))
    blue, orange = ((picture == color).all(axis=2).sum() for color in ((0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00)))
    assert min(blue, orange) > 200  # the curves of both algorithms: the figures are there


def test_numbers_that_are_none_are_dashes() -> None:
    record = RunRecord("a", 1, "diverged", "", [], {"final": {"accuracy": math.nan}})
    (sheet,) = sheets(Result([record], {}, ""))
    assert [cell.text for cell in sheet.rows[0]] == ["a", "-", "-", "-", "-", "diverged"]
