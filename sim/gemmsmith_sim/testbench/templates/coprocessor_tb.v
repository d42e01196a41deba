// Test bench of @NAME@: scheme @SCHEME@.
// Runs @JOBS@ jobs over AXI and compares memory with what the golden model expects. Prints PASS or FAIL.
// Verilog-2005; run it in the directory of the .hex files (see README.md). Seed of the vectors: @SEED@.

`timescale 1ns / 1ps

module @NAME@_tb;
  localparam DATA_WIDTH = @DATA_WIDTH@;       // bits of a bus word
  localparam ADDR_WIDTH = @ADDR_WIDTH@;
  localparam BYTES = DATA_WIDTH / 8;
  localparam WORDS = @WORDS@;             // bus words of memory, from address 0
  localparam OUT_WIDTH = @OUT_WIDTH@;         // bits of an output
  localparam OUTPUTS = @OUTPUTS@;            // of all jobs
  localparam MAX_CYCLES = @MAX_CYCLES@;
  localparam MAX_MESSAGES = 10;
  localparam DONE = @DONE@;               // the events of a job that ended well

  reg aclk = 0;
  reg aresetn = 0;
  always #5 aclk = !aclk;

  // ---------------------------------------------------------------- device

  reg  [@AXIL_WIDTH@-1:0] s_axil_awaddr = 0;
  reg         s_axil_awvalid = 0;
  wire        s_axil_awready;
  reg  [31:0] s_axil_wdata = 0;
  reg         s_axil_wvalid = 0;
  wire        s_axil_wready;
  wire [1:0]  s_axil_bresp;
  wire        s_axil_bvalid;
  reg  [@AXIL_WIDTH@-1:0] s_axil_araddr = 0;
  reg         s_axil_arvalid = 0;
  wire        s_axil_arready;
  wire [31:0] s_axil_rdata;
  wire [1:0]  s_axil_rresp;
  wire        s_axil_rvalid;
  wire        irq;

  wire                    m_axi_arvalid, m_axi_arready, m_axi_rlast, m_axi_rvalid, m_axi_rready;
  wire [ADDR_WIDTH-1:0]   m_axi_araddr, m_axi_awaddr;
  wire [7:0]              m_axi_arlen, m_axi_awlen;
  wire [2:0]              m_axi_arsize, m_axi_awsize;
  wire [1:0]              m_axi_arburst, m_axi_awburst;
  wire [DATA_WIDTH-1:0]   m_axi_rdata, m_axi_wdata;
  wire [BYTES-1:0]        m_axi_wstrb;
  wire                    m_axi_awvalid, m_axi_awready, m_axi_wlast, m_axi_wvalid, m_axi_wready;
  wire                    m_axi_bvalid, m_axi_bready;

  @NAME@ dut (
    .aclk(aclk), .aresetn(aresetn), .irq(irq),
    .s_axil_awaddr(s_axil_awaddr), .s_axil_awprot(3'b000), .s_axil_awvalid(s_axil_awvalid),
    .s_axil_awready(s_axil_awready),
    .s_axil_wdata(s_axil_wdata), .s_axil_wstrb(4'b1111), .s_axil_wvalid(s_axil_wvalid),
    .s_axil_wready(s_axil_wready),
    .s_axil_bresp(s_axil_bresp), .s_axil_bvalid(s_axil_bvalid), .s_axil_bready(1'b1),
    .s_axil_araddr(s_axil_araddr), .s_axil_arprot(3'b000), .s_axil_arvalid(s_axil_arvalid),
    .s_axil_arready(s_axil_arready),
    .s_axil_rdata(s_axil_rdata), .s_axil_rresp(s_axil_rresp), .s_axil_rvalid(s_axil_rvalid),
    .s_axil_rready(1'b1),
    .m_axi_arid(), .m_axi_araddr(m_axi_araddr), .m_axi_arlen(m_axi_arlen), .m_axi_arsize(m_axi_arsize),
    .m_axi_arburst(m_axi_arburst), .m_axi_arcache(), .m_axi_arprot(), .m_axi_arvalid(m_axi_arvalid),
    .m_axi_arready(m_axi_arready),
    .m_axi_rid(1'b0), .m_axi_rdata(m_axi_rdata), .m_axi_rresp(2'b00), .m_axi_rlast(m_axi_rlast),
    .m_axi_rvalid(m_axi_rvalid), .m_axi_rready(m_axi_rready),
    .m_axi_awid(), .m_axi_awaddr(m_axi_awaddr), .m_axi_awlen(m_axi_awlen), .m_axi_awsize(m_axi_awsize),
    .m_axi_awburst(m_axi_awburst), .m_axi_awcache(), .m_axi_awprot(), .m_axi_awvalid(m_axi_awvalid),
    .m_axi_awready(m_axi_awready),
    .m_axi_wdata(m_axi_wdata), .m_axi_wstrb(m_axi_wstrb), .m_axi_wlast(m_axi_wlast),
    .m_axi_wvalid(m_axi_wvalid), .m_axi_wready(m_axi_wready),
    .m_axi_bid(1'b0), .m_axi_bresp(2'b00), .m_axi_bvalid(m_axi_bvalid), .m_axi_bready(m_axi_bready)
  );

  @NAME@_tb_memory #(
    .DATA_WIDTH(DATA_WIDTH), .ADDR_WIDTH(ADDR_WIDTH), .WORDS(WORDS), .FILE("@NAME@_memory.hex")
  ) memory (
    .aclk(aclk),
    .araddr(m_axi_araddr), .arlen(m_axi_arlen), .arsize(m_axi_arsize), .arburst(m_axi_arburst),
    .arvalid(m_axi_arvalid), .arready(m_axi_arready),
    .rdata(m_axi_rdata), .rlast(m_axi_rlast), .rvalid(m_axi_rvalid), .rready(m_axi_rready),
    .awaddr(m_axi_awaddr), .awlen(m_axi_awlen), .awsize(m_axi_awsize), .awburst(m_axi_awburst),
    .awvalid(m_axi_awvalid), .awready(m_axi_awready),
    .wdata(m_axi_wdata), .wstrb(m_axi_wstrb), .wlast(m_axi_wlast), .wvalid(m_axi_wvalid), .wready(m_axi_wready),
    .bvalid(m_axi_bvalid), .bready(m_axi_bready)
  );

  // ---------------------------------------------------------------- host

  integer failures = 0;
  integer compared = 0;
  integer cycles = 0;

  task fail;
    failures = failures + 1;
  endtask

  // Inputs of the device change at the falling edge, outputs are looked at on the rising one.
  reg aw_taken, w_taken;

  task write_register(input [31:0] offset, input [31:0] value);
    begin
      @(negedge aclk);
      s_axil_awaddr = offset[@AXIL_WIDTH@-1:0];
      s_axil_wdata = value;
      s_axil_awvalid = 1;
      s_axil_wvalid = 1;
      while (s_axil_awvalid || s_axil_wvalid) begin
        @(posedge aclk);
        aw_taken = s_axil_awready;
        w_taken = s_axil_wready;
        @(negedge aclk);
        if (aw_taken) s_axil_awvalid = 0;
        if (w_taken) s_axil_wvalid = 0;
      end
      @(posedge aclk);
      while (!s_axil_bvalid) @(posedge aclk);
      if (s_axil_bresp !== 2'b00) begin
        $display("FAIL write of register 0x%h answered %b", offset, s_axil_bresp);
        fail;
      end
    end
  endtask

  reg [31:0] value_read;

  task read_register(input [31:0] offset);
    begin
      @(negedge aclk);
      s_axil_araddr = offset[@AXIL_WIDTH@-1:0];
      s_axil_arvalid = 1;
      @(posedge aclk);
      while (!s_axil_arready) @(posedge aclk);
      @(negedge aclk);
      s_axil_arvalid = 0;
      @(posedge aclk);
      while (!s_axil_rvalid) @(posedge aclk);
      value_read = s_axil_rdata;
      if (s_axil_rresp !== 2'b00) begin
        $display("FAIL read of register 0x%h answered %b", offset, s_axil_rresp);
        fail;
      end
    end
  endtask

  task check_register(input [31:0] offset, input [31:0] expected_value);
    begin
      read_register(offset);
      if (value_read !== expected_value) begin
        $display("FAIL register 0x%h: expected 0x%h, got 0x%h", offset, expected_value, value_read);
        fail;
      end
    end
  endtask

  task wait_for_interrupt;
    begin
      @(posedge aclk);
      while (irq !== 1'b1) @(posedge aclk);
    end
  endtask

  // ---------------------------------------------------------------- checks

  reg [OUT_WIDTH-1:0] expected [0:OUTPUTS-1];  // all jobs, row by row
  reg [DATA_WIDTH-1:0] intended [0:WORDS-1];   // what memory should hold outside the outputs

  integer row, column, address, word, lane, changed;
  reg [DATA_WIDTH-1:0] data;
  reg [OUT_WIDTH-1:0] got;

  task check_outputs(input integer base, input integer stride, input integer rows, input integer columns);
    for (row = 0; row < rows; row = row + 1)
      for (column = 0; column < columns; column = column + 1) begin
        address = base + row * stride + column * (OUT_WIDTH / 8);
        word = address / BYTES;
        lane = address % BYTES;
        data = memory.words[word] >> (8 * lane);
        got = data[OUT_WIDTH-1:0];
        if (got !== expected[compared]) begin
          if (failures < MAX_MESSAGES)
            $display("FAIL output (%0d, %0d) at address 0x%h: expected 0x%h, got 0x%h", row, column, address,
                     expected[compared], got);
          fail;
        end
        intended[word][8*lane +: OUT_WIDTH] = got;
        compared = compared + 1;
      end
  endtask

  task check_untouched;
    begin
      changed = 0;
      for (word = 0; word < WORDS; word = word + 1)
        if (memory.words[word] !== intended[word]) begin
          if (changed < MAX_MESSAGES)
            $display("FAIL memory outside the outputs at address 0x%h: expected 0x%h, got 0x%h", word * BYTES,
                     intended[word], memory.words[word]);
          changed = changed + 1;
          fail;
        end
    end
  endtask

  task conclude;
    begin
      failures = failures + memory.failures;
      if (compared != OUTPUTS) begin
        $display("FAIL compared %0d outputs of %0d", compared, OUTPUTS);
        fail;
      end
      if (failures == 0) $display("PASS %0d outputs", compared);
      else $display("FAIL with %0d failures, %0d outputs compared, %0d cycles", failures, compared, cycles);
      $finish;
    end
  endtask

  always @(posedge aclk) begin
    cycles <= cycles + 1;
    if (cycles == MAX_CYCLES) begin
      $display("FAIL no end after %0d cycles", cycles);
      fail;
      conclude;
    end
  end

  // ---------------------------------------------------------------- jobs

  initial begin
    for (word = 0; word < WORDS; word = word + 1) intended[word] = {BYTES{8'h@FILL@}};
    $readmemh("@NAME@_memory.hex", intended);
    $readmemh("@NAME@_expected.hex", expected);
    repeat (8) @(negedge aclk);
    aresetn = 1;
@SEQUENCE@
    check_untouched;
    conclude;
  end
endmodule

// Memory behind AXI4, with stalls drawn from a generator that is the same in every simulator.
// Counts in `failures` what a manager must not do.
module @NAME@_tb_memory #(
  parameter DATA_WIDTH = 128,
  parameter ADDR_WIDTH = 32,
  parameter WORDS = 1024,
  parameter FILE = ""
) (
  input                         aclk,
  input      [ADDR_WIDTH-1:0]   araddr,
  input      [7:0]              arlen,
  input      [2:0]              arsize,
  input      [1:0]              arburst,
  input                         arvalid,
  output                        arready,
  output reg [DATA_WIDTH-1:0]   rdata,
  output reg                    rlast,
  output reg                    rvalid,
  input                         rready,
  input      [ADDR_WIDTH-1:0]   awaddr,
  input      [7:0]              awlen,
  input      [2:0]              awsize,
  input      [1:0]              awburst,
  input                         awvalid,
  output                        awready,
  input      [DATA_WIDTH-1:0]   wdata,
  input      [DATA_WIDTH/8-1:0] wstrb,
  input                         wlast,
  input                         wvalid,
  output                        wready,
  output reg                    bvalid,
  input                         bready
);
  localparam BYTES = DATA_WIDTH / 8;
  localparam SIZE = $clog2(BYTES);

  reg [DATA_WIDTH-1:0] words [0:WORDS-1];
  integer failures = 0;
  integer i, lane;

  initial begin
    for (i = 0; i < WORDS; i = i + 1) words[i] = {BYTES{8'h@FILL@}};
    $readmemh(FILE, words);
    rvalid = 0;
    bvalid = 0;
  end

  // Two bits of a xorshift generator for each channel: it stands still in a quarter of the cycles.
  reg [31:0] noise = 32'h@NOISE@;

  function [31:0] step(input [31:0] x);
    begin
      step = x ^ (x << 13);
      step = step ^ (step >> 17);
      step = step ^ (step << 5);
    end
  endfunction

  always @(posedge aclk) noise <= step(noise);
  wire ar_moves = |noise[1:0];
  wire r_moves  = |noise[7:6];
  wire aw_moves = |noise[13:12];
  wire w_moves  = |noise[19:18];
  wire b_moves  = |noise[25:24];

  // A burst must be of whole words, INCR, inside a 4 KiB page and inside the memory.
  task check_burst(input [ADDR_WIDTH-1:0] address, input [7:0] len, input [2:0] size, input [1:0] burst);
    if (size !== SIZE || burst !== 2'b01 || (address >> SIZE) + len >= WORDS
        || (address % 4096 >> SIZE) + len >= 4096 / BYTES) begin
      $display("FAIL burst at address 0x%h: len %0d, size %0d, burst %b", address, len, size, burst);
      failures = failures + 1;
    end
  endtask

  // Reads: up to four bursts wait, answered in order.
  reg [ADDR_WIDTH-1:0] read_word [0:3];
  reg [7:0] read_len [0:3];
  reg [2:0] accepted = 0, answered = 0;
  reg [7:0] read_beat = 0;
  wire [2:0] waiting = accepted - answered;
  wire [1:0] oldest = answered[1:0];
  assign arready = waiting != 4 && ar_moves;

  always @(posedge aclk) begin
    if (arvalid && arready) begin
      check_burst(araddr, arlen, arsize, arburst);
      read_word[accepted[1:0]] <= araddr >> SIZE;
      read_len[accepted[1:0]] <= arlen;
      accepted <= accepted + 1;
    end
    if (!rvalid || rready) begin
      rvalid <= waiting != 0 && r_moves;
      if (waiting != 0 && r_moves) begin
        rdata <= words[read_word[oldest] + read_beat];
        rlast <= read_beat == read_len[oldest];
        read_beat <= read_beat + 1;
        if (read_beat == read_len[oldest]) begin
          read_beat <= 0;
          answered <= answered + 1;
        end
      end
    end
  end

  // Writes: one burst at a time.
  reg [ADDR_WIDTH-1:0] write_word;
  reg [7:0] beats_left;
  reg writing = 0;
  reg responding = 0;
  assign awready = !writing && !responding && !bvalid && aw_moves;
  assign wready = writing && w_moves;

  always @(posedge aclk) begin
    if (awvalid && awready) begin
      check_burst(awaddr, awlen, awsize, awburst);
      write_word <= awaddr >> SIZE;
      beats_left <= awlen;
      writing <= 1;
    end
    if (wvalid && wready) begin
      for (lane = 0; lane < BYTES; lane = lane + 1)
        if (wstrb[lane]) words[write_word][8*lane +: 8] = wdata[8*lane +: 8];
      if (wlast !== (beats_left == 0)) begin
        $display("FAIL wlast is %b with %0d beats to come", wlast, beats_left);
        failures = failures + 1;
      end
      write_word <= write_word + 1;
      beats_left <= beats_left - 1;
      writing <= beats_left != 0;
      responding <= beats_left == 0;
    end
    if (bvalid && bready) bvalid <= 0;
    if (responding && b_moves) begin
      responding <= 0;
      bvalid <= 1;
    end
  end
endmodule
