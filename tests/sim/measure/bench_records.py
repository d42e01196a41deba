"""Small records of a benchmark, with invented figures that are easy to check."""

from gemmsmith_sim.measure.bench import Bench


def fpga(**kinds):
    """Counts of an FPGA's cells."""
    kept = dict.fromkeys(("luts", "carries", "ffs", "dsps", "brams", "lutrams", "muxes", "lutram_luts"), 0)
    return {**kept, "luts": 800, "carries": 100, "ffs": 400, **kinds}


def path(*names):
    """A critical path of steps that take 0.5 ns each."""
    return [{"cell": "LUT4", "name": name, "delay_ns": 0.5, "kind": "logic"} for name in names]


def row(unit, *, macs=1.0, eq=1000, fmax=50.0, rms=1e-3, perplexity=4.6, area=1.0, time=1.0, **fields):
    """A core on ECP5; ``area`` and ``time`` are its ratios to the baseline."""
    return {
        "unit": unit, "scheme": unit, "level": "core", "options": {"lanes": 16}, "target": "ecp5",
        "variant": "no-dsp", "macs_per_cycle": macs, "latency_cycles": 7, "cells": {"LUT4": 800}, "counts": fpga(),
        "eq": eq, "perplexity": perplexity,
        "fmax_mhz": fmax and {"median": fmax, "q1": fmax - 1, "q3": fmax + 1,
                              "seeds": {"1": fmax - 2, "2": fmax, "3": fmax + 2}},
        "error": rms and {"relative_rms": rms, "worst": 30 * rms, "outputs": 5000},
        "relative": {"area_per_throughput": area, "time_per_mac": time}, **fields}


def units(target="ecp5", variant="no-dsp", energies=False):
    """fp16, and an int8 of half the area per throughput, a quarter of the time, 20 times the error."""
    rows = [row("fp16"), row("int8", macs=4.0, eq=2000, rms=2e-2, perplexity=4.7, area=0.5, time=0.25)]
    for one, (quiet, noisy) in zip(rows, ((1000.0, 1500.0), (600.0, None)), strict=True):
        one |= {"target": target, "variant": variant}
        if target.startswith("asic:"):
            one |= {"area_um2": one["eq"] / 10, "eq": None, "counts": None,
                    "fmax_mhz": {**one["fmax_mhz"], "seeds": {}}}
        if energies:
            one["energy"] = {
                "fj_per_mac": quiet, "fj_per_mac_glitch": noisy, "by_module": {"core.dot": quiet},
                "breakdown": dict.fromkeys(("switching", "internal", "clock", "leakage"), (noisy or quiet) / 4),
                "cycles": 64, "lanes": 8, "outputs_checked": 99, "frequency_mhz": 500.0}
            one["relative"] = {**one["relative"], "energy_per_mac": 1.0 if one["unit"] == "fp16" else 0.4}
    return rows


def bench(rows, *, baseline="fp16", note="Figures are before layout."):
    """A record of ``rows``."""
    return Bench.model_validate({
        "schema": "gemmsmith-bench-1", "baseline": baseline, "rows": rows,
        "provenance": {"gemmsmith": "0.1.0", "tools": {"toy-yosys": "0.70"}, "seeds": [1, 2, 3], "notes": [note],
                       "scripts": {"ecp5/no-dsp": "synth_ecp5 -top TOP\nnextpnr-ecp5 --seed SEED"},
                       "tensors": "eight layers"}})
