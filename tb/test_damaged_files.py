# SPDX-License-Identifier: Apache-2.0
"""Damaged traces, programs, liberty files and layer tables: taken, or refused in one line, within memory and time."""

import gzip
import io
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np
import pytest

from sysmt.base.errors import UserError
from sysmt.sim.engine.file import from_bytes, to_bytes
from sysmt.sim.engine.prepare import prepare
from sysmt.sim.flow import liberty
from sysmt.sim.nn.model import Model
from sysmt.sim.nn.readers.topology import read_topology
from sysmt.sim.nullcache.traces.trace import Trace

from .int8_networks import small_network
from .test_engine_program import ENGINE, edited
from .test_int8_inputs import archive, mutants, stored
from .tiny_library import tiny_library

MEMORY, SECONDS, EACH = 2**30, 60, 5.0
"""Beyond what an interpreter with its libraries takes; of processor time in all, and for one file."""
EXTREMES = (0, 1, -1, 2**31, 2**63, 10**30, 1e308, -0.5, None, True, "", "x" * 300, [], {}, [[]], "int8")
TABLE = """Layer, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides, Sparsity,
conv1, 224, 224, 11, 11, 3, 96, 4, 1:1,
DP2, 31, 31, 5, 5, 96, 1, 1, 2:4,

# a comment
conv3, 15, 15, 3, 3, 256, 384, 1, 1:2,
"""
CELLS = ("", "0", "-1", "1.5", "1e3", "9" * 30, "nan", '"3"', "3:", ":", "0:4", "\u0663", "#", "\t", "DP", "\x00")


def trace_content() -> bytes:
    """A small trace that is taken."""
    sizes = np.array([4, 1, 2, 4], np.uint8)
    addresses = np.array([0, 5, 6, 8], np.uint32)
    return Trace(sizes % 2, addresses, sizes, addresses, np.arange(64, dtype=np.uint8)).packed()


def traces(count: int):
    """Damaged archives, and whole ones with arrays that do not belong there."""
    yield from ((raw, Trace.load) for raw in mutants(trace_content(), count, 21))
    kept = dict(np.load(io.BytesIO(trace_content())))
    others = [
        np.full(4, np.nan),
        np.array([1, None], object),
        kept["addr"].astype(">u4"),
        np.asfortranarray(np.ones((2, 2), np.uint32)),
        np.uint32(3),
        np.ones(4, "U3"),
        np.ones(4, [("a", "u4")]),
        np.zeros(0, np.uint32),
        np.ones(4, np.uint64) << np.uint64(40),
    ]
    for name in kept:
        for other in others:
            arrays = {key: stored(value) for key, value in kept.items()} | {name: stored(other)}
            yield archive(**arrays), Trace.load


def programs(count: int):
    """Damaged files, and headers in which one value is another, their checksum put right."""
    content = to_bytes(prepare(Model(small_network()), ENGINE))
    yield from ((raw, lambda path: from_bytes(path.read_bytes())) for raw in mutants(content, count, 22))
    random = np.random.default_rng(23)

    def change(header):
        place = header
        while True:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            key = keys[int(random.integers(len(keys)))]
            if not isinstance(place[key], dict | list) or not place[key] or random.random() < 0.1:
                place[key] = EXTREMES[int(random.integers(len(EXTREMES)))]
                return
            place = place[key]

    for _ in range(count):
        yield edited(content, change), lambda path: from_bytes(path.read_bytes())


def read_library(path: Path) -> None:
    """Read a library, and what the mapping to it asks of it."""
    found = liberty.read(path)
    found.adder(3)
    assert min(found.seconds, found.farads, found.joules, found.leakage_watts, found.voltage) > 0


def libraries(count: int):
    """Damaged text, and damaged packed text."""
    content = tiny_library().encode()
    yield from ((raw, read_library) for raw in mutants(content, count, 24))
    tokens = re.findall(rb"[\w.]+|\s+|.", content, re.DOTALL)
    random = np.random.default_rng(25)
    for _ in range(count):
        changed = list(tokens)
        for place in random.integers(0, len(tokens), 2):
            changed[place] = (b"", b"{", b"}", b'"', b"(", b";", b"nan", b"1e999", b"-", b"\xff")[random.integers(10)]
        yield b"".join(changed), read_library


def tables(count: int):
    """Cells, rows and ends of lines of a layer table changed."""
    yield from ((raw, read_topology) for raw in mutants(TABLE.encode(), count, 26))
    random = np.random.default_rng(27)
    for _ in range(count):
        rows = [line.split(",") for line in TABLE.splitlines()]
        row = rows[int(random.integers(len(rows)))]
        row[int(random.integers(len(row)))] = CELLS[int(random.integers(len(CELLS)))]
        end = ("\n", "\r\n", "\r", "\n\n")[int(random.integers(4))]
        separator = (",", ",", ", ", "\t", ";")[int(random.integers(5))]
        yield end.join(separator.join(row) for row in rows).encode(), read_topology


KINDS = {
    "trace": (traces, ".npz"),
    "program": (programs, ".sysmt"),
    "library": (libraries, ".lib"),
    "table": (tables, ".csv"),
}


def attack(kind: str, count: int) -> str:
    """How many of a kind of files are refused and how many are taken; anything else ends in what it raises."""
    make, suffix = KINDS[kind]
    said, taken = [], 0
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"a{suffix}"
        for raw, read in make(count):
            path.write_bytes(raw)
            start = perf_counter()
            try:
                read(path)
                taken += 1
            except UserError as error:
                said.append(str(error))
            assert perf_counter() - start < EACH
    assert all("\n" not in line and len(line) < 2000 for line in said), [line for line in said if "\n" in line]
    return json.dumps([len(said), taken])


def within_limits(count: int) -> dict[str, list[int]]:
    """All kinds, in a process of its own that cannot take more than the limits."""
    code = (
        "import resource, tb.test_damaged_files as tasks\n"
        "used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        f"resource.setrlimit(resource.RLIMIT_AS, (used + {MEMORY},) * 2)\n"
        f"resource.setrlimit(resource.RLIMIT_CPU, ({SECONDS},) * 2)\n"
        f"for kind in tasks.KINDS: print(kind, tasks.attack(kind, {count}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return {line.split()[0]: json.loads(line.partition(" ")[2]) for line in done.stdout.splitlines()}


def every_kind_is_judged(count: int) -> None:
    found = within_limits(count)
    assert set(found) == set(KINDS)
    for kind, (refused, taken) in found.items():
        assert refused + taken >= 2 * count - count * (kind == "trace"), kind
        assert refused > count // 4, kind
        assert taken > 0, kind


def test_damaged_files():
    every_kind_is_judged(60)


@pytest.mark.regress
def test_many_damaged_files():
    every_kind_is_judged(1000)


@pytest.mark.parametrize("name", ["op", "mem"])
def test_an_array_that_claims_more_than_the_file_holds_is_not_believed(tmp_path, name):
    arrays = {key: stored(value) for key, value in np.load(io.BytesIO(trace_content())).items()}
    arrays[name] = arrays[name].replace(b"(4,)", b"(9999999999999,)").replace(b"(64,)", b"(9999999999999,)")
    (tmp_path / "t.npz").write_bytes(archive(**arrays))
    with pytest.raises(
        UserError, match=rf"^trace must hold all of {name}\.npy \(9999999999999,\) uint8, not \d+ bytes; "
    ):
        Trace.load(tmp_path / "t.npz")


def test_an_array_that_unfolds_without_end_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr("sysmt.sim.nn.archive.BYTES", 2**20)
    with zipfile.ZipFile(tmp_path / "t.npz", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("mem.npy", stored(np.zeros(2**21, np.uint8)))
    with pytest.raises(
        UserError, match=r"^trace must hold at most 1048576 bytes of mem\.npy, not 2097280; split the file$"
    ):
        Trace.load(tmp_path / "t.npz")


def test_a_library_that_unfolds_without_end_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(liberty, "LARGEST", 2**16)
    path = tmp_path / "a.lib.gz"
    path.write_bytes(gzip.compress(bytes(2**17)))
    with pytest.raises(
        UserError, match=r"^library '.*a\.lib\.gz' must be of at most 65536 bytes, unpacked; leave cells out$"
    ):
        liberty.read(path)
