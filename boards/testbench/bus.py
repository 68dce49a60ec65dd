# SPDX-License-Identifier: Apache-2.0
"""The testbench of a device on a bus: registers that start a list, and a memory that the device reads and writes."""

import numpy as np

from sysmt.boards.lists import ListPlan
from sysmt.boards.plan import Plan
from sysmt.boards.program_lists import ProgramLists
from sysmt.hdl.emit import Design
from sysmt.hdl.params import engine_protocol, registers
from sysmt.hdl.params.accel import AccelConfig
from sysmt.hdl.params.command_list import COMMAND_BYTES, LINK_REGISTERS, number_of
from sysmt.hdl.params.engine import EngineConfig
from sysmt.sim.cosim.testbench_text import RANDOM, SEED, core_clock_of, files_of, filled, instance_of, outputs_of

from .bus_ends import ENDS
from .work import NetworkWork, ProductWork

EMPTY = 0xA5
"""What is in memory where nothing else is, and has to stay."""
WRITE, READ, WAIT = range(3)
"""Write a register, compare a register, wait for an interrupt."""

TESTBENCH = """\
// {name}_tb: has {name} do a list of commands in a memory, and compares all of the memory with the golden model.
// Both sides of the bus pause at random, and what is not valid is unknown.
// It prints PASS and ends with $finish, or FAIL and $stop.
//
//     $ verilator --binary --timing -Wno-fatal --top-module {name}_tb {files} && obj_dir/V{name}_tb
//     $ iverilog -o {name}_tb -s {name}_tb {files} && vvp -n {name}_tb
`timescale 1ns / 1ps

module {name}_tb;
  localparam WIDTH = {width}, BYTES = WIDTH / 8, WORDS = {words}, STEPS = {steps}, LIMIT = {limit};
  localparam WRITE = 0, READ = 1, WAIT = 2;

  reg clk = 0, rst = 1;
  reg [WIDTH-1:0] memory [0:WORDS-1];
  reg [WIDTH-1:0] expected [0:WORDS-1];
  reg [1:0] does [0:STEPS-1];  // With registers, one step after the other.
  reg [9:0] number [0:STEPS-1];
  reg [31:0] value [0:STEPS-1];
  reg [31:0] random = 32'd{seed};
  integer cycle = 0, errors = 0, step = 0, quiet = 0, i = 0;

{outputs}
{signals}

{core_clock}{instance}

  always #5 clk = !clk;

  wire more = !rst && step < STEPS;
  wire waits = more && does[step] == WAIT;
  wire writes = more && does[step] == WRITE;
  wire reads = more && does[step] == READ;

  always @(posedge clk) begin
    cycle <= cycle + 1;
    rst <= cycle < {reset};
    {random}
    if (waits && irq === 1'b1) step <= step + 1;
    if (!rst && irq !== 1'b0 && irq !== 1'b1) begin
      $display("cycle %0d: irq is %b", cycle, irq);
      errors <= errors + 1;
    end
{masters}
    if (step == STEPS) quiet <= quiet + 1;
    if (quiet == 64 || cycle == LIMIT) begin
      for (i = 0; i < WORDS; i = i + 1)
        if (memory[i] !== expected[i]) begin
          $display("address %h: %h, expected %h", i * BYTES, memory[i], expected[i]);
          errors = errors + 1;
        end
      if (errors == 0 && step == STEPS && irq === 1'b0) begin
        $display("PASS: %0d words of memory in %0d cycles", WORDS, cycle);
        $finish;
      end else begin
        $display("FAIL: %0d errors, %0d of %0d steps, irq %b", errors, step, STEPS, irq);
        $stop;
      end
    end
  end

  initial begin
{vectors}
  end
endmodule
"""


def bus_testbench(config: AccelConfig | EngineConfig, design: Design) -> str:
    """The text of NAME_tb.v for a device on a bus of its own."""
    commands, reads, before, after = _network(config) if isinstance(config, EngineConfig) else _product(config)
    width, end = config.data_width, ENDS[config.link]
    steps = _steps(commands, reads)
    numbers = engine_protocol.NUMBERS if isinstance(config, EngineConfig) else registers.NUMBERS
    magic = engine_protocol.MAGIC if isinstance(config, EngineConfig) else registers.MAGIC
    steps.insert(0, (READ, numbers["magic"], magic))
    vectors = [
        filled("memory", width, _words(before, width)),
        filled("expected", width, _words(after, width)),
        filled("does", 2, [step[0] for step in steps]),
        filled("number", 10, [step[1] for step in steps]),
        filled("value", 32, [step[2] for step in steps]),
    ]
    return TESTBENCH.format(
        name=design.name,
        files=files_of(design),
        width=width,
        words=len(before) * 8 // width,
        steps=len(steps),
        limit=200_000 + 40 * len(before),
        seed=SEED,
        random=RANDOM,
        reset=8 if config.bus_clock else 0,
        outputs=outputs_of(design),
        signals=end.signals,
        masters=end.masters,
        instance=instance_of(design),
        core_clock=core_clock_of(design),
        vectors="\n".join(vectors),
    )


def _steps(commands: int, reads: int) -> list[tuple[int, int, int]]:
    """What the host does with registers: starts the list at address 0, waits for its end, looks how it ended."""
    number = {name: number_of(name) for name in LINK_REGISTERS}
    done = LINK_REGISTERS["interrupt"].record.to_int({"done": 1, "failed": 0})
    ended = {"busy": 0, "error": 0, "reads": reads}
    return [
        (WRITE, number["interrupt_enable"], 3),
        (WRITE, number["list_address"], 0),
        (WRITE, number["list_commands"], commands),
        (WAIT, 0, 0),
        (READ, number["list"], LINK_REGISTERS["list"].record.to_int(ended)),
        (READ, number["interrupt"], done),
        (WRITE, number["interrupt"], done),
        (READ, number["interrupt"], 0),
    ]


def _words(memory: np.ndarray, width: int) -> list[int]:
    return [int.from_bytes(word.tobytes(), "little") for word in memory.reshape(-1, width // 8)]


def _memory(size: int) -> np.ndarray:
    return np.full(-(-size // COMMAND_BYTES) * COMMAND_BYTES, EMPTY, np.uint8)


def _product(config: AccelConfig) -> tuple[int, int, np.ndarray, np.ndarray]:
    """Commands at address 0, READs among them, and the memory before and after them."""
    work = ProductWork.of(config)
    plan = Plan(work.x, work.w, config, work.threads, zero=work.zero)
    commands = len(ListPlan(plan, work.threads, 0).listed().commands)
    maker = ListPlan(plan, work.threads, commands * COMMAND_BYTES)
    listed = maker.listed()
    before = _memory(listed.end + COMMAND_BYTES)
    before[: commands * COMMAND_BYTES] = np.frombuffer(b"".join(listed.commands), np.uint8)
    before[commands * COMMAND_BYTES :][: len(listed.data)] = listed.data
    after, array, address = before.copy(), config.array, listed.results
    for run in plan.runs:
        m, n = run.m_tile * array.rows, run.n_tile * array.cols
        for row in work.sums[m : m + maker.rows(run), n : n + maker.cols(run)].astype("<i4"):
            after[address : address + 4 * len(row)] = row.view(np.uint8)
            address += maker.pitch(run)
    assert np.array_equal(maker.outputs(after, listed.results, work.sums.shape[1]), plan.completed(work.sums))
    return commands, len(plan.runs), before, after


def _network(config: EngineConfig) -> tuple[int, int, np.ndarray, np.ndarray]:
    work = NetworkWork.of(config)
    lists = ProgramLists(work.program, 0)
    image = lists.pack(work.inputs)[0]
    commands = len(lists.load) + 3
    data = commands * COMMAND_BYTES
    lists = ProgramLists(work.program, data)
    source = data + len(lists.data)
    target = source + image.size
    order = [*lists.load, *lists.run([source], image.size, [target])]
    before = _memory(target + lists.output_bytes + COMMAND_BYTES)
    for address, content in ((0, b"".join(order)), (data, lists.data.tobytes()), (source, image.tobytes())):
        before[address : address + len(content)] = np.frombuffer(content, np.uint8)
    after = before.copy()
    left = np.zeros((len(work.outputs), lists.output_bytes // len(work.outputs)), np.uint8)
    left[:, : config.word_bytes] = work.outputs
    after[target : target + left.size] = left.reshape(-1)
    return commands, 1, before, after
