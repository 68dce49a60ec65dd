# SPDX-License-Identifier: Apache-2.0
"""Engines in cells: memories against a model, whole networks against the golden engine, the parts of their energy."""

from types import SimpleNamespace

import numpy as np
import pytest

from sysmt.base.errors import UserError
from sysmt.hdl.designs import engine_design
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.engine import EngineConfig
from sysmt.sim.engine.compiler import compile_network
from sysmt.sim.flow import energy, engine_energy, engine_run, flat, liberty, mapping
from sysmt.sim.flow.memories import Sram
from sysmt.sim.flow.netlist import Instance, Module, Netlist
from sysmt.sim.flow.simulate import LANES, CellSimulation

from . import needs
from .engine_networks import random_inputs, random_network, random_plan
from .tiny_library import tiny_library

needs.pyosys()
WIDTH, DEPTH = 3, 5
ALL = np.uint64(2**64 - 1)


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    path = tmp_path_factory.mktemp("library") / "tiny.lib"
    path.write_text(tiny_library())
    return liberty.read(path)


def memory_alone(library, **changes):
    """A memory whose pins are ports, in a module of its own, beside a counter of one bit."""
    widths = {"RD_EN": 1, "RD_ADDR": 3, "WR_EN": WIDTH, "WR_ADDR": 3, "WR_DATA": WIDTH, "RD_DATA": WIDTH}
    numbers = iter(range(10, 100))
    pins = {pin: [next(numbers) for _ in range(width)] for pin, width in widths.items()}
    ports = {pin.lower(): ("output" if pin == "RD_DATA" else "input", bits) for pin, bits in pins.items()}
    ports["clk"] = ("input", [2])
    unused = {"RD_ARST": ["0"], "RD_SRST": ["0"]}
    found = {"name": "bank_0", "width": WIDTH, "depth": DEPTH, "ports": (1, 1), "pins": unused | pins} | changes
    gates = [Instance("ff", "DFF", {"CK": [2], "D": [4], "Q": [3]}), Instance("inv", "INV", {"A": [3], "Y": [4]})]
    inner = Module("inner", ports, gates, {}, [Sram(**found)])
    outer = {name: (way, [bit + 100 for bit in bits]) for name, (way, bits) in ports.items()}
    part = Instance("store_3", "inner", {name: bits for name, (_, bits) in outer.items()})
    netlist = Netlist("top", {"top": Module("top", outer, [part], {}), "inner": inner})
    assert netlist.memory_bits == WIDTH * DEPTH
    return flat.flatten(netlist, library)


def same(value, width=3):
    return np.array([ALL if value >> i & 1 else 0 for i in range(width)], np.uint64)


def test_a_memory_gives_what_was_written_into_each_stream(library):
    """Against a model: data and enables differ between streams, reads are of the words before the edge."""
    simulation = CellSimulation(memory_alone(library))
    (memory,) = simulation.memories
    assert memory.memory.name == "store_3/bank_0"
    random = np.random.default_rng(7)

    def words(count):
        return random.integers(0, 2**64, count, np.uint64)

    simulation.counting = True
    held, read = np.zeros((8, WIDTH), np.uint64), np.zeros(WIDTH, np.uint64)
    reads = writes = bits = 0
    asked, to = 0, 0
    on, mask, data = np.zeros(1, np.uint64), np.zeros(WIDTH, np.uint64), np.zeros(WIDTH, np.uint64)
    for cycle in range(200):
        # What was offered in the cycle before is taken at this edge.
        read = (read & ~on) | (held[asked] & on)
        if to < DEPTH:
            held[to] = (held[to] & ~mask) | (data & mask)
        reads += int(np.bitwise_count(on[0]))
        writes += int(np.bitwise_count(mask[0] | mask[1] | mask[2]))
        bits += int(np.bitwise_count(mask).sum())
        # Few addresses: words are read while they are written, and beyond the last one.
        asked, to = (int(n) for n in random.integers(0, 7, 2))
        on, mask, data = words(1) * np.uint64(cycle % 3 > 0), words(WIDTH) & words(WIDTH), words(WIDTH)
        offered = {"wr_en": mask, "wr_addr": same(to), "wr_data": data}
        simulation.cycle(offered | {"rd_en": on, "rd_addr": same(asked)})
        assert np.array_equal(simulation.port("rd_data"), read), cycle
    assert (memory.reads, memory.writes, memory.bits_written) == (reads, writes, bits)
    assert reads > 0 < bits


def test_memories_that_cannot_be_simulated_are_refused(library):
    simulation = CellSimulation(memory_alone(library))
    simulation.cycle({"rd_en": np.array([2], np.uint64), "rd_addr": np.array([5, 0, 0], np.uint64)})
    with pytest.raises(UserError, match=r"^memory store_3/bank_0 must be accessed at one address by all streams$"):
        simulation.cycle({})
    with pytest.raises(UserError, match=r"^memory store_3/bank_0 must have one port to read and one to write, not"):
        CellSimulation(memory_alone(library, ports=(2, 1)))
    reset = {"RD_ARST": ["0"], "RD_SRST": ["1"], "RD_DATA": [20]}
    with pytest.raises(UserError, match=r"^memory store_3/bank_0 must have no reset of what was read to be simulated$"):
        CellSimulation(memory_alone(library, pins=reset))


def test_units_and_memories_have_the_names_of_their_places():
    places = [(0, "top", ""), (2, "a", "array_9/"), (5, "p", "array_9/pe_1_2_7/"), (6, "l", "post_3/lane_0_12/")]
    places.append((8, "r", "post_3/lane_1_13/rounding_4/"))
    found = SimpleNamespace(places=places, kind=np.zeros(11))
    expected = [("engine", 0, 2), ("array", 2, 5), ("array", 5, 6), ("post.lane", 6, 8), ("post.lane", 8, 11)]
    assert list(engine_energy._units(found)) == expected
    assert engine_energy._memory("descriptors") == "descriptors"
    assert engine_energy._memory("filler_2/x_1/bank_0_1") == "filler.x"


@pytest.fixture(scope="module")
def engine(library):
    """A small engine in cells, with a network and 64 inputs."""
    array = ArrayConfig(rows=2, cols=2, counters=False).with_fields(threads=2, target="asic")
    sizes = {"activation_words": 256, "weight_words": 256, "scatter_words": 256, "parameter_words": 64}
    config = EngineConfig(array=array, fill=2, lanes=2, patch=1, x_depth=64, layers=8, **sizes)
    design = engine_design(config, "engine", linked=False)
    network, _ = random_network(3, layers=2)
    program = compile_network(network, random_plan(network, config, 3), config)
    mapped = mapping.to_cells(design, library, 10_000)
    return mapped, design.manifest["ports"], program, random_inputs(network, LANES, 1)


@pytest.mark.regress
def test_an_engine_in_cells_runs_a_network_as_the_golden_engine_does(engine, monkeypatch):
    mapped, ports, program, inputs = engine
    kept = {}
    counted = engine_run.run

    def run(simulation, *args):
        kept["simulation"] = simulation
        return counted(simulation, *args)

    monkeypatch.setattr(engine_run, "run", run)
    monkeypatch.setattr(engine_energy, "cached_json", lambda *args: args[-1]())
    found = engine_energy.measure(mapped, ports, program, inputs, 50.0)
    simulation = kept["simulation"]
    seconds = found.cycles * LANES / 50e6
    model = energy.EnergyModel(simulation.flat)
    whole = model.energy(energy.Activity(simulation.toggles, simulation.clocked, seconds)).total
    assert found.array + sum(found.around.values()) == pytest.approx(whole / LANES)
    assert min(found.array, *found.around.values()) > 0
    bits = sum(m.reads * m.memory.sram.width + m.bits_written for m in simulation.memories)
    assert sum(found.accesses.values()) == pytest.approx(bits / LANES * engine_energy.ACCESS_JOULES)
    # Nothing writes weights while a network runs; they are read at every step.
    (weights,) = (m for m in simulation.memories if m.memory.name.startswith("w_"))
    assert weights.writes == 0 < weights.reads <= LANES * found.cycles
    assert np.all(simulation.clocked <= LANES * found.cycles)


@pytest.mark.regress
def test_a_wrong_engine_is_found(engine, library):
    """One gate of the array's PE is another one: an output differs."""
    mapped, ports, program, inputs = engine
    name = next(name for name in mapped.netlist.copies if name.endswith("pe"))
    pe = mapped.netlist.modules[name]
    victim = max(i for i, part in enumerate(pe.parts) if part.kind == "NAND2")
    parts = [p if i != victim else Instance(p.name, "NOR2", p.pins) for i, p in enumerate(pe.parts)]
    broken = Module(pe.name, pe.ports, parts, pe.names, pe.memories)
    wrong = Netlist("engine", mapped.netlist.modules | {name: broken})
    with pytest.raises(AssertionError, match="differ"):
        engine_run.run(CellSimulation(flat.flatten(wrong, library)), ports, program, inputs)


def test_an_engine_takes_an_input_for_every_stream():
    program = SimpleNamespace(config=SimpleNamespace(stream=None))
    with pytest.raises(UserError, match=r"^inputs must be 64, one for every stream, not 3$"):
        engine_run.run(SimpleNamespace(), [], program, np.zeros((3, 4)))
    streamed = SimpleNamespace(config=SimpleNamespace(stream=object()))
    with pytest.raises(UserError, match=r"^stream cannot be simulated in cells: choose an engine without an SDRAM$"):
        engine_run.run(SimpleNamespace(), [], streamed, np.zeros((64, 4)))
