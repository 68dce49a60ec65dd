# SPDX-License-Identifier: Apache-2.0
"""Graph passes change no value: every tensor that is left equals the one before, whatever the graph."""

from dataclasses import replace

import numpy as np
import pytest

from sysmt.hdl.params.pe import PEConfig
from sysmt.sim.nn.engines import Golden
from sysmt.sim.nn.forward import Runner, exact_plan
from sysmt.sim.nn.graph import FusedAdd, Graph
from sysmt.sim.nn.model import read_model
from sysmt.sim.nn.network import build as build_network
from sysmt.sim.nn.operators.linear import Linear
from sysmt.sim.nn.passes import fold_padding, fuse_additions, optimise, remove_dead_channels, remove_unread_nodes
from sysmt.sim.nn.passes.channels import role
from sysmt.sim.nn.passes.constant_channels import VARIES, constant_channels
from sysmt.sim.nn.passes.live_channels import live_channels

from .graphs import GraphBuilder, random_graph
from .shared import shared

SEEDS = range(120)
MODELS = (
    "dscnn_kws_int8.tflite",
    "resnet8_cifar10_int8.tflite",
    "autoencoder_ad_int8.tflite",
    "mobilenet_v2_224_int8.tflite",
)


def tensors_of(graph: Graph, values: np.ndarray) -> dict[int, np.ndarray]:
    """Every tensor that the graph computes."""
    found: dict[int, np.ndarray] = {}
    network = build_network(graph)
    runner = Runner(network=network, engine=Golden(PEConfig(), counting=False), plan=exact_plan(network))
    runner(values, tensors=lambda step, value: found.update({step.output: value}))
    return found


def inputs_of(graph: Graph, count=3, seed=0) -> np.ndarray:
    shape = graph.tensors[graph.input].shape[1:]
    return np.random.default_rng(seed).integers(-128, 128, (count, *shape)).astype(np.int8)


def assert_live_tensors_equal(before: Graph, after: Graph, values: np.ndarray) -> None:
    """Every tensor of `after` is that of `before`, without channels that went."""
    expected, found = tensors_of(before, values), tensors_of(after, values)
    assert before.output == after.output
    assert found.keys() <= expected.keys()
    live = live_channels(before, constant_channels(before))
    for index, value in found.items():
        wanted = expected[index]
        if wanted.shape != value.shape:
            wanted = wanted[..., live[index]]
        np.testing.assert_array_equal(value, wanted, err_msg=before.tensors[index].name)
    np.testing.assert_array_equal(found[after.output], expected[before.output])


@pytest.mark.parametrize("seed", SEEDS)
def test_random_graphs_keep_every_live_tensor(seed):
    whole = random_graph(seed)
    values = inputs_of(whole)
    graph = remove_unread_nodes(whole).graph
    assert_live_tensors_equal(whole, graph, values)
    padded = fold_padding(graph).graph
    assert_live_tensors_equal(graph, padded, values)
    assert_live_tensors_equal(padded, remove_dead_channels(padded).graph, values)
    assert_live_tensors_equal(graph, remove_dead_channels(graph).graph, values)
    assert_live_tensors_equal(padded, optimise(whole).graph, values)


def planted(conv, consumer_padding, constant_bias, z=-128):
    """A convolution whose channel 1 has no weights and `constant_bias`, and a 3x3 convolution that reads it."""
    build = GraphBuilder(np.random.default_rng(5))
    source = build.tensor((1, 6, 6, 3))
    hidden = conv(build, source, z)
    end = build.conv(hidden, 4, 3, padding=consumer_padding, activation="NONE")
    for node in build.nodes:
        shape = build.shape(node.inputs[1])
        values = np.random.default_rng(6).integers(1, 60, shape).astype(np.int8)
        bias = np.full(build.shape(node.output)[-1], 700, np.int32)
        if node.output == hidden:
            values[1 if node.kind == "CONV_2D" else (..., 1)] = 0
            bias[1] = constant_bias
        build.tensors[node.inputs[1]] = replace(build.tensors[node.inputs[1]], data=values)
        build.nodes[node.index] = replace(node, inputs=(*node.inputs[:2], build.constant(bias)))
    return build.graph(source, end), hidden


CONVS = {
    "conv": lambda build, x, z: build.conv(x, 4, 3, z=z),
    "depthwise": lambda build, x, z: build.depthwise(build.conv(x, 4, 1), 1, 3, z=z),
}


@pytest.mark.parametrize("kind", CONVS)
@pytest.mark.parametrize(
    ("padding", "bias", "folded"), [("VALID", 700, True), ("SAME", 700, False), ("SAME", -9000, True)]
)
def test_a_constant_folds_into_its_reader_unless_the_padding_differs(kind, padding, bias, folded):
    """With -9000 the activation clamps the constant to the zero point, which is what the padding is filled with."""
    graph, hidden = planted(CONVS[kind], padding, bias)
    values = constant_channels(graph)[hidden]
    assert (values != VARIES).tolist() == [index == 1 for index in range(len(values))]
    assert (values[1] == -128) == (bias < 0)
    done = remove_dead_channels(graph)
    assert done.graph.tensors[hidden].shape[-1] == len(values) - folded
    assert bool(done.changes) == folded
    assert_live_tensors_equal(graph, done.graph, inputs_of(graph))


def test_a_channel_that_nobody_reads_goes_with_all_that_leads_to_it():
    build = GraphBuilder(np.random.default_rng(5))
    x = build.tensor((1, 6, 6, 3))
    a = build.conv(x, 8, 3, z=3)
    b = build.depthwise(a, 1, 3, z=3)
    c = build.conv(b, 4, 1)
    for node, dead in ((build.nodes[0], None), (build.nodes[1], None), (build.nodes[2], 5)):
        w = build.tensors[node.inputs[1]]
        values = np.random.default_rng(node.index).integers(1, 60, w.shape).astype(np.int8)
        values[..., dead] = 0 if dead is not None else values[..., dead]
        build.tensors[node.inputs[1]] = replace(w, data=values)
    graph = build.graph(x, c)
    done = remove_dead_channels(graph)
    assert [done.graph.tensors[i].shape[-1] for i in (x, a, b, c)] == [3, 7, 7, 4]
    assert done.changes == (
        "operator 0 (CONV_2D): 1 of 8 channels removed, 0 of them constant",
        "operator 1 (DEPTHWISE_CONV_2D): 1 of 8 channels removed, 0 of them constant",
    )
    assert sum(layer.macs for layer in build_network(done.graph).layers) < sum(
        layer.macs for layer in build_network(graph).layers
    )
    assert_live_tensors_equal(graph, done.graph, inputs_of(graph))


def test_random_graphs_have_what_the_passes_look_for():
    changes = [change for seed in SEEDS for change in optimise(random_graph(seed)).changes]
    for what in ("is the padding of", "channels removed", "runs behind", "over its residual", "is read by nobody"):
        assert sum(what in change for change in changes) > 5, what
    constant = [change for change in changes if change.endswith(" constant") and " 0 of them" not in change]
    assert len(constant) > 50
    tied = [change for change in constant if "DEPTHWISE" in change or "ADD" in change or "POOL" in change]
    assert len(tied) > 5


def test_a_pad_that_changes_the_zero_point_or_has_other_readers_stays():
    for change_z, pooled in ((True, False), (False, True), (False, False)):
        build = GraphBuilder(np.random.default_rng(2))
        x = build.tensor((1, 6, 6, 3))
        padded = build.node(
            "PAD",
            [x, build.constant(np.int32([[0, 0], [1, 0], [0, 2], [0, 0]]))],
            build.tensor((1, 7, 8, 3), -100 if change_z else -128),
        )
        y = build.conv(padded, 4, 3, 2, "SAME")
        if pooled:
            other = build.conv(build.node("RELU", [padded], build.tensor((1, 7, 8, 3))), 4, 3, 2, "SAME")
            y = build.node("ADD", [y, other], build.tensor((1, 4, 4, 4)), activation="NONE")
        graph = build.graph(x, y)
        done = fold_padding(graph)
        assert bool(done.changes) == (not change_z and not pooled)
        assert_live_tensors_equal(graph, done.graph, inputs_of(graph))
    assert done.changes == ("operator 0 (PAD) is the padding of operator 1 (CONV_2D)",)
    # SAME itself adds a row above and below and a column to the right, PAD a row above and two columns to the right.
    assert done.graph.nodes[0].options["padding"] == ((2, 1), (0, 3))


def run_fused(graph: Graph, values: np.ndarray) -> np.ndarray:
    """Run every fused ADD right behind its layer, and forget what it may overwrite."""
    network = build_network(graph)
    fused = {step.fused.main: step for step in network.steps if step.fused is not None}
    memory = {network.input_index: values} | network.constants

    def compute(step):
        operation, operands = step.operation, [memory[index] for index in step.inputs]
        if isinstance(operation, Linear):
            product = Golden(PEConfig(), counting=False)
            rows = operation.im2col(operands[0])
            if operation.depthwise:
                return operation.finish(product.depthwise(rows, operation.weights).sums)
            return operation.finish(product.product(rows, operation.weights, 1).sums)
        return operation(*operands)

    for step in network.steps:
        if step.fused is not None:
            continue
        memory[step.output] = compute(step)
        while step is not None and step.output in fused:
            step = fused[step.output]
            memory[step.output] = compute(step)
            del memory[step.fused.main]
            if step.fused.in_place:
                del memory[step.fused.residual]
    return memory[network.output_index]


@pytest.mark.parametrize("seed", SEEDS)
def test_fused_additions_can_run_behind_their_layer(seed):
    graph = remove_unread_nodes(random_graph(seed)).graph
    values = inputs_of(graph)
    done = fuse_additions(graph).graph
    np.testing.assert_array_equal(run_fused(done, values), tensors_of(graph, values)[graph.output])


def residual(later: bool, itself: bool):
    """x + conv(x) (`itself`) or x + conv(conv(x)), and once more x behind it (`later`)."""
    build = GraphBuilder(np.random.default_rng(2))
    source = build.tensor((1, 6, 6, 3))
    x = build.conv(source, 4, 3)
    main = build.conv(x if itself else build.conv(x, 4, 3), 4, 3)
    y = build.node("ADD", [x, main], build.tensor((1, 6, 6, 4)), activation="NONE")
    if later:
        y = build.node("ADD", [y, x], build.tensor((1, 6, 6, 4)), activation="NONE")
    return build.graph(source, y), x, main


@pytest.mark.parametrize(("later", "itself"), [(False, False), (True, False), (False, True)])
def test_a_residual_is_overwritten_only_where_nobody_reads_it_any_more(later, itself):
    graph, x, main = residual(later, itself)
    steps = build_network(fuse_additions(graph).graph).steps
    found = [step.fused for step in steps if step.kind == "ADD"]
    assert found[0] == FusedAdd(main=main, residual=x, in_place=not later and not itself)
    # The second one adds to the first, which is no layer.
    assert found[1:] == [None] * later


def test_operators_of_which_nothing_is_known_keep_their_channels():
    """A layer of another type than int8, or with computed weights, and an operator of a later importer."""
    build = GraphBuilder(np.random.default_rng(5))
    x = build.tensor((1, 6, 6, 3))
    y = build.conv(x, 8, 3)
    build.tensors[build.nodes[0].inputs[1]] = replace(
        build.tensors[build.nodes[0].inputs[1]], data=np.zeros((8, 3, 3, 3), np.int8)
    )
    z = build.conv(y, 5, 1)
    graph = build.graph(x, z)
    assert [role(graph, node) for node in graph.nodes] == ["mixes", "mixes"]
    weights = graph.nodes[1].inputs[1]
    for index, fields in (
        (z, {"dtype": "int16"}),
        (weights, {"data": None}),
        (weights, {"zero_point": np.ones(5, int)}),
    ):
        tensors = list(graph.tensors)
        tensors[index] = replace(tensors[index], **fields)
        changed = object.__new__(Graph)
        vars(changed).update(vars(graph) | {"tensors": tuple(tensors)})
        assert role(changed, graph.nodes[1]) == "other"
        assert live_channels(changed, constant_channels(changed))[y].all()
    unknown = replace(graph, nodes=(graph.nodes[0], replace(graph.nodes[1], kind="HARD_SWISH", inputs=(y,))))
    assert live_channels(unknown, constant_channels(unknown))[y].all()
    assert not live_channels(graph, constant_channels(graph))[y].all()


@pytest.mark.parametrize("name", MODELS)
def test_models_keep_every_live_tensor(name):
    model = read_model(shared("data", "models", name))
    graph = fold_padding(remove_unread_nodes(model.graph).graph).graph
    source = graph.tensors[graph.input]
    low = -128 if source.dtype == "int8" else 0
    values = np.random.default_rng(1).integers(low, low + 256, (1, *source.shape[1:])).astype(source.dtype)
    assert_live_tensors_equal(graph, optimise(model.graph).graph, values)
    np.testing.assert_array_equal(model.optimised().run([values])[0], model.run([values])[0])
