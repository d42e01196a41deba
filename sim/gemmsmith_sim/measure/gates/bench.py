"""Drives the netlist of an array behind AXI-Streams, and holds every output against the golden model's."""

from __future__ import annotations

import numpy as np

from ..stimulus import Stimulus
from .simulate import Simulator
from .words import ALL, Words, unpack_lanes

__all__ = ["Bench", "MismatchError"]

RESET_CYCLES = 4


class MismatchError(ValueError):
    """The netlist does not compute what it should. The message names the first difference."""


class Bench:
    """Feeds a stimulus without pauses and takes outputs at once.

    After the reset, a cycle is: ``drive``, look at ``simulator.state``, ``take``.

    Members
    -------
    cycle: cycles since the reset. outputs: outputs of a lane seen so far, all of them right.
    finished: the cycles in which the last output of each block left.

    Raises
    ------
    ValueError: if the netlist lacks a port, or one of them is of another width.
    MismatchError: from ``take``, if an output is not the one due, a handshake depends on the lane, or an operand was
        saturated.
    """

    def __init__(self, simulator: Simulator, stimulus: Stimulus) -> None:
        self.simulator, self.stimulus = simulator, stimulus
        self.cycle = self.outputs = 0
        self.finished: list[int] = []
        block = np.array([stimulus.block_word >> bit & 1 for bit in range(40)], np.uint64)[:, None] * ALL
        self._streams: dict[str, Words] = {"block": np.broadcast_to(block, (stimulus.blocks, *block.shape)),
                                           **stimulus.transfers}
        self._taken = dict.fromkeys(self._streams, 0)
        self._check_ports()
        self._reset()

    @property
    def outputs_checked(self) -> int:
        """Outputs of all lanes that were compared."""
        return self.outputs * self.stimulus.lanes

    def drive(self) -> None:
        """Set the inputs of this cycle and let the netlist settle."""
        for name, words in self._streams.items():
            if self._taken[name] < len(words):
                self.simulator.set_input(f"s_axis_{name}_tdata", words[self._taken[name]])
            self._set(f"s_axis_{name}_tvalid", int(self._taken[name] < len(words)))
        self.simulator.settle()

    def take(self) -> None:
        """See what was handed over in this cycle, compare the output if there is one, and clock."""
        for name, words in self._streams.items():
            self._taken[name] += self._level(f"s_axis_{name}_tready") and self._taken[name] < len(words)
        if self._level("saturated"):
            raise MismatchError(f"an operand was saturated before cycle {self.cycle}")
        if self._level("m_axis_o_tvalid"):
            self._compare()
        self.cycle += 1
        self.simulator.clock()

    def _reset(self) -> None:
        netlist = self.simulator.netlist
        for port in netlist.inputs:
            self._set(port, 0)
        for _ in range(RESET_CYCLES):
            self.simulator.settle()
            self.simulator.clock()
        self._set("aresetn", 1)
        self._set("m_axis_o_tready", 1)
        self._set("cfg_mode", self.stimulus.mode)

    def _check_ports(self) -> None:
        netlist, stimulus = self.simulator.netlist, self.stimulus
        wanted = {"aresetn": 1, "m_axis_o_tready": 1}
        for name, words in self._streams.items():
            wanted |= {f"s_axis_{name}_tdata": words.shape[1], f"s_axis_{name}_tvalid": 1}
        for port, width in wanted.items():
            if len(netlist.inputs.get(port, ())) != width:
                raise ValueError(f"netlist of {netlist.name} must have an input {port} of {width} bits: "
                                 "is it of this unit, at level pe or tile?")
        if len(netlist.outputs.get("m_axis_o_tdata", ())) != stimulus.outputs.shape[1]:
            raise ValueError(f"netlist of {netlist.name} must have an output m_axis_o_tdata of "
                             f"{stimulus.outputs.shape[1]} bits")

    def _set(self, port: str, value: int) -> None:
        bits = np.arange(len(self.simulator.netlist.inputs[port]), dtype=np.uint64)
        self.simulator.set_input(port, (np.uint64(value) >> bits & np.uint64(1))[:, None] * ALL)

    def _level(self, port: str) -> bool:
        """The value of an output of one bit, which must be the same in all lanes."""
        words = self.simulator.output(port)
        if (words != words[0, 0]).any() or words[0, 0] not in (0, ALL):
            raise MismatchError(f"{port} differs between lanes in cycle {self.cycle}")
        return bool(words[0, 0])

    def _compare(self) -> None:
        stimulus = self.stimulus
        if self.outputs == len(stimulus.outputs):
            raise MismatchError(f"an output too many in cycle {self.cycle}: {self.outputs} were due")
        due, seen = stimulus.outputs[self.outputs], self.simulator.output("m_axis_o_tdata")
        if (different := due ^ seen).any():
            lane = int(np.argmax(unpack_lanes(np.bitwise_or.reduce(different, axis=0))))
            raise MismatchError(f"output {self.outputs} of lane {lane} is {_hex(seen, lane)} and must be "
                                f"{_hex(due, lane)} (cycle {self.cycle})")
        self.outputs += 1
        last = self.outputs % stimulus.outputs_per_block == 0
        if self._level("m_axis_o_tlast") != last:
            raise MismatchError(f"output {self.outputs - 1}: TLAST must be {int(last)} (cycle {self.cycle})")
        if last:
            self.finished.append(self.cycle)


def _hex(words: Words, lane: int) -> str:
    """A word of one lane; ``words`` are (bits, lanes / 64)."""
    value = sum(int(bit) << place for place, bit in enumerate(unpack_lanes(words)[:, lane]))
    return f"{value:#0{2 + len(words) // 4}x}"
