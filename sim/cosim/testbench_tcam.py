# SPDX-License-Identifier: Apache-2.0
"""A self-checking testbench of a TCAM in plain Verilog (IEEE 1364-2001): a search in every cycle, beside writes."""

import random
from dataclasses import dataclass, field

from sysmt.hdl.emit import Design
from sysmt.hdl.params.cache import TCAMConfig

from .testbench_text import files_of, filled, instance_of, outputs_of

CYCLES = 400
TESTBENCH = """\
// {name}_tb: searches {name} in every cycle, writes and clears entries beside, and checks every answer.
// What is not written is unknown; one clock of reset. It prints PASS and ends with $finish, or FAIL and $stop.
//
//     $ verilator --binary --timing -Wno-fatal --top-module {name}_tb {files} && obj_dir/V{name}_tb
//     $ iverilog -o {name}_tb -s {name}_tb {files} && vvp -n {name}_tb
`timescale 1ns / 1ps

module {name}_tb;
  localparam CYCLES = {cycles}, LATENCY = {latency};

  reg clk = 0, rst = 1;
  reg [{asks_high}:0] asks [0:CYCLES-1];  // Keys, and entries that are cleared and written.
  reg [{word_high}:0] words [0:CYCLES-1];  // What is written: a mask and a value.
  reg [{answers_high}:0] expected [0:CYCLES-1];  // Matches.
  reg looks [0:CYCLES-1];  // Whether they count: not while a write is under way.
  integer at = 0, checks = 0, errors = 0;

{outputs}
  wire runs = !rst && at < CYCLES + LATENCY{ready};
  wire [{asks_high}:0] ask = runs && at < CYCLES ? asks[at] : {asks_bits}'d0;
  wire [{entries_high}:0] write = ask[{entries_high}:0], clear = ask[{clear_high}:{entries}];
  wire [{word_high}:0] word = |write ? words[at] : {{{word_bits}{{1'bx}}}};
  wire [{width_high}:0] value = word[{width_high}:0], mask = word[{word_high}:{width}];
{keys}
  wire [{answers_high}:0] matched = {{{matches}}};
  wire right = {right};

{instance}

  always #5 clk = !clk;

  always @(posedge clk) begin
    rst <= 0;
    if (runs) at <= at + 1;
    if (runs && at >= LATENCY && looks[at - LATENCY]) begin
      checks <= checks + 1;
      if (matched !== expected[at - LATENCY] || right !== 1'b1) begin
        $display("cycle %0d: %h, expected %h, hit and index agree: %b", at, matched, expected[at - LATENCY], right);
        errors <= errors + 1;
      end
    end
    if (at == CYCLES + LATENCY) begin  // The last answers have come.
      if (errors == 0) begin
        $display("PASS: %0d searches", checks);
        $finish;
      end else begin
        $display("FAIL: %0d errors in %0d searches", errors, checks);
        $stop;
      end
    end
  end

  function [{index_high}:0] lowest;
    input [{entries_high}:0] match;
    integer i;
    begin
      lowest = 0;
      for (i = {entries_high}; i >= 0; i = i - 1) if (match[i]) lowest = i;
    end
  endfunction

  initial begin
{vectors}
  end
endmodule
"""


@dataclass
class _Vectors:
    asks: list[int] = field(default_factory=list)
    words: list[int] = field(default_factory=list)
    expected: list[int] = field(default_factory=list)
    looks: list[int] = field(default_factory=list)


def tcam_testbench(config: TCAMConfig, design: Design) -> str:
    """The text of NAME_tb.v for the TCAM `config` emitted as `design`."""
    n, width, ports = config.entries, config.width, config.ports
    ends = [""] if config.memory else [f"__{port}" for port in range(ports)]
    made = _vectors(config)
    sizes = {"asks": 2 * n + ports * width, "word": 2 * width, "answers": n * ports}
    sizes |= {"entries": n, "width": width, "index": config.index_bits, "clear": 2 * n}
    keys = [
        f"  wire [{width - 1}:0] key{end} = ask[{2 * n + (port + 1) * width - 1}:{2 * n + port * width}];"
        for port, end in enumerate(ends)
    ]
    return TESTBENCH.format(
        name=design.name,
        files=files_of(design),
        cycles=CYCLES,
        latency=config.latency,
        ready=" && ready" if config.memory else "",
        entries=n,
        width=width,
        outputs=outputs_of(design),
        keys="\n".join(keys),
        matches=", ".join(f"match{end}" for end in reversed(ends)),
        right=" && ".join(f"hit{end} === |match{end} && index{end} === lowest(match{end})" for end in ends),
        instance=instance_of(design),
        vectors="\n".join(
            [
                filled("asks", sizes["asks"], made.asks),
                filled("words", sizes["word"], made.words),
                filled("expected", sizes["answers"], made.expected),
                filled("looks", 1, made.looks),
            ]
        ),
        **{f"{name}_high": bits - 1 for name, bits in sizes.items()},
        **{f"{name}_bits": bits for name, bits in sizes.items()},
    )


def _vectors(config: TCAMConfig) -> _Vectors:
    """Keys that differ from an entry in few bits, and entries of few bits that are any."""
    n, width, rng, made = config.entries, config.width, random.Random(1), _Vectors()
    entries: list[tuple[int, int] | None] = [None] * n
    for _ in range(CYCLES):
        held = [entry[0] for entry in entries if entry is not None] or [0]
        keys = [rng.choice(held) ^ (rng.getrandbits(width) & -(rng.random() < 0.3)) for _ in range(config.ports)]
        write = 1 << rng.randrange(n) if rng.random() < 0.3 else 0
        clear = 1 << rng.randrange(n) if rng.random() < 0.1 and not (config.memory and write) else 0
        value = rng.choice(held) ^ 1 << rng.randrange(width)
        mask = sum(1 << rng.randrange(width) for _ in range(2)) % (1 << width)
        ask = write | clear << n
        expected = 0
        for port, key in enumerate(keys):
            ask |= key << (2 * n + port * width)
            match = sum(1 << i for i, e in enumerate(entries) if e is not None and (key ^ e[0]) & ~e[1] == 0)
            expected |= match << port * n
        made.asks.append(ask)
        made.words.append(value | mask << width)
        made.expected.append(expected)
        made.looks.append(not (config.memory and write))
        entries = [None if clear >> i & 1 else e for i, e in enumerate(entries)]
        entries = [(value, mask) if write >> i & 1 else e for i, e in enumerate(entries)]
    return made
