"""Comparisons of benchmark runs: what is better, worse, or within the scatter, and which bounds are broken."""

import copy
import json
import math
import random

import pytest
from bench_records import bench, row, units

from gemmsmith_sim.measure.bench.compare import Bound, compare, figures, parse_bounds, resolved
from gemmsmith_sim.measure.bench.compare_text import markdown
from gemmsmith_sim.measure.bench.history import history


def seeded(*mhz):
    """An Fmax over seeds."""
    ordered = sorted(mhz)
    return {"median": ordered[len(mhz) // 2], "q1": ordered[0], "q3": ordered[-1],
            "seeds": {str(i + 1): value for i, value in enumerate(mhz)}}  # fmt: skip


def changed(**fields):
    """Comparison of one row with the same row after ``fields`` are set, and the change of each figure by label."""
    base = row("int8")
    comparison = compare(bench([base]), bench([{**copy.deepcopy(base), **fields}]))
    return {change.label: change for change in comparison.changes}


def test_equal_runs_are_the_same():
    record = bench(units())
    comparison = compare(record, record)
    assert (comparison.rows, comparison.added, comparison.removed, comparison.differences) == (2, (), (), ())
    assert {change.verdict for change in comparison.changes} == {"same"}
    assert len(comparison.changes) == sum(len(figures(one)) for one in record.rows)
    text = markdown(comparison)
    assert "| unit |" not in text
    assert f"2 rows compared: {len(comparison.changes)} same." in text
    assert markdown(comparison, everything=True).count("\n| int8 |") == len(figures(record.rows[1]))


def test_directions():
    changes = changed(eq=1100, latency_cycles=6, macs_per_cycle=2.0, fmax_mhz=seeded(70, 71, 72),
                      error={"relative_rms": 2e-3, "worst": 0.03, "outputs": 5000})  # fmt: skip
    assert changes["area"].verdict == "worse"
    assert changes["area"].percent == pytest.approx(10)
    assert changes["latency"].verdict == "better"
    assert (changes["cycles per MAC"].base, changes["cycles per MAC"].head) == (1, 0.5)
    assert changes["Fmax"].verdict == "better"
    assert changes["Fmax"].percent == pytest.approx(42)
    assert changes["error, relative RMS"].verdict == "worse"
    assert {changes[label].verdict for label in ("error, worst", "perplexity", "flip-flops")} == {"same"}


def test_figures_that_come_and_go():
    changes = changed(perplexity=None, gemm_cycles={"decode 1x512x512": 4096})
    assert (changes["perplexity"].verdict, changes["perplexity"].head) == ("gone", None)
    assert (changes["cycles, decode 1x512x512"].verdict, changes["cycles, decode 1x512x512"].base) == ("new", None)
    assert math.isnan(changes["perplexity"].percent)


@pytest.mark.parametrize(
    ("head", "verdict"),
    [
        ((47, 49, 51), "not resolved"),  # base: 48, 50, 52
        ((44, 45, 48.5), "not resolved"),  # the median is 10 % lower, but one seed overlaps
        ((40, 41, 47.9), "worse"),
        ((52.1, 53, 60), "better"),
        ((48, 50, 52), "same"),
        ((90,), "not resolved"),  # one seed tells nothing
        ((90, 91), "not resolved"),
    ],
)
def test_frequency_is_judged_by_its_scatter(head, verdict):
    assert changed(fmax_mhz=seeded(*head))["Fmax"].verdict == verdict


def test_frequency_of_static_timing_does_not_scatter():
    one = {**row("int8"), "target": "asic:toy", "eq": None, "counts": None, "area_um2": 10.0,
           "fmax_mhz": {"median": 500.0, "q1": 500.0, "q3": 500.0}}  # fmt: skip
    slower = {**one, "fmax_mhz": {"median": 499.0, "q1": 499.0, "q3": 499.0}}
    (change,) = (c for c in compare(bench([one]), bench([slower])).changes if c.label == "Fmax")
    assert change.verdict == "worse"


def test_resolved_is_right_as_often_as_it_says():
    """Equal distributions are told apart in at most a tenth of all cases; distant ones always."""
    rng = random.Random(4)
    for n, m in ((3, 3), (5, 5), (4, 7)):
        false = sum(resolved([rng.gauss(100, 5) for _ in range(n)], [rng.gauss(100, 5) for _ in range(m)])
                    for _ in range(400))  # fmt: skip
        assert 10 < false < 65
        assert resolved(range(n), range(100, 100 + m))
        assert resolved(range(100, 100 + m), range(n))


def test_resolved_with_ties_and_without_samples():
    assert not resolved([1, 1, 1], [1, 1, 1])
    assert not resolved([1, 1, 2], [1, 2, 2])
    assert not resolved([], [1, 2, 3])
    assert resolved([1] * 12, [2] * 12)  # too many splits to count
    assert not resolved([1, 2] * 6, [1, 2] * 6)


def test_added_and_removed_rows():
    old, new = units(), units()
    new[0] = {**new[0], "unit": "fp8"}
    comparison = compare(bench(old), bench(new))
    assert (comparison.rows, comparison.added) == (1, ("fp8 (core, ecp5/no-dsp)",))
    assert comparison.removed == ("fp16 (core, ecp5/no-dsp)",)
    text = markdown(comparison)
    assert "Added: fp8 (core, ecp5/no-dsp)." in text
    assert "Removed: fp16 (core, ecp5/no-dsp)." in text


def test_rows_match_by_all_of_unit_level_target_and_variant():
    base = row("int8")
    for other in ({"unit": "int4"}, {"level": "pe"}, {"target": "ice40"}, {"variant": "dsp"}):
        assert compare(bench([base]), bench([{**base, **other}])).rows == 0


@pytest.mark.parametrize(
    ("bound", "fields", "broken"),
    [
        ("area=+2%", {"eq": 1020}, False),
        ("area=+2%", {"eq": 1021}, True),
        ("area=-2%", {"eq": 981}, True),  # it must shrink
        ("area=-2%", {"eq": 980}, False),
        ("cycles=+0%", {"latency_cycles": 7}, False),
        ("cycles=+0%", {"latency_cycles": 8}, True),
        ("cycles=+0%", {"macs_per_cycle": 0.5}, True),
        ("cycles=+0%", {"gemm_cycles": {"any": 7}}, False),  # new
        ("fmax=-5%", {"fmax_mhz": seeded(44, 45, 46)}, True),
        ("fmax=-5%", {"fmax_mhz": seeded(47.5, 47.6, 47.7)}, False),  # resolved, but within the bound
        ("fmax=-5%", {"fmax_mhz": seeded(40, 41, 49)}, False),  # not resolved
        ("fmax=-5%", {"fmax_mhz": None}, True),  # could not be measured any more
        ("fmax=-5%", {"eq": 9999}, False),
        ("error=+0%", {"error": None}, True),
        ("dsps=+0%", {"counts": {"luts": 800, "ffs": 400, "dsps": 1, "brams": 0}}, True),  # from zero
        ("brams=+50%", {"counts": {"luts": 800, "ffs": 400, "dsps": 0, "brams": 0}}, False),
    ],
)
def test_bounds(bound, fields, broken):
    base = row("int8")
    comparison = compare(bench([base]), bench([{**base, **fields}]), parse_bounds(bound))
    assert bool(comparison.broken) == broken
    text = markdown(comparison)
    assert ("Bounds broken:" in text) == (f"breaks {bound}" in text) == broken


def test_bounds_are_parsed():
    assert parse_bounds("area=+2%, cycles=0% ,fmax=-5.5%") == [
        Bound("area", 2), Bound("cycles", 0), Bound("fmax", -5.5),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "bounds are written"), ("area", "bounds are written"), ("area=2", "not 'area=2'"),
        ("area=+2%,", "bounds are written"), ("area=++2%", "bounds are written"), ("area=nan%", "bounds are written"),
        ("speed=+2%", "a bound must be on one of area, ffs, .*, not 'speed'"),
        ("area=+2%,area=+3%", r"area has two bounds: area=\+2% and area=\+3%"),
    ],
)  # fmt: skip
def test_bad_bounds_are_refused(text, says):
    with pytest.raises(ValueError, match=says):
        parse_bounds(text)


def _remade(record, **provenance):
    value = json.loads(record.to_json())
    value["provenance"] |= provenance
    return type(record).model_validate(value)


@pytest.mark.parametrize(
    ("provenance", "says"),
    [
        ({"tools": {"toy-yosys": "0.71"}}, "toy-yosys 0.70 and 0.71"),
        ({"tools": {"toy-yosys": "0.70", "toy-nextpnr": "1"}}, "toy-nextpnr missing and 1"),
        ({"seeds": [1, 2, 4]}, "seeds [1, 2, 3] and [1, 2, 4]"),
        ({"scripts": {"ecp5/no-dsp": "other"}}, "the script of ecp5/no-dsp"),
        ({"tensors": "others"}, "tensors eight layers and others"),
    ],
)
def test_runs_that_were_not_made_alike(provenance, says):
    """Ratios to the baseline take the place of absolute figures where bounds are checked."""
    base = bench(units())
    head = _remade(bench([{**one, "eq": 2 * one["eq"]} for one in units()]), **provenance)
    assert {label.metric for _, label in compare(base, bench([{**one, "eq": 2 * one["eq"]} for one in units()]),
                                                 parse_bounds("area=+2%")).broken} == {"area"}  # fmt: skip
    comparison = compare(base, head, parse_bounds("area=+2%"))
    assert comparison.differences == (says,)
    assert not comparison.broken
    ratios = [change for change in comparison.changes if change.label.startswith("area per throughput")]
    assert [change.verdict for change in ratios] == ["same", "same"]
    assert says in markdown(comparison)
    worse = units()
    worse[1]["relative"]["area_per_throughput"] = 0.6
    ((_, change),) = compare(base, _remade(bench(worse), **provenance), parse_bounds("area=+2%")).broken
    assert (change.unit, change.percent) == ("int8", pytest.approx(20))


def test_json_has_no_infinities():
    base = row("int8")
    more = {**base, "counts": {**base["counts"], "dsps": 3}}
    value = compare(bench([base]), bench([more]), parse_bounds("dsps=+0%")).to_dict()
    text = json.dumps(value, allow_nan=False)
    (broken,) = json.loads(text)["broken"]
    assert (broken["bound"], broken["label"], broken["percent"]) == ("dsps=+0%", "DSP blocks", None)


def test_markdown_is_not_broken_by_names():
    base = row("a|b<script>")
    text = markdown(compare(bench([base]), bench([{**base, "eq": 1}])))
    (line,) = (line for line in text.splitlines() if line.startswith("| a"))
    assert line.startswith("| a\\|b&lt;script> | core |")
    assert line.replace("\\|", "").count("|") == 9


def test_history_entries():
    smaller, bigger = history(bench(units()))
    assert [entry["name"] for entry in bigger] == [
        "fp16 core, ecp5/no-dsp: Fmax", "int8 core, ecp5/no-dsp: Fmax",
    ]  # fmt: skip
    assert bigger[0] == {"name": "fp16 core, ecp5/no-dsp: Fmax", "unit": "MHz", "value": 50.0, "range": "49 to 51",
                         "extra": "synth_ecp5 -top TOP\nnextpnr-ecp5 --seed SEED"}  # fmt: skip
    names = [entry["name"] for entry in smaller]
    assert len(names) == len(set(names)) == len(smaller)
    (area,) = (entry for entry in smaller if entry["name"] == "int8 core, ecp5/no-dsp: area")
    assert (area["unit"], area["value"]) == ("eq", 2000)
    assert "range" not in area
