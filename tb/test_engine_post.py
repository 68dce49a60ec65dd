# SPDX-License-Identifier: Apache-2.0
"""The engine's post-processing on emitted Verilog: random layers, byte for byte and cycle for cycle."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import pytest

from sysmt.hdl.emit import Design, emit
from sysmt.hdl.engine.ports import SumRow
from sysmt.hdl.engine.post import Post
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.pe import PEConfig
from sysmt.hdl.params.program import DESCRIPTOR, Operation
from sysmt.sim.cosim.simulator import SimulationError, available, run
from sysmt.sim.engine.post_timing import PostTiming

from .engine_layers import PostLayer, random_layer
from .mutants import one_bug_per_component, seeded_bug

# Icarus builds at once, which counts for many small designs; Verilator takes its place where it is missing.
QUICK = "icarus" if available("icarus") else "verilator"


def config_of(rows: int, cols: int, fill: int, lanes: int, add_lanes: int, target: str = "fpga") -> EngineConfig:
    array = ArrayConfig(rows=rows, cols=cols, counters=False, pe=PEConfig(threads=2, target=target))
    sizes = {"activation_words": 700, "parameter_words": 90, "layers": 4, "x_depth": 64}
    return EngineConfig(array=array, fill=fill, lanes=lanes, add_lanes=add_lanes, **sizes)


CONFIGS = {
    "one beat, two parts, sums in lanes": config_of(4, 4, 2, 4, 2, "asic"),
    "two beats, two parts, sums in lanes": config_of(8, 8, 2, 4, 1, "asic"),
    "two beats, two parts": config_of(4, 4, 2, 2, 2),
    "four beats, one part": config_of(4, 4, 1, 1, 1),
    "eight beats, two parts": config_of(8, 8, 2, 1, 1),
    "one beat, four parts": config_of(4, 2, 2, 2, 1),
    "two beats, eight parts": config_of(4, 2, 4, 1, 1),
    "two rows": config_of(2, 2, 2, 2, 2),
}
# The others have each of their sides, too.
RARE = ("eight beats, two parts", "two rows")
NAMES = [pytest.param(name, marks=[pytest.mark.regress] * (name in RARE)) for name in CONFIGS]


def emitted(config: EngineConfig) -> Design:
    return emit(Post(config), "post", {})


design = lru_cache(emitted)


def play(
    config: EngineConfig,
    layers: Sequence[PostLayer],
    stall: float = 0.0,
    wait: int = 12,
    between: int = 2,
    made: Design | None = None,
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Run layers; returns what the simulation saved, and the memory before them uint8 [words, granules, cols]."""
    random = np.random.default_rng(1)
    granules, cols = config.granules, config.array.cols
    memory = random.integers(0, 256, (config.activation_words, granules, cols), np.uint8)
    parameters = [0] * config.parameter_words
    for layer in layers:
        for address, word in layer.parameters(config).items():
            parameters[address % config.parameter_words] = word
    rows = [
        SumRow(config).const({"sums": [int(s) for s in row], "last": last}).as_bits()
        for layer in layers
        for row, last in layer.rows()
    ]
    given = {
        "layers": _bytes([layer.descriptor() for layer in layers], DESCRIPTOR.size),
        "rows": _bytes(rows, -(-SumRow(config).size // 8)),
        "counts": np.array([len(layer.rows()) for layer in layers]),
        "parameters": _bytes(parameters, config.memories["parameters"][0] // 8),
        "activations": memory.reshape(len(memory), -1),
        "granules": np.int64(granules),
        "stall": np.float64(stall),
        "wait": np.int64(wait),
        "between": np.int64(between),
    }
    return run(made or design(config), "tb.tb_engine_post", given, QUICK, unfold=True), memory


def _bytes(numbers: Sequence[int], size: int) -> np.ndarray:
    return np.frombuffer(b"".join(n.to_bytes(size, "little") for n in numbers), np.uint8).reshape(-1, size)


def disjoint(config: EngineConfig, seed: int, count: int, **chosen: int) -> list[PostLayer]:
    """Layers whose parameters do not overlap: they share one memory."""
    random, used, out = np.random.default_rng(seed), set(), []
    while len(out) < count:
        layer = random_layer(config, random, **chosen)
        addresses = set(layer.parameters(config))
        if not addresses & used:
            used |= addresses
            out.append(layer)
    return out


def check(
    config: EngineConfig, layers: Sequence[PostLayer], stall: float = 0.0, made: Design | None = None, **how: int
) -> np.ndarray:
    """Compare every byte after every layer; returns the cycles of each from its first row to its last write."""
    got, memory = play(config, layers, stall, made=made, **how)
    for i, layer in enumerate(layers):
        count = layer.apply(memory, config)
        np.testing.assert_array_equal(got["images"][i].reshape(memory.shape), memory, f"layer {i}: {layer.fields}")
        assert got["writes"][i] == count
    assert not got["flags"].any()
    return got["spans"]


@pytest.mark.parametrize(("stall", "between"), [(0.0, 0), (0.3, 1)])
@pytest.mark.parametrize("name", NAMES)
def test_random_layers(name, stall, between):
    check(CONFIGS[name], disjoint(CONFIGS[name], 10 * round(10 * stall) + between, 3), stall, between=between)


@pytest.mark.regress
@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("name", NAMES)
def test_many_random_layers(name, seed):
    check(CONFIGS[name], disjoint(CONFIGS[name], 100 + seed, 3), 0.1 * (seed % 6), between=seed % 3)


@pytest.mark.parametrize("add", [0, 1])
@pytest.mark.parametrize("name", NAMES)
def test_cycles(name, add):
    """A row takes its beats; one that is no pixel takes one cycle, also while the addition is busy with others."""
    config = CONFIGS[name]
    share = config.lanes // config.add_lanes if add else 1
    layers = disjoint(config, 50 + add, 3, add=add, groups=2)
    spans = check(config, layers, wait=20)
    for layer, (last_write, done) in zip(layers, spans, strict=True):
        dropped = [
            len(sums) - pixels for sums, (_, pixels, _) in zip(layer.sums, layer.tiles(config.array.rows), strict=True)
        ]
        kept = sum(len(sums) for sums in layer.sums) - sum(dropped)
        waits = sum(max(share, 1 + n) - share for n in dropped[:-1])
        assert last_write == Post.latency(config, bool(add)) + (kept - 1) * config.beats * share + waits
        assert done == last_write
        assert done == modelled(config, layer, 20) - 20


def test_rows_that_are_no_pixels_come_after_the_last_write():
    """The layer is done only with them: they are not the next one's."""
    name = "two beats, two parts, sums in lanes"
    layers = disjoint(CONFIGS[name], 60, 4, operation=Operation.MATMUL, last_rows=1, m_tiles=1)
    spans = check(CONFIGS[name], layers, 0.9)
    assert (spans[:, 1] > spans[:, 0]).sum() > 1, "no layer was done later than its last write"


def modelled(config: EngineConfig, layer: PostLayer, wait: int) -> int:
    """Cycles from the layer's start by the cycle model, its rows offered after `wait` of them."""
    timing, rows, cycle = PostTiming(config, layer.fields), len(layer.rows()), 0
    while not timing.begin():
        valid = cycle >= wait and rows > 0
        rows -= valid and timing.ready
        timing.end(valid)
        cycle += 1
    return cycle


@pytest.mark.parametrize(
    ("name", "add"),
    [("two beats, two parts", 0), *(("one beat, two parts, sums in lanes", add) for add in (0, 1))],
)
def test_overflow_is_reported_until_the_next_layer(name, add):
    config = CONFIGS[name]
    layers = disjoint(config, 70, 3, operation=Operation.MATMUL, add=add, last_rows=1, m_tiles=2)
    layers[1].sums[0, 0, 3] = 2**31 - 1
    layers[1].scaling[0][0, 3] = 1
    layers[2].sums[-1, -1, :] = -(2**31)  # No pixel.
    got, _ = play(config, layers)
    assert got["flags"].tolist() == [[False, False], [True, False], [False, False]]


@pytest.mark.parametrize("name", ["two beats, two parts", "one beat, two parts, sums in lanes"])
def test_a_multiplier_of_the_addition_beyond_its_range_is_reported(name):
    config = CONFIGS[name]
    layer = disjoint(config, 71, 1, add=1)[0]
    for change in ({"add_multiplier": 2**31}, {"add_shift": 31}):
        got, _ = play(config, [PostLayer(layer.fields | change, layer.sums, layer.scaling)])
        assert got["flags"].tolist() == [[True, False]], change


@pytest.mark.parametrize("change", ["out_base", "residual_base", "parameter_base"])
def test_addresses_outside_are_reported_and_nothing_is_written_there(change):
    config = CONFIGS["two beats, two parts"]
    good, layer = disjoint(config, 72, 2, add=1, m_tiles=3)
    edge = config.parameter_words if change == "parameter_base" else config.activation_words
    moved = PostLayer(layer.fields | {change: edge - 1}, layer.sums, layer.scaling)
    got, memory = play(config, [good, moved, good])
    assert got["flags"].tolist() == [[False, False], [False, True], [False, False]]
    if change == "out_base":
        good.apply(memory, config)
        changed = np.flatnonzero((got["images"][1] != memory.reshape(got["images"][1].shape)).any(axis=1))
        assert changed.tolist() in ([], [edge - 1])
    else:
        assert got["writes"][1] == sum(pixels for _, pixels, _ in layer.tiles(config.array.rows))


def test_every_memory_may_be_used_to_its_last_word():
    """One word further is reported, however far that is, and forgotten with the next layer."""
    name = "one beat, four parts"
    config, one = CONFIGS[name], dict.fromkeys(("groups", "m_tiles", "n_tiles", "last_n_tiles", "last_rows"), 1)
    layer = disjoint(config, 73, 1, operation=Operation.MATMUL, add=1, **one)[0]
    top, ends = config.parameter_words - 1, {}
    for tensor in ("out", "residual"):
        ends |= {f"{tensor}_base": config.activation_words - 1, f"{tensor}_granule": config.granules - 1}
        ends |= {f"{tensor}_words": 1}
    good = layer.fields | ends | {"parameter_base": top}
    changes = [{}, {"parameter_base": top + 1}, {}, {"parameter_base": 1 << 15}, {"parameter_base": (1 << 16) - 1}, {}]
    changes += [change for base in ("out_base", "residual_base") for change in ({base: config.activation_words}, {})]
    got, memory = play(config, [PostLayer(good | change, layer.sums, layer.scaling) for change in changes])
    assert got["flags"][:, 1].tolist() == [bool(change) for change in changes]
    PostLayer(good, layer.sums, layer.scaling).apply(memory, config)
    assert (got["images"][0] == memory.reshape(got["images"][0].shape)).all()
    assert got["writes"].tolist() == ["out_base" not in change for change in changes]


SEEDED = config_of(2, 2, 2, 2, 1)


def seeded_layers() -> list[PostLayer]:
    """Every loop goes round, one residual is added, the last tiles are parts, and the parameters do not overlap."""
    common = {"operation": Operation.MATMUL, "groups": 2, "m_tiles": 3, "last_rows": 1, "last_cols": 1}
    layers = []
    for i, (add, n_tiles, last_n_tiles) in enumerate(((1, 3, 2), (0, 2, 1), (1, 2, 2))):
        layer = random_layer(
            SEEDED, np.random.default_rng(i), add=add, n_tiles=n_tiles, last_n_tiles=last_n_tiles, **common
        )
        layers.append(PostLayer(layer.fields | {"parameter_base": 20 * i}, layer.sums, layer.scaling))
    return layers


@pytest.mark.regress
@one_bug_per_component(
    ("module", "component", "right", "wrong"),
    [
        ("post", "Post", "[current.eq(group), tile.eq(group)]", "[current.eq(group)]"),
        (
            "post",
            "Post",
            "m.d.sync += [current.eq(following), tile.eq(following)]",
            "m.d.sync += current.eq(following)",
        ),
        ("post", "Post", "goes.eq(rows.r_rdy & ~skips &", "goes.eq(rows.r_rdy &"),
        ("post", "Post", "(residual.available & (pause == 0))", "residual.available"),
        ("post", "Post", "(residual.available & (pause == 0))", "(pause == 0)"),
        ("post", "Post", "& one.replicate(8)", "& 0xFF"),
        ("residual", "ResidualReader", "parts.r_data, len(self.row)", "0, len(self.row)"),
        ("residual", "ResidualReader", "(reserved != ahead)", "1"),
        ("addition", "Addition", "takes & (beat == config.add_beats - 1)", "takes & (beat == 0)"),
        ("addition", "Addition", "codes >> width", "codes"),
    ],
)
def test_seeded_bugs_are_found(module, component, right, wrong):
    with seeded_bug(f"sysmt.hdl.engine.{module}", component, right, wrong):
        made = emitted(SEEDED)
    with pytest.raises((AssertionError, SimulationError)):
        check_seeded(made)


IN_LANES = config_of(2, 2, 2, 2, 1, "asic")


@pytest.mark.regress
@one_bug_per_component(
    ("module", "component", "right", "wrong"),
    [
        ("post", "Post", "layer.add & ~comes", "layer.add"),
        ("post", "Post", "lanes[count : 2 * count]", "lanes[:count]"),
        ("addition", "Addition", "self.i_codes if config.adds_in_lanes", "0 if config.adds_in_lanes"),
    ],
)
def test_seeded_bugs_of_sums_in_lanes_are_found(module, component, right, wrong):
    with seeded_bug(f"sysmt.hdl.engine.{module}", component, right, wrong):
        made = emitted(IN_LANES)
    with pytest.raises((AssertionError, SimulationError)):
        check_seeded(made)


@pytest.mark.parametrize("config", [SEEDED, IN_LANES], ids=["lanes of their own", "in lanes"])
def test_the_layers_that_find_seeded_bugs_are_right(config):
    check_seeded(design(config))


def check_seeded(made: Design) -> None:
    """With some stalls, and with so many that a residual is late."""
    check(SEEDED, seeded_layers(), 0.3, made)
    check(SEEDED, seeded_layers(), 0.95, made, wait=0)
