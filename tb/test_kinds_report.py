# SPDX-License-Identifier: Apache-2.0
"""`sysmt report --pe-kinds` on a record made up here: every ratio, the front, all forms, and one line for a mistake."""

import json
import re

import pytest

from bench import kinds as measured
from bench import record
from sysmt.cli.main import main
from sysmt.report.kinds import COMMAND, config_of, gather_kinds, on_front

from .test_report import Page

NAMES = ("um2", "MHz", "fJ/MAC", "resnet8 top1", "resnet8 agree", "resnet8 cycles")


def row(kind, fields, *values):
    return {"kind": kind, "with": fields} | dict(zip(NAMES, values, strict=False))


ROWS = [
    row("nbsmt", "threads=1", 1000.0, 50.0, 400.0, 0.9, 1.0, 8000),
    row("nbsmt", "threads=2 policy=S+A", 1250.0, 45.0, 300.0, 0.88, 0.95, 4000),
    row("sparq", "window=3opt pairs=1", 1200.0, 51.0, 300.0, 0.9, 0.97, 4000),
    row("sparq", "window=7opt pairs=1", 1100.0, 51.0, 320.0, 0.6, 0.63, 4000),
]
SMT_SA = {"kind": "smt-sa", "with": "threads=2 queue=4"} | {
    "um2": 2000.0,
    "MHz": 50.0,
    "fJ/MAC": 500.0,
    "resnet8 top1": 0.9,
    "resnet8 agree": 1.0,
    "resnet8 cycles": 5000,
}


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """A record of these rows, as `bench` writes it."""
    monkeypatch.setattr(record, "RECORD", tmp_path / "record.json")
    record.save({"kinds": record.figures("kinds", [*ROWS, SMT_SA])})
    return tmp_path / "record.json"


def test_ratios_and_front(kept):
    one, nbsmt, sparq, narrow, smt_sa = gather_kinds(kept)["rows"]
    assert (one["area"], one["energy"], one["throughput_per_area"], one["change"]) == (1, 1, 1, 0)
    assert (nbsmt["area"], nbsmt["clock"], nbsmt["energy"], nbsmt["products"]) == (1.25, 0.9, 0.75, 2)
    assert nbsmt["throughput_per_area"] == 2 / 1.25
    assert nbsmt["networks"]["resnet8"] == {"top1": 0.88, "change": -2, "agree": 0.95, "cycles": 4000, "speedup": 2}
    assert sparq["networks"]["resnet8"]["change"] == 0
    assert smt_sa["networks"]["resnet8"]["speedup"] == 1.6
    assert (smt_sa["area"], smt_sa["energy"], smt_sa["products"]) == (2, 1.25, None)
    assert smt_sa["throughput_per_area"] == 1.6 / 2, "its threads wait: what counts is the speed-up"
    assert smt_sa["commands"][0].startswith("sysmt synth smtsa2_16 ")
    # NB-SMT loses to SPARQ in all three; one thread too; the narrow window has the best throughput per area.
    assert [r["front"] for r in (one, nbsmt, sparq, narrow, smt_sa)] == [False, False, True, True, False]


def test_a_front_keeps_equals_and_drops_what_lacks_a_figure():
    rows = [{"a": 1.0, "b": 2.0}, {"a": 1.0, "b": 2.0}, {"a": 0.5, "b": 2.0}, {"a": 0.5, "b": 1.0}, {"a": 2, "b": None}]
    criteria = {"a": True, "b": False}
    assert [on_front(r, rows, criteria) for r in rows] == [True, True, False, True, False]


def test_all_forms_show_the_same(kept, tmp_path, capsys):
    for ending in ("html", "md", "json", "png"):
        arguments = ["report", "--pe-kinds", "--record", str(kept), "-o", str(tmp_path / f"kinds.{ending}")]
        assert main(arguments) == 0
        said = f"{tmp_path / f'kinds.{ending}'}: 5 kinds and policies of PE, 2 of them best\n"
        assert capsys.readouterr().out == said
    facts = json.loads((tmp_path / "kinds.json").read_text())
    assert facts == gather_kinds(kept)
    content = (tmp_path / "kinds.html").read_text()
    page = Page(content)
    assert (page.references, page.wrong, page.open) == ([], [], [])
    assert not re.search(r"url\(|https?:|@import", content)
    for text in (" ".join(page.words), (tmp_path / "kinds.md").read_text()):
        for shown in (COMMAND, "window=3opt pairs=1", "1.667", "0.750", "smt-sa", "4 (window=7opt pairs=1)", "-30.0"):
            assert shown in text, shown
        for found in facts["rows"]:
            assert all(command in text for command in found["commands"])
    assert (tmp_path / "kinds.png").read_bytes().startswith(b"\x89PNG")


def test_every_command_that_is_named_parses(kept):
    for found in gather_kinds(kept)["rows"]:
        if found["kind"] != "smt-sa":
            assert config_of(found["kind"], found["with"]).pe.kind == found["kind"]


def test_what_is_measured_are_configurations_and_no_two_are_equal():
    plans = list(measured.plans())
    configs = [config_of(*plan) for plan in plans]
    assert configs[0].pe.threads == 1
    assert len(set(configs)) == len(configs) == len(set(plans))
    assert {config.pe.kind for config in configs} == {"nbsmt", "sparq"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--pe-kinds", "os8"], "--pe-kinds must come without presets: it shows what is recorded; leave one "),
        (["--pe-kinds", "--clock", "50"], "--pe-kinds must come without --clock: it shows what is recorded; leave "),
        (["--pe-kinds", "--program", "p.sysmt"], "--pe-kinds must come without --program: they are two reports; "),
        (["--record", "r.json"], "--record must come with --pe-kinds: only that reads a record"),
        (["--pe-kinds", "--record", "none.json"], "record none.json cannot be read (No such file or directory): name "),
    ],
)
def test_a_mistake_is_one_line(arguments, message, tmp_path, capsys):
    assert main(["report", *arguments, "-o", str(tmp_path / "k.html")]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"sysmt report: error: {message}")
    assert said.count("\n") == 1


@pytest.mark.parametrize("content", ["{}", "[1]", '{"kinds": []}', '{"kinds": [{"key": 1}]}', "no JSON"])
def test_a_record_without_kinds_is_refused(content, tmp_path, capsys):
    (tmp_path / "r.json").write_text(content)
    assert main(["report", "--pe-kinds", "--record", str(tmp_path / "r.json"), "-o", str(tmp_path / "k.md")]) == 2
    assert capsys.readouterr().err.endswith(f"holds no kinds of PE: make one with `{COMMAND}`\n")
