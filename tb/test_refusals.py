# SPDX-License-Identifier: Apache-2.0
"""Every function that takes numbers refuses those that it would cut, wrap or misread: one line that names them."""

import numpy as np
import pytest

import sysmt
from sysmt.base.errors import UserError
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.presets import preset
from sysmt.hdl.params.smt_sa import SmtSaConfig
from sysmt.sim.cosim import rtl
from sysmt.sim.cosim.rtl import products
from sysmt.sim.cosim.smt_sa import smt_sa_products
from sysmt.sim.cost.schedule.machine import machine_of
from sysmt.sim.cost.smt_sa import smt_sa
from sysmt.sim.engine.file import read_program
from sysmt.sim.golden.conv1d import ConvRows, rows_of_image
from sysmt.sim.golden.fuseconv import conv1d
from sysmt.sim.golden.matmul import matmul
from sysmt.sim.golden.requantize import Requantize, multiply, quantize_multiplier
from sysmt.sim.quant.options import Options

X, W = np.ones((2, 4), np.uint8), np.ones((4, 2), np.int8)
WIDE = np.full((2, 4), 300)
CONFIG, SMT_SA = preset("os2", ArrayConfig), SmtSaConfig(rows=2, cols=2)
ROWS = ConvRows(X, np.ones((2, 3), np.int8))
IMAGE, FILTERS = np.ones((4, 4, 2), np.uint8), np.ones((3, 2), np.int8)


@pytest.fixture(autouse=True)
def no_simulator(monkeypatch):
    """What is to be refused must not come as far as a simulator."""
    monkeypatch.setattr(rtl, "run", lambda *_, **__: pytest.fail("simulated"))
    monkeypatch.setattr(rtl, "require", lambda _: None)


def requantize(sums=None, **changes):
    fields = {"bias": np.zeros(2, np.int32), "multiplier": np.full(2, 2**30), "shift": np.zeros(2, int)} | changes
    return Requantize(**fields)(np.zeros((1, 2), int) if sums is None else sums)


def product(x, w, **options):
    return products([(x, w, None)], CONFIG, **options)


REFUSED = [
    (lambda: product(WIDE, W), r"x must be a uint8 array \[M, K\], not int64 \[2, 4\]; quantise and reshape it first"),
    (lambda: product(X.view(np.int8), W), r"x must be a uint8 array \[M, K\], not int8 \[2, 4\]; .*"),
    (lambda: product(X, W.view(np.uint8)), r"w must be a int8 array \[K, N\], not uint8 \[4, 2\]; .*"),
    (lambda: product(X, W[:3]), r"x \[M, K\] and w \[K, N\] must agree in K, not 4 and 3; .*"),
    (lambda: product(X[None], W), r"x must be a uint8 array \[M, K\], not uint8 \[1, 2, 4\]; .*"),
    (lambda: product(X.tolist(), W), r"x must be a uint8 array \[M, K\], not list; .*"),
    (lambda: product(X[:0], W), r"M, the rows of x, must be at least 1, not 0"),
    (lambda: product(X, None), r"w must be the weights of a matrix product, not None; .*"),
    (lambda: product(ROWS, None), r"x is a 1-D convolution, which array.fuse = False cannot run: set fuse to True"),
    (
        lambda: product(X, W, stalls=(2, 0, 0)),
        r"stalls must be 3 shares of cycles from 0 to less than 1, not \(2, 0, 0\)",
    ),
    (lambda: product(X, W, stalls=(np.nan, 0, 0)), r"stalls must be 3 shares of cycles .*, not \(nan, 0, 0\)"),
    (lambda: product(X, W, stalls=(0, 0)), r"stalls must be 3 shares of cycles .*, not \(0, 0\)"),
    (lambda: products([], CONFIG), r"pairs must hold at least one product, not none"),
    (lambda: products(3, CONFIG), r"pairs must be a list of products, not int"),
    (lambda: products([(X, W)], CONFIG), r"pairs must hold tuples \(x, w, threads\), not 2 members"),
    (lambda: product(X, W, zeros=[]), r"zeros must be a zero point for each of the 1 products, not \[\]"),
    (lambda: product(X, W, zeros=[0, 0]), r"zeros must be a zero point for each of the 1 products, not \[0, 0\]"),
    (lambda: product(X, W, zeros=0), r"zeros must be a zero point for each of the 1 products, not 0"),
    (lambda: smt_sa(X.tolist(), W, SMT_SA), r"x must be an array of integers without a mask, not list; .*"),
    (lambda: smt_sa(X, W.astype(float), SMT_SA), r"w must be an array of integers without a mask, not float64; .*"),
    (lambda: smt_sa(np.ma.array(X), W, SMT_SA), r"x must be an array of integers without a mask, not uint8; .*"),
    (lambda: smt_sa(X, W, "os2"), r"config must be an SmtSaConfig, not 'os2'"),
    (lambda: smt_sa_products([(X, W)], CONFIG), r"config must be an SmtSaConfig, not ArrayConfig.*"),
    (lambda: smt_sa_products(None, SMT_SA), r"pairs must be a list of products, not NoneType"),
    (lambda: sysmt.estimate("os2", ["ecp5"]), r"target must be a name such as 'sky130hd', not \['ecp5'\]"),
    (lambda: sysmt.explore(3), r"models must be a name, a path or a list of them, not 3"),
    (lambda: sysmt.explore([3]), r"models must be a name, a path or a list of them, not \[3\]"),
    (lambda: Options(budget="1"), r"budget must be a number, a fraction of 1, not '1'"),
    (lambda: Options(batch=1.5), r"batch must be an integer of at least 1, not 1\.5"),
    (lambda: machine_of(3, (1, 2), 0, False), r"capacities must be a list of numbers, one for each level, not 3"),
    (lambda: machine_of((3,), None, 0, False), r"energies must be a list of numbers, one for each level, not None"),
    (lambda: machine_of((3,), (1, 2), 0, False, 0.5), r"array_level must be within 0\.\.0, .*, not 0\.5"),
    (lambda: products([(X, W, None)], "os2"), r"config must be an ArrayConfig, not 'os2'"),
    (lambda: products([(X, W, 2)], CONFIG), r".*threads.*"),
    (lambda: matmul(X, W, "os2"), r"pe must be a PEConfig, not 'os2'"),
    (lambda: matmul(np.ma.array(X, mask=True), W, CONFIG.pe), r"x must be an array without a mask, which .*"),
    (lambda: sysmt.matmul(X.astype(float), W), r"x must be a uint8 array \[M, K\], not float64 \[2, 4\]; .*"),
    (lambda: sysmt.matmul(X, W.astype(">i2")), r"w must be a int8 array \[K, N\], not >i2 \[4, 2\]; .*"),
    (lambda: sysmt.matmul(X, W, "sysmt2_8", 1.5), r".*1\.5.*"),
    (lambda: conv1d(IMAGE, FILTERS, fill=256), r"fill must be .*, not 256"),
    (lambda: conv1d(IMAGE, FILTERS, stride=(1, 1.5)), r"stride must be .*, not \(1, 1\.5\)"),
    (lambda: rows_of_image(IMAGE.astype(int), FILTERS), r"x must be .*, not int64 \[4, 4, 2\].*"),
    (lambda: ConvRows(WIDE, np.ones((2, 3), np.int8)), r"x must be a uint8 array of rows, not int64 \[2, 4\]"),
    (lambda: ConvRows(X, np.ones((2, 3), np.int8), 0), r"stride must be an integer from 1 to 2147483647, not 0"),
    (
        lambda: multiply(np.array([1.7]), 2**30, 0),
        r"value must be of integers, not of float64; round and convert it first",
    ),
    (lambda: multiply(np.array([1]), 1.5, 0), r"multiplier must be of integers, not of float64; .*"),
    (lambda: multiply(np.array([1]), 2**30, True), r"shift must be of integers, not of bool; .*"),
    (
        lambda: multiply(np.array([2**64 - 1], np.uint64), 2**30, 0),
        r"value must be within .*, not 18446744073709551615; .*",
    ),
    (lambda: multiply(np.array([1]), 2**30, 31), r"shift must be within -31..30, not 31; rescale the layer"),
    (
        lambda: multiply(np.zeros(3, int), np.zeros(2, int), 0),
        r"value, multiplier and shift must be .*, not \[3\], \[2\], \[\]",
    ),
    (lambda: quantize_multiplier("1"), r"scale must be a finite number from 0 up, not '1'; .*"),
    (lambda: quantize_multiplier(np.nan), r"scale must be a finite number from 0 up, not nan; .*"),
    (lambda: requantize(np.full((1, 2), 0.7)), r"sums must be of integers, not of float64; .*"),
    (lambda: requantize(np.full((1, 2), 2**40)), r"sums must be within .*, not 1099511627776; .*"),
    (lambda: requantize(np.zeros((1, 3), int)), r"bias must be of N = 3 channels as the sums, not 2"),
    (lambda: requantize(multiplier=np.array([1.5, 2])), r"multiplier must be of integers, not of float64; .*"),
    (lambda: requantize(zero_point=0.5), r"zero_point must be of integers, not of float64; .*"),
    (lambda: requantize(low=0.5), r"low must be of integers, not of float64; .*"),
    (lambda: requantize(zero_point=2**40), r"zero_point must be within .*, not 1099511627776; .*"),
    (lambda: sysmt.read_program(3), r"program must be a Program or the path of its file, not 3"),
    (lambda: sysmt.write_program(3, "a"), r"program must be a Program, not 3; compile one first"),
    (
        lambda: read_program("no.sysmt"),
        r"program must be a readable file, not 'no.sysmt' \(No such file or directory\)",
    ),
]


@pytest.mark.parametrize(("call", "message"), REFUSED, ids=range(len(REFUSED)))
def test_refused(call, message):
    with pytest.raises(UserError, match=f"^{message}$"):
        call()


@pytest.mark.parametrize(
    "inputs",
    [
        np.zeros((1, 8, 8, 1)),
        np.zeros((1, 8, 7, 1), np.uint8),
        np.zeros((0, 8, 8, 1), np.uint8),
        np.zeros((8, 8, 1), np.uint8),
        np.zeros((1, 8, 8, 1), np.int8),
    ],
    ids=range(5),
)
def test_inputs_of_a_network_that_do_not_fit(inputs):
    program, model = sysmt.compile_model("digits", "engine_os4"), sysmt.read_model("digits")
    for call in (lambda: sysmt.run_program(program, inputs), lambda: sysmt.infer(model, inputs, "os4")):
        with pytest.raises(UserError, match=r"^[^\n]*(inputs?|in0)[^\n]* must [^\n]*not [^\n]*$"):
            call()


def test_what_is_right_is_taken():
    assert multiply(np.int8(-3), np.uint32(2**30), np.int64(1)).tolist() == -3
    assert requantize(np.array([[5, 7]], np.int32), bias=np.int64(1)).tolist() == [[3, 4]]
    assert sysmt.matmul(np.asfortranarray(X), np.asfortranarray(W)).sums.tolist() == [[4, 4], [4, 4]]
    assert sysmt.matmul(np.repeat(X, 2, axis=1)[:, ::2], W[::-1]).sums.tolist() == [[4, 4], [4, 4]]
