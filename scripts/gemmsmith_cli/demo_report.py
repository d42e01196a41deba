"""What the demo found: as lines for the terminal, as Markdown, as JSON values."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from gemmsmith.emit import BuildConfig
from gemmsmith_cli.accuracy import Accuracy
from gemmsmith_cli.demo_writing import Writing
from gemmsmith_sim.measure import Measurement
from gemmsmith_sim.measure import markdown as measurements_markdown
from gemmsmith_sim.measure import to_dict as measurement_dict


@dataclass
class Results:
    """Everything that the demo finds; filled step by step."""

    config: BuildConfig
    directory: Path
    prompt: str
    writing: Writing | None = None
    accuracies: list[Accuracy] = field(default_factory=list)
    measurements: list[Measurement] = field(default_factory=list)
    cached_synthesis: bool = False
    seconds: float = 0.0


def to_dict(results: Results) -> dict[str, Any]:
    """As JSON values."""
    return {
        "config": results.config.model_dump(),
        "directory": str(results.directory),
        "prompt": results.prompt,
        "writing": asdict(results.writing) if results.writing else None,
        "perplexity": [asdict(accuracy) for accuracy in results.accuracies],
        "measurements": [measurement_dict(measurement) for measurement in results.measurements],
        "cached_synthesis": results.cached_synthesis,
        "seconds": round(results.seconds, 1),
    }


def writing_lines(writing: Writing) -> list[str]:
    """What the hardware did."""
    each = writing.per_token
    return [
        f"RTL equals golden bit for bit: {writing.outputs} outputs compared, none differs",
        f"{each.cycles} cycles per token; {writing.tokens} tokens took {writing.seconds:.1f} s of simulation",
        f"{writing.utilisation:.1%} of the array used: a single token fills one row of it, and beats came in "
        f"{each.beats / each.cycles:.1%} of the cycles",
        f"per token {each.bytes_read} bytes read, {each.bytes_written} written",
    ]


def accuracy_line(accuracy: Accuracy) -> str:
    """Perplexity in one arithmetic."""
    kept = _kept(accuracy.cached)
    return f"perplexity {accuracy.perplexity:.4f}: {accuracy.name} ({accuracy.tokens} tokens){kept}"


def size_lines(results: Results) -> list[str]:
    """Cells and frequency."""
    lines = []
    for measurement in results.measurements:
        synth, placed = measurement.synth, measurement.pnr
        lines.append(f"{measurement.name}: {synth.luts + synth.lutram_luts} LUT ({synth.lutram_luts} as memory), "
                     f"{synth.carries} carry, {synth.ffs} FF, {synth.dsps} DSP, {synth.brams} BRAM"
                     f"{_kept(results.cached_synthesis)}")
        if placed:
            low, high = placed.spread
            lines.append(f"{measurement.name}, placed and routed: {placed.median:.1f} MHz "
                         f"({low:.1f} to {high:.1f} over {len(placed.seeds)} seeds)")
    return lines


_REPORT = """# {title} on generated hardware

- Scheme: `{scheme}`
- Build: {choices}
- Verilog: [coprocessor/rtl](coprocessor/rtl); of one processing element: [pe/rtl](pe/rtl)

## Text

Every linear layer of the model's blocks was computed by the RTL over its AXI ports, in Verilator; embedding,
norms, attention and classifier by the host.

{text}

{writing}

## Perplexity{kept_accuracy}

On {tokens} tokens of text that the model has not seen. The last row is the golden model, which the RTL equals.

| arithmetic of the linear layers | perplexity |
|---|---:|
{accuracies}

## Size and speed on Lattice ECP5{kept_synthesis}

{measurements}"""


def markdown(results: Results) -> str:
    """The report. ``results`` must be complete."""
    assert results.writing is not None
    config, text = results.config, results.prompt + results.writing.text
    choices = {**config.model_dump(exclude={"scheme", "options"}), **config.options}
    return _REPORT.format(
        title=config.parsed_scheme().short,
        scheme=config.scheme,
        choices=", ".join(f"{key}={value}" for key, value in choices.items()),
        text="\n".join(f"    {line}" for line in text.splitlines()),
        writing="\n".join(f"- {line}" for line in writing_lines(results.writing)),
        tokens=results.accuracies[0].tokens,
        kept_accuracy=_kept(all(accuracy.cached for accuracy in results.accuracies)),
        accuracies="\n".join(f"| {accuracy.name} | {accuracy.perplexity:.4f} |" for accuracy in results.accuracies),
        kept_synthesis=_kept(results.cached_synthesis),
        measurements=measurements_markdown(results.measurements),
    )


def _kept(cached: bool) -> str:
    return " (kept from an earlier run)" if cached else ""
