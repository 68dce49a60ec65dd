# SPDX-License-Identifier: Apache-2.0
"""A self-checking testbench of a cache in plain Verilog (IEEE 1364-2001): accesses of a core, and a memory on AXI."""

import random

from sysmt.hdl.emit import Design
from sysmt.hdl.nullcache.ports import CacheCounters, Request
from sysmt.hdl.params.cache import WORD_BYTES, CacheConfig

from .testbench_text import RANDOM, SEED, files_of, filled, instance_of, outputs_of

ACCESSES = 600
SETS, TAGS = 4, 2
"""Sets that are used, and lines of each of them beyond those that fit: lines have to leave."""
STAMP = 0x9E3779B1
"""A word of a line that is not zero is its number times this: what is in memory before."""

TESTBENCH = """\
// {name}_tb: plays loads and stores to {name}, before a memory that pauses at random, and checks every load
// and all of the memory in the end. What is not valid is unknown; one clock of reset.
// It prints PASS and ends with $finish, or FAIL and $stop.
//
//     $ verilator --binary --timing -Wno-fatal --top-module {name}_tb {files} && obj_dir/V{name}_tb
//     $ iverilog -o {name}_tb -s {name}_tb {files} && vvp -n {name}_tb
`timescale 1ns / 1ps

module {name}_tb;
  localparam ACCESSES = {accesses}, LOADS = {loads}, STORES = {stores}, WORDS = {words}, LINE = {line};
  localparam LIMIT = {limit};

  reg clk = 0, rst = 1;
  reg [{request_high}:0] requests [0:ACCESSES-1];
  reg [31:0] loaded [0:LOADS-1];
  reg [31:0] memory [0:WORDS-1];
  reg [31:0] expected [0:WORDS-1];
  reg [31:0] random = 32'd{seed};
  integer cycle = 0, errors = 0, quiet = 0, i = 0, at = 0, at_load = 0, at_store = 0;

{outputs}

  reg go = 0;
  wire i__valid = !rst && go && at < ACCESSES;
  wire [{request_high}:0] i__payload = i__valid ? requests[at] : {{{request_bits}{{1'bx}}}};
  wire o__ready = random[2] | random[9], o_stores__ready = random[4];

  reg [31:0] data = 0, word = 0, merged = 0, target = 0;
  reg [3:0] lanes = 0;
  reg read_valid = 0, read_last = 0, has_address = 0, has_word = 0, answer = 0;
  integer read_at = 0, read_left = 0;
  wire axi__arready = random[6] && read_left == 0 && !read_valid;
  wire axi__rvalid = read_valid;
  wire [31:0] axi__rdata = read_valid ? data : 32'bx;
  wire axi__rlast = read_valid ? read_last : 1'bx;
  wire [1:0] axi__rresp = read_valid ? 2'b00 : 2'bx, axi__bresp = answer ? 2'b00 : 2'bx;
  wire axi__rid = 0, axi__bid = 0;
  wire axi__awready = random[8] && !has_address, axi__wready = random[10] && !has_word;
  wire axi__bvalid = answer;

{instance}

  always #5 clk = !clk;

  always @(posedge clk) begin
    cycle <= cycle + 1;
    rst <= 0;
    {random}
    if (!i__valid || i__ready) go <= random[13] | random[17];
    if (i__valid && i__ready) at <= at + 1;
    if (!rst && (i__ready === 1'bx || o__valid === 1'bx || o_stores__valid === 1'bx)) begin
      $display("cycle %0d: i__ready %b, o__valid %b, o_stores__valid %b", cycle, i__ready, o__valid, o_stores__valid);
      errors <= errors + 1;
    end
    if (!rst && o__valid && o__ready) begin
      at_load <= at_load + 1;
      if (at_load >= LOADS || o__payload !== {{1'b0, loaded[at_load]}}) begin
        $display("load %0d: %h, expected %h", at_load, o__payload, loaded[at_load]);
        errors <= errors + 1;
      end
    end
    if (!rst && o_stores__valid && o_stores__ready) begin
      at_store <= at_store + 1;
      if (at_store >= STORES || o_stores__payload !== 1'b0) begin
        $display("store %0d: refused %b", at_store, o_stores__payload);
        errors <= errors + 1;
      end
    end
    // The memory: lines are read, words are written.
    if (axi__arvalid && axi__arready) begin
      read_at <= axi__araddr / 4;
      read_left <= axi__arlen + 1;
      if (axi__araddr % LINE != 0 || axi__arlen != LINE / 4 - 1 || axi__arsize != 2 || axi__arburst != 1) begin
        $display("cycle %0d: a burst is not a line", cycle);
        errors <= errors + 1;
      end
    end
    if (axi__rready || !read_valid) begin
      read_valid <= read_left != 0 && random[14];
      if (read_left != 0 && random[14]) begin
        data <= memory[read_at];
        read_last <= read_left == 1;
        read_at <= read_at + 1;
        read_left <= read_left - 1;
      end
    end
    if (axi__awvalid && axi__awready) begin
      target <= axi__awaddr / 4;
      has_address <= 1;
    end
    if (axi__wvalid && axi__wready) begin
      word <= axi__wdata;
      lanes <= axi__wstrb;
      has_word <= 1;
    end
    if (has_address && has_word && !answer && random[16]) begin
      merged = memory[target];
      for (i = 0; i < 4; i = i + 1) if (lanes[i] !== 1'b0) merged[8*i +: 8] = word[8*i +: 8];
      memory[target] <= merged;
      has_address <= 0;
      has_word <= 0;
      answer <= 1;
    end
    if (answer && axi__bready) answer <= 0;
    if (at_load == LOADS && at_store == STORES) quiet <= quiet + 1;
    if (quiet == 64 || cycle == LIMIT) begin
      for (i = 0; i < WORDS; i = i + 1)
        if (memory[i] !== expected[i]) begin
          $display("address %h: %h, expected %h", 4 * i, memory[i], expected[i]);
          errors = errors + 1;
        end
      if (errors == 0 && at_load == LOADS && at_store == STORES && ^counters !== 1'bx
          && counters[{counter_high}:{counter_low}] == ACCESSES) begin
        $display("PASS: %0d loads and %0d stores in %0d cycles", LOADS, STORES, cycle);
        $finish;
      end else begin
        $display("FAIL: %0d errors, %0d of %0d loads, %0d of %0d stores, counters %h", errors, at_load, LOADS, at_store,
                 STORES, counters);
        $stop;
      end
    end
  end

  initial begin
    for (i = 0; i < WORDS; i = i + 1) begin
      memory[i] = i / (LINE / 4) % 2 == 0 ? 0 : i * 32'h{stamp:x};
      expected[i] = memory[i];
    end
{vectors}
  end
endmodule
"""


def cache_testbench(config: CacheConfig, design: Design) -> str:
    """The text of NAME_tb.v for the cache `config` emitted as `design`."""
    way = config.size // config.ways
    words = (config.ways + TAGS) * way // WORD_BYTES
    memory = [0 if i // config.words % 2 == 0 else i * STAMP % 2**32 for i in range(words)]
    before, rng = list(memory), random.Random(1)
    layout = Request(config.addr_width)
    requests, loaded = [], []
    last = 0
    for _ in range(ACCESSES):
        if rng.random() < 0.4:  # Near the last one: it hits, and stores fill lines.
            index = last - last % config.words + (last + 1) % config.words
        else:
            tag, number = rng.randrange(config.ways + TAGS), rng.randrange(min(SETS, config.sets))
            index = (tag * way + number * config.line) // WORD_BYTES + rng.randrange(config.words)
        last = index
        store = rng.random() < 0.45
        request = {"write": store, "addr": index * WORD_BYTES, "strobe": 0, "data": 0}
        if store:
            request["strobe"] = rng.choice((15, 15, rng.randrange(1, 16)))
            request["data"] = rng.choice((0, 0, rng.getrandbits(32)))
            lanes = sum(255 << 8 * lane for lane in range(4) if request["strobe"] >> lane & 1)
            memory[index] = memory[index] & ~lanes | request["data"] & lanes
        else:
            loaded.append(memory[index])
        requests.append(sum(int(value) << layout[name].offset for name, value in request.items()))
    changed = [f"    expected[{i}] = 32'h{word:x};" for i, word in enumerate(memory) if word != before[i]]
    counted = CacheCounters(config)["accesses"]
    return TESTBENCH.format(
        name=design.name,
        files=files_of(design),
        accesses=ACCESSES,
        loads=len(loaded),
        stores=ACCESSES - len(loaded),
        words=words,
        line=config.line,
        limit=10_000 + config.sets + ACCESSES * (100 + 10 * config.words),
        request_high=layout.size - 1,
        request_bits=layout.size,
        seed=SEED,
        random=RANDOM,
        stamp=STAMP,
        outputs=outputs_of(design),
        instance=instance_of(design),
        counter_low=counted.offset,
        counter_high=counted.offset + counted.width - 1,
        vectors="\n".join([filled("requests", layout.size, requests), filled("loaded", 32, loaded), *changed]),
    )
