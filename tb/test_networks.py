# SPDX-License-Identifier: Apache-2.0
"""Layer tables: published totals, consistent shapes, and what a layer refuses."""

import math
import re

import pytest

from sysmt.base.errors import UserError
from sysmt.sim.nn.networks import NETWORKS, VARIANTS, network, total_macs, total_params

from .layers import layer as make_layer

EXACT = {
    "mobilenet_v1": (4231976, 568740352),
    "mobilenet_v2": (3504872, 300774272),
    "mnasnet_b1": (4383312, 314415872),
}
"""Parameters and multiply-accumulates that public implementations of the same definitions report."""

PUBLISHED_PARAMS = {
    "mobilenet_v1": (4.23, 7.36, 4.20, 4.35, 4.22),
    "mobilenet_v2": (3.50, 4.46, 3.46, 3.61, 3.49),
    "mobilenet_v3_small": (2.93, 4.44, 2.89, 3.18, 2.92),
    "mobilenet_v3_large": (5.47, 10.57, 5.40, 5.57, 5.46),
    "mnasnet_b1": (4.38, 5.66, 4.25, 4.47, 4.35),
}
"""Millions of parameters of baseline, full, half, full50, half50: FuSeConv's results. Cut after two digits."""

PAPER_MACS = {"mobilenet_v1": 569, "mobilenet_v2": 300, "mobilenet_v3_large": 219, "mnasnet_b1": 315}
"""Millions of multiply-accumulates, each from the network's own paper."""

SPATIAL = ("depthwise", "fuse_row", "fuse_col")


@pytest.mark.parametrize("name", EXACT)
def test_totals_equal_public_implementations(name):
    layers = network(name)
    assert (total_params(layers), total_macs(layers)) == EXACT[name]


@pytest.mark.parametrize("name", NETWORKS)
def test_parameters_equal_the_published_digits(name):
    millions = tuple(math.floor(total_params(network(name, v)) / 1e4) / 100 for v in VARIANTS)
    assert millions == PUBLISHED_PARAMS[name]


@pytest.mark.parametrize("name", PAPER_MACS)
def test_macs_agree_with_the_papers(name):
    assert total_macs(network(name)) / 1e6 == pytest.approx(PAPER_MACS[name], abs=1)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", NETWORKS)
def test_every_layer_takes_what_the_one_before_gives(name, variant):
    size, channels = 224, 3
    layers = [layer for layer in network(name, variant) if not layer.name.endswith((".squeeze", ".excite"))]
    while layers:
        layer = layers.pop(0)
        assert layer.geometry.size == ((1, 1) if layer.kind == "fc" else (size, size))
        given = layer.outputs
        if layer.kind == "fuse_row":
            col = layers.pop(0)
            assert col.kind == "fuse_col"
            assert layer.out_size == col.out_size
            assert layer.channels == col.channels in (channels, channels // 2)
            given += col.outputs
        else:
            assert layer.channels == channels
        size, channels = layer.out_size[0], given
    assert (size, channels) == (1, 1000)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(("name", "excited"), [("mobilenet_v3_small", 9), ("mobilenet_v3_large", 8)])
def test_squeeze_and_excite_sees_all_channels_of_its_stage(name, excited, variant):
    layers = network(name, variant)
    squeezes = [layer for layer in layers if layer.name.endswith(".squeeze")]
    assert len(squeezes) == excited
    for squeeze in squeezes:
        block = squeeze.name.partition(".")[0]
        stage = [x for x in layers if x.kind in SPATIAL and x.name.partition(".")[0] == block]
        assert squeeze.channels == sum(x.outputs for x in stage)
        assert squeeze.outputs == squeeze.channels // 4


@pytest.mark.parametrize(
    ("name", "stages", "replaced"),
    [
        ("mobilenet_v1", 13, 5),
        ("mobilenet_v2", 17, 9),
        ("mobilenet_v3_small", 11, 5),
        ("mobilenet_v3_large", 15, 7),
        ("mnasnet_b1", 17, 9),
    ],
)
def test_variants_replace_all_or_about_half_of_the_stages(name, stages, replaced):
    def count(variant):
        kinds = [layer.kind for layer in network(name, variant)]
        return tuple(kinds.count(kind) for kind in SPATIAL)

    assert count("baseline") == (stages, 0, 0)
    assert count("full") == count("half") == (0, stages, stages)
    assert count("full50") == count("half50") == (stages - replaced, replaced, replaced)


def test_unknown_names_are_refused():
    message = r"^network must be one of mobilenet_v1, .*, not 'mobilenetv2' \(did you mean mobilenet_v2\?\)$"
    with pytest.raises(UserError, match=message):
        network("mobilenetv2")
    with pytest.raises(UserError, match=r"^variant must be one of baseline, .*, half50, not 'quarter'$"):
        network("mobilenet_v2", "quarter")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": "pool"}, "kind must be one of conv, depthwise, pointwise, fuse_row, fuse_col, fc, gemm, not 'pool'"),
        ({"height": 0}, "height must be at least 1, not 0"),
        ({"outputs": -1}, "outputs must be at least 1, not -1"),
        ({"batch": 0}, "batch must be at least 1, not 0"),
        ({"stride": (1, 0)}, "stride must be at least 1 in both directions, not 1x0"),
        ({"kernel": (0, 1)}, "kernel must be at least 1 in both directions, not 0x1"),
        ({"padding": (0, -1)}, "padding must be at least 0 on every side, not -1 and -1 left and right"),
        ({"kernel": (3, 7)}, "kernel must fit into the padded image: its width is 7, the image's 6"),
        ({"kernel": (6, 3)}, "kernel must fit into the padded image: its height is 6, the image's 5"),
        ({"kind": "depthwise", "outputs": 6}, "outputs of a depthwise layer must be a multiple of channels = 4, not 6"),
        ({"kind": "fuse_row", "kernel": (3, 1)}, "kernel of a fuse_row layer must be 1 across its line, not 3x1"),
        ({"kind": "fuse_col", "kernel": (1, 3)}, "kernel of a fuse_col layer must be 1 across its line, not 1x3"),
        ({"sparsity": (5, 4)}, "sparsity must be N:M with 1 <= N <= M, not 5:4"),
    ],
)
def test_impossible_layers_are_refused_by_field(fields, message):
    good = {"kind": "conv", "height": 5, "width": 6, "channels": 4, "outputs": 8}
    make_layer(**good)
    with pytest.raises(UserError, match=f"^{re.escape(message)}$"):
        make_layer(**good | fields)


def test_sizes_of_a_strided_layer():
    fields = {"kind": "conv", "height": 224, "width": 7, "channels": 3, "outputs": 64, "bias": True}
    layer = make_layer(**fields, kernel=(7, 7), stride=(2, 2), batch=2)
    assert layer.out_size == (109, 1)
    assert layer.macs == 2 * 109 * 7 * 7 * 3 * 64
    assert layer.params == 7 * 7 * 3 * 64 + 64
    assert layer.shape_text() == "224x7x3 7x7/2 -> 109x1x64"
    rounded_up = make_layer(**fields, kernel=(7, 7), stride=(2, 1), ceil_mode=True)
    assert rounded_up.out_size == (110, 1)
    assert rounded_up.shape_text() == "224x7x3 7x7/2x1 -> 110x1x64"
