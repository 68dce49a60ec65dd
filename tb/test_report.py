# SPDX-License-Identifier: Apache-2.0
"""The report on small arrays and the recorded run: every number on the page is the one in the facts."""

import copy
import json
import re
import sys
from html.parser import HTMLParser

import pytest

from bench import boards, figures
from sysmt.base.errors import UserError
from sysmt.cli.main import main
from sysmt.hdl.params.blocks import BLOCKS
from sysmt.report.charts import COLOURS, grouped, stacked
from sysmt.report.compare import compare
from sysmt.report.page import page
from sysmt.report.published import OpenArray
from sysmt.report.tables import energy_table, number, open_table
from sysmt.sim.flow.energy import PARTS

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
        outside = ("src", "href", "xlink:href", "id")
        self.references += [value for name, value in attrs if name in outside] + [tag] * (tag == "script")
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
    assert not re.search(r"url\(|https?:|@import", content)
    text = " ".join(page.words)
    for array in facts["arrays"]:
        assert number(array["silicon"]["area"]) in text
        assert number(array["energy"]["femtojoules_per_mac"]) in text
        assert all(command in text for command in array["commands"].values())
    assert facts["energy_assumptions"] in text
    assert str(reported) not in content + json.dumps(facts), "no path of the host"


def charts_of(content):
    """What every chart is called -> its texts, and per colour the lengths of its bars; the last is the legend's."""
    found = {}
    for name, body in re.findall(r'<svg [^>]*aria-label="([^"]*)">(.*?)</svg>', content, re.DOTALL):
        lengths = {}
        for left, right, colour in re.findall(r'd="M ([\d.]+) \S+ \s*L ([\d.]+) [^"]*" style="fill: (#\w+)', body):
            lengths.setdefault(colour, []).append(float(right) - float(left))
        found[name] = re.findall(r"<text [^>]*>([^<]*)</text>", body), lengths
    return found


def test_the_charts_show_the_facts(reported, facts):
    charts = charts_of((reported / "report.html").read_text())
    arrays = facts["arrays"]
    assert list(charts) == ["Area by block", "Energy per MAC by block", "Energy per MAC by cause", "Cycles on networks"]
    known = [b for b in BLOCKS if any(b in a[w]["blocks"] for a in arrays for w in ("silicon", "energy"))]
    for name, what, which, keys, total, unit in (
        ("Area by block", "silicon", "blocks", known, "area", "um2"),
        ("Energy per MAC by block", "energy", "blocks", known, "femtojoules_per_mac", "fJ"),
        ("Energy per MAC by cause", "energy", "parts", PARTS, "femtojoules_per_mac", "fJ"),
    ):
        texts, lengths = charts[name]
        scales = []
        for key, colour in zip(keys, COLOURS, strict=False):
            sizes = [array[what][which][key] for array in arrays if array[what][which].get(key)]
            drawn = lengths.get(colour, [])[:-1]
            assert len(sizes) == len(drawn), f"{name}: {key}"
            assert (key in texts) == bool(sizes)
            scales += zip(sizes, drawn, strict=True)
        scale = max(length for _, length in scales) / max(size for size, _ in scales)
        assert [length for _, length in scales] == pytest.approx([scale * size for size, _ in scales], abs=0.01)
        for array in arrays:
            assert f"{number(array[what][total])} {unit}" in texts
            assert array["name"] in texts
            for size in array[what][which].values():
                if size > 0.1 * max(a[what][total] for a in arrays):
                    assert f"{100 * size / array[what][total]:.0f} %" in texts
    texts, lengths = charts["Cycles on networks"]
    for i, array in enumerate(arrays):
        cycles = [network["cycles"] for network in array["networks"]]
        assert {f"{c / 1e6:.3g} M" for c in cycles} <= set(texts)
        scale = lengths[COLOURS[0]][0] / arrays[0]["networks"][0]["cycles"]
        assert lengths[COLOURS[i]][:-1] == pytest.approx([scale * c for c in cycles], abs=0.01)


def test_every_energy_stands_in_the_table(facts):
    text = " ".join(Page(page(facts)).words)
    for what in ("blocks", "parts"):
        head, rows = energy_table(facts["arrays"], what)
        assert head == ["fJ per MAC", "os4", "sysmt2_4"]
        energies = [array["energy"][what] for array in facts["arrays"]]
        assert {row[0] for row in rows} == {key for found in energies for key in found}
        for key, *texts in rows:
            assert texts == [number(found.get(key)) for found in energies]
            assert " ".join([key, *texts]) in text


@pytest.mark.parametrize("package", ["jinja2", "matplotlib"])
def test_the_extra_that_brings_what_the_page_needs_is_named(package, facts, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UserError, match=rf"^{package} is missing: pip install 'sysmt\[silicon\]'$"):
        page(facts)


def test_the_page_is_the_same_every_time_and_shows_names_as_they_are(facts):
    assert page(facts) == page(facts)
    strange = copy.deepcopy(facts)
    strange["arrays"][0]["name"] = strange["target"] = "<b>&$x$"
    content = page(strange)
    assert "<b>&" not in content
    shown = "&lt;b&gt;&amp;$x$"
    assert content.count(f"<td>{shown}</td>") + content.count(f"<th>{shown}</th>") >= 7
    assert f"<h1>Silicon of {shown}, " in content
    assert f"target {shown}, mapped" in content
    assert [name for name, (texts, _) in charts_of(content).items() if shown not in texts] == []
    assert Page(content).wrong == []


def test_parts_of_a_bar_stand_end_to_end_whatever_their_number():
    many = {f"part {i}": 1.0 + i for i in range(len(COLOURS) + 2)}
    chart = stacked("many", [("all", many, "78 um2")], list(many))
    assert set(charts_of(chart)["many"][0]) == {"all", "78 um2", "10 %", "12 %", "13 %", "14 %", "15 %", *many}
    ends = re.findall(r'd="M ([\d.]+) \S+ \s*L ([\d.]+)', chart)[: len(many)]
    assert [left for left, _ in ends[1:]] == [right for _, right in ends[:-1]]


def test_a_group_has_a_bar_for_each_of_its_values():
    texts, lengths = charts_of(grouped("pair", [("one", [2.0, 1.0])], ["a", "b"], "MHz"))["pair"]
    assert {"one", "a", "b", "2 MHz", "1 MHz"} == set(texts)
    assert lengths[COLOURS[0]][0] == pytest.approx(2 * lengths[COLOURS[1]][0], abs=0.01)


def test_a_page_without_areas_and_energies_leaves_their_sections_out(facts):
    bare = copy.deepcopy(facts) | {"comparison": [], "energy_assumptions": None}
    for array in bare["arrays"]:
        array["energy"] = None
        array["silicon"] |= {"blocks": {}, "paths": []}
    titles = re.findall("<h2>(.*?)</h2>", page(bare))
    left = ["Arrays", "Cycles on networks", "Configurations"]
    assert titles == [*left, "What the figures leave out", "Commands that print each number again"]


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
    row = {"part": "P", "preset": "os2", "LUT": "5 of 9", "MHz": 61.5, "slowest": 59.5}
    assert boards.markdown() == ""
    for name, dsp in (("icebreaker", "no"), ("ulx3s", "no"), ("icebreaker", "yes")):
        boards.save(row | {"board": name, "dsp": dsp})
    lines = boards.markdown().splitlines()
    assert [line.split(" | ")[:4] for line in lines[2:]] == [
        ["| ulx3s", "P", "os2", "no"],
        ["| icebreaker", "P", "os2", "yes"],
    ]
    assert "| 61.5 | 59.5 |" in lines[2]
    columns = lines[0].split(" | ")
    assert [dict(zip(columns, line.split(" | "), strict=True))["met"] for line in lines[2:]] == ["NO", "yes"]
    assert boards.engines() == ""
    boards.save(row | {"board": "ulx3s", "dsp": "no", "preset": "sysmt2_8", "engine": "yes", "MHz": 60.25})
    assert "| 60.25 |" in boards.engines()
    assert boards.markdown().splitlines() == lines
