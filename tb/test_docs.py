# SPDX-License-Identifier: Apache-2.0
"""README and the pages below docs/ say nothing that is not so: links, commands, files, names, code."""

import importlib
import re
import shlex
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from sysmt.cli.commands import COMMANDS
from sysmt.cli.main import parser_of

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
PAGES += sorted(path for path in DOCS.rglob("*.md") if "generated" not in path.parts and path.stem != "changelog")
FILES = r"(?:hdl|sim|boards|sysmt|tb|bench|docs|examples|tools)/[\w./*-]*\w/?"
"""How a path of the repository looks in a text; it may be a pattern, and NAME stands for any name."""


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def blocks(path: Path, language: str) -> list[str]:
    """The fenced blocks of a page that are in `language`."""
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text(), re.MULTILINE | re.DOTALL)


def prose(path: Path) -> str:
    """A page without its fenced blocks."""
    return re.sub(r"^```.*?^```", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)


def anchors(path: Path) -> set[str]:
    """What the headings of a page are called in links."""
    headings = re.findall(r"^#+ (.*)$", prose(path), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def shell_commands(path: Path) -> list[list[str]]:
    """The `sysmt` lines of a page's shell blocks, as words."""
    text = "\n".join(blocks(path, "sh")).replace("\\\n", " ")
    lines = (line for line in text.splitlines() if re.match(r"(\.venv/bin/)?sysmt ", line))
    return [[word for word in shlex.split(line, comments=True)[1:] if word != "&"] for line in lines]


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_links_lead_somewhere(path):
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(path)):
        if re.match(r"https?://", target):
            continue
        file, _, anchor = target.partition("#")
        other = (path.parent / file).resolve() if file else path
        if "generated" in other.parts:  # Made at build time, which checks them; named after what they describe.
            generated = {"api", "commands", "protocol"}
            assert other.stem in generated or find_spec(f"sysmt.{other.stem}"), f"{target} describes nothing"
            continue
        assert other.exists(), f"{target} is not there"
        if anchor:
            assert anchor in anchors(other), f"{target}: no such heading"


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_files_that_are_named_exist(path):
    for quoted in re.findall(r"`([^`\n]+)`", prose(path)):
        for file in re.findall(rf"(?<![\w./-]){FILES}", quoted):
            assert any(ROOT.glob(file.replace("NAME", "*"))), f"`{quoted}`: {file} is not there"


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_names_of_modules_are_importable(path):
    for dotted in re.findall(r"`(sysmt(?:\.\w+)+)\b(?!\*|\.\*)", path.read_text()):
        if dotted in ("sysmt.c", "sysmt.h"):  # files of the C driver
            continue
        parts = dotted.split(".")
        for cut in range(len(parts), 0, -1):
            try:
                thing = importlib.import_module(".".join(parts[:cut]))
            except ImportError:
                continue
            for attribute in parts[cut:]:
                thing = getattr(thing, attribute)
            break


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_make_targets_and_measurements_exist(path):
    text, makefile = path.read_text(), (ROOT / "Makefile").read_text()
    quoted = "\n".join([*re.findall(r"`([^`\n]+)`", text), *blocks(path, "sh")])
    for target in re.findall(r"^make ([a-z][\w-]*)", quoted, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"make {target}: no such target"
    for module in re.findall(r"python -m (bench\.\w+)", quoted):
        assert find_spec(module), f"{module}: no such measurement"


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_commands_in_shell_blocks_parse(path):
    for words in shell_commands(path):
        if "--help" not in words:
            try:
                parser_of(words).parse_args(words)
            except SystemExit:
                pytest.fail(f"sysmt {' '.join(words)}: not understood")


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_commands_in_prose_exist(path):
    names = {command.name for command in COMMANDS}
    for command in re.findall(r"`(?:\.venv/bin/)?sysmt ([a-z]\w*)", prose(path)):
        assert command in names, f"sysmt {command}: no such command"


RUN = {
    "README.md": ("cocotb", "verilator"),
    "docs/index.md": (),
    "docs/start.md": (),
    "docs/guides/generate.md": (),
    "docs/guides/multiply.md": ("cocotb", "verilator"),
    "docs/guides/cycles.md": (),
    "docs/guides/engine.md": (),
    "docs/guides/synthesis.md": ("pyosys",),
}
"""Pages whose Python blocks run as they stand, and the packages that they need; the others are compiled."""


@pytest.mark.parametrize("path", [page for page in PAGES if blocks(page, "python")], ids=name_of)
def test_python_blocks_run(path, tmp_path):
    code = "\n".join(blocks(path, "python"))
    if name_of(path) not in RUN:
        compile(code, name_of(path), "exec")
        return
    for package in RUN[name_of(path)]:
        if find_spec(package) is None:
            pytest.skip(f"{package} is not installed, and {path.name} uses it")
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr


def test_every_extra_is_explained():
    table = re.findall(r"^\| `(\w+)` \|", (DOCS / "start.md").read_text(), re.MULTILINE)
    _, _, extras = (ROOT / "pyproject.toml").read_text().partition("[project.optional-dependencies]")
    assert sorted(table) == sorted(re.findall(r"^(\w+) = \[", extras.partition("\n[")[0], re.MULTILINE))


def test_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Where is a policy defined?", "hdl/params/policy.py"),
        ("Where does the area of a block come from?", "sim/flow/area.py"),
        ("Where do a layer's cycles come from?", "sim/cost"),
        ("How is a kind of PE added?", "docs/howto/pe-kind.md"),
    ],
)
def test_readme_answers_a_newcomer(question, answer):
    row = next(line for line in (ROOT / "README.md").read_text().splitlines() if line.startswith(f"| {question} |"))
    assert answer in row


def test_pages_build_without_a_warning(tmp_path):
    for package in ("sphinx", "myst_parser", "furo"):
        if find_spec(package) is None:
            pytest.skip(f"{package} is not installed: pip install 'sysmt[docs]'")
    # As text: the same pages are read and their links resolved, without the minutes of colouring every source file.
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "text", "-d", tmp_path / "doctrees"]
    done = subprocess.run([*command, DOCS, tmp_path / "text"], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert "SystolicArray" in (tmp_path / "text" / "generated" / "rooms" / "hdl.array.txt").read_text()


def test_drawings_in_docstrings_become_literal_blocks(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS / "_ext"))
    from docstrings import literal_blocks

    text = [
        "One line.",
        "",
        "    a --> b",
        "c --> d",
        "",
        "- an item",
        "",
        "  of it",
        "",
        "Members",
        "-------",
        "x : int",
    ]
    assert literal_blocks(text) == [
        *["One line.", "", "::", "", "        a --> b", "    c --> d", "", "- an item", "", "  of it", ""],
        *["Members", "-------", "x : int"],
    ]
