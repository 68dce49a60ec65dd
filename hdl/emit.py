# SPDX-License-Identifier: Apache-2.0
"""Verilog and manifest of any component.

Amaranth elaborates one module per instance, so an array grows a module per PE. Here a component that is used many
times is elaborated once: its parent adds it through `shared`, and while a design is being emitted every further one
of the same `module_name` becomes an instance of the first. Equal configurations give byte-identical text: no path,
date or counter of the host enters it.

The library of those modules reaches `elaborate` as Amaranth's `platform`: the one argument that Amaranth hands down to
every component unchanged, so that components elaborate the same, each on its own, without it. Amaranth has no public
way to turn RTLIL text into Verilog; `find_yosys`, which is not public, is what its own `verilog.convert` uses, and a
test says when it changes.
"""

import contextlib
import gc
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from amaranth._toolchain.yosys import find_yosys
from amaranth.back import rtlil
from amaranth.hdl import ClockSignal, Elaboratable, Instance, Module, ResetSignal, Shape, ShapeCastable, Value
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory

from sysmt.base.files import write_together
from sysmt.hdl.params.blocks import ATTRIBUTE, known

from .netlist import (
    finished,
    owned_registers,
    split,
    with_equal_widths,
    without_contents,
    without_empty_signals,
    without_initial_values,
)
from .style import PLAIN, Style, clock_domain
from .wrapped_memory import PREFIX, WrappedMemory, connected, shape_of

MANIFEST_VERSION = 1

SEPARATOR = "__"
"""Between the name of a design, which cannot contain it, and that of its part: no module belongs to two designs."""
UNINITIALISED = {"sysmt.uninitialised": 1}
"""Attributes of a memory whose content nobody reads before it is written: it is emitted without an initial one, which
is a line per word in Verilog, and which some block RAM cannot have."""
UNCHECKED = {"no_rw_check": 1}
"""Attributes of a memory of which nobody reads a word in the cycle it is written: Yosys then adds nothing for that."""

WRITE = (
    "proc -norom -noopt",
    "memory_collect",
    "opt_merge",
    "opt_clean",
    *(
        f"attrmap {where} -remove generator -remove top -remove amaranth.hierarchy -remove amaranth.decoding"
        " -remove unused_bits -remove full_case"
        for where in ("", "-modattr")
    ),
    f"attrmap -remove {ATTRIBUTE}",
    "write_verilog",
)
"""Without processes, which some tools never begin, and without attributes of Amaranth's and of ours."""


@dataclass(frozen=True)
class Design:
    """An emitted design: `verilog` text, the `manifest` that testbenches and drivers read, other `files` by name."""

    name: str
    verilog: str
    manifest: dict[str, Any]
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def modules(self) -> list[str]:
        """Names of the modules, in the order of the text."""
        return re.findall(r"^module (\S+?) *\(", self.verilog, re.MULTILINE)

    @property
    def texts(self) -> dict[str, str]:
        """All texts by the names of their files; memories of a style that has them separate are in NAME_memories.v."""
        logic, memories = split(self.verilog, f"{self.name}{SEPARATOR}{PREFIX}")
        separate = {f"{self.name}_memories.v": memories} if memories else {}
        manifest = json.dumps(self.manifest, indent=2) + "\n"
        return {f"{self.name}.v": logic, **separate, f"{self.name}.json": manifest, **self.files}

    def write(self, directory: Path | str) -> list[Path]:
        """Write `texts` into `directory` (made when missing); all or, on failure, none."""
        return write_together(directory, self.texts)


class Library:
    """The modules of one design, passed to `elaborate` as its platform; collects every shared component once."""

    def __init__(self, name: str, style: Style):
        self.name, self.style = name, style
        self.modules: dict[str, str] = {}
        self.blocks: dict[str, dict[str, Any]] = {}
        self._shared: dict[str, tuple[object, wiring.Signature]] = {}

    def convert(self, component: wiring.Component, name: str) -> None:
        """Elaborate `component` as the module `name`; the modules it shares are collected before it."""
        text = rtlil.convert(
            component, name=name, platform=self, emit_src=False, missing_domain=lambda _: clock_domain(self)
        )
        text = without_empty_signals(with_equal_widths(without_contents(text, *UNINITIALISED)))
        if self.style.initial_values == "none":
            text = without_initial_values(text)
        self.modules[name] = text
        blocks = dict(_blocks(type(component), name, getattr(component, "block", None)))
        for module, registers in owned_registers(text).items():
            entry = {"block": blocks[module]} if module in blocks else {}
            if entry or registers:
                self.blocks[module] = entry | ({"registers": registers} if registers else {})

    def verilog(self) -> str:
        """All modules, by one run of Amaranth's own Yosys: starting it takes longer than most modules."""
        yosys = find_yosys(lambda version: version >= (0, 40))
        read = [f"read_rtlil <<rtlil\n{text}\nrtlil" for text in self.modules.values()]
        return finished(yosys.run(["-q", "-"], "\n".join([*read, *WRITE]), ignore_warnings=True))

    def get_memory(self, memory: Memory) -> Module | Elaboratable:
        """What stands for a memory that a component asks for: Amaranth asks its platform for this, if it has it.

        An initial content that is left out afterwards is shortened to one word now: Amaranth writes contents bit by
        bit, which took longer than all else of an engine. It has no public way to say that there is none.
        """
        if self.style.memories == "separate":
            return self._wrapped_memory(memory)
        instance = Memory.elaborate(memory, None)
        if UNINITIALISED.keys() <= memory.attrs.keys():
            del memory.data.init._raw[1:]
        return instance

    def _wrapped_memory(self, memory: Memory) -> Module:
        """A memory as an instance of the module of its shape."""
        part, interface = self.instance(WrappedMemory, shape_of(memory))
        m = connected(memory, interface)
        m.submodules.shape = part
        return m

    def instance(self, kind: type[wiring.Component], config: object) -> tuple[Instance, object]:
        """An instance of the module of `kind(config)`, and the interface that it is connected to."""
        name = f"{self.name}{SEPARATOR}{kind.module_name(config)}"
        if name not in self._shared:
            component = kind(config)
            self._shared[name] = config, component.signature
            self.convert(component, name)
        known, signature = self._shared[name]
        if known != config:
            raise ValueError(f"module {name} must be shared by equal configurations, not {known!r} and {config!r}")
        declared = set(re.findall(r"^  wire .*?(?:input|output) \d+ .*?\\(\S+)$", self.modules[name], re.MULTILINE))
        interface = signature.create()
        ports = {}
        for path, member, value in signature.flatten(interface):
            flat = "__".join(map(str, path))
            if flat in declared:
                ports[("o_" if member.flow == wiring.Out else "i_") + flat] = Value.cast(value)
        if "clk" in declared:
            ports["i_clk"] = ClockSignal()
        if "rst" in declared:
            ports["i_rst"] = ResetSignal()
        return Instance(name, **ports), interface


def shared(m: Module, name: str, kind: type[wiring.Component], config: object, platform: object) -> Any:
    """Add `kind(config)` to `m` as submodule `name` and return its interface.

    While a design is being emitted the submodule is an instance of the module that all its equals share.
    """
    if isinstance(platform, Library):
        m.submodules[name], interface = platform.instance(kind, config)
        return interface
    m.submodules[name] = component = kind(config)
    return component


def emit(
    component: wiring.Component, name: str, facts: dict[str, Any], style: Style = PLAIN, notes: Sequence[str] = ()
) -> Design:
    """Emit `component` as the top module `name`; `facts` (configuration, counters, ...) join the manifest.

    `notes` are lines of comment at the head of the Verilog.
    With `style.memories` "separate" the modules of the memories are written to NAME_memories.v; `verilog` has all.
    """
    library = Library(name, style)
    with _no_collector():
        library.convert(component, name)
    manifest = {
        "manifest": MANIFEST_VERSION,
        "name": name,
        "generator": f"sysmt {version('sysmt')}",
        **facts,
        "ports": [_port(path, member) for path, member, _ in component.signature.flatten(component)],
        "modules": library.blocks,
    }
    head = [f"{name}: generated by sysmt {version('sysmt')}; configuration and layouts in {name}.json", *notes]
    comment = "".join(f"// {line}".rstrip() + "\n" for line in head)
    return Design(name, f"{comment}\n{library.verilog()}", manifest)


def _blocks(kind: type, path: str, block: str | None) -> Iterator[tuple[str, str]]:
    """(module, block) of a component at `path` and of the submodules below it whose class, or parent, says theirs."""
    if block is not None:
        yield path, known(block)
    for name, part in getattr(kind, "parts", {}).items():
        inner = f"{path}.{name}"
        yield from [(inner, known(part))] if isinstance(part, str) else _blocks(part, inner, part.block)


@contextlib.contextmanager
def _no_collector() -> Iterator[None]:
    """Without the cyclic garbage collector, which took a quarter of the time among a netlist's many small objects."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _port(path: tuple, member: wiring.Member) -> dict[str, Any]:
    shape = Shape.cast(member.shape)
    port = {
        "name": "__".join(map(str, path)),
        "direction": "output" if member.flow == wiring.Out else "input",
        "width": shape.width,
        "signed": shape.signed,
    }
    if isinstance(member.shape, ShapeCastable):
        port["layout"] = _layout(member.shape)
    return port


def _layout(shape: Any) -> Any:
    """Describe a shape: nested fields with offset, arrays with length, leaves with width and sign."""
    if isinstance(shape, ShapeCastable) and not isinstance(shape, data.Layout):
        shape = shape.as_shape()
    if isinstance(shape, data.ArrayLayout):
        return {"array": shape.length, "of": _layout(shape.elem_shape)}
    if isinstance(shape, data.Layout):
        return {str(key): {"offset": field.offset} | _layout(field.shape) for key, field in shape}
    shape = Shape.cast(shape)
    return {"width": shape.width, "signed": shape.signed}
