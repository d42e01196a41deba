// Test bench of @NAME@: scheme @SCHEME@.
// Sends @BLOCKS@ blocks over AXI4-Stream and compares the outputs with what the golden model expects.
// Prints PASS or FAIL. Verilog-2005; run it in the directory of the .hex files (see README.md).
// Seed of the vectors: @SEED@.

`timescale 1ns / 1ps

module @NAME@_tb;
  localparam OUT_WIDTH = @OUT_WIDTH@;     // bits of an output
  localparam OUTPUTS = @OUTPUTS@;        // of all blocks
  localparam MODE_WIDTH = @MODE_WIDTH@;
  localparam MAX_CYCLES = @MAX_CYCLES@;
  localparam MAX_MESSAGES = 10;
  localparam QUIET_CYCLES = 200;  // in which nothing may come after the last output

  reg aclk = 0;
  reg aresetn = 0;
  always #5 aclk = !aclk;

  integer failures = 0;
  integer cycles = 0;

  // ---------------------------------------------------------------- blocks

  // A word: the mode above the 40 bits of s_axis_block.
  wire [MODE_WIDTH+39:0] block;
  wire block_tvalid, block_tready;
  reg [MODE_WIDTH-1:0] mode = @FIRST_MODE@;
  integer due = 0;       // outputs of the blocks sent so far
  integer received = 0;
  wire [MODE_WIDTH-1:0] next_mode = block[MODE_WIDTH+39:40];
  wire block_enable = aresetn && !block_tvalid && mode == next_mode;

  @NAME@_tb_source #(.WIDTH(MODE_WIDTH + 40), .COUNT(@BLOCKS@), .NOISE(32'h@BLOCK_NOISE@), .FILE("@NAME@_block.hex"))
    source_block (.aclk(aclk), .enable(block_enable), .tdata(block), .tvalid(block_tvalid),
                  .tready(block_tready));

  // The mode may change when all outputs of the blocks before are there.
  always @(posedge aclk) begin
    if (block_tvalid && block_tready) due <= due + (block[31:24] + 1) * (block[39:32] + 1);
    if (aresetn && !block_tvalid && received == due && due < OUTPUTS) mode <= next_mode;
  end

  // ---------------------------------------------------------------- operands

@SOURCES@
  // ---------------------------------------------------------------- device

  wire [OUT_WIDTH-1:0] o_tdata;
  wire o_tlast, o_tvalid, saturated;
  reg o_tready = 0;

  @NAME@ dut (
    .aclk(aclk), .aresetn(aresetn), .cfg_mode(mode), .saturated(saturated),
    .s_axis_block_tdata(block[39:0]), .s_axis_block_tvalid(block_tvalid), .s_axis_block_tready(block_tready),
@PORTS@
    .m_axis_o_tdata(o_tdata), .m_axis_o_tlast(o_tlast), .m_axis_o_tvalid(o_tvalid), .m_axis_o_tready(o_tready)
  );

  // ---------------------------------------------------------------- checks

  reg [OUT_WIDTH:0] expected [0:OUTPUTS-1];  // TLAST above the output
  reg [31:0] noise = 32'h@NOISE@;
  integer quiet = 0;

  task fail;
    failures = failures + 1;
  endtask

  task conclude;
    begin
      if (received != OUTPUTS) begin
        $display("FAIL received %0d outputs of %0d", received, OUTPUTS);
        fail;
      end
      if (@ANY_LEFT@) begin
        $display("FAIL not all operand words were taken");
        fail;
      end
      if (failures == 0) $display("PASS %0d outputs", received);
      else $display("FAIL with %0d failures, %0d outputs received, %0d cycles", failures, received, cycles);
      $finish;
    end
  endtask

  function [31:0] step(input [31:0] x);
    begin
      step = x ^ (x << 13);
      step = step ^ (step >> 17);
      step = step ^ (step << 5);
    end
  endfunction

  initial begin
    $readmemh("@NAME@_expected.hex", expected);
    repeat (8) @(negedge aclk);
    aresetn = 1;
  end

  always @(posedge aclk) begin
    noise <= step(noise);
    o_tready <= |noise[1:0];
    if (o_tvalid === 1'b1 && o_tready) begin
      if (received >= OUTPUTS) begin
        $display("FAIL an output too many: 0x%h", o_tdata);
        fail;
      end else if ({o_tlast, o_tdata} !== expected[received]) begin
        if (failures < MAX_MESSAGES)
          $display("FAIL output %0d: expected 0x%h with TLAST %b, got 0x%h with TLAST %b", received,
                   expected[received][OUT_WIDTH-1:0], expected[received][OUT_WIDTH], o_tdata, o_tlast);
        fail;
      end
      received <= received + 1;
    end
    if (aresetn && saturated !== 1'b0) begin
      if (failures < MAX_MESSAGES) $display("FAIL saturated is %b in cycle %0d", saturated, cycles);
      fail;
    end
  end

  always @(posedge aclk) begin
    cycles <= cycles + 1;
    if (received >= OUTPUTS) quiet <= quiet + 1;
    if (quiet == QUIET_CYCLES) conclude;
    else if (cycles == MAX_CYCLES) begin
      $display("FAIL no end after %0d cycles", cycles);
      fail;
      conclude;
    end
  end
endmodule

// Sends the words of a file over AXI4-Stream, with gaps from a generator that is the same in every simulator.
// `tdata` shows the next word even before `tvalid` rises, which waits for `enable`.
module @NAME@_tb_source #(
  parameter WIDTH = 8,
  parameter COUNT = 1,
  parameter NOISE = 1,
  parameter FILE = ""
) (
  input                  aclk,
  input                  enable,
  output     [WIDTH-1:0] tdata,
  output reg             tvalid,
  input                  tready
);
  reg [WIDTH-1:0] words [0:COUNT-1];
  reg [31:0] noise = NOISE;
  reg [31:0] sent = 0;
  wire left = sent != COUNT;

  initial begin
    tvalid = 0;
    $readmemh(FILE, words);
  end

  function [31:0] step(input [31:0] x);
    begin
      step = x ^ (x << 13);
      step = step ^ (step >> 17);
      step = step ^ (step << 5);
    end
  endfunction

  assign tdata = words[left ? sent : COUNT - 1];

  always @(posedge aclk) begin
    noise <= step(noise);
    if (tvalid && tready) sent <= sent + 1;
    if (!tvalid || tready) tvalid <= enable && sent + tvalid < COUNT && |noise[1:0];
  end
endmodule
