# SPDX-License-Identifier: Apache-2.0
"""The testbench of a device behind a UART: frames of the host, byte by byte, and the bytes that answer them."""

from collections.abc import Iterator

import numpy as np

from sysmt.boards.frames import Frame, encode
from sysmt.boards.link import Link, PendingRequest
from sysmt.boards.plan import Plan
from sysmt.boards.session import Session
from sysmt.hdl.emit import Design
from sysmt.hdl.params import engine_protocol
from sysmt.hdl.params.accel import AccelConfig
from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.program import Memory
from sysmt.hdl.params.protocol import ARGUMENTS, RESPONSE, Opcode, Status
from sysmt.sim.cosim.testbench_text import RANDOM, SEED, files_of, filled, instance_of, outputs_of

from .work import NetworkWork, ProductWork

Exchange = tuple[Opcode, bytes, bytes]
"""A request: what it is, its payload, and what is answered beside the status."""

TESTBENCH = """\
// {name}_tb: has {name} compute over its UART, and checks every byte of its answers against the golden model.
// The host pauses at random; one clock of reset. It prints PASS and ends with $finish, or FAIL and $stop.
//
//     $ verilator --binary --timing -Wno-fatal --top-module {name}_tb {files} && obj_dir/V{name}_tb
//     $ iverilog -o {name}_tb -s {name}_tb {files} && vvp -n {name}_tb
`timescale 1ns / 1ps

module {name}_tb;
  localparam DIVISOR = {divisor}, SENT = {sent}, ANSWERS = {answers}, LIMIT = {limit};

  reg clk = 0, rst = 1, rx = 1;
  reg [7:0] sent [0:SENT-1];
  reg [23:0] behind [0:SENT-1];  // How many bytes must have been answered before one is sent.
  reg [7:0] expected [0:ANSWERS-1];
  reg [31:0] random = 32'd{seed};
  reg [9:0] out = 0;
  reg [7:0] in = 0;
  integer cycle = 0, errors = 0, quiet = 0, at_sent = 0, at_answer = 0;
  integer out_bits = 0, out_phase = 0, in_bits = 0, in_phase = 0;

{outputs}

{instance}

  always #5 clk = !clk;

  always @(posedge clk) begin
    cycle <= cycle + 1;
    rst <= 0;
    {random}
    // The host sends: a start bit, eight bits, the lowest first, a stop bit.
    if (!rst) begin
      if (out_bits != 0) begin
        out_phase <= out_phase - 1;
        if (out_phase == 0) begin
          rx <= out[0];
          out <= {{1'b1, out[9:1]}};
          out_bits <= out_bits - 1;
          out_phase <= DIVISOR - 1;
        end
      end else if (out_phase != 0) begin
        out_phase <= out_phase - 1;
      end else if (at_sent < SENT && at_answer >= behind[at_sent] && random[3]) begin
        out <= {{1'b1, sent[at_sent], 1'b0}};
        out_bits <= 10;
        at_sent <= at_sent + 1;
      end
    end
    // It receives, in the middle of each bit.
    if (!rst && tx !== 1'b0 && tx !== 1'b1) begin
      $display("cycle %0d: tx is %b", cycle, tx);
      errors <= errors + 1;
    end
    if (in_bits == 0) begin
      if (!rst && tx === 1'b0) begin
        in_bits <= 9;
        in_phase <= DIVISOR + DIVISOR / 2 - 1;
      end
    end else if (in_phase != 0) begin
      in_phase <= in_phase - 1;
    end else begin
      in_phase <= DIVISOR - 1;
      in_bits <= in_bits - 1;
      in <= {{tx, in[7:1]}};
      if (in_bits == 1) begin
        at_answer <= at_answer + 1;
        if (at_answer >= ANSWERS) begin
          $display("cycle %0d: a byte too many: %h", cycle, in);
          errors <= errors + 1;
        end else if (in !== expected[at_answer] || tx !== 1'b1) begin
          $display("byte %0d of the answers: %h, expected %h", at_answer, in, expected[at_answer]);
          errors <= errors + 1;
        end
      end
    end
    if (at_answer >= ANSWERS) quiet <= quiet + 1;
    if (quiet == 64 * DIVISOR || cycle == LIMIT) begin
      if (errors == 0 && at_answer == ANSWERS && busy === 1'b0 && error === 1'b0) begin
        $display("PASS: %0d bytes of answers in %0d cycles", ANSWERS, cycle);
        $finish;
      end else begin
        $display("FAIL: %0d errors, %0d of %0d bytes of answers, busy %b, error %b", errors, at_answer, ANSWERS, busy,
                 error);
        $stop;
      end
    end
  end

  initial begin
{vectors}
  end
endmodule
"""


def uart_testbench(config: AccelConfig | EngineConfig, design: Design) -> str:
    """The text of NAME_tb.v for a device behind a UART."""
    sent, behind, answers = bytearray(), [], bytearray()
    exchanges = _network(config) if isinstance(config, EngineConfig) else _product(config)
    for sequence, (opcode, payload, answer) in enumerate(exchanges):
        frame = encode(Frame(int(opcode), sequence, payload))
        behind += [len(answers)] * len(frame)
        sent += frame
        answers += encode(Frame(int(opcode) | RESPONSE, sequence, bytes([Status.OK]) + answer))
    vectors = [filled("sent", 8, sent), filled("behind", 24, behind), filled("expected", 8, answers)]
    return TESTBENCH.format(
        name=design.name,
        files=files_of(design),
        divisor=config.divisor,
        sent=len(sent),
        answers=len(answers),
        limit=100_000 + 24 * config.divisor * (len(sent) + len(answers)),
        seed=SEED,
        random=RANDOM,
        outputs=outputs_of(design),
        instance=instance_of(design),
        vectors="\n".join(vectors),
    )


class _Host(Link):
    """A link that keeps what a session asks, and answers it from the golden sums of the run under way."""

    def __init__(self) -> None:
        self.rows = np.zeros((0, 0), np.int64)
        self.exchanges: list[Exchange] = []

    def registers(self, first: int, count: int) -> list[int]:
        """No run was issued yet."""
        return [0] * count

    def submit(self, kind: Opcode, payload: bytes) -> PendingRequest:
        answer = b""
        if kind is Opcode.READ:
            asked = ARGUMENTS[kind].unpack(payload)
            answer = self.rows[asked["first"] : asked["first"] + asked["rows"]].astype("<i4").tobytes()
        self.exchanges.append((kind, payload, answer))
        return PendingRequest(Frame(int(kind), 0, payload), answer=answer)


def _product(config: AccelConfig) -> Iterator[Exchange]:
    """The requests of a driver that computes a product, run after run."""
    work, host = ProductWork.of(config), _Host()
    plan = Plan(work.x, work.w, config, work.threads, zero=work.zero)
    session = Session(host, config, plan, work.threads, None)
    out = np.zeros(work.sums.shape, np.int64)
    array = config.array
    for run in plan.runs:
        padded = np.zeros((run.m_tiles * array.rows, run.n_tiles * array.cols), np.int64)
        m, n = run.m_tile * array.rows, run.n_tile * array.cols
        part = work.sums[m : m + len(padded), n : n + padded.shape[1]]
        padded[: part.shape[0], : part.shape[1]] = part
        tiles = padded.reshape(run.m_tiles, array.rows, run.n_tiles, array.cols)
        host.rows = tiles.transpose(0, 2, 1, 3).reshape(-1, array.cols)
        number = session.load(run)
        session.order(number, run)
        session.fetch(number, run, out)
    assert np.array_equal(out, work.sums)
    yield from host.exchanges


def _network(config: EngineConfig) -> Iterator[Exchange]:
    """A program into the memories, one input behind it, a run, and its output."""
    work = NetworkWork.of(config)
    program, number = work.program, 1
    arguments = engine_protocol.ARGUMENTS
    places = [(memory, 0, words) for memory, words in program.images.items()]
    places.append((Memory.ACTIVATIONS, program.input_first(number), program.pack(work.inputs)[0]))
    for memory, first, words in places:
        per_frame = config.frame_data // words.shape[1]
        for start in range(0, len(words), per_frame):
            head = arguments[Opcode.WRITE].pack(run=number, target=memory, address=first + start)
            yield Opcode.WRITE, head + words[start : start + per_frame].tobytes(), b""
    yield Opcode.RUN, arguments[Opcode.RUN].pack(run=number), b""
    per_frame = config.frame_data // config.word_bytes
    for start in range(0, len(work.outputs), per_frame):
        words = work.outputs[start : start + per_frame]
        place = {"target": engine_protocol.ReadTarget.ACTIVATIONS, "address": program.output_first(number) + start}
        yield Opcode.READ, arguments[Opcode.READ].pack(run=number, words=len(words), **place), words.tobytes()
