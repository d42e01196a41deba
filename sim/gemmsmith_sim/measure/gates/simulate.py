"""Cycles without delays: two-valued, 64 lanes to a word, a step of numpy per group of equal gates."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .netlist import Netlist
from .words import ALL, WORD, Words

__all__ = ["Simulator"]


class Simulator:
    """Steps a netlist in many independent lanes at once.

    A cycle is: ``set_input`` for what changes, ``settle``, ``output``, and ``clock`` for the rising edge. Flip-flops
    start with random values, other ones in every lane, so that a design that needs no reset in one lane only is seen.

    Parameters
    ----------
    netlist: to simulate.
    lanes: a multiple of 64.
    seed: of the flip-flops' first values.

    Members
    -------
    state: values of all nets, words (nets, lanes / 64).

    Raises ``ValueError`` if ``lanes`` is not a positive multiple of 64.
    """

    def __init__(self, netlist: Netlist, *, lanes: int = WORD, seed: int = 0) -> None:
        if lanes < 1 or lanes % WORD:
            raise ValueError(f"lanes must be a positive multiple of {WORD}, not {lanes!r}")
        self.netlist = netlist
        self.lanes = lanes
        self.state: Words = np.zeros((len(netlist.names), lanes // WORD), np.uint64)
        self.state[1] = ALL
        rng = np.random.default_rng(seed)
        for flops in netlist.flops:
            value = rng.integers(0, 1 << 64, (len(flops.instances), lanes // WORD), np.uint64)
            self._set_flops(flops.outputs, flops.inverted, value, np.full_like(value, ALL))

    def set_input(self, port: str, words: Words) -> None:
        """Drive an input port with words (bits, lanes / 64), or (bits, 1) for all lanes alike."""
        self.state[self.netlist.inputs[port]] = words

    def output(self, port: str) -> Words:
        """Words (bits, lanes / 64) at an output port."""
        return self.state[self.netlist.outputs[port]]

    def settle(self) -> None:
        """Evaluate all gates."""
        state = self.state
        for gates in self.netlist.gates:
            pins = {pin: state[nets] for pin, nets in gates.inputs.items()}
            for pin, function in gates.functions.items():
                state[gates.outputs[pin]] = function.evaluate(pins)

    def clock(self) -> None:
        """Rising edge: all flip-flops that it reaches take their next state at once."""
        pulses = self.netlist.pulses(self.state)
        taken = [flops.next_state.evaluate({pin: self.state[nets] for pin, nets in flops.inputs.items()})
                 for flops in self.netlist.flops]
        for flops, value in zip(self.netlist.flops, taken, strict=True):
            reached = pulses[flops.clocks]
            self._set_flops(flops.outputs, flops.inverted, value, reached)

    def _set_flops(self, outputs: Mapping[str, slice], inverted: Mapping[str, bool], value: Words,
                   reached: Words) -> None:
        """Outputs take the state ``value`` where the clock reached them."""
        for pin, nets in outputs.items():
            self.state[nets] ^= (self.state[nets] ^ (~value if inverted[pin] else value)) & reached
