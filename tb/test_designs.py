# SPDX-License-Identifier: Apache-2.0
"""What a configuration becomes: which component, under which name, in which style, with which facts."""

import gc
from collections.abc import Iterator

import pytest

from sysmt.base.errors import ConfigError
from sysmt.hdl import designs
from sysmt.hdl.accel.top import UARTAccelerator
from sysmt.hdl.array.axi_stream import REGISTERS, AXIStreamArray
from sysmt.hdl.array.smt_sa import SmtSaArray
from sysmt.hdl.array.systolic import SystolicArray
from sysmt.hdl.designs import LONGEST_NAME, default_name, default_style, design_of, engine_design
from sysmt.hdl.dma.axi import AXIAccelerator, AXIEngine
from sysmt.hdl.dma.cfu import CFUAccelerator, CFUEngine
from sysmt.hdl.dma.stream import StreamAccelerator, StreamEngine
from sysmt.hdl.dma.wishbone import WishboneAccelerator, WishboneEngine
from sysmt.hdl.emit import Design
from sysmt.hdl.engine.engine import Engine
from sysmt.hdl.engine.top import UARTEngine
from sysmt.hdl.nullcache.axi_stream import AXIStreamCache, AXIStreamTCAM
from sysmt.hdl.params.presets import preset
from sysmt.hdl.params.settings import with_settings
from sysmt.hdl.params.smt_sa import SmtSaConfig
from sysmt.hdl.style import PLAIN, ClockGate, Style

LINKS = ("uart", "axi", "wishbone", "axi-stream", "cfu")
ACCELERATORS = (UARTAccelerator, AXIAccelerator, WishboneAccelerator, StreamAccelerator, CFUAccelerator)
ENGINES = (UARTEngine, AXIEngine, WishboneEngine, StreamEngine, CFUEngine)
KINDS = [
    ("os2", "native", SystolicArray),
    ("os2", "axis", AXIStreamArray),
    ("tiny", "axis", AXIStreamCache),
    ("tcam32 entries=4", "axis", AXIStreamTCAM),
    *((f"accel_os2 link={link}", "native", kind) for link, kind in zip(LINKS, ACCELERATORS, strict=True)),
    *((f"engine_os2 link={link}", "native", kind) for link, kind in zip(LINKS, ENGINES, strict=True)),
]
# Components are made here that nobody elaborates.
pytestmark = pytest.mark.filterwarnings("ignore::amaranth.hdl.UnusedElaboratable")
STYLE = Style(initial_values="none", reset="async", memories="separate")


@pytest.fixture
def emitted(monkeypatch) -> Iterator[list[tuple]]:
    """Class of component, style and notes of every design that is emitted: nothing is elaborated."""
    seen = []

    def emit(component, name, facts, style=PLAIN, notes=()) -> Design:
        seen.append((type(component), style, list(notes)))
        return Design(name, "", facts)

    monkeypatch.setattr(designs, "emit", emit)
    yield seen
    gc.collect()  # While it is known that they are not used.


@pytest.mark.parametrize(("case", "ports", "kind"), KINDS, ids=[f"{case} {ports}" for case, ports, _ in KINDS])
def test_every_configuration_becomes_its_component(case, ports, kind, emitted):
    words = case.split()
    config = with_settings(preset(words[0]), words[1:])
    design = design_of(config, "some", STYLE, ports)
    assert [(component, style) for component, style, _ in emitted] == [(kind, STYLE)]
    assert (design.name, design.manifest["config"]) == ("some", config.as_dict())
    assert bool(emitted[0][2]) == (ports == "axis") == ("streams" in design.manifest)
    on_bus = getattr(config, "link", "uart") != "uart"
    assert bool(design.files) == ("registers" in design.manifest) == on_bus


def test_smt_sa_and_bare_engines_have_their_styles_and_facts(emitted):
    arrays, engine = SmtSaConfig(rows=2, cols=2), preset("engine_os2")
    made = [design_of(arrays, "some", STYLE), engine_design(engine, "some", STYLE, linked=False)]
    assert emitted == [(SmtSaArray, STYLE, []), (Engine, STYLE, [])]
    assert [design.manifest["kind"] for design in made] == ["smt-sa", "bare engine"]
    assert [design.manifest["config"] for design in made] == [arrays.as_dict(), engine.as_dict()]


def test_registers_behind_ports_are_cycles_of_latency(emitted):
    native, axis = (design_of(preset("os2"), "some", ports=ports).manifest["latency"] for ports in ("native", "axis"))
    assert axis == native + REGISTERS > native


@pytest.mark.parametrize(
    ("case", "initial_values"),
    [
        ("os2", "none"),
        ("os2 target=fpga", "keep"),
        ("smt_sa", "none"),
        ("tiny", "keep"),
        ("accel_os2", "keep"),
        ("engine_os2", "keep"),
    ],
)
def test_standard_cells_have_no_initial_values_by_default(case, initial_values):
    words = case.split()
    config = SmtSaConfig() if case == "smt_sa" else with_settings(preset(words[0]), words[1:])
    assert default_style(config) == Style(initial_values=initial_values)
    assert default_style(config, initial_values=None, reset="async") == Style(
        initial_values=initial_values, reset="async"
    )
    for chosen in ("keep", "none"):
        assert default_style(config, initial_values=chosen) == Style(initial_values=chosen)


def test_a_cell_gates_what_has_gated_clocks_only():
    for case in ("os2", "accel_os2", "tiny"):
        with pytest.raises(ConfigError, match="of which there are none"):
            default_style(preset(case), "ICG")
    for case in ("os2 clock_gating=true", "accel_os2 array.target=asic array.clock_gating=true"):
        words = case.split()
        assert default_style(with_settings(preset(words[0]), words[1:]), "ICG").clock_gate == ClockGate("ICG")
    with pytest.raises(ConfigError, match="not 'colour'"):
        default_style(preset("os2"), colour="red")


@pytest.mark.parametrize("more", [0, 1])
def test_a_name_tells_its_settings_as_long_as_it_may(more):
    base = preset("os4")
    told = f"{'p' * (LONGEST_NAME - len('_rows3') + more)}_rows3"
    name = default_name(told.removesuffix("_rows3"), base, base.with_fields(rows=3))
    assert (name == told) == (more == 0)
    assert name.startswith(told[:LONGEST_NAME].rstrip("_"))
