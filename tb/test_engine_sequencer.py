# SPDX-License-Identifier: Apache-2.0
"""The engine's sequencer of layers and issuer of tiles, against the loops that `hdl/params/program.py` describes."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from sysmt.hdl.engine.layers import LayerSequencer
from sysmt.hdl.engine.tiles import TileIssuer
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.pe import PEConfig
from sysmt.hdl.params.program import DESCRIPTOR, DESCRIPTOR_WORDS, EngineError, Operation

from .accel import simulate

ZEROS = {name: 0 for name, field in DESCRIPTOR.fields.items() if not field.reserved}
LAYER = ZEROS | {
    **{"threads": 1, "kernel_h": 3, "kernel_w": 3, "group_words": 2, "groups": 1, "m_tiles": 3, "n_tiles": 2},
    **{"last_n_tiles": 2, "last_rows": 1, "last_cols": 2, "steps": 5, "out_width": 4, "in_height": 5, "in_width": 5},
}

SHIFTED = {"n_tiles": 3, "last_n_tiles": 3, "x_stride": 3}
"""Tiles of channels that begin at places of their own."""


def small(**changes) -> EngineConfig:
    array = ArrayConfig(rows=4, cols=4, pe=PEConfig(threads=2, target="fpga"))
    fields = {
        "array": array,
        "fill": 1,
        "lanes": 2,
        "x_depth": 32,
        "weight_words": 100,
        "activation_words": 256,
        "layers": 4,
    }
    return EngineConfig(**fields | changes)


def words_of(layers: list[dict[str, int]]) -> list[int]:
    packed = b"".join(DESCRIPTOR.pack(**layer).ljust(4 * DESCRIPTOR_WORDS, b"\0") for layer in layers)
    return np.frombuffer(packed, "<u4").tolist()


def expected(layer: dict[str, int], config: EngineConfig) -> Iterator[tuple[dict, tuple[int, int, int, int], int]]:
    """Per step of the layer: the tile it belongs to, what is read from the operand buffer, and the weight address."""
    fills = 0
    for g in range(layer["groups"]):
        last_group = g == layer["groups"] - 1
        for m in range(layer["m_tiles"]):
            tiles = layer["last_n_tiles"] if last_group else layer["n_tiles"]
            for n in range(tiles):
                rows = layer["last_rows"] if m == layer["m_tiles"] - 1 else config.array.rows
                cols = layer["last_cols"] if last_group and n == tiles - 1 else config.array.cols
                tile = {"steps": layer["steps"], "threads": layer["threads"], "rows": rows, "cols": cols}
                tile |= {"zero": layer["pad_value"]} if config.array.pe.zero_width else {}
                ratio = config.array.pe.threads >> layer["threads"]
                words = -(-layer["steps"] // ratio)
                base = layer["w_base"] + (g * layer["n_tiles"] * layer["grouped"] + n) * words
                for step in range(layer["steps"]):
                    word, part = divmod(step, ratio)
                    frees = n == tiles - 1 and step == layer["steps"] - 1
                    x = n * layer["x_stride"] + word, fills % 2, int(frees), part << layer["threads"]
                    yield tile, x, base + word
            fills += 1


def issue(layer: dict[str, int], config: EngineConfig, seed: int = 0) -> tuple[list, bool]:
    """What the issuer sends for a layer with operands and queues that are not always ready."""
    unit, random = TileIssuer(config), np.random.default_rng(seed)
    tiles, steps, weights = [], [], []
    fills = layer["groups"] * layer["m_tiles"] if layer["operation"] == Operation.MATMUL else 0
    failed = []

    async def bench(ctx):
        for port in (unit.o_tile, unit.o_x, unit.o_w):
            ctx.set(port.ready, 1)
        for _ in range(3):
            assert not any(ctx.get(port.valid) for port in (unit.o_tile, unit.o_x, unit.o_w)), "before the start"
            await ctx.tick()
        for name, value in layer.items():
            ctx.set(unit.layer[name], value)
        ctx.set(unit.start, 1)
        await ctx.tick()
        ctx.set(unit.start, 0)
        given, freed, quiet = 0, 0, 0
        while quiet < 50:
            for port in (unit.o_tile, unit.o_x, unit.o_w):
                ctx.set(port.ready, int(random.random() < 0.8))
            fill = given < fills and given - freed < 2 and random.random() < 0.3
            ctx.set(unit.filled, int(fill))
            filled, given = given, given + fill
            _, _, tile, tile_ok, x, x_ok, w, w_ok = (
                await ctx.tick()
                .sample(unit.o_tile.payload, unit.o_tile.valid & unit.o_tile.ready)
                .sample(unit.o_x.payload, unit.o_x.valid & unit.o_x.ready)
                .sample(unit.o_w.payload, unit.o_w.valid & unit.o_w.ready)
            )
            quiet = 0 if x_ok or fill else quiet + 1
            assert not x_ok or filled > freed, "a step before its operands"
            if tile_ok:
                tiles.append({name: tile[name] for name in unit.o_tile.payload.shape().members})
            if x_ok:
                steps.append((x.step, x.half, x.frees, x.thread if config.array.pe.threads > 1 else 0))
                freed += x.frees
            if w_ok:
                weights.append(w)
        failed.append(ctx.get(unit.error))

    simulate(unit, bench)
    return list(zip(steps, weights, strict=True)), tiles, bool(failed[0])


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"m_tiles": 1, "n_tiles": 1, "last_n_tiles": 1, "steps": 1, "last_rows": 4},
        {"steps": 3, "grouped": 1, "groups": 3, "x_stride": 7, "last_n_tiles": 1},
        {"groups": 2, "n_tiles": 3, "last_n_tiles": 3, "w_base": 11},
        {"threads": 0, "grouped": 1, "groups": 2, "x_stride": 4},
    ],
)
def test_issuer_runs_the_loops_of_the_program(changes):
    issues_what_is_expected(small(), LAYER | changes, seed=len(changes))


@pytest.mark.parametrize(("number", "threads"), [(4, 0), (4, 1), (4, 2), (1, 0)])
def test_issuer_packs_steps_of_fewer_threads(number, threads):
    array = ArrayConfig(rows=4, cols=4, pe=PEConfig(threads=number, target="fpga"))
    issues_what_is_expected(small(array=array), LAYER | {"threads": threads, "steps": 11} | SHIFTED, seed=threads)


def test_tiles_have_the_zero_point_where_the_array_takes_it_off():
    signed = ArrayConfig(rows=4, cols=4).with_fields(kind="sparq", signed_window=True, target="fpga")
    issues_what_is_expected(small(array=signed), LAYER | {"pad_value": 0x9C, "threads": 0}, seed=1)


def issues_what_is_expected(config: EngineConfig, layer: dict[str, int], seed: int) -> None:
    steps, tiles, failed = issue(layer, config, seed)
    wanted = list(expected(layer, config))
    assert steps == [(x, w) for _, x, w in wanted]
    assert tiles == [tile for i, (tile, *_) in enumerate(wanted) if i % layer["steps"] == 0]
    assert not failed


def test_issuer_leaves_pooling_alone():
    assert issue(LAYER | {"operation": Operation.MAX}, small()) == ([], [], False)


@pytest.mark.parametrize(
    "changes",
    [
        *({"w_base": base} for base in (91, 100, 1 << 23, (1 << 24) - 1)),
        *({"x_stride": stride} for stride in (28, 32, 1 << 15, (1 << 16) - 1)),
        {"steps": 32, "x_stride": 1},
        {"grouped": 1, "groups": 2, "w_base": 81},
    ],
)
def test_issuer_reports_addresses_outside(changes):
    assert issue(LAYER | changes, small())[2]


@pytest.mark.parametrize("changes", [{"w_base": 90}, {"x_stride": 27}, {"grouped": 1, "groups": 2, "w_base": 80}])
def test_issuer_reads_to_the_last_address(changes):
    assert not issue(LAYER | changes, small())[2]


class Program:
    """A sequencer with its descriptor memory, and units that take as long as told."""

    def __init__(self, layers: list[dict[str, int]], config: EngineConfig, half: int = 0, at: int = 0, **found: int):
        self.unit, self.layers, self.config, self.half = LayerSequencer(config), layers, config, half
        self.at, self.found = at, found
        self.seen: list[dict[str, int]] = []
        self.ends: list[tuple[int, int]] = []
        self.result: dict[str, int] = {}

    def run(self, took: int = 7, *background: Callable) -> "Program":
        unit, words = self.unit, words_of(self.layers)

        async def memory(ctx):
            while True:
                address = ctx.get(unit.address)
                await ctx.tick()
                ctx.set(unit.word, words[address] if address < len(words) else 0)

        async def units(ctx):
            while True:
                if ctx.get(unit.start):
                    self.seen.append({name: ctx.get(unit.layer[name]) for name in ZEROS})
                    await ctx.tick().repeat(took)
                    if len(self.seen) > self.at:
                        for name, value in self.found.items():
                            ctx.set(getattr(unit, name), value)
                    ctx.set(unit.done, 1)
                    await ctx.tick()
                    ctx.set(unit.done, 0)
                else:
                    await ctx.tick()

        async def bench(ctx):
            ctx.set(unit.i_run.payload, self.half)
            ctx.set(unit.i_run.valid, 1)
            await ctx.tick().until(unit.i_run.ready)
            ctx.set(unit.i_run.valid, 0)
            for _ in range(1000):
                if ctx.get(unit.layer_end):
                    self.ends.append((ctx.get(unit.number), ctx.get(unit.layer_cycles)))
                over = ctx.get(unit.finished)
                await ctx.tick()
                if over:
                    break
            else:
                raise AssertionError("the run never ends")
            self.result = {name: ctx.get(getattr(unit, name)) for name in ("error", "number", "cycles", "busy")}
            ctx.set(unit.i_run.valid, 1)
            await ctx.tick()
            if self.result["error"]:
                await ctx.tick().repeat(5)
                assert ctx.get(unit.number) == self.result["number"], "the layer that failed is forgotten"
            self.result["ready"] = ctx.get(unit.i_run.ready) or ctx.get(unit.busy)

        simulate(unit, bench, memory, *background, units)
        return self


def test_sequencer_runs_every_layer_and_counts():
    layers = [LAYER | {"w_base": 5}, LAYER | {"operation": 1, "n_tiles": 1, "last_n_tiles": 1}, LAYER | {"last": 1}]
    program = Program(layers, small()).run(took=7)
    assert program.seen == layers
    assert program.result == {
        "error": 0,
        "number": 2,
        "cycles": sum(c for _, c in program.ends),
        "busy": 0,
        "ready": 1,
    }
    # FETCH cycles from one `done` to the next `start`; a unit takes 7 more to its own `done`.
    assert [number for number, _ in program.ends] == [0, 1, 2]
    assert program.ends[1][1] == LayerSequencer.FETCH + 7


def test_second_half_displaces_inputs_and_outputs():
    first = {"from_input": 1, "in_origin": -7, "in_half": 100, "out_base": 3, "out_half": 50}
    last = {"to_output": 1, "in_origin": 4, "in_half": 100, "out_base": 3, "out_half": 50, "last": 1}
    layers = [LAYER | first, LAYER | last]
    assert Program(layers, small()).run().seen == layers
    moved = Program(layers, small(), half=1).run().seen
    assert [(layer["in_origin"], layer["out_base"]) for layer in moved] == [(93, 3), (4, 53)]


@pytest.mark.parametrize(
    "changes",
    [
        *({name: 0} for name in ("kernel_h", "kernel_w", "group_words", "groups", "m_tiles", "n_tiles")),
        *(
            {name: 0}
            for name in ("last_n_tiles", "last_rows", "last_cols", "steps", "out_width", "in_height", "in_width")
        ),
        *({"threads": 2}, {"operation": 3}, {"last_rows": 5}, {"last_cols": 5}, {"last_n_tiles": 3}, {"steps": 33}),
        {"threads": 0, "steps": 65},
        {"operation": 2, "n_tiles": 2, "last_n_tiles": 1},
        {"operation": 2, "n_tiles": 1, "last_n_tiles": 1, "last_rows": 2},
        *({name: 1} for name in ("patch_h", "patch_w", "waits_chunk", "frees_chunk")),
    ],
)
def test_sequencer_refuses_what_cannot_be_run(changes):
    refused(changes, small())


def refused(changes: dict[str, int], config: EngineConfig) -> None:
    program = Program([LAYER, LAYER | changes | {"last": 1}], config).run()
    assert len(program.seen) == 1
    assert program.result["error"] == EngineError.DESCRIPTOR
    assert program.result["number"] == 1
    assert program.result["ready"] == 0


@pytest.mark.parametrize(
    ("found", "error"),
    [("address_error", EngineError.ADDRESS), ("overflow", EngineError.OVERFLOW), ("refused", EngineError.ARRAY)],
)
@pytest.mark.parametrize("at", [0, 1, 2])
def test_sequencer_stops_at_the_layer_that_failed(found, error, at):
    program = Program([LAYER, LAYER, LAYER | {"last": 1}], small(), at=at, **{found: 1}).run()
    assert program.result["error"] == error
    assert program.result["number"] == at
    assert len(program.seen) == at + 1
    assert program.result["ready"] == 0


def test_program_without_an_end_ends_with_the_memory():
    program = Program([LAYER] * 4, small()).run()
    assert len(program.seen) == 4
    assert program.result["error"] == EngineError.DESCRIPTOR
    assert (program.result["number"], program.result["busy"]) == (3, 0)
