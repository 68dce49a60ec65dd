# SPDX-License-Identifier: Apache-2.0
"""An accelerator on AXI: products from command lists, in a memory that stalls, is late, or answers with errors."""

import numpy as np
import pytest

import sysmt
from sysmt.boards.lists import ListPlan
from sysmt.boards.plan import Plan
from sysmt.hdl.params import command_list as lists
from sysmt.hdl.params.accel import AccelConfig
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.command_list import ListError, ListOpcode, number_of, packed_command
from sysmt.hdl.params.registers import NUMBERS, STATE, identity
from sysmt.sim.cosim.bus import SimulatedBus
from sysmt.sim.golden.requantize import Requantize

CONFIG = AccelConfig(
    array=ArrayConfig(rows=2, cols=4, counters=False).with_fields(threads=2, target="fpga"),
    **{"depth": 16, "result_rows": 16, "channels": 8, "link": "axi", "data_width": 64},
)
"""Rows of sums are two beats, requantised ones half a beat."""
DATA, LIST = 0x2000, 0x400


def operands(m: int, k: int, n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    return random.integers(0, 256, (m, k), np.uint8), random.integers(-128, 128, (k, n), np.int8)


def product(bus: SimulatedBus, x, w, threads: int = 2, unit: Requantize | None = None) -> np.ndarray:
    plan = Plan(x, w, bus.config, threads, unit is not None)
    maker = ListPlan(plan, threads, DATA, unit)
    listed = maker.listed()
    bus.memory[DATA : DATA + len(listed.data)] = listed.data
    bus.memory[listed.results : listed.end + 64] = 0xA5
    assert bus.do(listed.commands, LIST) == (ListError.NONE, len(listed.commands))
    assert (bus.memory[listed.end : listed.end + 64] == 0xA5).all(), "bytes behind the results were written"
    return maker.outputs(bus.memory, listed.results, w.shape[1])


WISHBONE = CONFIG.with_fields(link="wishbone")


@pytest.mark.parametrize("config", [CONFIG, pytest.param(WISHBONE, marks=pytest.mark.regress)], ids=["axi", "wishbone"])
@pytest.mark.parametrize(("latency", "stall"), [(0, 0.0), (50, 0.4)])
def test_products_are_those_of_the_golden_model(config, latency, stall):
    with SimulatedBus(config, latency=latency, stall=stall) as bus:
        for seed, (m, k, n, threads) in enumerate([(7, 50, 9, 2), (2, 3, 4, 2), (1, 1, 1, 1), (5, 21, 13, 1)]):
            x, w = operands(m, k, n, seed)
            golden = sysmt.matmul(x, w, config=CONFIG.array, threads=threads)
            np.testing.assert_array_equal(product(bus, x, w, threads), golden.sums)
        assert bus.link("interrupt") == {"done": 1, "failed": 0}
        runs = STATE["runs"].from_int(bus.read(NUMBERS["runs"])[1])
        assert runs["issued"] == runs["finished"] > 0


@pytest.mark.parametrize("variant", ["single", "double"])
def test_requantised_products_are_written_byte_by_byte(variant):
    """With a tile per run, and with two, the second of which has the upper half of a beat."""
    with SimulatedBus(CONFIG, latency=9, stall=0.2) as bus:
        unit = Requantize(
            bias=np.arange(7) * 100 - 300,
            multiplier=np.full(7, 1 << 30),
            shift=np.arange(7) - 10,
            zero_point=-3,
            low=-128,
            high=127,
            variant=variant,
        )
        for k in (20, 10):
            x, w = operands(5, k, 7)
            sums = sysmt.matmul(x, w, config=CONFIG.array).sums
            np.testing.assert_array_equal(product(bus, x, w, unit=unit), unit(sums))


def test_registers_of_device_and_link():
    with SimulatedBus(CONFIG) as bus:
        for name, word in identity(CONFIG, sysmt.__version__).items():
            assert bus.read(NUMBERS[name]) == (0, word)
        assert bus.link("bus") == {"version": 1, "link": 1, "data_width": 64}
        assert bus.read(100)[0] == 2
        assert bus.read(number_of("interrupt_enable") + 1)[0] == 2
        assert bus.write(NUMBERS["runs"], 1) == 2
        assert bus.write(number_of("list"), 1) == 2
        assert bus.write(number_of("list_address"), 0x1234) == 0
        assert bus.read(number_of("list_address")) == (0, 0x1234)
        assert bus.write(number_of("list_commands"), 0) == 0
        assert bus.link("list")["busy"] == 0


def command(opcode: ListOpcode, **arguments) -> bytes:
    tiles = {"m_tiles": 1, "n_tiles": 1, "rows": 1, "cols": 1}
    scale = dict.fromkeys(("requantize", "double", "channel", "zero_point", "low", "high"), 0)
    good = {
        ListOpcode.WRITE: {"target": 0, "address": DATA, "beats": 1, "first": 0},
        ListOpcode.RUN: {"threads": 1, "steps": 1, **tiles},
        ListOpcode.READ: {"address": DATA + 0x800, "pitch": 16, **tiles, **scale},
    }
    return packed_command(CONFIG, opcode, **{**good[opcode], **arguments})


WRITE, RUN, READ = ListOpcode
GOOD = [command(WRITE), command(WRITE, target=1), command(RUN), command(READ)]
REFUSED = [
    (bytes([9]).ljust(32, b"\0"), ListError.COMMAND),
    (bytes(32), ListError.COMMAND),
    (command(WRITE, target=3), ListError.COMMAND),
    (command(WRITE, beats=0), ListError.ARGUMENT),
    (command(WRITE, address=DATA + 4), ListError.ALIGNMENT),
    (command(WRITE, first=15, beats=2), ListError.ARGUMENT),
    (command(WRITE, first=1 << 31), ListError.ARGUMENT),
    (command(WRITE, target=2, beats=3), ListError.ARGUMENT),
    (command(RUN, steps=0), ListError.ARGUMENT),
    (command(RUN, steps=17), ListError.ARGUMENT),
    (command(RUN, rows=3), ListError.ARGUMENT),
    (command(RUN, threads=2), ListError.ARGUMENT),
    (command(READ, m_tiles=0), ListError.ARGUMENT),
    (command(READ, m_tiles=9), ListError.ARGUMENT),
    (command(READ, cols=5), ListError.ARGUMENT),
    (command(READ, pitch=20), ListError.ARGUMENT),
    (command(READ, address=DATA + 4), ListError.ALIGNMENT),
    (command(WRITE, address=0x9000), ListError.BUS_READ),
    (command(READ, m_tiles=2), ListError.ARGUMENT),
    (command(READ, address=0x8FF8, pitch=8, rows=2), ListError.BUS_WRITE),
    (command(WRITE, address=0xFFFFFFF8), ListError.BUS_READ),
]


@pytest.mark.parametrize("config", [CONFIG, pytest.param(WISHBONE, marks=pytest.mark.regress)], ids=["axi", "wishbone"])
def test_every_wrong_command_ends_its_list_and_no_other(config):
    """The list says which command failed, in the middle of the list and as its last one; the next list goes well."""
    with SimulatedBus(config, memory=1 << 16, latency=5, stall=0.2, errors=range(0x9000, 0x9100)) as bus:
        for wrong, error in REFUSED:
            for behind in (GOOD, []):
                assert bus.do([*GOOD, wrong, *behind], LIST) == (error, 4), (wrong, error)
                assert bus.link("interrupt") == {"done": 0, "failed": 1}
                assert bus.do(GOOD, LIST) == (ListError.NONE, 4)
        assert bus.do(GOOD, LIST + 8) == (ListError.ALIGNMENT, 0)
        assert bus.do(GOOD, 0x8FE0) == (ListError.BUS_READ, 1)
        x, w = operands(3, 9, 5)
        np.testing.assert_array_equal(product(bus, x, w), sysmt.matmul(x, w, config=CONFIG.array).sums)
        assert STATE["status"].from_int(bus.read(NUMBERS["status"])[1]) == {"busy": 0, "refused": 0}


def test_results_of_a_run_that_does_not_fit_are_not_sent():
    """Eight tiles do, and sixteen steps of each operand."""
    with SimulatedBus(CONFIG, latency=5) as bus:
        whole = {"m_tiles": 2, "n_tiles": 4}
        assert bus.do([*GOOD[:2], command(RUN, **whole), command(READ, **whole)], LIST) == (ListError.NONE, 4)
        for sizes in ({"m_tiles": 9}, {"n_tiles": 9}, {"m_tiles": 65535, "n_tiles": 65535}, {"steps": 9, "m_tiles": 2}):
            assert bus.do([*GOOD[:2], command(RUN, **sizes), command(READ)], LIST) == (ListError.ARGUMENT, 3), sizes
            assert bus.do(GOOD, LIST) == (ListError.NONE, 4)


def test_a_list_is_not_taken_while_one_is_under_way():
    with SimulatedBus(CONFIG, latency=50) as bus:
        bus.start(GOOD * 4, LIST)
        assert bus.link("list")["busy"] == 1
        assert bus.write(number_of("list_commands"), 1) == 2
        bus.wait()
        assert bus.link("list") == {"busy": 0, "error": 0, "reads": 4}


def test_commands_are_32_bytes_at_most():
    for records in (lists.ACCEL_COMMANDS, lists.ENGINE_COMMANDS):
        for opcode, record in records.items():
            assert record.size <= lists.COMMAND_BYTES
            assert next(iter(record.fields)) == "opcode"
            if opcode is not ListOpcode.RUN:
                assert record.offsets["address"] == 32
