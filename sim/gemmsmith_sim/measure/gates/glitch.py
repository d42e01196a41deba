"""Cycles with delays: what every net does between two clock edges, glitches included.

A waveform is an integer: bit t says what the net is in step t after the clock edge, in as many 64-bit words as the
longest path takes. All gates of a group are evaluated at once, over all lanes and all time: the function of the
inputs' waveforms, then the gate's inertial delay d,

    y(t) = raw(t − 1) if raw was the same in all of the d steps before t, else y(t − 1),

which swallows pulses shorter than d. The recurrence is that of a carry chain, so an addition solves it: a carry is
generated where raw is stable and 1, stopped where it is stable and 0, and propagated elsewhere.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .netlist import Gates, Netlist, Nets
from .words import ALL, WORD, Words, count_ones, lanes_of

__all__ = ["GlitchSimulator"]

Steps = NDArray[np.int64]
Counts = NDArray[np.int64]
MEMORY = 1 << 28
"""Bytes of waveforms to hold at once; more lanes are simulated one after the other."""
_ONE, _LAST = np.uint64(1), np.uint64(WORD - 1)


class GlitchSimulator:
    """Counts the transitions of every net in single cycles.

    Parameters
    ----------
    netlist: to simulate.
    delays: of the gate or flip-flop that drives each net, ps. Input ports change with the clock edge.
    steps: of the longest path. Delays are rounded to this grid, those of gates to at least one step.

    Members
    -------
    step_ps: one step, ps.

    Raises ``ValueError`` unless ``steps`` is positive.
    """

    def __init__(self, netlist: Netlist, delays: NDArray[np.float64], *, steps: int = 960) -> None:
        if steps < 1:
            raise ValueError(f"steps must be at least 1, not {steps!r}")
        self.netlist = netlist
        longest = _arrivals(netlist, delays).max(initial=0)
        self.step_ps = float(longest / steps) or 1.0
        self.delays: Steps = np.rint(delays / self.step_ps).astype(np.int64)
        for nets in (nets for gates in netlist.gates for nets in gates.outputs.values()):
            self.delays[nets] = np.maximum(self.delays[nets], 1)
        arrivals = _arrivals(netlist, self.delays)
        self._words = int(arrivals.max(initial=0)) // WORD + 1
        self._until = {id(gates): max(int(arrivals[nets].max()) for nets in gates.outputs.values()) // WORD + 1
                       for gates in netlist.gates}  # words after which outputs of a group are constant

    def toggles(self, before: Words, after: Words, lanes: Nets) -> tuple[Counts, Counts]:
        """Transitions of every net in one cycle: with delays, and without; all chosen lanes together.

        Parameters
        ----------
        before, after: settled states of all nets, words (nets, W), before the clock edge and at the end of the cycle.
        lanes: which to simulate; the time that it takes grows with their number.

        Raises ``RuntimeError`` if waveforms end elsewhere than in ``after``: it was not settled, or not from these
        flip-flops and ports.
        """
        count = len(before)
        size = max(1, MEMORY // (8 * self._words * count))
        with_delays, without = np.zeros(count, np.int64), np.zeros(count, np.int64)
        for chunk in (lanes[start:start + size] for start in range(0, len(lanes), size)):
            old, new = lanes_of(before, chunk), lanes_of(after, chunk)
            with_delays += self._simulate(old, new)
            without += (old != new).sum(axis=1)
        return with_delays, without

    def _simulate(self, old: Words, new: Words) -> Counts:
        """Transitions of every net; ``old`` and ``new`` have a word of zeros or ones per net and lane."""
        waves = np.empty((len(old), self._words, old.shape[1]), np.uint64)
        sources = np.r_[0, 1, *self.netlist.inputs.values(), self.netlist.flop_nets].astype(np.intp)
        waves[sources] = self._edges(sources, old[sources], new[sources])
        counts = (old != new).sum(axis=1)
        for gates in self.netlist.gates:
            until = self._until[id(gates)]
            pins = {pin: waves[nets, :until] for pin, nets in gates.inputs.items()}
            for pin, function in gates.functions.items():
                nets = gates.outputs[pin]
                raw = np.broadcast_to(function.evaluate(pins), waves[nets, :until].shape)
                self._inertial(gates, raw, old[nets], self.delays[nets], waves[nets, :until])
                waves[nets, until:] = new[nets, None]
                counts[nets] = count_ones(_changes(waves[nets, :until], old[nets]))
                if (waves[nets, until - 1] >> _LAST != new[nets] & _ONE).any():
                    raise RuntimeError(f"waveforms of {gates.cell.name} at level {gates.level} do not settle as given")
        return counts

    def _edges(self, sources: Nets, old: Words, new: Words) -> Words:
        """Waveforms of constants, ports and flip-flops, which change once."""
        left = self.delays[sources, None] - WORD * np.arange(self._words)
        changed = (ALL << np.clip(left, 0, WORD).astype(np.uint64))[:, :, None]
        return (new[:, None] & changed) | (old[:, None] & ~changed)

    @staticmethod
    def _inertial(gates: Gates, raw: Words, old: Words, delays: Steps, waves: Words) -> None:
        """Writes to ``waves`` what gates of these delays make of ``raw``."""
        if not gates.inputs:  # a tie cell: there was no time before
            waves[:] = raw
            return
        unstable = _widened(_changes(raw, old), delays - 1)
        propagated, generated = raw | unstable, raw & ~unstable
        carry = old & _ONE
        for word in range(waves.shape[1]):
            a, b = propagated[:, word], generated[:, word]
            total = a + b + carry
            waves[:, word] = a ^ b ^ total
            carry = (a & b | (a | b) & ~total) >> _LAST


def _arrivals(netlist: Netlist, delays: NDArray[np.number]) -> NDArray[np.number]:
    """Time of each net's latest possible change, in the unit of ``delays``."""
    arrivals = delays.copy()
    for gates in netlist.gates:
        if gates.inputs:
            latest = np.max([arrivals[nets] for nets in gates.inputs.values()], axis=0)
            for nets in gates.outputs.values():
                arrivals[nets] += latest
    return arrivals


def _changes(waves: Words, old: Words) -> Words:
    """Steps in which a waveform differs from the step before; ``old`` is the value before the first."""
    previous = waves << _ONE
    previous[:, 0] |= old & _ONE
    previous[:, 1:] |= waves[:, :-1] >> _LAST
    return waves ^ previous


def _widened(changes: Words, lengths: Steps) -> Words:
    """Each one of ``changes`` made to last so many steps; lengths (gates,) may be 0."""
    result = np.where((lengths > 0)[:, None, None], changes, np.uint64(0))
    reached = np.minimum(lengths, 1)
    while (reached < lengths).any():
        shift = np.minimum(np.minimum(reached, lengths - reached), WORD)
        left = shift.astype(np.uint64)[:, None, None]
        shifted = result << left  # by 64 gives 0, as does a shift to the right
        shifted[:, 1:] |= result[:, :-1] >> (np.uint64(WORD) - left)
        result |= shifted
        reached = reached + shift
    return result
