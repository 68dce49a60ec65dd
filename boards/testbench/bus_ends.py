# SPDX-License-Identifier: Apache-2.0
"""The ends of a bus in the testbench of a device: a master at its registers, and the memory that it is master of.

Both are clocked: `masters` stands in the testbench's one process, behind what `signals` declares.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class BusEnds:
    """Verilog of both ends."""

    signals: str
    masters: str


ENDS = {
    "axi": BusEnds(
        signals="""\
  reg s_axi_awvalid = 0, s_axi_wvalid = 0, s_axi_arvalid = 0, begun = 0;
  wire [11:0] s_axi_awaddr = s_axi_awvalid ? {number[step], 2'b00} : 12'bx;
  wire [11:0] s_axi_araddr = s_axi_arvalid ? {number[step], 2'b00} : 12'bx;
  wire [31:0] s_axi_wdata = s_axi_wvalid ? value[step] : 32'bx;
  wire [3:0] s_axi_wstrb = s_axi_wvalid ? 4'hf : 4'bx;
  wire [2:0] s_axi_awprot = 0, s_axi_arprot = 0;
  wire s_axi_bready = random[2], s_axi_rready = random[4];

  reg [WIDTH-1:0] data = 0, merged = 0;
  reg read_valid = 0, read_last = 0, answer = 0;
  integer read_at = 0, read_left = 0, write_at = 0, write_left = 0;
  wire m_axi_arready = random[6] && read_left == 0 && !read_valid;
  wire m_axi_rvalid = read_valid;
  wire [WIDTH-1:0] m_axi_rdata = read_valid ? data : {WIDTH{1'bx}};
  wire m_axi_rlast = read_valid ? read_last : 1'bx;
  wire [1:0] m_axi_rresp = read_valid ? 2'b00 : 2'bx, m_axi_bresp = answer ? 2'b00 : 2'bx;
  wire m_axi_rid = 0, m_axi_bid = 0;
  wire m_axi_awready = random[8] && write_left == 0 && !answer;
  wire m_axi_wready = random[10] && write_left != 0;
  wire m_axi_bvalid = answer;""",
        masters="""\
    // Registers: AXI4-Lite.
    if ((writes || reads) && !begun && random[12]) begin
      begun <= 1;
      s_axi_awvalid <= writes;
      s_axi_wvalid <= writes;
      s_axi_arvalid <= reads;
    end
    if (s_axi_awvalid && s_axi_awready) s_axi_awvalid <= 0;
    if (s_axi_wvalid && s_axi_wready) s_axi_wvalid <= 0;
    if (s_axi_arvalid && s_axi_arready) s_axi_arvalid <= 0;
    if (begun && writes && s_axi_bvalid && s_axi_bready || begun && reads && s_axi_rvalid && s_axi_rready) begin
      begun <= 0;
      step <= step + 1;
      if (writes && s_axi_bresp !== 2'b00 || reads && (s_axi_rresp !== 2'b00 || s_axi_rdata !== value[step])) begin
        $display("step %0d, register %0d: bresp %b, rresp %b, %h, expected %h", step, number[step], s_axi_bresp,
                 s_axi_rresp, s_axi_rdata, value[step]);
        errors <= errors + 1;
      end
    end
    // The memory: AXI4, one burst of each direction at a time.
    if (m_axi_arvalid && m_axi_arready) begin
      read_at <= m_axi_araddr / BYTES;
      read_left <= m_axi_arlen + 1;
    end
    if (m_axi_rready || !read_valid) begin
      read_valid <= read_left != 0 && random[14];
      if (read_left != 0 && random[14]) begin
        data <= memory[read_at];
        read_last <= read_left == 1;
        read_at <= read_at + 1;
        read_left <= read_left - 1;
      end
    end
    if (m_axi_awvalid && m_axi_awready) begin
      write_at <= m_axi_awaddr / BYTES;
      write_left <= m_axi_awlen + 1;
    end
    if (m_axi_wvalid && m_axi_wready) begin
      merged = memory[write_at];
      for (i = 0; i < BYTES; i = i + 1) if (m_axi_wstrb[i] !== 1'b0) merged[8*i +: 8] = m_axi_wdata[8*i +: 8];
      memory[write_at] <= merged;
      write_at <= write_at + 1;
      write_left <= write_left - 1;
      answer <= write_left == 1;
      if (m_axi_wlast !== (write_left == 1)) begin
        $display("cycle %0d: wlast is %b, %0d beats before the end of its burst", cycle, m_axi_wlast, write_left - 1);
        errors <= errors + 1;
      end
    end
    if (answer && m_axi_bready) answer <= 0;
    if ((read_left != 0 && read_at >= WORDS) || (write_left != 0 && write_at >= WORDS)) begin
      $display("cycle %0d: an address is outside of the memory", cycle);
      errors <= errors + 1;
    end""",
    ),
    "wishbone": BusEnds(
        signals="""\
  reg begun = 0, answers = 0;
  wire s_wb_cyc = begun, s_wb_stb = begun;
  wire s_wb_we = begun ? writes : 1'bx;
  wire [9:0] s_wb_adr = begun ? number[step] : 10'bx;
  wire [31:0] s_wb_dat_w = begun && writes ? value[step] : 32'bx;
  wire [3:0] s_wb_sel = begun ? 4'hf : 4'bx;

  reg [WIDTH-1:0] merged = 0;
  wire m_wb_ack = m_wb_cyc && m_wb_stb && answers;
  wire m_wb_err = 0;
  wire [WIDTH-1:0] m_wb_dat_r = m_wb_ack && !m_wb_we ? memory[m_wb_adr] : {WIDTH{1'bx}};""",
        masters="""\
    // Registers: classic cycles.
    if ((writes || reads) && !begun) begun <= random[12];
    if (begun && (s_wb_ack || s_wb_err)) begin
      begun <= 0;
      step <= step + 1;
      if (s_wb_err !== 1'b0 || reads && s_wb_dat_r !== value[step]) begin
        $display("step %0d, register %0d: err %b, %h, expected %h", step, number[step], s_wb_err, s_wb_dat_r,
                 value[step]);
        errors <= errors + 1;
      end
    end
    // The memory.
    answers <= random[14] | random[3];
    if (m_wb_ack && m_wb_we) begin
      merged = memory[m_wb_adr];
      for (i = 0; i < BYTES; i = i + 1) if (m_wb_sel[i] !== 1'b0) merged[8*i +: 8] = m_wb_dat_w[8*i +: 8];
      memory[m_wb_adr] <= merged;
    end
    if (m_wb_ack && m_wb_adr >= WORDS) begin
      $display("cycle %0d: an address is outside of the memory", cycle);
      errors <= errors + 1;
    end""",
    ),
}
"""By link."""
