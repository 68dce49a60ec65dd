# SPDX-License-Identifier: Apache-2.0
"""A product on a board: without arguments on a simulated one, with a serial port on yours.

The simulated board is the accelerator's Verilog, compiled by Verilator, behind a pseudo-terminal. The driver takes it
for a serial port. Compiling takes about a minute the first time.

    pip install 'sysmt[boards,cosim]'
    python examples/board.py
    python examples/board.py /dev/ttyUSB0
"""

import contextlib
import sys

import numpy as np

import sysmt
from sysmt.boards.transport import SerialTransport
from sysmt.boards.virtual.board import DIVISOR, VirtualBoard


def multiply_on(port: str) -> None:
    """Ask the board who it is, multiply, and compare with the golden model of the array that it holds."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (12, 100), dtype=np.uint8)
    w = rng.integers(-128, 128, (100, 10), dtype=np.int8)
    with sysmt.Board(SerialTransport(port)) as board:
        array = board.config.array
        print(f"on {port}: {array.rows}x{array.cols} PEs, {array.pe.threads} threads, policy {array.pe.policy}")
        product = board.matmul(x, w)
    golden = sysmt.matmul(x, w, config=array)
    assert np.array_equal(product.values, golden.sums), "the board and the golden model must agree"
    print(f"{x.shape} x {w.shape} in {product.figures['cycles']} cycles of the array, equal to the golden model")


def main() -> None:
    """Take the port from the command line, or make one."""
    with contextlib.ExitStack() as stack:
        if len(sys.argv) > 1:
            port = sys.argv[1]
        else:
            print("compiling the simulated board, if it is not there already")
            port = stack.enter_context(VirtualBoard(sysmt.preset("accel_sysmt2_4", divisor=DIVISOR))).port
        multiply_on(port)


if __name__ == "__main__":
    main()
