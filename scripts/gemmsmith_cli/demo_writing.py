"""The part of the demo that the user watches: a model writes, its linear layers on the simulated hardware."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields

from gemmsmith.coprocessor import Coprocessor
from gemmsmith.emit import BuildConfig
from gemmsmith_cli.errors import CheckError
from gemmsmith_cli.run import hardware
from gemmsmith_cli.session import open_rtl
from gemmsmith_sim.driver import Counters, utilisation
from gemmsmith_sim.llm import checkpoint, tokenizer
from gemmsmith_sim.llm.generate import generate
from gemmsmith_sim.llm.model import Llama
from gemmsmith_sim.llm.quantized import RtlLinear

RULE = "─" * 72
"""Above and below the text."""


@dataclass(frozen=True)
class Writing:
    """The text, and what the hardware did for it.

    Parameters
    ----------
    text: without the prompt. tokens: of the text.
    outputs: outputs of the hardware, all compared with golden, prompt included.
    per_token: counters of one token, the mean over all but the first (which takes the prompt's pass).
    utilisation: of the array over the same tokens; one token fills one row of it. seconds: of simulation.
    """

    text: str
    tokens: int
    outputs: int
    per_token: Counters
    utilisation: float
    seconds: float


def write_on_hardware(config: BuildConfig, verilog: str, prompt: str, *, tokens: int, seed: int,
                      tell: Callable[..., None]) -> Writing:
    """Continues ``prompt`` by ``tokens`` tokens, which ``tell`` prints one by one.

    Raises ``CheckError`` if an output of the RTL differs from golden, or if there were none.
    """
    loaded = checkpoint.load()
    words = tokenizer.load_tokenizer(loaded)
    with open_rtl(config, verilog=verilog) as (driver, device):
        linear = RtlLinear(driver)
        model = Llama(loaded, linear)
        tell(f"4. The model writes. Computed by the RTL over its AXI ports: the {len(loaded.layers[0].linear)} linear "
             f"layers of each of its {len(loaded.layers)} blocks.\n"
             f"   Computed by the host: embedding, norms, attention, classifier.\n{RULE}\n{prompt}", end="")
        marks: list[tuple[Counters, int]] = []

        def marked() -> Iterator[int]:
            for token in generate(model, words.encode(prompt), count=tokens, seed=seed):
                marks.append((driver.total, linear.macs))
                yield token

        start = time.monotonic()
        pieces = []
        for piece in words.stream(marked()):
            pieces.append(piece)
            tell(piece, end="")
        seconds = time.monotonic() - start
        tell(f"\n{RULE}")
    hardware(linear)
    if not linear.outputs:
        raise CheckError("the hardware computed nothing")
    spent, used = _per_token(marks, device)
    return Writing("".join(pieces), len(marks), linear.outputs, spent, used, seconds)


def _per_token(marks: list[tuple[Counters, int]], device: Coprocessor) -> tuple[Counters, float]:
    """Mean counters, and utilisation, between the first token and the last."""
    (first, first_macs), (last, last_macs) = marks[0], marks[-1]
    spent = {f.name: getattr(last, f.name) - getattr(first, f.name) for f in fields(Counters)}
    used = utilisation(Counters(**spent), macs=last_macs - first_macs, device=device, mode=device.pe.mode)
    return Counters(**{name: count // (len(marks) - 1) for name, count in spent.items()}), used
