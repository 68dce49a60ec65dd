# SPDX-License-Identifier: Apache-2.0
"""Mutation testing: what is changed, which tests are asked, that the checkout is left alone, and a small run of it."""

import ast
import contextlib
import json
import re
from pathlib import Path

import pytest

from bench import mutation, mutation_keys, mutation_workshop
from bench.mutation_explained import EXPLAINED
from bench.mutation_keys import depends, loaded, normal
from bench.mutation_sites import mutants
from bench.mutation_tests import ROOT, TESTS, sources

SOURCE = '''"""Text."""
from amaranth.hdl import Module, Mux, Signal

WIDTH = 3


class Block:
    """More text, 7."""

    def elaborate(self, platform):
        """And more, 8."""
        m = Module()
        state, wire = Signal(), Signal()
        m.d.comb += wire.eq(state)
        count = Signal(4, init=1)
        place = Signal(range(WIDTH + 2))
        rows = Memory(shape=2 * 8, depth=WIDTH, init=[])
        if platform not in (None, "5"):
            raise ValueError(f"platform 9 {platform}")
        with m.If(~self.i.valid & (count == 2)):
            m.d.sync += [count.eq(count + 1), state.eq(Mux(self.up, state, 0))]
        m.d.comb += self.o.eq(state)
        return m
'''

EXPECTED = {
    ("Signal()", "Signal(init=1)"),
    ("4", "3"),
    ("WIDTH + 2", "(WIDTH - 2)"),
    ("m.d.comb += wire.eq(state)", "pass"),
    ("8", "7"),
    ("1", "2"),
    ("~self.i.valid & (count == 2)", "(~self.i.valid | (count == 2))"),
    ("~self.i.valid", "self.i.valid"),
    ("count == 2", "count != 2"),
    ("2", "3"),
    ("2", "1"),
    ("count + 1", "(count - 1)"),
    ("0", "1"),
    ("Mux(self.up, state, 0)", "Mux(self.up, 0, state)"),
    ("[count.eq(count + 1), state.eq(Mux(self.up, state, 0))]", "[count.eq(count + 1)]"),
    ("[count.eq(count + 1), state.eq(Mux(self.up, state, 0))]", "[state.eq(Mux(self.up, state, 0))]"),
    ("m.d.sync += [count.eq(count + 1), state.eq(Mux(self.up, state, 0))]", "pass"),
    ("m.d.comb += self.o.eq(state)", "pass"),
}


def test_every_kind_of_change_and_no_other():
    found = mutants(SOURCE)
    assert {(mutant.before, mutant.after) for mutant in found} == EXPECTED
    for mutant in found:
        ast.parse(mutant.text)
        changed = [a for a, b in zip(SOURCE.splitlines(), mutant.text.splitlines(), strict=True) if a != b]
        assert len(changed) == 1
        assert SOURCE.splitlines()[mutant.line - 1] == changed[0]


def test_nothing_is_made_wider():
    source = "def f(self):\n    return {'a': Out(3), 'b': In(signed(7)), 'c': Signal(5, init=1), 'd': [Const(9, 11)]}\n"
    changed = {(mutant.before, mutant.after) for mutant in mutants(source)}
    widths = {("3", "2"), ("7", "6"), ("5", "4"), ("11", "10")}
    assert changed == widths | {("1", "2"), ("9", "8"), ("9", "10"), ("Const(9, 11)", "Const(11, 9)")}


def test_every_source_of_gates_has_its_tests():
    assert sorted(TESTS) == sources()
    for source, tests in TESTS.items():
        assert tests, source
        assert len(set(tests)) == len(tests), source
        for name in tests:
            assert by_default(ROOT / "tb" / f"test_{name}.py"), (source, name)


def by_default(path: Path) -> bool:
    """Whether a file has a test that runs without being asked for."""
    tree = ast.parse(path.read_text())
    marks = [
        ast.unparse(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and "pytestmark" in ast.unparse(node)
    ]
    tests = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]
    asked = [any(ast.unparse(mark) == "pytest.mark.regress" for mark in test.decorator_list) for test in tests]
    return not all(asked) and not any("regress" in mark for mark in marks)


def test_what_is_explained_is_a_mutant():
    for (source, before, after, *line), reason in EXPLAINED.items():
        text = (ROOT / "hdl" / f"{source}.py").read_text()
        alike = [m for m in mutants(text) if (m.before, m.after) == (before, after)]
        lines = [way.splitlines()[m.line - 1].strip() for m in alike for way in (text, m.text)]
        assert set(line or lines) <= set(lines) != set(), source
        assert reason


def test_a_draw_is_repeatable_and_stays_in_its_rooms():
    first, second = (mutation.draw(["hdl/pe/sparq.py", "hdl/bus"], 9, 4) for _ in range(2))
    assert [(d.source, d.mutant) for d in first] == [(d.source, d.mutant) for d in second]
    assert {d.source.split("/")[0] for d in first} <= {"pe", "bus"}
    assert {d.source for d in first if d.source.startswith("pe")} <= {"pe/sparq"}
    other = mutation.draw(["hdl/pe/sparq.py", "hdl/bus"], 9, 5)
    assert [d.mutant for d in other] != [d.mutant for d in first]


def test_rooms_come_in_turn_and_other_lines_do_not_change_the_draw(monkeypatch, tmp_path):
    (tmp_path / "hdl").mkdir()
    monkeypatch.setattr(mutation, "ROOT", tmp_path)
    monkeypatch.setattr(mutation, "TESTS", {"here/a": ("x",), "here/b": ("x",), "there/c": ("x",)})
    for name in mutation.TESTS:
        path = tmp_path / "hdl" / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(SOURCE)
    first = mutation.draw([], 8, 1)
    rooms = [drawn.source.split("/")[0] for drawn in first]
    assert rooms[:4] == ["here", "there"] * 2
    changes = {(d.source, d.mutant.before, d.mutant.after) for d in first}
    assert len(changes) == 8
    path = tmp_path / "hdl/here/a.py"
    path.write_text(SOURCE.replace("        m = Module()", "        self.new()\n        m = Module()"))
    assert changes == {(d.source, d.mutant.before, d.mutant.after) for d in mutation.draw([], 8, 1)}


def test_a_verdict_depends_on_what_is_tested_and_on_no_comment(tmp_path):
    assert normal(SOURCE) == normal(
        SOURCE.replace("More text, 7.", "Other text.").replace("WIDTH = 3", "WIDTH = 3  # 3")
    )
    assert normal(SOURCE) != normal(SOURCE.replace("WIDTH = 3", "WIDTH = 4"))
    texts = {
        "hdl/bus/block.py": "from ..common.adders import add\n",
        "hdl/bus/other.py": "",
        "hdl/common/adders.py": "from sysmt.hdl import emit\n",
        "hdl/emit.py": "",
        "sim/golden/model.py": "from sysmt.hdl.bus import other\n",
        "tb/tb_block.py": "x = 1\n",
        "tb/test_block.py": 'from sysmt.hdl.bus.block import B\nimport sysmt.sim.golden.model\nBENCH = "tb.tb_block"\n',
    }
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)

    def key():
        for function in (loaded, mutation_keys._normal_of, mutation_keys._named):
            function.cache_clear()
        return depends(tmp_path, "bus/block", "block")

    before = key()
    counted = {"hdl/common/adders.py", "tb/tb_block.py", "tb/test_block.py"}
    for name, text in texts.items():
        (tmp_path / name).write_text(f"{text}# More.\n")
        assert key() == before, name
        (tmp_path / name).write_text(f"{text}MORE = 1\n")
        assert (key() != before) == (name in counted), name
        (tmp_path / name).write_text(text)


DRAW = mutation.draw
BASIS = """
from sysmt.hdl.bus import Wishbone
import sysmt.hdl.bus.signature as module


def test_addresses():
    assert Wishbone(30).members
    assert module.__file__.startswith({root!r})
    assert {condition}
"""


@pytest.fixture
def tiny(monkeypatch, tmp_path):
    """A run that asks one short test about one file; what it builds lies in a folder of its own."""
    monkeypatch.setenv("SYSMT_BUILD", str(tmp_path / "build"))
    monkeypatch.setattr(mutation, "TESTS", {"bus/signature": ("tiny",)})
    monkeypatch.setattr(mutation_workshop, "depends", lambda *_: "what tests load")

    def make(condition):
        original = mutation.workshop.__wrapped__

        def workshop(*how):
            for place in original(*how):
                text = BASIS.format(root=str(place.root), condition=condition)
                (place.root / "tb" / "test_tiny.py").write_text(text)
                yield place

        monkeypatch.setattr(mutation, "workshop", contextlib.contextmanager(workshop))

    return make


def state(folder):
    return {path: path.read_bytes() for path in sorted(Path(folder).rglob("*.py"))}


def test_mutants_are_judged_in_a_copy_and_found_again(tiny, capsys):
    tiny("True")
    before = state(ROOT / "hdl")
    assert mutation.main(["--sample", "2", "--seed", "3", "--json"]) == 0
    said = capsys.readouterr()
    facts = json.loads(said.out)
    assert (facts["found"], len(facts["survivors"])) == (1, 1), "a test that looks at little finds little"
    assert facts["rooms"] == {"bus": {"judged": 2, "found": 1}}
    assert said.err.count("original: tb/test_tiny.py::test_addresses\n") == 1
    assert state(ROOT / "hdl") == before
    assert mutation.main(["--sample", "2", "--seed", "3", "--bar", "99", "--minutes", "0"]) == 1
    again = capsys.readouterr()
    assert "original" not in again.err, "judged once"
    assert re.search(
        r"^1 of 2 mutants found \(0 of them hang\), 0 that no test can find: score 50.0 %$", again.out, re.M
    )
    assert mutation.main(["--sample", "4", "--seed", "3", "--minutes", "0"]) == mutation.UNFINISHED
    late = capsys.readouterr()
    assert late.out.startswith("1 of 2 mutants found"), "those known are told"
    assert late.err.splitlines()[-1] == "bench.mutation: 2 mutants are not judged yet: run it again, it goes on"


def test_two_at_a_time_judge_the_same(tiny, capsys):
    tiny("True")
    words = ["--sample", "4", "--seed", "3", "--json"]
    assert mutation.main([*words, "--jobs", "2"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert mutation.main(words) == 0
    assert facts == json.loads(capsys.readouterr().out)
    assert (facts["mutants"], facts["processor"]["tiny"] > 0) == (4, True)


def test_a_run_that_judged_nothing_has_no_score(tiny, capsys):
    tiny("True")
    words = ["--sample", "2", "--seed", "3", "--minutes", "0", "--bar", "97"]
    assert mutation.main(words) == mutation.UNFINISHED
    assert capsys.readouterr().out == "0 of 0 mutants found (0 of them hang), 0 that no test can find: no score\n"
    assert mutation.main([*words, "--json"]) == mutation.UNFINISHED
    assert json.loads(capsys.readouterr().out)["score"] is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--sample 0", "--sample must be at least 1, not 0"),
        ("--jobs 0", "--jobs must be at least 1, not 0"),
        ("--minutes nan", "--minutes must be at least 0, not nan"),
        ("--minutes -1", "--minutes must be at least 0, not -1"),
        ("--bar 200", "--bar must be from 0 to 100 percent, not 200"),
        ("--bar nan --list", "--bar must be from 0 to 100 percent, not nan"),
    ],
)
def test_options_that_cannot_be_are_one_line(capsys, words, said):
    assert mutation.main(words.split()) == 2
    assert capsys.readouterr() == ("", f"bench.mutation: {said}\n")


def test_an_interrupted_run_says_that_it_goes_on(monkeypatch, capsys):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(mutation, "measure", interrupt)
    assert mutation.main([]) == 130
    assert capsys.readouterr() == ("", "bench.mutation: interrupted: run it again, it goes on\n")


def test_what_found_mutants_in_other_runs_comes_first(monkeypatch, tmp_path):
    monkeypatch.setenv("SYSMT_BUILD", str(tmp_path))
    found = [("bus-axi", "tb/test_bus.py::a"), ("bus-axi", "tb/test_bus.py::b"), ("bus-axi", "tb/test_bus.py::b")]
    found += [("bus-axi", "tb/test_cache.py::c"), ("bus-axi-lite", "tb/test_bus.py::d"), ("bus-axi", "")]
    for number, (source, by) in enumerate(found):
        path = tmp_path / "mutation" / f"{source}-{number:016x}" / "result.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps({"state": "found", "by": by}))
    assert mutation_workshop.found_before("bus/axi", "bus") == ["tb/test_bus.py::b", "tb/test_bus.py::a"]


def test_a_failing_original_is_told(tiny, capsys):
    tiny("False")
    assert mutation.main(["--sample", "1"]) == 2
    assert (
        capsys.readouterr()
        .err.splitlines()[-1]
        .startswith("bench.mutation: test tb/test_tiny.py::test_addresses must pass without a mutant: 1 failed")
    )


def test_a_test_that_does_not_end_has_found_its_mutant(tiny, monkeypatch, capsys):
    tiny("Wishbone(30) == Wishbone(30) or [1 for _ in iter(int, 1)]")
    monkeypatch.setattr(mutation_workshop, "ONE_TEST", 0.5)
    monkeypatch.setattr(
        mutation,
        "draw",
        lambda *_: [d for d in DRAW(["bus/signature"], 99, 1) if d.mutant.after.endswith("!= other._parameters")],
    )
    assert mutation.main(["--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["found"], facts["survivors"]) == (1, [])


def test_a_list_of_what_would_be_drawn(capsys):
    assert mutation.main(["--list", "--sample", "3", "--rooms", "hdl/bus"]) == 0
    assert capsys.readouterr().out.count("hdl/bus/") == 3
    assert mutation.main(["--list", "--rooms", "hdl/params"]) == 2
    assert capsys.readouterr().err == (
        "bench.mutation: rooms must be folders or files of hdl with gates (hdl/engine), not hdl/params\n"
    )


@pytest.mark.regress
def test_a_small_sample_is_found():
    facts = mutation.measure(8, 2026, ["hdl/accel", "hdl/common", "hdl/array", "hdl/pe"])
    assert facts["mutants"] == 8
    assert facts["survivors"] == []
