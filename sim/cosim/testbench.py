# SPDX-License-Identifier: Apache-2.0
"""A self-checking testbench of an array in plain Verilog (IEEE 1364-2005), its vectors from the golden model.

It needs nothing but the Verilog of the array: `verilator --binary --timing`, or any other simulator.
"""

import numpy as np

from sysmt.hdl.array.ports import CounterLayout, ResultRow, TileDescriptor, w_step, x_step
from sysmt.hdl.emit import Design
from sysmt.hdl.params.array import ArrayConfig
from sysmt.sim.golden.kind import golden_of
from sysmt.sim.golden.zero_point import distances

from .packing import pack_steps
from .payloads import pack_weights
from .rtl import product_tiles

SEED = 1
K = 11
"""Length of the products: on 2 and 4 threads, their parts of it are not equal."""

ZERO = 100
"""Zero point of the activations, where PEs take it off."""

TESTBENCH = """\
// {name}_tb: checks {name} against the golden model; sources and sink pause at random, and what
// is not valid, or does not count, is unknown. One clock of reset.
// It prints PASS and ends with $finish, or FAIL and $stop.
//
//     $ verilator --binary --timing -Wno-fatal --top-module {name}_tb {files} && obj_dir/V{name}_tb
//     $ iverilog -o {name}_tb -s {name}_tb {files} && vvp -n {name}_tb
`timescale 1ns / 1ps

module {name}_tb;
  localparam TILES = {tiles}, STEPS = {steps}, ROWS = {rows}, LIMIT = {limit}, QUIET = 16;

  reg clk = 0, rst = 1;
  reg [{tile_high}:0] tile [0:TILES-1];
  reg [{x_high}:0] x [0:STEPS-1];
  reg [{w_high}:0] w [0:STEPS-1];
  reg [{o_high}:0] expected [0:ROWS-1];
  reg [{o_high}:0] counts [0:ROWS-1];  // The bits of a result that are compared.
  integer at_tile = 0, at_x = 0, at_w = 0, at_o = 0, cycle = 0, quiet = 0, errors = 0;
  reg [31:0] random = 32'd{seed};
  reg x_go = 0, w_go = 0, o_ready = 0;

  wire tile_valid = !rst && at_tile < TILES;
  wire x_valid = !rst && x_go && at_x < STEPS;
  wire w_valid = !rst && w_go && at_w < STEPS;
  wire tile_ready, x_ready, w_ready, o_valid, refused;
  wire [{o_high}:0] o;{wire}

  {name} dut (
    .clk(clk), .rst(rst), .refused(refused),
    .i_tile__valid(tile_valid), .i_tile__ready(tile_ready),
    .i_tile__payload(tile_valid ? tile[at_tile] : {{{tile_bits}{{1'bx}}}}),
    .i_x__valid(x_valid), .i_x__ready(x_ready), .i_x__payload(x_valid ? x[at_x] : {{{x_bits}{{1'bx}}}}),
    .i_w__valid(w_valid), .i_w__ready(w_ready), .i_w__payload(w_valid ? w[at_w] : {{{w_bits}{{1'bx}}}}),
    .o__valid(o_valid), .o__ready(o_ready), .o__payload(o){open}
  );

  always #5 clk = !clk;

  always @(posedge clk) begin
    cycle <= cycle + 1;
    rst <= 0;
    random <= {{random[30:0], random[31] ^ random[21] ^ random[1] ^ random[0]}};
    if (!rst) begin
      if (tile_valid && tile_ready) at_tile <= at_tile + 1;
      if (x_valid && x_ready) at_x <= at_x + 1;
      if (w_valid && w_ready) at_w <= at_w + 1;
      if (!x_valid || x_ready) x_go <= random[3] | random[7];
      if (!w_valid || w_ready) w_go <= random[5] | random[11];
      o_ready <= (random[13] | random[17]) && cycle[5:4] != 3;  // Also long enough to freeze the array.
      if (o_valid !== 1'b0 && o_valid !== 1'b1) begin
        $display("cycle %0d: o__valid is %b", cycle, o_valid);
        errors <= errors + 1;
      end
      if (o_valid && o_ready) begin
        at_o <= at_o + 1;
        if (at_o >= ROWS) begin
          $display("cycle %0d: a result too many", cycle);
          errors <= errors + 1;
        end else if (((o ^ expected[at_o]) & counts[at_o]) !== 0) begin
          $display("result %0d: %h, expected %h where %h", at_o, o, expected[at_o], counts[at_o]);
          errors <= errors + 1;
        end
      end
      if (at_o >= ROWS) quiet <= quiet + 1;
      if (quiet == QUIET || cycle == LIMIT) begin
        if (errors == 0 && at_o == ROWS && refused === 1'b0{known}) begin
          $display("PASS: %0d results of %0d tiles in %0d cycles", ROWS, TILES, cycle - QUIET);
          $finish;
        end else begin
          $display("FAIL: %0d errors, %0d of %0d results, refused %b{said}", errors, at_o, ROWS, refused{counted});
          $stop;
        end
      end
    end
  end

  initial begin
{vectors}
  end
endmodule
"""


def testbench(config: ArrayConfig, design: Design, models: str) -> str:
    """The text of NAME_tb.v for the array `config` emitted as `design`, and behind it the `models` of its cells.

    One product larger than the array at every number of threads: tiles that fill it, and tiles that do not. With
    `fuse`, matrix products only.
    """
    length = min(K, config.pe.k_max)
    rng = np.random.default_rng(SEED)
    layout = ResultRow(config)
    width, last = config.pe.acc_width, layout["last"].offset
    orders: list[int] = []
    x_digits: list[str] = []
    w_digits: list[str] = []
    expected: list[int] = []
    counts: list[int] = []
    products = config.pe.products
    widths = {
        "tile": TileDescriptor(config).size,
        "x": x_step(config).size,
        "w": w_step(config).size,
        "o": layout.size,
    }
    for threads in config.pe.throttles:
        x = rng.integers(0, 256, (config.rows + 1, length), dtype=np.uint8)
        w = rng.integers(-128, 128, (length, config.cols + 1)).astype(np.int8)
        w = golden_of(config.pe).with_zeros(w, config.pe)
        zero = ZERO if config.pe.zero_width else 0
        operands = distances(x, zero) if config.pe.zero_width else x
        sums = golden_of(config.pe).product(operands, w, config.pe, threads, False).sums
        for tile, order, x_steps, w_steps, taps in product_tiles(x, w, config, threads, zero):
            orders.append(order)
            running = threads * config.pe.pairs_per_thread
            x_digits += _digits(pack_steps(x_steps), tile.rows, running, products, widths["x"])
            w_digits += _digits(pack_weights(config, w_steps, taps), tile.cols, running, products, widths["w"])
            for row in range(config.rows):
                cols = tile.cols if row < tile.rows else 0
                words = [int(sums[tile.m + row, tile.n + col]) % 2**width << width * col for col in range(cols)]
                expected.append(sum(words) | (row == config.rows - 1) << last)
                counts.append((1 << width * cols) - 1 | 1 << last)
    memories = [("tile", "tile", _hex(orders)), ("x", "x", x_digits), ("w", "w", w_digits)]
    memories += [("expected", "o", _hex(expected)), ("counts", "o", _hex(counts))]
    counters = dict.fromkeys(("wire", "open", "known", "said", "counted"), "")
    if config.counters:
        counters = {
            "wire": f"\n  wire [{CounterLayout(config.pe).size - 1}:0] counters;",
            "open": ",\n    .counters(counters)",
            "known": " && ^counters !== 1'bx",
            "said": ", counters %h",
            "counted": ", counters",
        }
    text = TESTBENCH.format(
        name=design.name,
        files=" ".join([f"{design.name}_tb.v", *(file for file in design.texts if file.endswith(".v"))]),
        tiles=len(orders),
        steps=len(x_digits),
        rows=len(expected),
        limit=1000 + 8 * (len(x_digits) + len(expected)) + 8 * len(orders) * config.latency,
        seed=2463534242,
        **{f"{port}_high": bits - 1 for port, bits in widths.items()},
        **{f"{port}_bits": bits for port, bits in widths.items()},
        **counters,
        vectors="\n".join(
            f"    {memory}[{i}] = {widths[port]}'h{value};"
            for memory, port, values in memories
            for i, value in enumerate(values)
        ),
    )
    return f"{text}\n// For simulation without the library of the cell.\n{models}" if models else text


def _hex(values: list[int]) -> list[str]:
    return [f"{value:x}" for value in values]


def _digits(steps: list[int], lanes: int, running: int, products: int, bits: int) -> list[str]:
    """Steps of operands in hexadecimal, with x in those of further lanes, and of threads that do not run."""
    texts = []
    for step in steps:
        text = f"{step:0{-(-bits // 4)}x}"
        first, pairs = len(text) % 2, len(text) // 2
        places = range(pairs - 1, -1, -1)  # The lowest byte is written last.
        known = [place // products < lanes and place % products < running for place in places]
        texts.append(text[:first] + "".join(text[first + 2 * i :][:2] if k else "xx" for i, k in enumerate(known)))
    return texts
