# SPDX-License-Identifier: Apache-2.0
"""Designs with AXI4-Stream ports between the sources and sinks of cocotbext-axi: beats by the manifest, one run."""

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from random import Random
from typing import Any

import numpy as np
from amaranth.hdl import Value
from amaranth.sim import Simulator

from sysmt.hdl.designs import axi_stream_design
from sysmt.hdl.emit import Design
from sysmt.sim.cosim.simulator import run

QUIET, LIMIT = 60, 4000
"""Cycles without a beat that end a simulation; cycles at most."""


def packed(layout: Any, value: Any) -> bytes:
    """A value, with dicts for structures and sequences for arrays, as the manifest's layout has it."""
    if "array" in layout:
        assert len(value) == layout["array"]
        return b"".join(packed(layout["of"], element) for element in value)
    if "width" in layout:
        return int(value).to_bytes(layout["bytes"], "little", signed=bool(layout["signed"]))
    text = b""
    assert set(value) == set(layout)
    for name, field in layout.items():
        assert field["offset"] == len(text)
        text += packed({key: part for key, part in field.items() if key != "offset"}, value[name])
    return text


def unpacked(layout: Any, text: bytes) -> Any:
    """The value of bytes, all of which must belong to it."""
    if "array" in layout:
        size = len(text) // layout["array"]
        return [unpacked(layout["of"], text[i * size : (i + 1) * size]) for i in range(layout["array"])]
    if "width" in layout:
        assert len(text) == layout["bytes"]
        return int.from_bytes(text, "little", signed=layout["signed"])
    ends = [field["offset"] for field in layout.values()][1:] + [len(text)]
    return {
        name: unpacked({k: part for k, part in field.items() if k != "offset"}, text[field["offset"] : end])
        for (name, field), end in zip(layout.items(), ends, strict=True)
    }


class Plan:
    """What one design is given, and what must come out of it.

    Parameters
    ----------
    design : Design
        By `axi_stream_design`.
    """

    def __init__(self, design: Design):
        self.design, self.streams = design, design.manifest["streams"]
        self.frames: dict[str, list[bytes]] = {name: [] for name in self.streams if name.startswith("s_")}
        self.expected: dict[str, int] = {name: 0 for name in self.streams if name.startswith("m_")}
        self.memory: bytes | None = None

    def send(self, name: str, *beats: Any) -> None:
        """A frame of these beats."""
        self.frames[name].append(b"".join(packed(self.streams[name]["layout"], beat) for beat in beats))

    def beats(self, name: str, frame: str) -> list[Any]:
        """Those of a frame that came, as hexadecimal digits."""
        text, size = bytes.fromhex(frame), self.streams[name]["bytes"]
        return [unpacked(self.streams[name]["layout"], text[i : i + size]) for i in range(0, len(text), size)]


def played(plans: Mapping[str, Plan], share: float, seed: int = 1, simulator: str = "verilator") -> dict[str, Any]:
    """Run all of them side by side in one top; sources and sinks pause for this share of cycles.

    Returns, by name of the design: `frames` that came by stream, `cycles` in which beats moved by stream, `ports` at
    the end.
    """
    given = {
        name: {
            "frames": {stream: [frame.hex() for frame in frames] for stream, frames in plan.frames.items()},
            "expected": plan.expected,
            "memory": None if plan.memory is None else plan.memory.hex(),
            "ends": [port["name"] for port in _others(plan.design)],
        }
        for name, plan in plans.items()
    }
    vectors = {"given": np.array(json.dumps(given)), "share": np.float64(share), "seed": np.int64(seed)}
    found = run(_chip({name: plan.design for name, plan in plans.items()}), "tb.tb_axi_stream", vectors, simulator)
    return json.loads(str(found["found"]))


def _others(design: Design) -> list[dict[str, Any]]:
    """Outputs that are no stream."""
    return [
        port
        for port in design.manifest["ports"]
        if port["direction"] == "output" and not port["name"].startswith(("s_axis", "m_ax"))
    ]


def _chip(designs: Mapping[str, Design]) -> Design:
    """A top with one instance of each, whose ports are called NAME_PORT; the clock and the reset are for all."""
    ports, lines, pins = ["input aclk", "input aresetn"], [], []
    for name, design in designs.items():
        pins = [".aclk(aclk)", ".aresetn(aresetn)"]
        for port in design.manifest["ports"]:
            if port["name"] in ("aclk", "aresetn"):
                continue
            ports.append(f"{port['direction']} wire [{port['width'] - 1}:0] {name}_{port['name']}")
            pins.append(f".{port['name']}({name}_{port['name']})")
        lines.append(f"  {design.name} {name} ({', '.join(pins)});\n")
    chip = "module chip (\n  " + ",\n  ".join(ports) + f"\n);\n{''.join(lines)}endmodule\n"
    first = next(iter(designs.values()))
    return replace(
        first,
        name="chip",
        verilog="".join(design.verilog for design in designs.values()) + chip,
        manifest={"ports": [{"name": port.split()[-1]} for port in ports]},
    )


@lru_cache
def emitted(config: Any, name: str) -> Design:
    """One emission per configuration."""
    return axi_stream_design(config, name)


def planned(config: Any, name: str) -> Plan:
    """An empty plan for the design of a configuration."""
    return Plan(emitted(config, name))


def simulated(component: Any, plan: Plan, share: float | Mapping[str, float], seed: int = 1) -> dict[str, Any]:
    """As `played`, of one component without a bus of its own, in Amaranth's simulator: at once, but slowly.

    `share` may be one of each stream; one that is not named never pauses.
    """
    random, streams = Random(seed), component.streams
    shares = {name: share.get(name, 0.0) if isinstance(share, Mapping) else share for name in streams}
    found: dict[str, Any] = {"cycles": {name: [] for name in streams}, "frames": {}, "ports": {}}
    waiting = {name: _beats(plan, name) for name in plan.frames}
    taken: dict[str, list[tuple[bytes, int]]] = {name: [] for name in plan.expected}

    async def bench(ctx: Any) -> None:
        def port(name: str, kind: str) -> Any:
            return getattr(component, f"{name}_{kind}")

        async def tick() -> None:
            for level in (1, 0):
                await ctx.delay(1e-8)
                ctx.set(component.aclk, level)

        ctx.set(component.aresetn, 0)
        await tick()
        ctx.set(component.aresetn, 1)
        quiet = 0
        for cycle in range(LIMIT):
            for name, beats in waiting.items():
                if beats and not ctx.get(port(name, "tvalid")) and random.random() >= shares[name]:
                    ctx.set(port(name, "tvalid"), 1)
                    ctx.set(port(name, "tdata"), int.from_bytes(beats[0][0], "little"))
                    if hasattr(component, f"{name}_tlast"):
                        ctx.set(port(name, "tlast"), beats[0][1])
            for name in taken:
                ctx.set(port(name, "tready"), random.random() >= shares[name])
            moved = [name for name in streams if ctx.get(port(name, "tvalid")) and ctx.get(port(name, "tready"))]
            for name in moved:
                found["cycles"][name].append(cycle)
                if name in taken:
                    data = ctx.get(port(name, "tdata")).to_bytes(streams[name].bytes, "little")
                    taken[name].append((data, ctx.get(port(name, "tlast"))))
            await tick()
            for name in moved:
                if name in waiting:
                    waiting[name].pop(0)
                    ctx.set(port(name, "tvalid"), 0)
                    # What is not valid means nothing.
                    ctx.set(port(name, "tdata"), random.getrandbits(8 * streams[name].bytes))
            quiet = 0 if moved else quiet + 1
            if quiet == QUIET:
                break
        for fact in _others(plan.design):
            value = getattr(component, fact["name"])
            found["ports"][fact["name"]] = int(ctx.get(Value.cast(value)))

    simulator = Simulator(component)
    simulator.add_testbench(bench)
    simulator.run()
    for name, beats in taken.items():
        frames, text = [], b""
        for data, last in beats:
            text += data
            if last:
                frames, text = [*frames, text.hex()], b""
        found["frames"][name] = frames
    return found


def _beats(plan: Plan, name: str) -> list[tuple[bytes, int]]:
    """What a stream is given: bytes of tdata, and tlast."""
    size = plan.streams[name]["bytes"]
    return [
        (frame[i : i + size], int(i + size >= len(frame)))
        for frame in plan.frames[name]
        for i in range(0, len(frame), size)
    ]
