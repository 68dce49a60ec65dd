# SPDX-License-Identifier: Apache-2.0
"""Energy: the cell simulator against the golden model, toggles against hand counts, sums against OpenSTA's."""

import re

import numpy as np
import pytest

from bench import pe_stages
from sysmt.base.errors import UserError
from sysmt.hdl.designs import array_design, smt_sa_design
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.smt_sa import SmtSaConfig
from sysmt.sim.flow import energy, flat, liberty, mapping, netlist, queued_streams, sta, streams
from sysmt.sim.flow.cells import Cell, InternalPower
from sysmt.sim.flow.netlist import Instance, Module, Netlist
from sysmt.sim.flow.simulate import LANES, CellSimulation
from sysmt.sim.flow.structural import verilog
from sysmt.sim.flow.workloads import jobs

from . import needs
from .shared import shared
from .tiny_library import CAPACITANCE, CLOCK_INTERNAL, INPUT_INTERNAL, INTERNAL, tiny_library

needs.pyosys()
ONES = np.uint64(2**64 - 1)
VOLTS = 2.0


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """The tiny library."""
    path = tmp_path_factory.mktemp("library") / "tiny.lib"
    path.write_text(tiny_library())
    return liberty.read(path)


def hand_made(library: liberty.CellLibrary) -> flat.Flat:
    """y = XOR(a, NOT a), which glitches when gates take time, and q = a a cycle later."""
    parts = [
        Instance("inv", "INV", {"A": [3], "Y": [4]}),
        Instance("xor", "XOR2", {"A": [3], "B": [4], "Y": [5]}),
        Instance("ff", "DFF", {"CK": [2], "D": [3], "Q": [6]}),
    ]
    ports = {"clk": ("input", [2]), "a": ("input", [3]), "y": ("output", [5]), "q": ("output", [6])}
    return flat.flatten(Netlist("top", {"top": Module("top", ports, parts, {})}), library)


@pytest.mark.parametrize(("delays", "glitches"), [("zero", 0), ("unit", 2)])
def test_toggles_are_counted(library, delays, glitches):
    simulation = CellSimulation(hand_made(library), delays)
    simulation.counting = True
    lanes = np.array([0b1011], np.uint64)
    for word in (lanes, np.zeros(1, np.uint64)):
        simulation.cycle({"a": word})
        assert simulation.port("y")[0] == ONES
    nets = {name: int(bits[0]) for name, (_, bits) in simulation.flat.ports.items()}
    assert simulation.toggles[nets["a"]] == 2 * 3
    assert simulation.toggles[nets["q"]] == 3, "a rising edge takes the a that was there before it"
    assert simulation.toggles[nets["y"]] == glitches * 2 * 3
    assert simulation.clocked.sum() == 2 * LANES


def test_energy_of_a_hand_made_circuit(library):
    """Every term by hand: the tables of the tiny library are constant."""
    flat_ = hand_made(library)
    toggles = np.zeros(flat_.nets)
    a, y, q = (int(flat_.ports[name][1][0]) for name in ("a", "y", "q"))
    toggles[[a, y, q]] = 10, 4, 6
    is_register = np.array([cell.is_register for cell in flat_.kinds])[flat_.kind]
    found = energy.EnergyModel(flat_).energy(energy.Activity(toggles, 7.0 * is_register, 1e-6))
    half = 0.5 * VOLTS**2
    assert found.parts["switching"] == pytest.approx(0.0), "what toggles drives no pin, or is a port"
    assert found.parts["internal"] == pytest.approx(1e-12 * ((4 + 6) * INTERNAL + 10 * INPUT_INTERNAL))
    assert found.parts["clock"] == pytest.approx(1e-12 * 14 * (CLOCK_INTERNAL + half * CAPACITANCE))
    assert found.parts["leakage"] == pytest.approx((1 + 1 + 2) * 1e-9 * 1e-6)
    assert sum(found.blocks.values()) == pytest.approx(found.total)


@pytest.mark.parametrize(
    ("threads", "delays", "gated"),
    [(1, "zero", False), (1, "unit", True), (2, "zero", True), (2, "unit", False), (4, "zero", True)],
)
def test_the_mapped_array_computes_what_the_model_does(library, threads, delays, gated):
    config = ArrayConfig(rows=2, cols=2, counters=False).with_fields(threads=threads, clock_gating=gated)
    design = array_design(config, "cells")
    mapped = mapping.to_cells(design, library, 10_000, gated)
    job = jobs("random:0.5")[0]
    short = streams.Job("short", job.x[:8, :24], job.w[:24, :8])
    simulation = CellSimulation(flat.flatten(mapped.netlist, library), delays)
    count = streams.run(simulation, design.manifest["ports"], config, short)
    assert count == streams.Count(24 // threads, LANES * 2 * 2 * 24)
    assert simulation.toggles.sum() > count.macs
    clocked = simulation.clocked[simulation.clocked > 0]
    if gated:
        assert clocked.min() < clocked.max() / 2, "drains and idle sums rest"
    else:
        assert len(np.unique(clocked)) == 1, "without clock gates all are clocked alike"


@pytest.mark.regress
def test_weights_are_pruned_for_pes_that_count_on_zeros(library):
    config = ArrayConfig(rows=1, cols=1, counters=False).with_fields(kind="sparq", stc=True)
    design = array_design(config, "cells")
    simulation = CellSimulation(flat.flatten(mapping.to_cells(design, library, 10_000).netlist, library))
    job = jobs("random:0.5")[0]
    short = streams.Job("short", job.x[:4, :24], job.w[:24, :4])
    assert np.count_nonzero(short.w[:4], axis=0).max() > 2
    assert streams.run(simulation, design.manifest["ports"], config, short) == streams.Count(6, LANES * 24)


def queued(library, kind="NAND2"):
    """SMT-SA mapped to the tiny library, the last NAND2 of its PE being another cell."""
    config = SmtSaConfig(rows=2, cols=1, queue=1)
    mapped = mapping.to_cells(smt_sa_design(config, "cells"), library, 10_000)
    pe = mapped.netlist.modules["cells__pe"]
    victim = max(i for i, part in enumerate(pe.parts) if part.kind == "NAND2")
    parts = [p if i != victim else Instance(p.name, kind, p.pins) for i, p in enumerate(pe.parts)]
    made = netlist.Netlist("cells", mapped.netlist.modules | {pe.name: Module(pe.name, pe.ports, parts, pe.names)})
    return config, CellSimulation(flat.flatten(made, library))


def test_threads_that_wait_compute_what_the_model_does_at_their_own_pace(library):
    config, simulation = queued(library)
    job = jobs("random:0.5")[0]
    short = streams.Job("short", job.x[:8, :96], job.w[:96, :4])
    count = queued_streams.run(simulation, config, short, 96)
    # More than one product a PE and cycle, which one thread cannot, and no more than one whose operands are not zero.
    assert config.rows * config.cols < count.macs / LANES / count.cycles < 2 * config.rows * config.cols
    assert simulation.toggles.sum() > count.macs
    with pytest.raises(UserError, match=r"^steps = 1 must be more to be counted: a lane has none left before another"):
        queued_streams.run(CellSimulation(simulation.flat), config, streams.Job("one", job.x[:8, :2], job.w[:2, :4]), 1)
    with pytest.raises(UserError, match=r"^layer low fills no tile of a 2x1 array: choose a smaller one$"):
        queued_streams.run(simulation, config, streams.Job("low", job.x[:1], job.w))


def test_a_wrong_netlist_of_threads_that_wait_is_found(library):
    config, simulation = queued(library, "NOR2")
    job = jobs("random:0.2")[0]
    with pytest.raises(AssertionError, match="differ|gave"):
        queued_streams.run(simulation, config, streams.Job("short", job.x[:8, :96], job.w[:96, :4]), 96)


def test_a_wrong_netlist_is_found(library):
    """One gate of the PE is another one: the sums differ."""
    config = ArrayConfig(rows=2, cols=2, counters=False)
    design = array_design(config, "cells")
    mapped = mapping.to_cells(design, library, 10_000)
    pe = mapped.netlist.modules["cells__pe"]
    victim = max(i for i, part in enumerate(pe.parts) if part.kind == "NAND2")
    parts = [p if i != victim else Instance(p.name, "NOR2", p.pins) for i, p in enumerate(pe.parts)]
    broken = Module(pe.name, pe.ports, parts, pe.names)
    wrong = netlist.Netlist("cells", mapped.netlist.modules | {pe.name: broken})
    job = jobs("random:0.2")[0]
    with pytest.raises(AssertionError, match="differ|gave"):
        streams.run(CellSimulation(flat.flatten(wrong, library)), design.manifest["ports"], config, job)


@pytest.mark.parametrize("name", ["random:2", "random:x", "vgg"])
def test_unknown_workloads_are_refused(name):
    with pytest.raises(UserError, match=r"^workload must be one of resnet8, digits, random:SPARSITY \(0 to 1\), not "):
        jobs(name)


def _duty(text: str, pin: str) -> float:
    """How OpenSTA 2.0.17 weighs the table of an input, all nets being high half of the time: by the other operand of
    the outermost operation when the input is one of its two operands, else by a half; found by experiment."""
    text = text.strip()
    while text.startswith("(") and _closing(text) == len(text) - 1:
        text = text[1:-1].strip()
    plain = re.sub(r"[()!'\s]", "", text)
    if plain == pin:
        return 1.0
    depth = 0
    for operator in "|&":
        for place in range(len(text) - 1, -1, -1):
            depth += (text[place] == ")") - (text[place] == "(")
            if depth == 0 and text[place] == operator:
                sides = text[:place], text[place + 1 :]
                for own, other in (sides, sides[::-1]):
                    if re.sub(r"[()!'\s]", "", own) == pin:
                        share = _high(other)
                        return 1.0 - share if operator == "|" else share
                return 0.5
    return 0.5


def _closing(text: str) -> int:
    depth = 0
    for place, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if depth == 0:
            return place
    return -1


def _high(text: str) -> float:
    from sysmt.sim.flow.logic import truth_table

    names = sorted(set(re.findall(r"[A-Za-z_]\w*", text)))
    return truth_table(text, names).bit_count() / (1 << len(names))


def test_the_sum_agrees_with_opensta_for_the_same_activity():
    """OpenSTA 2.0.17 adds both edges' tables for one transition of a clock or output, and weighs tables by duties."""
    if not sta.available():
        pytest.skip(f"opensta is not installed: {sta.PACKAGE}")
    if sta.version() != "OpenSTA 2.0.17":
        pytest.skip(f"the rules of report_power are known for OpenSTA 2.0.17, this is {sta.version()}")
    cells = liberty.read(shared("data", "liberty") / "sky130hd" / "sky130hd_tt.lib.gz")
    config = ArrayConfig(rows=2, cols=3, counters=False)
    mapped = mapping.to_cells(array_design(config, "tiny"), cells, 10_000)
    script = sta.linked("tiny", 10_000, cells) + "set_power_activity -global -activity 0.1 -duty 0.5\n"
    output = sta.run(script + "report_power -digits 8\n", cells, verilog(mapped.netlist))
    theirs = [float(word) for word in re.search(r"^Total +(.*?) +100", output, re.MULTILINE).group(1).split()]

    flat_ = flat.flatten(mapped.netlist, cells)
    registers = np.array([bool(cell.clock) for cell in flat_.kinds])[flat_.kind]

    def weigh(cell: Cell, pin: str, power: InternalPower) -> float:
        return 2.0 if power.related == cell.clock else 2.0 * _duty(cell.pins[pin].function, power.related)

    activity = energy.Activity(np.full(flat_.nets, 0.1), registers.astype(float), 10e-9)
    ours = energy.EnergyModel(flat_).energy(activity, weigh)
    pins = [flat_.kinds[kind].pins[flat_.kinds[kind].clock].capacitance for kind in flat_.kind[registers]]
    charging = sum(pins) * cells.farads * cells.voltage**2
    internal = ours.parts["internal"] + 2 * (ours.parts["clock"] - charging)
    # Theirs takes the larger of a pin's capacitances of both edges.
    assert ours.parts["switching"] / 10e-9 == pytest.approx(theirs[1], rel=0.05)
    assert ours.parts["leakage"] / 10e-9 == pytest.approx(theirs[2], rel=0.01)
    assert internal / 10e-9 == pytest.approx(theirs[0], rel=0.02)


def test_cells_of_a_multiplier_are_told_apart_by_the_adders_around_them(library):
    """A register's bit is chosen, multiplied, added, inverted behind the adder and stored."""
    parts = [
        Instance("from", "DFF", {"CK": [2], "D": [3], "Q": [4]}),
        Instance("chosen", "INV", {"A": [4], "Y": [5]}),
        Instance("product", "NAND2", {"A": [5], "B": [4], "Y": [6]}),
        Instance("adder", "FA", {"A": [6], "B": ["0"], "C": [4], "S": [7], "CO": [8]}),
        Instance("behind", "INV", {"A": [7], "Y": [9]}),
        Instance("second", "FA", {"A": [9], "B": [8], "C": ["0"], "S": [10], "CO": []}),
        Instance("to", "DFF", {"CK": [2], "D": [10], "Q": [11]}),
    ]
    ports = {"clk": ("input", [2]), "d": ("input", [3]), "q": ("output", [11])}
    assert pe_stages.stages(Module("pe", ports, parts, {}), library) == {
        "chosen": "choice",
        "product": "products",
        "adder": "adders",
        "behind": "weighing",
        "second": "adders",
    }
