# SPDX-License-Identifier: Apache-2.0
"""The rooms and the one direction of their imports: a room imports rooms that stand above it here, and no others."""

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

ROOMS = (
    "sysmt.base",
    "sysmt.hdl.params",
    "sysmt.hdl.software",
    "sysmt.hdl.packaging",
    "sysmt.sim.golden",
    "sysmt.sim.nn",
    "sysmt.sim.cost",
    "sysmt.sim.quant",
    "sysmt.sim.engine",
    "sysmt.sim.train",
    "sysmt.sim.nullcache",
    "sysmt.hdl.style",
    "sysmt.hdl.netlist",
    "sysmt.hdl.wrapped_memory",
    "sysmt.hdl.emit",
    "sysmt.hdl.common",
    "sysmt.hdl.bus",
    "sysmt.hdl.memory",
    "sysmt.hdl.pe",
    "sysmt.hdl.array",
    "sysmt.hdl.nullcache",
    "sysmt.hdl.accel",
    "sysmt.hdl.engine",
    "sysmt.hdl.dma",
    "sysmt.hdl.designs",
    "sysmt.hdl.litex",
    "sysmt.sim.flow",
    "sysmt.sim.cosim",
    "sysmt.boards",
    "sysmt.sim.explore",
    "sysmt.report",
    "sysmt.api",
    "sysmt.cli",
)
MODELS = (
    "sysmt.hdl.params",
    "sysmt.sim.golden",
    "sysmt.sim.nn",
    "sysmt.sim.cost",
    "sysmt.sim.quant",
    "sysmt.sim.engine",
    "sysmt.sim.train",
)
"""Rooms that may not load amaranth, not even through another; nor may `sysmt.sim.nullcache`."""


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    return name if parts[0] == "sysmt" else f"sysmt.{name}"


MODULES = {
    module_of(path): path for folder in ("sysmt", "hdl", "sim", "boards") for path in (ROOT / folder).rglob("*.py")
}


@cache
def imported(module: str) -> frozenset[str]:
    """Every module that `module` imports, anywhere in its text: of the project by its file, of others by its name."""
    path = MODULES[module]
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package.rsplit(".", node.level - 1)[0] if node.level else ""
            source = ".".join(part for part in (base, node.module) if part)
            for alias in node.names:
                inner = f"{source}.{alias.name}"
                found.add(inner if inner in MODULES else source)
    return frozenset(found)


def room_of(module: str) -> str | None:
    return next((room for room in ROOMS if f"{module}.".startswith(f"{room}.")), None)


@pytest.mark.parametrize("module", sorted(MODULES))
def test_imports_point_one_way(module):
    room = room_of(module)
    if room is None:  # The packages `sysmt`, `sysmt.hdl` and `sysmt.sim` themselves, and `python -m sysmt`.
        assert module in ("sysmt", "sysmt.__main__", "sysmt.hdl", "sysmt.sim"), f"{module} is in no room"
        return
    for other in imported(module):
        assert other.split(".")[0] not in ("tb", "bench", "hdl", "sim", "boards"), f"{module} imports {other}"
        if other.startswith("sysmt."):
            assert other in MODULES, f"{module} imports {other}, which is no file"
            target = room_of(other)
            assert target is not None, f"{module} imports {other}, which is in no room"
            assert ROOMS.index(target) <= ROOMS.index(room), f"{module} imports {other}, from a room further down"


@pytest.mark.parametrize("module", sorted(m for m in MODULES if room_of(m) in (*MODELS, "sysmt.sim.nullcache")))
def test_models_never_load_amaranth(module):
    seen, waiting = set(), [module]
    while waiting:
        name = waiting.pop()
        for other in imported(name) if name in MODULES else ():
            assert other.split(".")[0] != "amaranth", f"{module} loads amaranth through {name}"
            if other not in seen:
                seen.add(other)
                waiting.append(other)


def test_no_files_import_each_other():
    """Also within a room, and also for types only: a circle of files has no first one to read."""
    above: dict[str, set[str]] = {}

    def reached(module: str, path: tuple[str, ...]) -> set[str]:
        assert module not in path, f"circle: {' -> '.join([*path[path.index(module) :], module])}"
        if module not in above:
            inner = {other for other in imported(module) if other in MODULES and other != module}
            above[module] = inner.union(*(reached(other, (*path, module)) for other in sorted(inner)))
        return above[module]

    for module in sorted(MODULES):
        reached(module, ())
