"""Suites: their data, shares of a core, arrays, and what a new suite takes."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pytest

from gemmsmith.schemes import Axis
from gemmsmith.tile import Tile
from gemmsmith_sim.backends.tile import Block, run_tile
from gemmsmith_sim.measure.bench import AsicFlow, FpgaFlow, Outcome, run_jobs
from gemmsmith_sim.measure.suites import (
    PARTS,
    PeRow,
    SuitePlan,
    SuiteRecord,
    array_share,
    assemble,
    equal_area_rows,
    largest_array,
    load_suite,
    markdown,
    published_workloads,
    suite,
    suite_names,
    system_rows,
    tables,
)
from gemmsmith_sim.measure.suites.suite import SuiteUnit
from gemmsmith_sim.measure.suites.system import pace
from toys.quire import Quire, QuireElement

ANDA = load_suite("anda")
FLOW = FpgaFlow.variants("ecp5", dsp=[False], seeds=[], apart=PARTS)[0]


@pytest.mark.parametrize("workload", published_workloads(ANDA), ids=lambda w: f"{w.model} {w.label}")
def test_the_papers_lengths_give_the_papers_bit_operations(workload):
    assert workload.reduction() == pytest.approx(workload.bit_operations, abs=0.0101)


def test_the_papers_bars_follow_its_cycles():
    bars = {unit.build("ecp5", 1).config.element().mode: unit.paper for unit in ANDA.units
            if unit.scheme.startswith("anda")}
    assert sorted(bars) == list(range(4, 14))
    for m, paper in bars.items():
        assert paper.area_efficiency == pytest.approx(69.44 / (m + 1), rel=1e-3)
        assert paper.energy_efficiency == pytest.approx(80.35 / (m + 1), rel=1e-3)


def test_a_suite_is_found_by_its_name():
    assert "anda" in suite_names()
    assert "models" not in suite_names()
    with pytest.raises(ValueError, match=r"no suite is called 'andes'; there are .*anda"):
        load_suite("andes")
    with pytest.raises(ValueError, match="the suite has no unit 'int8'; it has fp16, "):
        ANDA.choose(["int8"])
    assert [unit.scheme for unit in ANDA.choose(["anda-m7"])] == ["fp16", "anda-m7"]


@pytest.mark.parametrize(("scheme", "shares"), [
    ("fp16", [1, 2, 4, 8, 16]), ("anda-m4", [1, 2, 4]), ("anda-m6", [1, 2, 4]), ("anda-m7", [1, 2, 4, 8]),
    ("anda-m13", [1, 2, 4, 8]),
])
def test_no_share_makes_a_core_wait(scheme, shares):
    [unit] = [unit for unit in ANDA.units if unit.scheme == scheme]
    plan = SuitePlan(suite=ANDA, units=[unit], flows=[FLOW])
    assert plan.shares(unit, FLOW) == shares


def test_a_core_has_its_share_of_everything():
    costs = {"": 1000.0, "slice_a": 1000.0, "tile": 3.0, "tile.feeder": 5.0, "tile.drain.queue": 8.0,
             "tile.column_0": 16.0, "tile.column_1": 16.0, "tile.row_0": 6.0, "tile.row_0.edge.negator": 80.0,
             "tile.row_0.core_0": 50.0, "tile.row_0.core_1.serial": 50.0, "tile.row_0.tail_0.add": 30.0}
    share = array_share(costs, cores=2, rows=4, cols=8)
    assert (share.core, share.tail, share.row_edge, share.column_edge) == (50, 15, 10, 4)
    assert (share.results, share.array) == (3, 2)
    assert share.total == 84
    assert share.scaled(2).total == 168
    with pytest.raises(ValueError, match="there must be cores"):
        array_share({"tile.row_0": 1.0}, cores=1, rows=1, cols=1)


def pe_row(scheme, area, macs, energy, share=4, **fields):
    return PeRow(name=scheme, scheme=scheme, target="ecp5", variant="no-dsp", share=share, macs_per_cycle=macs,
                 area={"core": area}, by_share={share: area}, energy={"core": energy}, **fields)


def anda_rows():
    """Cores of equal area whatever the length, and energies in proportion to the cycles."""
    return [pe_row("fp16", 100.0, 1.0, 1000.0),
            *(pe_row(f"anda-m{m}", 400.0, 64 / (m + 1), 10.0 * (m + 1), share=4 if m < 7 else 8)
              for m in range(4, 14))]


def test_models_on_arrays_of_equal_throughput():
    [workload] = [w for w in published_workloads(ANDA) if (w.model, w.label) == ("LLaMA2-13B", "0.1%")]
    rows, missing = system_rows(ANDA, ANDA.system, ANDA.units, anda_rows(), [workload])
    assert missing == []
    [row] = rows
    # 16 × 16 cores of 64 products in M + 1 cycles against 32 × 32 of one a cycle; pauses between blocks are rare.
    sizes = {module: sum(n * k for n, k in products) for module, products in workload.shape.products().items()}
    cycles = sum(size * (workload.lengths[module] + 1) for module, size in sizes.items()) / sum(sizes.values())
    assert row.speedup == pytest.approx(16 / cycles, rel=1e-3)
    assert row.speedup_decode == pytest.approx(32 / cycles, rel=0.01)  # one row of the array at work in either
    assert row.area == pytest.approx(row.speedup * (1024 * 100) / (256 * 400))
    assert row.energy == pytest.approx(100 / cycles)
    rest = ANDA.system.chip.rest_to_baseline
    assert row.area_chip == pytest.approx(row.speedup * (1 + rest) / (1 + rest))
    assert row.energy_chip == pytest.approx(1.01 / (0.42 / row.energy + 0.29))
    assert row.built_speedup < row.speedup  # a co-processor waits for memory
    assert row.paper.speedup == 2.14


def test_a_length_that_was_not_measured_is_told():
    measured = [row for row in anda_rows() if row.scheme != "anda-m10"]
    rows, missing = system_rows(ANDA, ANDA.system, ANDA.units, measured, published_workloads(ANDA)[6:7])
    assert rows == []
    assert missing == ["LLaMA-13B at 0.1% on ecp5/no-dsp: anda-m10 was not measured"]


@pytest.mark.parametrize(("cores", "share", "size"), [
    (1, 1, (1, 1)), (12, 4, (3, 4)), (17, 1, (4, 4)), (35, 8, (4, 8)), (896, 1, (32, 28))])
def test_the_largest_array(cores, share, size):
    assert largest_array(cores, share) == size


def test_an_array_holds_a_tail():
    with pytest.raises(ValueError, match="an array of 7 cores holds no tail that 8 share"):
        largest_array(7, 8)


def test_models_on_arrays_of_equal_area():
    mixpe = load_suite("mixpe")
    units = [unit for unit in mixpe.units if unit.name in ("FP16", "INT8")]
    rows = [pe_row("fp16", 100.0, 1.0, 1000.0, share=1).model_copy(update={"name": "FP16", "fmax_mhz": 500.0}),
            pe_row("int8", 400.0, 16.0, 400.0, share=1).model_copy(update={"name": "INT8", "fmax_mhz": 1000.0})]
    found, missing = equal_area_rows(mixpe, mixpe.system, units, rows)
    assert missing == []
    assert {row.model for row in found} == {"ViT-Base", "ViT-Huge", "OPT-6.7B", "LLaMA2-13B"}
    base, ours = (row for row in found if row.model == "LLaMA2-13B")
    assert (base.rows, base.cols, base.time, base.energy, base.area) == (32, 28, 1, 1, 1)
    assert (ours.rows, ours.cols, ours.macs_per_cycle) == (16, 14, 16 * 224)
    assert ours.area == 1
    # Four times the products in a cycle; 4096 tokens are 256 rows of blocks and 128 of the other's.
    blocks = {(n, k): (256 * -(-n // 14) * k / 16, 128 * -(-n // 28) * k)
              for n, k in ((5120, 5120), (13824, 5120), (5120, 13824))}
    counts = {(5120, 5120): 4, (13824, 5120): 2, (5120, 13824): 1}
    mine, theirs = (sum(counts[size] * cycles[side] for size, cycles in blocks.items()) for side in (0, 1))
    assert ours.time == pytest.approx(mine / theirs, rel=1e-3)
    assert ours.time_own_clock == pytest.approx(ours.time / 2)
    assert ours.time_drained >= ours.time
    assert ours.energy == pytest.approx(0.4)
    [published] = [row for row in found if (row.model, row.name) == ("OPT-6.7B", "INT8")]
    assert (published.paper.time, published.paper.energy) == (0.86, 0.49)
    assert equal_area_rows(mixpe, mixpe.system, units, rows[1:]) == (
        [], ["models on ecp5/no-dsp: fp16 was not measured"])


@pytest.mark.parametrize("groups", [1, 3, 9, 40])
def test_blocks_follow_each_other_at_the_pace(groups):
    """Short blocks wait for a result slot, long ones do not: cycles between last outputs, simulated."""
    rows, cols = 2, 4
    pe = QuireElement(scheme=Quire())
    rng = np.random.default_rng(1)

    def words(operand):
        count = rows if operand.axis is Axis.ROW else cols
        length = operand.words_per_row(groups=groups, beats=pe.beats(pe.mode))
        return rng.integers(0, 1 << min(operand.width, 15), (count, length))

    blocks = [Block(groups, {o.name: words(o) for o in pe.operands}, rows, cols) for _ in range(7)]
    run = run_tile(Tile(pe, rows=rows, cols=cols, share=cols), blocks)
    pairs = [after - before for before, after in zip(run.finished[2:], run.finished[4:], strict=False)]
    assert pairs == [2 * pace(pe, groups, rows, cols, cols)] * 3


TINY = {
    "title": "A small one", "rows": 4, "cols": 2, "k": 64, "baselines": ["fp16"],
    "units": [{"name": "A", "unit": "fp16"}, {"name": "B", "unit": "int8,lanes=2", "paper": {"area": 0.5}},
              {"name": "C", "unit": "anda-m1,m_max=1"}],
    "system": {"variable": "anda", "throughput": 8, "small": [1, 2], "choices": {"axi_data_width": "64"},
               "losses": {"1%": {"lengths": {"OPT-1.3B": [1, 1, 1, 1]}, "bit_operations": {"OPT-1.3B": 16},
                                 "paper": {"speedup": 2, "area": 3, "energy": 4}}},
               "chip": {"array": 1, "rest": 1, "array_to_baseline": 0.5},
               "energy": {"array": 0.4, "memory": 0.6, "memory_variable": 0.3}}}


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """A suite of two units and one model: a data file."""
    folder = tmp_path / "suites"
    folder.mkdir()
    (folder / "tiny.json").write_text(json.dumps(TINY))
    (folder / "models.json").write_text((suite._FOLDER / "models.json").read_text())
    monkeypatch.setattr(suite, "_FOLDER", folder)
    return load_suite("tiny")


@dataclass(frozen=True)
class Invented(AsicFlow):
    """A core costs 100 for each multiply-accumulate of a cycle, and 3 less with every core behind its tail."""

    def jobs(self, unit):
        return []

    def fields(self, unit, outcomes):
        cols = unit.config.cols
        cores = [leaf(f"core_{i}", unit.macs_per_cycle / cols * 100 - 3 * cols) for i in range(cols)]
        area = sum(core["cells"] for core in cores) * (1 if self.apart else 0.5)
        energy = {"fj_per_mac": 20, "breakdown": {}, "cycles": 1, "lanes": 1, "outputs_checked": 1,
                  "frequency_mhz": 500, "by_module": {"tile.row_0.core_0": 12.0, "tile.column_0": 8.0}}
        return {"area_um2": area, "modules": leaf("top", 0, leaf("tile", 0, leaf("row_0", 0, *cores))),
                "energy": energy if self.energy else None}


def leaf(instance, cells, *children):
    total = cells + sum(child["total"] for child in children)
    return {"name": instance, "instance": instance, "cells": cells, "total": total, "children": children}


def run_suite(suite_, flow, execute):
    """The record of a suite, its jobs executed by ``execute``; numerical errors of schemes are left out."""
    def measured(plans):
        [plan] = plans
        skipped = {job.name: Outcome() for job in plan.jobs() if job.step.name in ("scheme_error",)}
        return plan.bench(skipped | execute([job for job in plan.jobs() if job.name not in skipped]))

    plan = SuitePlan(suite=suite_, units=suite_.units, flows=[flow])
    plan.check()
    areas, flat = measured(plan.areas()), measured(plan.flat())
    return assemble("tiny", plan, published_workloads(suite_), areas=areas, energies=measured(plan.energies(areas)),
                    flat=flat)


def test_a_new_suite_takes_a_file(tiny):
    flow = Invented(target="asic:x", variant="area", library="x", files=(), sha256="", energy=True, glitches=False,
                    apart=PARTS)
    record = run_suite(tiny, flow, lambda jobs: {job.name: Outcome() for job in jobs})
    assert record.failures == []
    a, b, c = record.units
    assert (a.by_share, b.by_share, c.by_share) == ({1: 97, 2: 94}, {1: 197, 2: 194}, {1: 3197})
    assert (a.share, b.share, c.share) == (2, 2, 1)
    assert (a.core_area, b.core_area, b.area_per_mac) == (94, 194, 97)
    ratios = b.relative["fp16"]
    assert ratios.area_efficiency == pytest.approx(94 / 97)
    assert (ratios.area, ratios.power, ratios.energy_efficiency) == (pytest.approx(97 / 94), 1, 1)
    assert a.apart_to_flat == 2
    assert a.energy_per_mac == 12 + 8 / 4  # four rows share a column edge
    assert [row.label for row in record.system] == ["1%", "B"]
    shown = tables(record)
    assert [table.rows[0][0].text for table in shown] == ["A", "A", "anda, 1%", "OPT-1.3B"]
    assert "| B | 2.00 | 0.500 |" in markdown(record)
    assert SuiteRecord.model_validate_json(record.to_json()) == record


def test_a_unit_that_does_not_exist_is_told_before_anything_is_measured():
    unit = SuiteUnit(name="Other", unit="other-m3")
    with pytest.raises(ValueError, match="unit Other of the suite: no scheme is called 'other-m3'"):
        SuitePlan(suite=ANDA, units=[unit], flows=[FLOW]).check()


@pytest.mark.slow
def test_a_suite_is_measured(tiny):
    with ThreadPoolExecutor(1) as executor:
        record = run_suite(tiny, FLOW, lambda jobs: run_jobs(jobs, executor))
    assert record.failures == []
    for row in record.units:
        assert all(row.area[part] > 0 for part in ("core", "tail", "results", "array"))
        # Boundaries cost something (fp16's edges and the feeder most; int8's 2 % less than the mapper's luck with it as
        # a whole), but no part is lost or counted twice: the smallest is 5 % of its row.
        assert 0.95 < row.apart_to_flat < 1.25
    assert record.units[2].relative["fp16"].area_efficiency > 4
