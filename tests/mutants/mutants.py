"""Faults of one line each, and the test that must notice. A fault that no test notices is a hole in the tests."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """One fault: ``old``, which stands once in ``file``, becomes ``new``; ``caught_by`` is a pytest selection."""

    name: str
    file: str
    old: str
    new: str
    caught_by: str


_ANDA = "tests/hw/pe/test_anda.py"
_TOYS = "tests/hw/tile/test_tile_toys.py"
_COMPRESSOR = "tests/hw/units/test_compressor.py"
_COMPRESSING = "tests/hw/coprocessor/test_compressing.py"
_JOBS = "tests/hw/coprocessor/test_coprocessor_jobs.py"

MUTANTS = (
    # The sign of a truncated zero, in hardware and in the golden model.
    Mutant("negator-negative-zero", "hw/gemmsmith/arith/serial.py", "^ (sign & below)",
           "^ (sign & (below | ended.replicate(lanes)))",
           f"{_ANDA}::test_a_negative_zero_is_zero"),
    Mutant("golden-zero-keeps-its-sign", "sim/gemmsmith_sim/golden/anda.py", "[groups < 0, mantissa_bits]",
           "[groups <= 0, mantissa_bits]", "tests/sim/golden/test_golden_packing.py::test_anda_activation_packing"),
    # Shares of a core in an array, and the pace of its blocks.
    Mutant("column-edges-shared-by-columns", "sim/gemmsmith_sim/measure/suites/share.py",
           'per_core["column_edge"] /= rows', 'per_core["column_edge"] /= cols',
           "tests/sim/measure/test_suites.py::test_a_core_has_its_share_of_everything"),
    Mutant("blocks-wait-for-one-slot-only", "sim/gemmsmith_sim/measure/suites/system.py",
           "+ outputs) / SLOTS)", "+ outputs) / 3)",
           "tests/sim/measure/test_suites.py::test_blocks_follow_each_other_at_the_pace"),
    Mutant("a-part-belongs-to-its-row", "sim/gemmsmith_sim/measure/flat.py",
           'if APART in self.content["attributes"]:', "if False:",
           "tests/sim/measure/test_measure_asic.py::test_parts_mapped_apart_are_told_apart"),
    # Processing elements and their arithmetic.
    Mutant("anda-weights-change-one-digit-early", "hw/gemmsmith/pe/anda.py",
           "with m.If(self.ctl.valid & (~self.ctl.first | self.ctl.last)):",
           "with m.If(self.ctl.valid):", f"{_ANDA}::test_groups_follow_each_other_as_scheduled"),
    Mutant("anda-accumulator-not-cleared", "hw/gemmsmith/arith/float_totals.py",
           "Mux(tags[1].first, 0, base)", "base",
           f"{_ANDA}::test_sharing_a_tail"),
    Mutant("weight-of-seven-has-no-high-digit", "hw/gemmsmith/arith/digits.py",
           "(low == carry) & (high != carry)", "(low == carry) & high & ~carry",
           "tests/hw/arith/test_digits.py::test_every_activation_times_every_weight"),
    Mutant("highest-slice-never-in-the-middle", "hw/gemmsmith/arith/fusion.py",
           "return (~four, ~eight, ~four, Const(1))[index]", "return (~four, ~four, ~four, Const(1))[index]",
           "tests/hw/pe/test_bitfusion.py::test_every_activation_times_every_weight"),
    Mutant("term-of-four-doubled-only", "hw/gemmsmith/arith/terms.py", "(xxxx & term.four)", "(xx & term.four)",
           "tests/hw/pe/test_ant.py::test_every_code_times_every_code"),
    Mutant("golden-flint-of-a-late-one", "hw/gemmsmith/schemes/ant.py", '"flint": (0, 1, 2, 3, 16, 8, 4, 6)',
           '"flint": (0, 1, 2, 3, 8, 16, 4, 6)', "tests/sim/golden/test_golden_encoding.py::test_ant_encoding"),
    Mutant("ifpu-activations-change-late", "hw/gemmsmith/pe/ifpu.py",
           "with m.If(self.ctl.valid & self.ctl.first):", "with m.If(self.ctl.valid & self.ctl.last):",
           "tests/hw/pe/test_ifpu.py::test_groups_follow_each_other_as_scheduled"),
    Mutant("golden-lanes-bits-reversed", "sim/gemmsmith_sim/golden/prealigned.py",
           "np.arange(width, dtype=codes.dtype)", "np.arange(width, dtype=codes.dtype)[::-1]",
           "tests/sim/golden/test_golden_packing.py::test_figna_packing"),
    Mutant("last-digit-not-negative", "hw/gemmsmith/arith/serial.py", "shifted, first, last)",
           "shifted, first, self.last & 0)",
           "tests/hw/arith/test_serial.py::test_accumulator_left_aligns_the_exact_sum"),
    Mutant("pair-of-digits-one-plane-late", "hw/gemmsmith/arith/serial.py", "due.insert(0, pending)",
           "due.append(pending)", "tests/hw/arith/test_serial.py::test_two_planes_at_a_time"),
    Mutant("scaled-tie-always-down", "hw/gemmsmith/arith/float_scale.py", "(tie & self.i[1])", "(tie & 0)",
           "tests/hw/arith/test_float_scale.py::test_ties_of_the_first_rounding"),
    Mutant("gated-sign-of-a-carry-chain", "hw/gemmsmith/arith/tech/ecp5.py",
           "GATED_SIGN = init(lambda a, shut_a: a or shut_a,", "GATED_SIGN = init(lambda a, shut_a: a,",
           "tests/formal/test_leaves_formal.py::test_gated_sum"),
    Mutant("zero-of-an-absent-word-not-in-offset-binary", "hw/gemmsmith/arith/tech/ecp5.py",
           "gated[lane].eq(1 << len(word) - 1)", "gated[lane].eq(0)",
           "tests/formal/test_leaves_formal.py::test_ternary_sum"),
    Mutant("three-rows-without-their-carry", "hw/gemmsmith/arith/tech/xilinx.py", "saved.append(carry)",
           "saved.append(ZERO)", "tests/formal/test_leaves_formal.py::test_gated_sum"),
    Mutant("zero-of-a-shut-word-not-in-offset-binary", "hw/gemmsmith/arith/tech/ice40.py",
           "EITHER_SIGN = init(lambda shut, a, b, carry: ~a", "EITHER_SIGN = init(lambda shut, a, b, carry: a",
           "tests/formal/test_leaves_formal.py::test_gated_sum"),
    Mutant("packed-products-keep-what-they-borrow", "hw/gemmsmith/arith/packed.py", "dot.eq(fields + lent)",
           "dot.eq(fields)", "tests/hw/arith/test_packed.py::test_two_products_exhaustively"),
    Mutant("full-adder-carry-of-two-only", "hw/gemmsmith/arith/tech/asic.py",
           "(self.a & self.b) | (self.c & (self.a | self.b))", "(self.a & self.b) | (self.c & self.b)",
           "tests/formal/test_leaves_formal.py::test_gated_accumulate"),
    Mutant("sign-plane-added", "hw/gemmsmith/arith/planes.py",
           "total = rest - high if minus else rest + high", "total = rest + high",
           "tests/hw/arith/test_dot.py::test_two_lanes_of_int4_by_int2_exhaustively"),
    Mutant("smallest-results-not-flushed", "hw/gemmsmith/arith/round.py",
           "(zero_uncarried & ~carried)", "(zero_uncarried & 0)",
           "tests/hw/arith/test_float_round.py"),
    Mutant("ties-round-up", "hw/gemmsmith/arith/round.py", "(any_bit(rest[:-1]) | kept[0])", "(any_bit(rest[:-1]) | 1)",
           "tests/hw/arith/test_float_round.py"),
    Mutant("fp16-subnormals-not-normalized", "hw/gemmsmith/arith/float_multiply.py",
           "return Factor(normalized, finite - zeros,",
           "return Factor(normalized, finite,", "tests/hw/pe/test_fp16.py::test_random_blocks"),
    Mutant("accumulator-forgets-what-it-rounded", "hw/gemmsmith/arith/float_accumulate.py",
           "self.o_up & ~clear & ~(leads & acc_lost)", "self.o_up & ~clear & ~leads",
           "tests/hw/arith/test_float_accumulate.py::test_random_sums"),
    Mutant("zero-products-count-in-the-largest-exponent", "hw/gemmsmith/pe/fp16dot.py",
           "(~present).replicate(FORMAT.exponent_width - EXPONENT)", "Const(0, FORMAT.exponent_width - EXPONENT)",
           "tests/hw/pe/test_fp16dot.py::test_lanes_of_very_different_size"),
    Mutant("carry-between-the-halves-lost", "hw/gemmsmith/arith/float_dot.py",
           "self.o_carry.eq(lower[half] ^ subtract)", "self.o_carry.eq(lower[half])",
           "tests/hw/pe/test_fp16dot.py::test_cancellation_leaves_small_sums"),
    Mutant("weight-of-minus-eight", "hw/gemmsmith/pe/fpint.py",
           "SMALLEST + 3, SMALLEST + 2 - zeros", "SMALLEST + 2, SMALLEST + 2 - zeros",
           "tests/hw/pe/test_fpint.py::test_every_weight"),
    Mutant("every-lane-stays-in-the-race", "hw/gemmsmith/arith/beat_align.py", "in_race & (value | ~some)", "in_race",
           "tests/hw/arith/test_beat_align.py::test_every_pair_of_exponents"),
    Mutant("fixed-point-sum-kept-across-groups", "hw/gemmsmith/arith/fixed_accumulate.py",
           "kept.eq(0)", "kept.eq(kept)", "tests/hw/arith/test_fixed_accumulate.py::test_random_sums_back_to_back"),
    Mutant("dequantised-weight-twice-as-large", "hw/gemmsmith/pe/dequant.py",
           "exponent_2 + (WEIGHT - 1) - zeros", "exponent_2 + WEIGHT - zeros",
           "tests/hw/pe/test_dequant.py::test_random_blocks"),
    Mutant("fp4-ties-to-the-odd-code", "sim/gemmsmith_sim/golden/fp4.py", "if k % 2 else", "if k % 2 == 0 else",
           "tests/sim/golden/test_golden_encoding.py::test_fp4_weights_are_the_nearest"),
    Mutant("scale-of-the-wrong-group", "hw/gemmsmith/tile/feeder.py", "== o.every - 1)", "== 0)",
           f"{_TOYS}::test_tile_computes_what_the_toy_says"),
    # The tile.
    Mutant("tail-overrun", "hw/gemmsmith/tile/feeder.py", "return since == least - 1", "return since >= least - 2",
           f"{_TOYS}::test_tile_computes_what_the_toy_says"),
    Mutant("block-without-room", "hw/gemmsmith/tile/drain.py", "self.room.eq(taken != SLOTS)", "self.room.eq(1)",
           f"{_TOYS}::test_tile_computes_what_the_toy_says"),
    Mutant("tail-operands-held-late", "hw/gemmsmith/tile/tile.py", "feeder.push, pe.edge_latency + pe.core_latency",
           "feeder.push, pe.edge_latency + pe.core_latency + 1", f"{_TOYS}::test_tile_computes_what_the_toy_says"),
    # The compressor.
    Mutant("compressor-ties-round-up", "hw/gemmsmith/units/align.py", "(self.cut.last & tie.replicate(width))",
           "(self.cut.last & 0)", f"{_COMPRESSOR}::test_what_the_format_says"),
    Mutant("compressor-zero-keeps-its-sign", "hw/gemmsmith/units/compressor.py", "source.payload.signs & nonzero",
           "source.payload.signs", f"{_COMPRESSOR}::test_what_the_format_says"),
    Mutant("corner-turn-does-not-fill-the-batch", "hw/gemmsmith/units/corner.py",
           "Mux(full, Mux(self.m == 1, State.FLOW, State.PUSH), State.FILL)",
           "Mux(self.m == 1, State.FLOW, State.PUSH)",
           f"{_COMPRESSOR}::test_random_rows_under_stalls"),
    # DMA and job control.
    Mutant("burst-one-word-long", "hw/gemmsmith/bus/burst.py", "self.i.payload.beats - 1", "self.i.payload.beats",
           "tests/hw/bus/test_reader.py::test_page_edges"),
    Mutant("strobe-of-a-stale-lane", "hw/gemmsmith/bus/writer.py",
           "strobe.eq(Mux(self.o_data.valid, 0, strobe) | place)",
           "strobe.eq(strobe | place)", f"{_JOBS}::test_outputs_touch_nothing_around_them"),
    Mutant("second-chunk-of-k-at-the-first", "hw/gemmsmith/coprocessor/loader.py",
           "chunk_start[operand].eq(chunk_start[operand] + self._chunk_bytes()[operand])",
           "chunk_start[operand].eq(chunk_start[operand])", "tests/hw/coprocessor/test_coprocessor_toys.py"),
    Mutant("errors-do-not-stop-the-job", "hw/gemmsmith/coprocessor/coprocessor.py",
           "with m.If(failed | bank.control[1]):",
           "with m.If(bank.control[1]):", f"{_JOBS}::test_a_bus_error_stops_the_job_and_the_next_one_works"),
    Mutant("job-done-before-its-outputs", "hw/gemmsmith/coprocessor/coprocessor.py",
           "(unfinished == 0) & ~unsent & writer.idle", "(unfinished == 0)",
           f"{_JOBS}::test_done_comes_after_the_last_output"),
    Mutant("rest-of-an-exponent-lost", "hw/gemmsmith/coprocessor/planes.py", "word.eq(word[WORD:]), second.eq(0)",
           "word.eq(0), second.eq(0)", f"{_COMPRESSING}::test_planes_and_exponents"),
    Mutant("groups-filled-with-leftovers", "hw/gemmsmith/coprocessor/gather.py", "Mux(there, port.data, 0)",
           "port.data", f"{_COMPRESSING}::test_gather"),
    # Golden models.
    Mutant("golden-fused-group", "sim/gemmsmith_sim/golden/prealigned.py", ".astype(np.float32, copy=False) * scale",
           " * scale.astype(np.float64)", "tests/sim/golden/test_golden_oracle.py::test_product"),
    Mutant("golden-codes-minus-128", "sim/gemmsmith_sim/golden/rowscaled.py",
           "np.clip(np.rint(x), -largest, largest)", "np.clip(np.rint(x), -largest, largest - 1)",
           "tests/sim/golden/test_golden_encoding.py::test_int8_encoding"),
    Mutant("golden-sums-keep-subnormals", "sim/gemmsmith_sim/golden/mixpe.py",
           "acc[np.abs(acc) < FP32_SMALLEST_NORMAL] = 0", "acc += 0",
           "tests/sim/golden/test_golden_mixpe.py::test_sums_below_the_normal_range_are_flushed_group_by_group"),
    Mutant("means-count-what-fills-groups-up", "sim/gemmsmith_sim/golden/narrow.py", "/ groups.counts", "/ x.shape[2]",
           "tests/sim/golden/test_golden_mixpe.py::test_binary_scales_are_mean_magnitudes_of_the_weights_alone"),
    # Packed checkpoints.
    Mutant("awq-order-not-inverted", "sim/gemmsmith_sim/quantise/packed.py", "np.argsort(AWQ_ORDER)",
           "np.array(AWQ_ORDER)",
           "tests/sim/quantise/test_quantise_packed.py::test_codes_zero_points_and_scales_are_taken_over"),
)
