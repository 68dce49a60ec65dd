# SPDX-License-Identifier: Apache-2.0
"""The report on small arrays and the recorded run: every number on the page is the one in the facts."""

import json
import re
from html.parser import HTMLParser

import pytest

from bench import boards, figures
from sysmt.base.errors import UserError
from sysmt.cli.main import main
from sysmt.report.compare import compare
from sysmt.report.published import OpenArray
from sysmt.report.tables import number, open_table

from . import needs
from .tiny_library import tiny_library

needs.pyosys()
SMALL = ["--set", "rows=2", "--set", "cols=2", "--set", "counters=false"]


@pytest.fixture(scope="module")
def reported(tmp_path_factory):
    """Folder with the same report in all formats."""
    folder = tmp_path_factory.mktemp("report")
    (folder / "tiny.lib").write_text(tiny_library())
    for ending in ("html", "md", "json"):
        arguments = ["report", "os4", "sysmt2_4", *SMALL, "--target", str(folder / "tiny.lib")]
        assert main([*arguments, "--energy", "random:0.5", "-o", str(folder / f"report.{ending}")]) == 0
    return folder


@pytest.fixture(scope="module")
def facts(reported):
    """The report as JSON."""
    return json.loads((reported / "report.json").read_text())


class Page(HTMLParser):
    """Collects what a page refers to, its text, and tags that were not closed in order."""

    VOID = ("meta", "br", "rect")

    def __init__(self, content: str):
        super().__init__()
        self.references, self.words, self.open, self.wrong = [], [], [], []
        self.feed(content)

    def handle_starttag(self, tag, attrs):
        self.references += [value for name, value in attrs if name in ("src", "href")] + [tag] * (tag == "script")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.VOID and self.open.pop() != tag:
            self.wrong.append(tag)

    def handle_data(self, data):
        self.words.append(data)


def test_the_page_is_self_contained_and_shows_the_facts(reported, facts):
    content = (reported / "report.html").read_text()
    page = Page(content)
    assert (page.references, page.wrong, page.open) == ([], [], [])
    assert "url(" not in content
    text = " ".join(page.words)
    for array in facts["arrays"]:
        assert number(array["silicon"]["area"]) in text
        assert number(array["energy"]["femtojoules_per_mac"]) in text
        assert all(command in text for command in array["commands"].values())
    assert facts["energy_assumptions"] in text
    assert str(reported) not in content + json.dumps(facts), "no path of the host"


def test_markdown_holds_the_same_numbers(reported, facts):
    text = (reported / "report.md").read_text()
    for row in facts["comparison"]:
        assert re.search(rf"\| {row['figure']} \({row['array']}\) \| {row['value']:.3f} \|", text)
    assert facts["energy_assumptions"] in text


def test_blocks_add_up(facts):
    for array in facts["arrays"]:
        assert sum(array["silicon"]["blocks"].values()) == pytest.approx(array["silicon"]["area"])
        energy = array["energy"]
        for what in ("parts", "blocks"):
            assert sum(energy[what].values()) == pytest.approx(energy["femtojoules_per_mac"])


def test_two_threads_are_compared_with_one(facts):
    one, two = facts["arrays"]
    rows = {row["figure"]: row for row in compare(facts["arrays"])}
    assert rows["area, 2T / 1T"]["value"] == pytest.approx(two["silicon"]["area"] / one["silicon"]["area"])
    assert rows["throughput per area, 2T / 1T"]["value"] == pytest.approx(2 / rows["area, 2T / 1T"]["value"])
    clock = one["silicon"]["period_ps"] / two["silicon"]["period_ps"]
    assert rows["clock, 2T / 1T"]["value"] == pytest.approx(clock)
    for row in rows.values():
        assert row["met"] == (row["value"] <= row["target"] if row["at_most"] else row["value"] >= row["target"])


def test_open_arrays_stand_beside_ours(facts):
    assert [ours["name"] for ours in facts["references"]] == [], "other settings than the open ones'"
    ours = [("os8", 1000.0, [119.4, 112.6]), ("sysmt2_8", 1290.0, [])]
    references = [{"name": name, "silicon": {"area": area}, "ecp5_mhz": mhz} for name, area, mhz in ours]
    assert open_table({"references": references}, [OpenArray("other", 2000, "80")])[1] == [
        ["os8 (ours)", "1,000", "1.00", "113-119"],
        ["sysmt2_8 (ours)", "1,290", "1.29", "-"],
        ["other", "2,000", "2.00", "80"],
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "report.pdf"], r"output must end in \.html, \.md, \.json, not 'report\.pdf'"),
        (["--target", "generic", "--energy", "digits", "-o", "r.md"], "energy needs a liberty file .*'generic'"),
        (["--target", "none.lib", "-o", "r.md"], r"library 'none\.lib' cannot be read: .*"),
    ],
)
def test_nothing_is_left_when_it_fails(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["report", "os4", *SMALL, *arguments]) == 2
    assert re.fullmatch(f"sysmt report: error: {message}", capsys.readouterr().err.splitlines()[-1])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", figures.TABLES)
def test_figures_are_written_between_their_markers(name):
    text = figures.PAGE.read_text()
    assert figures.placed(figures.placed(text, name, "one"), name, "two") == figures.placed(text, name, "two")
    assert "\ntwo\n" in figures.placed(text, name, "two")
    with pytest.raises(UserError, match=rf"^docs/figures\.md must hold <!-- {name}"):
        figures.placed("no markers", name, "two")


def test_figures_of_boards_are_kept_one_by_one(tmp_path, monkeypatch):
    monkeypatch.setattr(boards, "RECORD", tmp_path / "boards.json")
    row = {"part": "P", "preset": "os2", "LUT": "5 of 9", "MHz": 61.5, "met": "yes"}
    assert boards.markdown() == ""
    for name, dsp in (("icebreaker", "no"), ("ulx3s", "no"), ("icebreaker", "yes")):
        boards.save(row | {"board": name, "dsp": dsp})
    lines = boards.markdown().splitlines()
    assert [line.split(" | ")[:4] for line in lines[2:]] == [
        ["| ulx3s", "P", "os2", "no"],
        ["| icebreaker", "P", "os2", "yes"],
    ]
    assert "| 61.5 |" in lines[2]
