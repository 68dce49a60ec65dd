# SPDX-License-Identifier: Apache-2.0
"""What a verdict about a mutant is found again by: the mutated source, the gates below it, and what its tests load.

Comments, docstrings and layout do not count. Nor do models, commands and blocks that tests only reach through them or
through the list of all designs: a mutant that was found stays found when they are edited, but for rare cases, and the
tests themselves must pass on the original whenever they say that they found something new.
"""

import ast
import re
from functools import cache
from pathlib import Path

from sysmt.base.cache import digest

PLACES = {"sysmt": "", "tb": "tb"}
"""Where packages lie below a checkout; those of `MAPPED` are folders of their own."""
MAPPED = ("hdl", "sim", "boards")
COUNTED = ("hdl", "tb")
"""Folders whose sources a verdict depends on."""
LEADS_EVERYWHERE = Path("hdl/designs.py")
"""Counted, but not what it loads: every kind of block."""
WRITERS = {Path(f"hdl/{name}.py") for name in ("emit", "netlist", "packaging", "style")}
"""Not counted: they write a circuit down, whatever it is."""
MODULE = re.compile(r"(sysmt|tb)(\.\w+)+")
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def normal(text: str) -> str:
    """A digest of a Python source that does not change with its comments, strings that document, and layout."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            # Strings that stand alone: docstrings, and those below a constant.
            kept = [part for part in body if not (isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant))]
            node.body = kept or [ast.Pass()]  # type: ignore[attr-defined]
    return digest(ast.dump(tree))


@cache
def loaded(root: Path, path: Path) -> tuple[Path, ...]:
    """Sources of gates and tests that a file loads, or names as modules (testbenches), itself among them, in order."""
    waiting, found = [path], set()
    while waiting:
        path = waiting.pop()
        where = path.relative_to(root)
        if path not in found and where.parts[0] in COUNTED and where not in WRITERS:
            found.add(path)
            waiting += [] if where == LEADS_EVERYWHERE else _named(root, path)
    return tuple(sorted(found))


def depends(root: Path, source: str, test: str) -> str:
    """A digest of the sources behind a verdict of `tb/test_TEST.py` on a mutant of `hdl/SOURCE.py`, but for that."""
    mutated = root / "hdl" / f"{source}.py"
    paths = {*loaded(root, mutated), *loaded(root, root / "tb" / f"test_{test}.py")} - {mutated}
    return digest("".join(f"{path.relative_to(root)} {_normal_of(path)}\n" for path in sorted(paths)))


@cache
def _normal_of(path: Path) -> str:
    return normal(path.read_text())


@cache
def _named(root: Path, path: Path) -> tuple[Path, ...]:
    package = _package(root, path)
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            names |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and MODULE.fullmatch(node.value):
            names.add(node.value)
    return tuple(sorted(path for name in names if (path := _file(root, name)) is not None))


def _package(root: Path, path: Path) -> list[str]:
    parts = list(path.relative_to(root).parent.parts)
    return ["sysmt", *parts] if parts[:1] and parts[0] in MAPPED else parts


def _file(root: Path, module: str) -> Path | None:
    """The file of a module of this project, None for others and for what is no module."""
    first, *rest = module.split(".")
    if first not in PLACES:
        return None
    folder = root if first == "tb" or rest[:1] and rest[0] in MAPPED else root / "sysmt"
    path = folder.joinpath(*(["tb"] if first == "tb" else []), *rest)
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None
