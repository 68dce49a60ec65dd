# SPDX-License-Identifier: Apache-2.0
"""An array in a testbench of your own.

Run as a script, this file generates a 4x4 array and starts a simulator on it; inside the simulator cocotb loads the
same file again and runs `one_tile`. The testbench knows nothing of sysmt: it reads ports and layouts from the manifest
that lies beside the Verilog, as a driver written in any language could.

    pip install 'sysmt[cosim]'
    python examples/own_testbench.py
"""

import json
from pathlib import Path

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ReadOnly, RisingEdge

HERE = Path(__file__).resolve().parent.parent / "build" / "examples"
K = 6  # length of the reduction: 3 steps of 2 threads


def packed(layout, value) -> int:
    """A payload as the integer that the port takes: nested lists and dictionaries, laid out as the manifest says."""
    if "array" in layout:
        size = layout["of"]["width"] if "width" in layout["of"] else layout["of"]["array"] * layout["of"]["of"]["width"]
        return sum(packed(layout["of"], element) << (i * size) for i, element in enumerate(value))
    if "width" in layout:
        return int(value) & ((1 << layout["width"]) - 1)
    return sum(packed(field, value[name]) << field["offset"] for name, field in layout.items())


async def send(dut, stream: str, transfers: list[int]) -> None:
    """Every transfer waits until the other side is ready."""
    valid, ready, payload = (getattr(dut, f"{stream}__{part}") for part in ("valid", "ready", "payload"))
    for transfer in transfers:
        valid.value, payload.value = 1, transfer
        await ReadOnly()
        while not ready.value:
            await RisingEdge(dut.clk)
            await ReadOnly()
        await RisingEdge(dut.clk)
    valid.value = 0


@cocotb.test()
async def one_tile(dut) -> None:
    """4x6 times 6x4, on two threads: thread 0 takes the first half of K, thread 1 the second."""
    layouts = {port["name"]: port.get("layout") for port in json.loads((HERE / "tb4x4.json").read_text())["ports"]}
    operands = np.load(HERE / "operands.npz")
    x, w = operands["x"].reshape(4, 2, K // 2), operands["w"].reshape(2, K // 2, 4)
    tile = packed(layouts["i_tile__payload"], {"steps": K // 2, "threads": 1, "rows": 4, "cols": 4})
    x_steps = [packed(layouts["i_x__payload"], x[:, :, step]) for step in range(K // 2)]
    w_steps = [packed(layouts["i_w__payload"], w[:, step].T) for step in range(K // 2)]

    for stream in ("i_tile", "i_x", "i_w"):
        getattr(dut, f"{stream}__valid").value = 0
    dut.o__ready.value = 1
    dut.rst.value = 1
    Clock(dut.clk, 10, unit="ns").start()
    await RisingEdge(dut.clk)
    await RisingEdge(dut.clk)
    dut.rst.value = 0
    for stream, transfers in (("i_tile", [tile]), ("i_x", x_steps), ("i_w", w_steps)):
        cocotb.start_soon(send(dut, stream, transfers))

    sums = []
    while len(sums) < 4:  # a row of results per transfer, row 0 first
        await ReadOnly()
        if dut.o__valid.value:
            bits = int(dut.o__payload.value)
            sums.append([(bits >> 32 * c & 0xFFFFFFFF) - (bits >> 32 * c + 31 & 1) * 2**32 for c in range(4)])
        await RisingEdge(dut.clk)
    assert np.array_equal(sums, operands["expected"]), "the array and the golden model must agree"


def main() -> None:
    """Outside the simulator: generate, choose operands, build, run."""
    import sysmt
    from sysmt.sim.cosim.simulator import run

    design = sysmt.generate(sysmt.preset("sysmt2_4"), name="tb4x4")
    print("wrote", *design.write(HERE))
    rng = np.random.default_rng(1)
    x, w = rng.integers(0, 256, (4, K), dtype=np.uint8), rng.integers(-128, 128, (K, 4), dtype=np.int8)
    golden = sysmt.matmul(x, w, config="sysmt2_4")
    np.savez(HERE / "operands.npz", x=x, w=w, expected=golden.sums)
    run(design, "own_testbench", {})  # Verilator and cocotb; any other runner of cocotb does as well
    print("the testbench passed; the product that it compared with:", golden.sums, golden.counters, sep="\n")


if __name__ == "__main__":
    main()
