# SPDX-License-Identifier: Apache-2.0
"""Program files: the same bytes every time, read back as they were, and refused in one line when they are not whole."""

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest

from sysmt.base.errors import UserError
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.program import PARAMETER, Memory
from sysmt.sim.engine.compiler import compile_network
from sysmt.sim.engine.file import START, from_bytes, read_program, to_bytes, write_program
from sysmt.sim.engine.golden import GoldenEngine
from sysmt.sim.engine.prepare import prepare
from sysmt.sim.nn.engines import Golden
from sysmt.sim.nn.forward import LayerPlan, Runner, exact_plan
from sysmt.sim.nn.graph import Graph
from sysmt.sim.nn.model import Model
from sysmt.sim.nn.network import Network, build
from sysmt.sim.quant.options import Options

from .engine_network_builder import Builder
from .engine_networks import random_inputs, random_network, random_plan
from .int8_networks import small_network

ENGINE = EngineConfig(array=ArrayConfig(rows=4, cols=4).with_fields(threads=2), lanes=2)


@pytest.fixture(scope="module")
def content():
    return to_bytes(compile_network(small_network(), exact_plan(small_network()), ENGINE))


def edited(content, change):
    """The content with another header, its checksum put right."""
    magic, version, size, _ = START.unpack_from(content)
    header = json.loads(content[START.size : START.size + size])
    change(header)
    text = json.dumps(header).encode()
    start = START.pack(magic, version, len(text), hashlib.sha256(text).digest())
    return start + text + content[START.size + size :]


def test_a_program_is_read_back_as_it_was(tmp_path):
    for seed in range(6):
        network, _ = random_network(seed)
        program = compile_network(
            network, random_plan(network, ENGINE, seed), ENGINE, exact=exact_plan(network), clock_hz=5e7
        )
        write_program(program, tmp_path / "a.sysmt")
        found = read_program(tmp_path / "a.sysmt")
        assert to_bytes(found) == to_bytes(program)
        assert (found.config, found.clock_hz) == (ENGINE, 5e7)
        inputs = random_inputs(network, 2, seed)
        for exact in (False, True):
            expected, again = (GoldenEngine(p, exact=exact).run(inputs) for p in (program, found))
            np.testing.assert_array_equal(again, expected)


def test_compiling_twice_gives_the_same_bytes(content):
    assert to_bytes(compile_network(small_network(), exact_plan(small_network()), ENGINE)) == content


def test_the_exact_network_is_in_the_program_where_the_plan_has_other_weights():
    network = small_network()
    inputs = random_inputs(network, 4, 1)
    exact = exact_plan(network)
    plan = tuple(
        LayerPlan(weights=np.roll(linear.weights, 1, axis=0), correction=np.full(linear.layer.outputs, 300))
        for linear in network.linears
    )
    program = compile_network(network, plan, ENGINE, exact=exact)
    expected = GoldenEngine(compile_network(network, exact, ENGINE)).run(inputs)
    np.testing.assert_array_equal(GoldenEngine(program, exact=True).run(inputs), expected)
    assert not np.array_equal(GoldenEngine(program).run(inputs), expected)


@pytest.mark.parametrize("at", [4, 30, START.size + 40, -1], ids=["magic", "checksum", "header", "section"])
def test_an_edited_byte_is_noticed(content, at):
    damaged = bytearray(content)
    damaged[at] ^= 1
    with pytest.raises(UserError, match=r"^program (must|is).*; (compile the network|copy it)[^\n]*$"):
        from_bytes(bytes(damaged))


def test_every_truncation_is_noticed(content):
    for size in [*range(0, 120, 7), *range(120, len(content), len(content) // 97)]:
        with pytest.raises(UserError, match=r"^program [^\n]*$"):
            from_bytes(content[:size])
    with pytest.raises(UserError, match="must end after"):
        from_bytes(content + b"\0")


def test_another_version_is_refused(content):
    other = content[:8] + (2).to_bytes(4, "little") + content[12:]
    with pytest.raises(UserError, match=r"^program must be of version 1, not 2; compile the network again$"):
        from_bytes(other)


CHANGES = {
    "no layers": lambda header: header.pop("layers"),
    "layers are a number": lambda header: header.update(layers=3),
    "one layer less": lambda header: header["layers"].pop(),
    "another engine": lambda header: header["config"].update(rows=2),
    "an unknown field": lambda header: header["config"].update(speed=2),
    "a place outside": lambda header: header["input"]["place"].update(base=ENGINE.activation_words),
    "a negative place": lambda header: header["layers"][0]["place"].update(base=-1),
    "channels outside": lambda header: header["output"]["place"].update(channels=[[100, 5]]),
    "no channels": lambda header: header["output"]["place"].update(channels=[]),
    "floats as input": lambda header: header["input"].update(dtype="float32"),
    "objects in a section": lambda header: header["sections"][0].update(dtype="object"),
    "a section of another shape": lambda header: header["sections"][0].update(shape=[3, 3]),
    "sections that overlap": lambda header: header["sections"][1].update(offset=0),
    "a shape without end": lambda header: header["ends"][0].update(shape=[1, 2**40]),
    "an output of another shape": lambda header: header["output"].update(shape=[1, 4, 0, 32]),
    "an input of another width": lambda header: header["input"]["place"]["image"].__setitem__(1, 1),
    "scores without end": lambda header: header.update(
        after={"name": "s", "shape": [10**30], "weights": "weights", "bias": "scatter"}
    ),
    "fingerprint": lambda header: header.update(fingerprint="0" * 16),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_header_that_makes_no_sense_is_one_line(content, name):
    with pytest.raises(UserError, match=r"^[^\n]+$"):
        from_bytes(edited(content, CHANGES[name]))


def test_words_that_make_no_sense_are_refused_when_they_run(content):
    program = from_bytes(content)
    inputs = random_inputs(small_network(), 1, 1)
    rng = np.random.default_rng(3)
    refused = []
    for _ in range(60):
        words = program.images[Memory.DESCRIPTORS].copy()
        words.flat[rng.integers(words.size)] ^= 1 << rng.integers(8)
        try:
            GoldenEngine(replace(program, images=program.images | {Memory.DESCRIPTORS: words})).run(inputs)
        except UserError as error:
            refused.append(str(error))
    assert len(refused) > 10
    assert not any("\n" in message for message in refused)


def test_sums_beyond_32_bits_are_refused_with_the_way_out(content):
    """Whether they come is a matter of the inputs, so that nothing can be said when compiling."""
    program = from_bytes(content)
    words = program.images[Memory.PARAMETERS].copy()
    stored = PARAMETER.unpack(words.tobytes())
    words[0, : PARAMETER.size] = np.frombuffer(PARAMETER.pack(**stored | {"bias": 2**31 - 1}), np.uint8)
    inputs = np.concatenate([random_inputs(small_network(), 4, seed) for seed in range(4)])
    message = r"^layer 0 \('.*'\) must keep its sums within 32 bits \(value must be within .*\); rescale the layer$"
    with pytest.raises(UserError, match=message):
        GoldenEngine(replace(program, images=program.images | {Memory.PARAMETERS: words})).run(inputs)


def test_inputs_of_another_shape_are_refused(content):
    with pytest.raises(UserError, match=r"must be int8 \(inputs, 6, 6, 3\), not int8 \(2, 6, 5, 3\)$"):
        GoldenEngine(from_bytes(content)).run(np.zeros((2, 6, 5, 3), np.int8))


def test_no_program_is_refused(tmp_path):
    with pytest.raises(UserError, match="must be a readable file"):
        read_program(tmp_path / "none.sysmt")
    with pytest.raises(UserError, match="must be a file that `sysmt compile` wrote"):
        from_bytes(b"PK\3\4" * 30)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"activation_words": 8},
            r"activations take \d+ bytes \(\d+ at layer 't\d+'\), the engine has 64; use",
        ),
        (
            {"activation_words": 8, "weight_words": 4},
            r"^the network must fit into the engine's memories: activations .* has 64; weights .* has 32; use a larger",
        ),
        ({"weight_words": 4}, r"weights take \d+ bytes, the engine has 32"),
        ({"scatter_words": 4}, r"scatter take \d+ bytes, the engine has 16"),
        ({"parameter_words": 2}, r"parameters take \d+ bytes, the engine has 36"),
        ({"x_depth": 4}, r"must take at most x_depth = 4 words of the operand buffer, not 14"),
        ({"layers": 2}, r"^layers must be at least 6, as many as the network has, not 2"),
    ],
)
def test_what_does_not_fit_is_said_in_bytes(changes, message):
    network = small_network()
    with pytest.raises(UserError, match=message):
        compile_network(network, exact_plan(network), ENGINE.with_fields(**changes))


def graph_of(*operators: tuple[str, dict]) -> Network:
    """A convolution, and operators behind it, each on the tensor before."""
    model = Builder(1)
    first = x = model.tensor((1, 4, 4, 3), 0.05, 3)
    w = model.constant(np.ones((3, 1, 1, 3), np.int8), np.array([0.01]))
    window = {"padding": "SAME", "stride_h": 1, "stride_w": 1, "dilation_h": 1, "dilation_w": 1}
    for kind, options in operators:
        y = model.tensor((1, 4, 4, 3), 0.05, 3)
        if kind == "CONV_2D":
            x = model.node(kind, [x, w], y, activation="NONE", **window)
        else:
            x = model.node(kind, [x, first] if kind == "MAXIMUM" else [x], y, **options)
    return build(Graph(tensors=tuple(model.tensors), nodes=tuple(model.nodes), input=first, output=x))


@pytest.mark.parametrize(
    ("kinds", "message"),
    [
        (
            ["CONV_2D", "HARD_SWISH", "CONV_2D"],
            r"^operator 1 \(HARD_SWISH\) cannot run on the engine: .* it is amid layers",
        ),
        (
            ["HARD_SWISH"],
            r"^the network must have a layer for the engine, not only HARD_SWISH; run it with `sysmt infer`$",
        ),
        (["CONV_2D", "MAXIMUM"], r"^operator 1 \(MAXIMUM\) cannot run on the engine: .* from 1 and 1 of its own; cut"),
    ],
)
def test_what_the_engine_cannot_do_is_named(kinds, message):
    network = graph_of(*((kind, {}) for kind in kinds))
    with pytest.raises(UserError, match=message):
        compile_network(network, exact_plan(network), ENGINE)


def test_the_host_does_what_is_at_the_ends():
    network = graph_of(("HARD_SWISH", {}), ("CONV_2D", {}), ("LEAKY_RELU", {"alpha": 0.1}))
    program = from_bytes(to_bytes(compile_network(network, exact_plan(network), ENGINE)))
    assert program.before is not None
    assert program.after is not None
    assert (program.before.name, program.after.name) == ("HARD_SWISH", "LEAKY_RELU")
    inputs = random_inputs(network, 3, 1)
    runner = Runner(network=network, engine=Golden(ENGINE.array.pe), plan=exact_plan(network))
    np.testing.assert_array_equal(GoldenEngine(program).run(inputs), runner(inputs))


def test_threads_and_a_budget_exclude_each_other():
    model = Model(small_network())
    with pytest.raises(UserError, match="^threads = 1 must be all of the array's 2"):
        prepare(model, ENGINE, Options(budget=0.01), threads=1)
    assert all(layer["threads"] == 0 for layer in prepare(model, ENGINE, threads=1).descriptors[:2])
