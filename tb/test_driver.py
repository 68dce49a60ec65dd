# SPDX-License-Identifier: Apache-2.0
"""What `generate` writes beside a device on a bus: the C driver against the simulated gates, header, SVD, registers."""

import json
import re
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest

import sysmt
from sysmt.base.errors import UserError
from sysmt.hdl.designs import design_of
from sysmt.hdl.params.command_list import ListError
from sysmt.hdl.params.register_table import register_table
from sysmt.hdl.software.files import software
from sysmt.sim.cosim import bus
from sysmt.sim.engine.c_source import c_source
from sysmt.sim.engine.compiler import compile_network
from sysmt.sim.engine.golden import GoldenEngine

from .engine_networks import random_inputs, random_network, random_plan
from .test_dma_accel import CONFIG, operands
from .test_dma_engine import CONFIG as ENGINE

HERE = Path(__file__).parent
X, W, OUT, SCRATCH, SIZE = 0x10000, 0x20000, 0x30000, 0x40000, 0x80000
C99 = ("gcc", "-std=c99", "-pedantic", "-Wall", "-Wextra", "-Wconversion", "-Wcast-align", "-Werror", "-O1")

needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc compiles the driver: sudo apt-get install gcc")


def compiled(folder: Path, config, *flags: str) -> Path:
    """The driver with the program around it that reaches the simulation."""
    for name, text in software(config, "npu").items():
        (folder / name).write_text(text)
    program = folder / "driver"
    hooks = ["-include", str(HERE / "driver_hooks.h"), f"-I{HERE}", f"-I{folder}"]
    command = [*C99, *hooks, *flags, str(folder / "sysmt_driver.c"), str(HERE / "driver_main.c"), "-o", str(program)]
    # The host's own functions are of POSIX.
    subprocess.run([*command, "-D_POSIX_C_SOURCE=200809L"], check=True)
    return program


def run(program: Path, config, memory: Path, *words: object) -> list[list[int]]:
    """The numbers that the program printed, line by line; memory is 30 cycles away at most and pauses."""
    arguments = [program, bus.build(config), memory, 30, 40, 1, *words]
    done = subprocess.run([str(a) for a in arguments], stdout=subprocess.PIPE, text=True, check=True)
    return [[int(number) for number in line.split()] for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    return compiled(tmp_path_factory.mktemp("driver"), CONFIG)


def multiply(driver: Path, folder: Path, x, w, threads: int = 0, size: int | None = None, scratch: int = SCRATCH):
    (m, k), n = x.shape, w.shape[1]
    file = folder / "memory"
    memory = np.memmap(file, np.uint8, "w+", shape=(SIZE,))
    memory[X : X + x.size] = x.reshape(-1)
    memory[W : W + w.size] = w.reshape(-1).view(np.uint8)
    memory.flush()
    room = SIZE - SCRATCH if size is None else size
    lines = run(driver, CONFIG, file, "matmul", m, k, n, threads, X, W, OUT, scratch, room)
    return lines, np.array(memory[OUT : OUT + 4 * m * n]).view("<i4").reshape(m, n)


@needs_gcc
@pytest.mark.parametrize(
    ("shape", "threads"), [((7, 50, 9), 0), ((1, 1, 1), 1), ((2, 32, 4), 2), ((9, 33, 17), 1), ((3, 5, 2), 2)]
)
def test_products_of_the_driver_are_those_of_the_golden_model(driver, tmp_path, shape, threads):
    x, w = operands(*shape, seed=sum(shape))
    lines, out = multiply(driver, tmp_path, x, w, threads)
    assert lines[-1] == [0, 0]
    np.testing.assert_array_equal(out, sysmt.matmul(x, w, config=CONFIG.array, threads=threads or None).sums)


@needs_gcc
def test_the_driver_says_what_it_cannot_do(driver, tmp_path):
    x, w = operands(4, 40, 4)
    (need,), _ = multiply(driver, tmp_path, x, w)[0]
    assert multiply(driver, tmp_path, x, w, size=need)[0][-1] == [0, 0]
    assert multiply(driver, tmp_path, x, w, size=need - 1)[0][-1] == [-3, 0]
    assert multiply(driver, tmp_path, x, w, scratch=SCRATCH + 4)[0][-1] == [-3, 0]
    assert multiply(driver, tmp_path, x, w, threads=4)[0] == [[0], [-4, 0]]
    # Behind the end of the memory.
    assert multiply(driver, tmp_path, x, w, scratch=SIZE - 32, size=1 << 20)[0][-1][0] in (ListError.BUS_READ, -11)


@needs_gcc
def test_a_network_from_c(tmp_path):
    """The driver packs inputs, loads the program, runs it and unpacks outputs."""
    network, _ = random_network(3, layers=3)
    program = compile_network(network, random_plan(network, ENGINE, 3), ENGINE)
    inputs = random_inputs(network, 3, 3)
    (tmp_path / "network.h").write_text(c_source(program))
    driver = compiled(tmp_path, ENGINE, '-DPROGRAM="network.h"')
    memory = np.memmap(tmp_path / "memory", np.uint8, "w+", shape=(SIZE,))
    content = np.ascontiguousarray(inputs).view(np.uint8).reshape(len(inputs), -1)
    memory[X : X + content.size] = content.reshape(-1)
    memory.flush()
    words = ("run", len(inputs), content.shape[1], X, OUT, SCRATCH)
    assert run(driver, ENGINE, tmp_path / "memory", *words)[-1] == [0, 0]
    golden = GoldenEngine(program).run(inputs)
    left = np.array(memory[OUT : OUT + golden.size * golden.itemsize]).view(golden.dtype).reshape(golden.shape)
    assert program.after is None
    np.testing.assert_array_equal(left, golden)


def test_a_program_without_a_bus_is_no_c():
    network, _ = random_network(3, layers=3)
    uart = ENGINE.with_fields(link="uart")
    with pytest.raises(UserError, match=r"^link must be one of axi, wishbone for a program in C, not 'uart'$"):
        c_source(compile_network(network, random_plan(network, uart, 3), uart))


def test_svd_and_manifest_hold_the_table(tmp_path):
    for config in (CONFIG, ENGINE):
        design = design_of(config, "npu")
        written = {path.name for path in design.write(tmp_path)}
        assert written == {
            "npu.v",
            "npu.json",
            "npu.h",
            "npu.svd",
            "npu.md",
            "sysmt_driver.c",
            "sysmt_driver.h",
            "sysmt_registers.h",
        }
        manifest = json.loads((tmp_path / "npu.json").read_text())
        found = [
            (
                register.findtext("name"),
                int(register.findtext("addressOffset"), 16),
                register.findtext("access"),
                [(f.findtext("name"), f.findtext("bitRange")) for f in register.iter("field")],
            )
            for register in ElementTree.parse(tmp_path / "npu.svd").iter("register")
        ]
        told = [
            (
                register["name"].upper(),
                register["offset"],
                register["access"],
                [(f["name"].upper(), f"[{f['bit'] + f['width'] - 1}:{f['bit']}]") for f in register["fields"]],
            )
            for register in manifest["registers"]
        ]
        assert found == told
        assert len({offset for _, offset, _, _ in found}) == len(found) == len(register_table(config))
        page = (tmp_path / "npu.md").read_text()
        assert all(f"`{register.name}`" in page for register in register_table(config))


def test_header_has_every_register_at_its_offset():
    text = software(CONFIG, "npu")["sysmt_registers.h"]
    defined = {name: int(value, 0) for name, value in re.findall(r"^#define (\w+) (0x[0-9a-f]+)u$", text, re.MULTILINE)}
    assert defined["SYSMT_LINK_BUS"] == 0x200
    for config, prefix in ((CONFIG, "ACCEL"), (ENGINE, "ENGINE")):
        for register in register_table(config):
            if register.offset and not register.name.startswith("array_"):
                kind = prefix if register.offset < 0x200 else "LINK"
                assert defined[f"SYSMT_{kind}_{register.name.upper()}"] == register.offset
