"""``gemmsmith estimate``: whether a build will fit, before anything is synthesised."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from gemmsmith_cli.console import make_table, print_json, print_table
from gemmsmith_cli.errors import InputError
from gemmsmith_cli.options import Choices, Json, SchemeName, example, parse_choices

if TYPE_CHECKING:
    from gemmsmith.emit.config import BuildConfig
    from gemmsmith_sim.measure.estimate import Estimate

EXAMPLE = example("estimate int8 rows=4 cols=8 lanes=16",
                  "estimate anda-m6 rows=4 cols=4 m=64 n=512 k=512 --no-dsp --json")

SIZES = ("m", "n", "k")
TITLES = {"lut": "LUT", "carry": "carry", "ff": "FF", "dsp": "DSP", "bram": "block RAM", "eq": "LUT sites (eq)"}


def command(
    scheme: SchemeName,
    choices: Choices = None,
    target: Annotated[str, typer.Option(help="FPGA family that is calibrated: ecp5.")] = "ecp5",
    no_dsp: Annotated[bool, typer.Option("--no-dsp", help="Multipliers in LUTs.")] = False,
    as_json: Json = False,
) -> None:
    """Estimate cells and cycles of a build within a second, without synthesis.

    Each figure comes with the error to expect. m=, n= and k= together are the sizes of a product of which the cycles
    are wanted.
    """
    from gemmsmith.emit.config import BuildConfig
    from gemmsmith_sim.measure.estimate import estimate

    chosen = parse_choices(choices)
    sizes = _sizes(chosen)
    config = BuildConfig.resolve(scheme, chosen)
    result = estimate(config, target, dsp=False if no_dsp else None)
    speed = _speed(config, sizes)
    devices = _devices(result)
    if as_json:
        print_json({"config": config.model_dump(), **result.to_dict(), **speed, "devices": devices})
    else:
        _show(config, result, speed, devices)


def _sizes(chosen: dict[str, str]) -> dict[str, int]:
    """Takes ``m``, ``n`` and ``k`` out of what was typed. ``m`` alone is left: it is a choice of some schemes."""
    if not {"n", "k"} & set(chosen):
        return {}
    sizes = {name: chosen.pop(name, "") for name in SIZES}
    if wrong := [name for name, text in sizes.items() if not (text.isdecimal() and int(text))]:
        raise InputError("m, n and k are given together, each a whole number of at least 1; "
                         f"{wrong[0]} is {sizes[wrong[0]] or 'missing'}")
    return {name: int(text) for name, text in sizes.items()}


def _speed(config: BuildConfig, sizes: dict[str, int]) -> dict[str, Any]:
    """Peak of the array, and the cycles of a product if its sizes are given."""
    pe = config.element()
    peak = pe.macs_per_cycle(pe.mode) * config.rows * config.cols
    speed: dict[str, Any] = {"macs_per_cycle": peak}
    if sizes:
        cycles, basis = _cycles(config, sizes)
        macs = sizes["m"] * sizes["n"] * sizes["k"]
        speed["product"] = {**sizes, "cycles": cycles, "basis": basis, "of_peak": macs / cycles / peak}
    return speed


def _cycles(config: BuildConfig, sizes: dict[str, int]) -> tuple[int, str]:
    m, n, k = sizes.values()
    if config.level == "coprocessor":
        from gemmsmith_sim.measure.system import cost

        return cost(config, m=m, n=n, k=k).cycles, "model of the co-processor, memory traffic included"
    pe = config.element()
    schedule = pe.schedule(groups=pe.groups(k), mode=pe.mode, share=config.tail_share)
    blocks = -(-m // config.rows) * -(-n // config.cols)
    return blocks * schedule.block + schedule.flush, "schedule of the array, operands always there"


def _devices(result: Estimate) -> list[dict[str, Any]]:
    """Devices of the target: what part of each is taken, and whether the build fits."""
    from gemmsmith_sim.measure.estimate import DEVICES

    found = []
    for device in DEVICES:
        if device.target == result.target:
            share = device.share(result.cells)
            low = max(value * (1 - result.band[resource]) for resource, value in share.items())
            high = max(value * (1 + result.band[resource]) for resource, value in share.items())
            fits = "no" if low > 1 else "perhaps" if high > 1 else "yes"
            found.append({"device": device.name, "share": share, "fits": fits, "source": device.source})
    return found


def _show(config: BuildConfig, result: Estimate, speed: dict[str, Any], devices: list[dict[str, Any]]) -> None:
    names = [device["device"] for device in devices]
    rows = [(TITLES[resource], f"{count} ± {result.band[resource]:.0%}", *(
        f"{device['share'][resource]:.0%}" if resource in device["share"] else "" for device in devices))
        for resource, count in result.cells.items()]
    rows.append(("fits", "", *(device["fits"] for device in devices)))
    dsp = "" if result.dsp_blocks else ", without DSP blocks"
    print_table(make_table(
        f"{config.parsed_scheme().short}: {config.level}, {config.rows} × {config.cols}, on {result.target}{dsp}",
        ("resource", "estimate", *names), rows, right=("estimate", *names)))
    print(f"peak: {speed['macs_per_cycle']:.4g} multiply-accumulates per cycle; the frequency takes place and route "
          "(gemmsmith synth --pnr)")
    if product := speed.get("product"):
        print(f"{product['m']} × {product['n']} × {product['k']} (m × n × k): {product['cycles']} cycles, "
              f"{product['of_peak']:.0%} of the peak ({product['basis']})")
    medians = ", ".join(f"{TITLES[resource]} {error:.1%}" for resource, error in result.median.items() if error)
    print(f"Estimate, pre-layout, calibrated on {result.calibrated_on} designs and parts with "
          f"{', '.join(result.tools)}.\nMedian error on {result.judged_on} designs it has not seen: "
          f"{medians or 'none'}; nine of ten were within ±.")
    for line in result.outside:
        print(f"Outside the calibrated range: {line}.")
