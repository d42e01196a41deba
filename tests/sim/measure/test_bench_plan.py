"""Units, and how outcomes become rows."""

from dataclasses import dataclass

import gate_toys as toys
import pytest

from gemmsmith_sim.measure.bench import Bench, Plan, Unit, default_units, load
from gemmsmith_sim.measure.bench.flows import AsicFlow, Flow, FpgaFlow
from gemmsmith_sim.measure.bench.jobs import Job, Outcome, Step


def half(verilog, value):
    raise AssertionError("never run here")


@dataclass(frozen=True)
class Fake(Flow):
    """A flow whose one job gives a row's fields."""

    target: str = "ecp5"
    variant: str = "no-dsp"
    seeds: tuple[int, ...] = (1,)

    def jobs(self, unit):
        emission = self.emission(unit)
        return [emission, Job(self.name(unit, "measure"), Step(half), {"value": 1}, {"verilog": emission.name})]

    def fields(self, unit, outcomes):
        return dict(outcomes[self.name(unit, "measure")].value or {})


def counts(**kinds):
    return {**dict.fromkeys(("luts", "carries", "ffs", "dsps", "brams", "lutrams", "muxes", "lutram_luts"), 0), **kinds}


def assemble(fields, *, baseline="fp16", flow=None):
    """The rows of units whose measurements are ``fields`` by name; a string is a failure."""
    flow = flow or Fake()
    plan = Plan(units=[Unit(text, "pe") for text in fields], flows=[flow], baseline=baseline)
    outcomes = {job.name: Outcome(value={"relative_rms": 0.5, "worst": 2.0, "outputs": 7}) for job in plan.jobs()}
    for text, value in fields.items():
        name = flow.name(Unit(text, "pe"), "measure")
        outcomes[name] = Outcome(failure=value) if isinstance(value, str) else Outcome(value=value)
    return {row.unit: row for row in plan.bench(outcomes).rows}


def fpga(eq, median, **kinds):
    return {"eq": eq, "counts": counts(**kinds), "fmax_mhz": {"median": median, "q1": median, "q3": median}}


def test_ratios_are_per_mac_and_cycle():
    rows = assemble({"fp16": fpga(1000, 50), "int8,lanes=4": fpga(2000, 200)})
    assert rows["fp16"].relative.area_per_throughput == rows["fp16"].relative.time_per_mac == 1
    assert rows["int8,lanes=4"].macs_per_cycle == 4
    assert rows["int8,lanes=4"].relative.area_per_throughput == pytest.approx(2000 / 4 / 1000)
    assert rows["int8,lanes=4"].relative.time_per_mac == pytest.approx(50 / 200 / 4)
    assert rows["int8,lanes=4"].relative.energy_per_mac is None


def test_area_behind_dsp_blocks_is_not_compared():
    rows = assemble({"fp16": fpga(1000, 50), "int8": fpga(100, 100, dsps=8)})
    assert rows["int8"].relative.area_per_throughput is None
    assert rows["int8"].relative.time_per_mac is not None


def test_energy_counts_glitches_where_they_are_known():
    def energy(plain, glitch):
        return {"area_um2": 10.0, "energy": {
            "fj_per_mac": plain, "fj_per_mac_glitch": glitch, "breakdown": {}, "cycles": 1, "lanes": 1,
            "outputs_checked": 1, "frequency_mhz": 500}}

    rows = assemble({"fp16": energy(100, 200), "int8": energy(30, None)}, flow=Fake("asic:x", "area", ()))
    assert rows["int8"].relative.energy_per_mac == pytest.approx(30 / 200)
    assert rows["int8"].area_unit == "µm²"


def test_without_baseline_there_are_no_ratios():
    for baseline in (None, "fp16"):
        rows = assemble({"int8": fpga(100, 100)}, baseline=baseline)
        assert rows["int8"].relative.area_per_throughput is None


def test_a_failure_is_told_in_its_row_and_spares_the_others():
    rows = assemble({"fp16": "nextpnr: does not fit", "int8": fpga(1, 1)})
    assert rows["fp16"].failures == ["measure fp16 (pe) on ecp5/no-dsp: nextpnr: does not fit"]
    assert rows["int8"].failures == []
    assert rows["int8"].relative.area_per_throughput is None


def test_error_is_that_of_the_scheme():
    row = assemble({"fp16": fpga(1, 1)})["fp16"]
    assert (row.error.relative_rms, row.error.worst, row.error.outputs, row.perplexity) == (0.5, 2.0, 7, None)
    assert row.identity == ("fp16", "pe", "ecp5", "no-dsp")


def test_equal_hardware_is_emitted_by_equal_jobs_per_unit():
    plan = Plan(units=[Unit("anda-m4", "pe"), Unit("anda-m5", "pe")], flows=[Fake()], baseline=None)
    names = [job.name for job in plan.jobs()]
    assert len(names) == len(set(names)) == 6


def test_jobs_only_need_each_other():
    plan = Plan(units=list(default_units("pe")), flows=[Fake()], baseline="fp16", perplexity_tokens=10)
    jobs = plan.jobs()
    names = {job.name for job in jobs}
    assert all(name in names for job in jobs for name in job.predecessors())
    assert "perplexity of " + Unit("int8", "pe").config.scheme in names


def test_default_units_are_of_every_family():
    assert [unit.text for unit in default_units("core")] == [
        "fp16", "fp16-dot4", "fp16-int4", "int8", *(f"anda-m{m}" for m in range(4, 14)),
        "figna-m8", "figna-m11", "figna-m13", "ifpu", "w8a8", "w4a8", "w2a8", "ternary-a8", "binary-a8", "w4a4",
        "w4a16", "fp4-a16", "dequant-fp16",
        *(f"bitfusion-{pair}" for pair in ("a2w2", "a4w2", "a4w4", "a8w2", "a8w4", "a8w8")),
        "ant-int-int", "ant", "ant-pot-pot", "fp4", "fp8-e4m3", "fp8-e5m2", "bf16",
        "posit4-fma", "posit8-fma", "posit16-fma",
        *(f"xrnpe-{name}" for name in ("fp4", "posit4", "posit8", "posit16"))]


def test_throughput_and_latency():
    assert Unit("anda-m6", "pe").macs_per_cycle == pytest.approx(64 / 7)
    assert Unit("int8,rows=2,cols=4", "tile").macs_per_cycle == 2 * 4 * 16
    assert Unit("fp16", "core").latency < Unit("fp16", "pe").latency


@pytest.mark.parametrize(("text", "message"), [
    ("int9", "no scheme is called 'int9'"),
    ("int8,lanes", "units are written SCHEME,key=value,…, not 'int8,lanes'"),
    ("int8,lanes=3", "lanes must be a power of two"),
    ("int8,level=pe", "level is not a choice of a unit"),
    ("int8,lanes=4,lanes=8", "lanes is chosen twice"),
    ("int8,depth=3", "have no choice 'depth'"),
])
def test_units_are_checked(text, message):
    with pytest.raises(ValueError, match=message):
        Unit(text, "pe").check()


def test_record_round_trip(tmp_path):
    plan = Plan(units=[Unit("fp16", "pe")], flows=[Fake()], baseline="fp16")
    outcomes = {job.name: Outcome() for job in plan.jobs()}
    bench = plan.bench(outcomes)
    (tmp_path / "bench.json").write_text(bench.to_json())
    assert load(tmp_path) == load(tmp_path / "bench.json") == bench
    assert isinstance(bench, Bench)


@pytest.mark.parametrize(("text", "message"), [
    ("{", "not JSON"),
    ("[]", "must be a file written by gemmsmith bench"),
    ('{"schema": "other"}', "must be a file written by gemmsmith bench"),
    ('{"schema": "gemmsmith-bench-1", "rows": []}', "provenance: Field required"),
])
def test_bad_records_are_refused_in_a_line(tmp_path, text, message):
    path = tmp_path / "b.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        load(path)


def test_standard_cells_get_their_own_leaf_structures():
    unit = Unit("int8", "pe")
    asic = AsicFlow(target="asic:x", variant="area", library="x", files=(), sha256="", energy=True, glitches=False)
    fpga = FpgaFlow(target="ecp5", variant="no-dsp", seeds=(1,))
    jobs = {flow.target: {job.step.name: job for job in flow.jobs(unit)} for flow in (asic, fpga)}
    emitted = {target: own["emit_verilog"] for target, own in jobs.items()}
    targets = {target: job.arguments["config"]["target"] for target, job in emitted.items()}
    assert targets == {"asic:x": "asic", "ecp5": "generic"}
    assert emitted["asic:x"].name != emitted["ecp5"].name
    assert jobs["asic:x"]["map_asic"].needs["verilog"] == emitted["asic:x"].name
    assert jobs["asic:x"]["netlist_energy"].arguments["config"]["target"] == "asic"
    assert jobs["ecp5"]["synthesize_fpga"].needs["verilog"] == emitted["ecp5"].name


def test_scripts_with_clock_gates_are_variants_of_their_own(tmp_path):
    library = toys.library(tmp_path)
    flows = AsicFlow.styles("toys", files=library.files, energy=True, glitches=False, clock_gating=(False, True))
    assert [flow.variant for flow in flows] == ["area", "speed", "area-gated", "speed-gated"]
    assert len({flow.title for flow in flows}) == 4
    jobs = [job for flow in flows for job in flow.jobs(Unit("int8", "pe")) if job.step.name == "map_asic"]
    asked = [(job.arguments["style"], job.arguments["clock_gating"]) for job in jobs]
    assert asked == [("area", False), ("speed", False), ("area", True), ("speed", True)]
    assert len({job.name for job in jobs}) == 4
    assert [any("a clock gate (ICG)" in note for note in flow.notes) for flow in flows] == [False, False, True, True]
    assert {flow.variant for flow in AsicFlow.styles("toys", files=library.files, energy=True, glitches=False)} == {
        "area", "speed"}
