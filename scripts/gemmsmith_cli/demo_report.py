"""What the demo found, as text, as Markdown and as JSON values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from gemmsmith.coprocessor import Coprocessor
from gemmsmith.emit import BuildConfig
from gemmsmith_cli.accuracy import Accuracy
from gemmsmith_sim.driver import Counters, utilisation
from gemmsmith_sim.measure import Measurement
from gemmsmith_sim.measure import markdown as measurement_markdown
from gemmsmith_sim.measure import to_dict as measurement_dict


@dataclass(frozen=True)
class Writing:
    """Figures of the text's tokens after the first, each of which takes one pass through the model.

    Parameters
    ----------
    tokens: how many there were, the first included. outputs: outputs compared, prompt included.
    per_token: counters of one token, the mean. utilisation: of the array; a single token fills one of its rows.
    seconds: of the whole text on the host.
    """

    tokens: int
    outputs: int
    per_token: Counters
    utilisation: float
    seconds: float

    @classmethod
    def between(cls, marks: Sequence[tuple[Counters, int]], *, outputs: int, seconds: float, device: Coprocessor) -> Writing:
        """From the counters and multiply-accumulates at each token."""
        (first, first_macs), (last, last_macs) = marks[0], marks[-1]
        passes = len(marks) - 1
        spent = Counters(*(getattr(last, f.name) - getattr(first, f.name) for f in fields(Counters)))
        return cls(tokens=len(marks), outputs=outputs, seconds=seconds,
                   per_token=Counters(*(getattr(spent, f.name) // passes for f in fields(Counters))),
                   utilisation=utilisation(spent, macs=last_macs - first_macs, device=device, mode=device.pe.mode))


@dataclass
class Results:
    """Everything that the demo found; filled step by step."""

    config: BuildConfig
    element: BuildConfig
    directory: Path
    prompt: str
    text: str = ""
    writing: Writing = None  # type: ignore[assignment]
    accuracies: list[Accuracy] = field(default_factory=list)
    measurements: list[Measurement] = field(default_factory=list)
    cached_synthesis: bool = False
    seconds: float = 0.0


def to_dict(results: Results) -> dict[str, Any]:
    """As JSON values."""
    return {"config": results.config.model_dump(), "directory": str(results.directory), "prompt": results.prompt,
            "text": results.text, "writing": asdict(results.writing), "perplexity": [asdict(a) for a in results.accuracies],
            "measurements": [measurement_dict(m) for m in results.measurements], "cached_synthesis": results.cached_synthesis,
            "seconds": round(results.seconds, 1)}


def summary(results: Results) -> str:
    """For the terminal, after the text."""
    core, element = results.measurements
    placed = element.pnr
    low, high = placed.spread if placed else (0.0, 0.0)
    lines = [f"   {_accuracy(a)}" for a in results.accuracies]
    lines.append(f"6. Lattice ECP5{_kept(results.cached_synthesis)}")
    lines += [f"   {m.name}: {_cells(m)}" for m in results.measurements]
    if placed:
        lines.append(f"   processing element, placed and routed: {placed.median:.1f} MHz ({low:.1f} to {high:.1f}, "
                     f"{len(placed.seeds)} seeds)")
    lines += ["", *hardware_lines(results.writing), "", f"Verilog: {results.directory / 'coprocessor' / 'rtl'}",
              f"Report:  {results.directory / 'report.md'}", f"Took {results.seconds:.0f} s."]
    return "\n".join(lines)


def hardware_lines(writing: Writing) -> list[str]:
    """What the hardware did, a line each."""
    each = writing.per_token
    return [f"RTL equals golden bit for bit: {writing.outputs} outputs compared, none differs",
            f"{writing.tokens} tokens in {writing.seconds:.1f} s of simulation; {each.cycles} cycles per token",
            f"array utilisation {writing.utilisation:.1%} (a single token fills one row of the array), beats in "
            f"{each.beats / each.cycles:.1%} of the cycles",
            f"bytes per token: {each.bytes_read} read, {each.bytes_written} written"]


def markdown(results: Results) -> str:
    """The report."""
    config = results.config
    choices = ", ".join(f"{key}={value}" for key, value in config.model_dump().items() if key not in ("scheme", "options"))
    options = ", ".join(f"{key}={value}" for key, value in config.options.items())
    rows = "\n".join(f"| {a.name} | {a.perplexity:.4f} |" for a in results.accuracies)
    quoted = "\n".join(f"    {line}" for line in (results.prompt + results.text).splitlines())
    return f"""# {config.scheme.partition("-g64")[0]} on generated hardware

- Scheme: `{config.scheme}`
- Build: {choices}; {options}
- Verilog: [coprocessor/rtl](coprocessor/rtl), one processing element: [pe/rtl](pe/rtl)

## Text

Every linear layer of the model's blocks was computed by the RTL over its AXI ports, in Verilator; embedding, norms, attention and the
classifier by the host.

{quoted}

{chr(10).join(f"- {line}" for line in hardware_lines(results.writing))}

## Perplexity

On {results.accuracies[0].tokens} tokens of text that the model has not seen{_kept(all(a.cached for a in results.accuracies))}. The last
row is the golden model, which the RTL equals.

| arithmetic of the linear layers | perplexity |
|---|---:|
{rows}

## Lattice ECP5{_kept(results.cached_synthesis)}

{measurement_markdown(results.measurements)}"""


def _accuracy(accuracy: Accuracy) -> str:
    return f"perplexity {accuracy.perplexity:.4f}  {accuracy.name} ({accuracy.tokens} tokens){_kept(accuracy.cached)}"


def _cells(measurement: Measurement) -> str:
    synth = measurement.synth
    return (f"{synth.luts + synth.lutram_luts} LUT ({synth.lutram_luts} of them memory), {synth.carries} carry, {synth.ffs} FF, "
            f"{synth.dsps} DSP, {synth.brams} BRAM")


def _kept(cached: bool) -> str:
    return " (kept from an earlier run)" if cached else ""
