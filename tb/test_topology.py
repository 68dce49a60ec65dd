# SPDX-License-Identifier: Apache-2.0
"""SCALE-Sim's files: every quirk that is read, every malformation that is refused, and all files in circulation."""

import re

import pytest

from sysmt.base.errors import UserError
from sysmt.hdl.params.array import ArrayConfig
from sysmt.sim.cost import evaluate
from sysmt.sim.nn.geometry import Geometry
from sysmt.sim.nn.layer import Layer
from sysmt.sim.nn.readers.topology import read_topology

from .shared import shared

CONV = "Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides,"
ROW = "Conv1, 224, 112, 7, 5, 3, 64, 2"
LAYER = Layer(
    name="Conv1",
    kind="conv",
    geometry=Geometry(size=(224, 112), kernel=(7, 5), stride=(2, 2), ceil_mode=True),
    channels=3,
    outputs=64,
)


@pytest.fixture
def write(tmp_path):
    def write(text, encoding="utf-8"):
        path = tmp_path / "net.csv"
        path.write_bytes(text.encode(encoding))
        return path

    return write


@pytest.mark.parametrize(
    "text",
    [
        f"{CONV}\n{ROW},\n",
        f"{CONV}\n{ROW}",
        f"{CONV} \r\n{ROW}, \r\n",
        f"\ufeff{CONV}\n{ROW},",
        f"{CONV}\n\n,,,,,,,\n{ROW},,,\n   \n",
        f"{CONV}\nA network,\n{ROW},",
        f"{CONV}\n{ROW},#dw\n",
        f"{CONV},,Eh,Ew\n{ROW},,,110,54\n",
        f"{CONV}\n{ROW},".replace(", ", ",").replace(",", "\t"),
        "Layer,w,w,R,S,C,M,stride\n" + ROW.replace(", ", "   ,  "),
    ],
    ids=["comma", "none", "crlf", "bom", "empty", "title", "comment", "named", "tabs", "blanks"],
)
def test_files_in_circulation_are_read_as_they_are(write, text):
    assert read_topology(write(text)) == (LAYER,)


def test_sizes_are_rounded_up():
    assert LAYER.out_size == (110, 55)


def test_matrix_products_are_read_by_the_names_of_their_columns(write):
    assert read_topology(write("Layer,M,N,K,\nL1,5,7,9,\n2,1,2,3")) == (
        Layer.gemm("L1", 5, 9, 7),
        Layer.gemm("2", 1, 3, 2),
    )


def test_sparsity_and_batch_are_read_where_the_heading_names_them(write):
    (layer,) = read_topology(write(f"{CONV} Sparsity,\n{ROW}, 2:4,"))
    assert layer.sparsity == (2, 4)
    (layer,) = read_topology(write("Layer Name, M, N, K, Sparsity,\nG, 3, 5, 16, 1:4,"))
    assert (layer.sparsity, layer.products.k) == ((1, 4), 16)
    (layer,) = read_topology(write(f"{CONV} Batch Size,\n{ROW}, 3,"))
    assert layer.pixels == 3 * 110 * 55


def test_a_second_stride_is_read(write):
    for name in ("Stride Width", "stride w"):
        (layer,) = read_topology(write(f"{CONV.replace('Strides', 'Stride Height')} {name},\n{ROW}, 1,"))
        assert (layer.stride, layer.out_size) == ((2, 1), (110, 108))
    (layer,) = read_topology(write(f"{CONV} Padding,\n{ROW}, 0,"))
    assert layer == LAYER


def test_dp_layers_are_depthwise(write):
    (layer,) = read_topology(write(f"{CONV}\nDP1, 9, 9, 3, 3, 8, 2, 1,"))
    assert (layer.kind, layer.outputs) == ("depthwise", 16)
    assert (layer.products.count, layer.products.k, layer.products.n) == (8, 9, 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "1: heading must name the columns, the file is empty"),
        (f"{ROW},\n{ROW},", "1: heading must name the columns layer, height, width, filter height"),
        ("Layer, M, N\nx, 1, 2", "1: heading must name the columns layer, height"),
        (f"{CONV}\n\n", "2: file must hold at least one layer"),
        (f"{CONV}\n{ROW},\nConv2, 1, B, 1, 1, H, H, 1,", "3: width must be a whole number from 1 on, not 'B'"),
        (f"{CONV}\nFC, 1, 1, 1, ,1 2, 2, 1,", "2: filter width must be a whole number from 1 on, not ''"),
        (f"{CONV}\nFC, 1, 1, 1, 1, 1 2, 2, 1,", "2: channels must be a whole number from 1 on, not '1 2'"),
        (f"{CONV}\nFC, 1, 1, 1, 1, 12, 2,", "2: stride must be a whole number from 1 on, not ''"),
        (f"{CONV}\nFC, 4, 4, 1, 1, 1, 1, 0,", "2: stride must be a whole number from 1 on, not '0'"),
        (f"{CONV}\nFC, 4, 4, 1, 1, 1.5, 1, 1,", "2: channels must be a whole number from 1 on, not '1.5'"),
        (f"{CONV}\nFC, 4, 4, 1, 1, -1, 1, 1,", "2: channels must be a whole number from 1 on, not '-1'"),
        (f"{CONV}\nFC, 4, 4, 1, 1, ², 1, 1,", "2: channels must be a whole number from 1 on, not '²'"),
        (f"{CONV}\nC, 4, 4, 5, 1, 1, 1, 1,", "2: kernel must fit into the padded image: its height is 5, "),
        (f"{CONV}\n{ROW}, 1,", "2: row has a value '1' in column 9, which the heading does not name"),
        (f"{CONV}\n, 4, 4, 1, 1, 1, 1, 1,", "2: layer name must not be empty"),
        (f"{CONV} Sparsity\n{ROW}, 2,", "2: sparsity must be N:M, not '2'"),
        (f"{CONV} Sparsity\n{ROW}, 5:4,", "2: sparsity must be N:M with 1 <= N <= M, not 5:4"),
        (f"{CONV} Sparsity\n{ROW}, a:4,", "2: sparsity must be a whole number from 1 on, not 'a'"),
        (f"{CONV} Padding\n{ROW}, 1,", "2: padding must be part of height and width, not '1' in a column of its own; "),
        (f"{CONV} Target\n{ROW}, NPU,", "2: column 'target' must be empty, not 'NPU': it is none that is read; "),
        (f"{CONV}\nC, {'9' * 4301}, 4, 1, 1, 1, 1, 1,", "2: height must be at most 1000000000, not a number of 4301 "),
        ("Layer, K, N, M\nL1, 9, 7, 5", "1: heading must name M, N, K in this order behind the layer, not k, n, m"),
        (
            "Layer name, IFMAP Height, IFMAP Width, Channels, Num Filter, Filter Height, Filter Width, Strides,",
            "1: heading must name filter height as column 4, not 'channels'; put the columns in order",
        ),
        (f"{CONV} Batch\n{ROW}, x,", "2: batch size must be a whole number from 1 on, not 'x'"),
    ],
)
def test_malformed_files_are_refused_with_file_and_line(write, text, message):
    path = write(text)
    with pytest.raises(UserError, match=f"^{re.escape(f'{path}:{message}')}") as caught:
        read_topology(path)
    assert "\n" not in str(caught.value)


def test_unreadable_files_are_refused(write, tmp_path):
    with pytest.raises(UserError, match=r"^topology '.*none\.csv' cannot be read: No such file or directory$"):
        read_topology(tmp_path / "none.csv")
    with pytest.raises(UserError, match=r"net\.csv: is not text in UTF-8; save it as plain CSV$"):
        read_topology(write(f"{CONV}\nCafé", "latin-1"))


CASES = {
    "4301_digits": "2: m must be at most 1000000000, not a number of 4301 digits",
    "filter_larger": "2: kernel must fit into the padded image: its height is 3, the image's 2",
    "floats": "2: height must be a whole number from 1 on, not '18.0'",
    "gemm_mkn": "1: heading must name M, N, K in this order behind the layer, not m, k, n",
    "no_heading": "1: heading must name the columns layer, height, width, filter height, filter width, channels, "
    "filters, stride or layer, M, N, K",
    "other_order": "1: heading must name filter height as column 4, not 'channels'; put the columns in order",
    "padding_column": "2: padding must be part of height and width, not '1' in a column of its own; add it",
    "quoted": "1: heading must name its columns without quotation marks; save it as plain CSV",
    "quoted_comma": "1: heading must name its columns without quotation marks; save it as plain CSV",
    "target_column": "2: column 'target' must be empty, not 'NPU': it is none that is read; remove it",
}
READ = {
    "crlf": "conv 18x18x16 3x3 -> 16x16x16",
    "dp_layer": "depthwise 18x18x16 3x3 -> 16x16x16",
    "dp_name_16_filters": "depthwise 18x18x16 3x3 -> 16x16x256",
    "gemm_no_comma": "gemm 32x1x64 1x1 -> 32x1x48",
    "gemm_sparse": "gemm 32x1x64 1x1 -> 32x1x48",
    "sparse_1of4": "conv 18x18x16 3x3 -> 16x16x16",
    "sparse_4of4": "conv 18x18x16 3x3 -> 16x16x16",
    "two_strides": "conv 17x18x8 3x3/2x1 -> 8x16x16",
    "zero_division": "gemm 1x1x1 1x1 -> 1x1x1",
}


def test_shared_tables_are_read_as_scalesim_reads_them_or_refused():
    root = shared("data", "topologies").parent / "cases" / "topologies"
    refused, read = {}, {}
    for path in sorted(root.glob("*.csv")):
        try:
            layer = read_topology(path)[0]
            read[path.stem] = f"{layer.kind} {layer.shape_text()}"
        except UserError as error:
            refused[path.stem] = str(error).removeprefix(f"{path}:")
    assert (refused, read) == (CASES, READ)


@pytest.mark.parametrize("method", ["rtl", "fuseconv", "scalesim"])
def test_no_method_counts_sparse_layers_as_dense_ones(write, method):
    array = ArrayConfig(rows=8, cols=8)
    text = f"{CONV} Sparsity,\n" + ROW.replace("Conv1", "Conv{0}") + ", {1},\n"
    dense = evaluate(read_topology(write(text.format(1, "4:4"))), array, method=method)
    assert dense.total == evaluate([LAYER], array, method=method).total
    with pytest.raises(UserError) as error:
        evaluate(read_topology(write(text.format(2, "1:4"))), array, method=method)
    assert str(error.value) == (
        "sparsity of layer Conv2 must be dense, such as 1:1, not 1:4: only arrays with stc count it; "
        "take one (kind sparq), or remove it to count dense weights"
    )


REFUSED = {
    "CSV/LSTM.csv": "2: width must be a whole number from 1 on, not 'B'",
    "rnn_eval/LSTM_template.csv": "2: width must be a whole number from 1 on, not 'B'",
    "CSV/MLPERF.csv": "219: filter width must be a whole number from 1 on, not ''",
    "mlperf/MLPERF.csv": "219: filter width must be a whole number from 1 on, not ''",
    "mlperf/Sentimental_seqLSTM.csv": "29: filter width must be a whole number from 1 on, not ''",
    "mlperf/div4q/Sentimental_seqLSTM_short.csv": "6: row has a value '1' in column 9, which the heading does not name",
}
"""Two templates with letters for sizes, three copies of a row with a misplaced comma, one row with a value too many."""


def test_every_file_of_scalesim_is_read_or_refused_for_a_reason():
    root = shared("data", "topologies", "scalesim")
    refused, layers = {}, 0
    paths = sorted(root.rglob("*.csv"))
    for path in paths:
        try:
            layers += len(read_topology(path))
        except UserError as error:
            refused[str(path.relative_to(root))] = str(error).removeprefix(f"{path}:")
    assert refused == REFUSED
    assert (len(paths), layers) == (131, 3337)
