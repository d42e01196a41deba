"""The host's side of a co-processor: lays out operands in memory, writes registers, waits, reads the outputs.

The same code drives every simulator and would drive a board: all it needs of one is ``Transport``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gemmsmith.coprocessor import EVENTS, Coprocessor, Plan
from gemmsmith.coprocessor.registers import MANTISSA_WIDTH, constant_registers
from gemmsmith.pe import ProcessingElement, for_scheme
from gemmsmith.schemes import Anda, Axis, Operand, Scheme
from gemmsmith_sim.driver.compressed import CompressedLayout
from gemmsmith_sim.golden import Encoded
from gemmsmith_sim.golden import for_scheme as golden_for
from gemmsmith_sim.golden.base import MATRICES

Bytes = NDArray[np.uint8]
_DONE, _START, _ABORT = 1, 1, 2
_ALIGNMENT = 64
"""Byte alignment of every array: the widest bus word."""

FLOATS = {"fp32": np.float32, "fp16": np.float16}
"""Output formats that numpy has."""
HARDWARE = ("operands", "group", "row_payload", "column_payload", "result_width")
"""What processing elements of a family have in common if one computes the schemes of the other."""


class DriverError(RuntimeError):
    """The co-processor is not the one that was described, or could not do a job. The message says which and
    why."""


class Transport(Protocol):
    """What the driver needs of a simulator or a board: see ``gemmsmith_sim.backends.base.Backend``."""

    memory: Bytes

    def write_register(self, offset: int, value: int) -> None: ...
    def read_register(self, offset: int) -> int: ...
    def wait_interrupt(self, max_cycles: int) -> int: ...


@dataclass(frozen=True)
class Counters:
    """What the co-processor counted in one job, or in several."""

    cycles: int = 0
    beats: int = 0
    stalls: int = 0
    bytes_read: int = 0
    bytes_written: int = 0

    def __add__(self, other: Counters) -> Counters:
        return Counters(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


@dataclass(frozen=True)
class Placed:
    """Operands of one matrix in the device's memory: name → (address, stride), and how they lie there."""

    encoded: Encoded
    where: Mapping[str, tuple[int, int]]
    operands: tuple[Operand, ...]

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, K) of the matrix."""
        return self.encoded.shape


class Driver:
    """Runs products on a co-processor behind a transport.

    Parameters
    ----------
    transport: registers, interrupt and memory.
    device: description of the co-processor (its configuration; it is not elaborated).
    base: first byte of memory that the driver may use.
    poll: wait by reading the status register instead of by interrupt.

    Members
    -------
    total: counters over all jobs. outputs: outputs computed. saturated: the last job met an operand that was not
    finite.

    Raises ``DriverError`` when identification or geometry are not those of ``device``.
    """

    def __init__(self, transport: Transport, device: Coprocessor, *, base: int = 0, poll: bool = False):
        self.transport, self.device = transport, device
        self.total, self.outputs, self.saturated = Counters(), 0, False
        self._poll = poll
        self._free = -(-base // _ALIGNMENT) * _ALIGNMENT
        self._offsets = {r.name: r.offset for r in device.registers.registers}
        for name, expected in constant_registers(rows=device.rows, cols=device.cols,
                                                 bus_width=device.plan.bus_width).items():
            if (found := self._read(name)) != expected:
                raise DriverError(f"{name} of the co-processor is {found:#x}, but {expected:#x} was described")

    def place(self, encoded: Encoded) -> Placed:
        """Puts a matrix, activations or weights, into memory, where it stays.

        Raises ``DriverError`` if the device computes another scheme, or memory is full.
        """
        pe = self._element(encoded.scheme)
        groups = pe.groups(encoded.shape[1])
        operands = pe.select(encoded.axis, None)
        packed = golden_for(encoded.scheme).pack(encoded, operands)
        return Placed(encoded, {o.name: self.place_bytes(
            o, packed[o.name], self.device.plan.stride(o, groups=groups, mode=pe.mode)) for o in operands}, operands)

    def load_weights(self, w: Encoded) -> Placed:
        """Puts weights into memory, where they stay."""
        return self.place(w)

    def matmul(self, a: Encoded | Placed, w: Encoded | Placed, *, o_address: int | None = None) -> NDArray[Any]:
        """O = A · Wᵀ on the device: M × N, float32, (``out=fp16``) float16, or unsigned codes.

        The activations' scheme is what is computed; ``w`` may have been encoded, and placed, for any that shares
        its weights. Activations that are placed (by ``place``, or as outputs of ``matmul_compressed``) are read there.
        ``o_address`` chooses where the outputs lie, aligned to their own size; by default behind the operands.
        Raises ``DriverError`` if the operands do not fit the device or memory, or the job ends with an error.
        """
        mark = self._free
        try:
            where, sizes = self._prepare(a, w)
            raw = self.run(where, o_address=o_address, **sizes)
        finally:
            self._free = mark
        return raw.view(FLOATS[out]) if (out := self.device.pe.scheme.out) in FLOATS else raw

    def matmul_compressed(self, a: Encoded | Placed, w: Encoded | Placed, *, to: Anda) -> Placed:
        """O = A · Wᵀ, compressed on its way to memory: activations of scheme ``to`` (m, round), which stay there.

        The result can be the activations of a following product: ``where`` names the places of their planes and
        exponents, ``encoded`` is what they say. Raises ``DriverError`` if the device cannot compress to ``to.m`` bits,
        or as ``matmul`` does.
        """
        if to.m > self.device.compress:
            raise DriverError(f"the co-processor compresses outputs to {self.device.compress or 'no'} mantissa bits at "
                              f"most (compress=), not to {to.m}")
        m, n = a.shape[0], w.shape[0]
        pe = for_scheme(to)
        operands, plan = pe.select(Axis.ROW, None), Plan(pe, self.device.plan.bus_width, self.device.plan.buffer_k)
        strides = [plan.stride(operand, groups=pe.groups(n), mode=pe.mode) for operand in operands]
        o, exponents = ((self._allocate(m * stride), stride) for stride in strides)
        mark = self._free
        try:
            where, sizes = self._prepare(a, w)
            self.describe({**where, "o_exponent": exponents}, o=o, **sizes,
                          o_format=to.m | (to.round == "nearest") << MANTISSA_WIDTH)
            self.start()
            self.finish(max_cycles=self.patience(**sizes))
        finally:
            self._free = mark
        self.outputs += m * n
        planes, packed = (self.transport.memory[address:address + m * stride].reshape(m, stride)
                          for address, stride in (o, exponents))
        return Placed(CompressedLayout(m, n, to.m).decode(to, planes, packed), {"a_plane": o, "a_exponent": exponents},
                      operands)

    def begin(self, a: Encoded, w: Encoded | Placed) -> None:
        """Starts a product and does not wait for it: ``finish`` does, or a reset ends it."""
        where, sizes = self._prepare(a, w)
        m, n = sizes["m"], sizes["n"]
        width = self.device.pe.scheme.out_width // 8
        self.describe(where, o=(self._allocate(m * n * width), n * width), **sizes)
        self.start()

    def _prepare(self, a: Encoded | Placed,
                 w: Encoded | Placed) -> tuple[dict[str, tuple[int, int]], dict[str, int]]:
        """Operands in memory, and the sizes of the job."""
        placed_w = w if isinstance(w, Placed) else self.load_weights(w)
        activations, weights = a.encoded if isinstance(a, Placed) else a, placed_w.encoded
        if not activations.scheme.shares_weights(weights.scheme) or activations.shape[1] != weights.shape[1]:
            raise DriverError(f"activations {activations.scheme.short} of K = {activations.shape[1]} do not go with "
                              f"weights {weights.scheme.short} of K = {weights.shape[1]}")
        pe = self._element(activations.scheme)
        placed_a = a if isinstance(a, Placed) else self.place(a)
        for placed, axis in ((placed_a, Axis.ROW), (placed_w, Axis.COLUMN)):
            if placed.operands != pe.select(axis, None):
                raise DriverError(f"{placed.encoded.scheme.short} {MATRICES[axis]} do not lie in memory as the "
                                  "co-processor reads them: they were placed for another build")
        return {**placed_a.where, **placed_w.where}, {
            "m": activations.shape[0], "n": weights.shape[0], "groups": pe.groups(activations.shape[1]),
            "mode": pe.mode}

    def run(self, where: Mapping[str, tuple[int, int]], *, m: int, n: int, groups: int, mode: int,
            o_address: int | None = None) -> NDArray[Any]:
        """One job on operands in memory; returns raw outputs, M × N unsigned integers of the output's width.

        Raises ``DriverError`` if the job ends with an error.
        """
        width = self.device.pe.scheme.out_width // 8
        address = self._allocate(m * n * width) if o_address is None else o_address
        self.describe(where, o=(address, n * width), m=m, n=n, groups=groups, mode=mode)
        self.start()
        self.finish(max_cycles=self.patience(m=m, n=n, groups=groups, mode=mode))
        self.outputs += m * n
        raw = self.transport.memory[address:address + m * n * width]
        return raw.copy().view(f"<u{width}").reshape(m, n)

    def describe(self, where: Mapping[str, tuple[int, int]], *, o: tuple[int, int], m: int, n: int, groups: int,
                 mode: int, o_format: int = 0) -> None:
        """Writes a job's description: (address, stride) of each operand and of the output, sizes and mode, and the
        format of the outputs if the device has more than one."""
        for name, (address, stride) in {**where, "o": o}.items():
            self._write(f"{name}_address", address & 0xFFFFFFFF)
            if f"{name}_address_high" in self._offsets:
                self._write(f"{name}_address_high", address >> 32)
            self._write(f"{name}_stride", stride)
        for name, value in {"m": m, "n": n, "groups": groups, "mode": mode}.items():
            self._write(name, value)
        if self.device.compress:
            self._write("o_format", o_format)

    def start(self) -> None:
        """Begins the job that was described."""
        self._write("events", (1 << len(EVENTS)) - 1)
        self._write("interrupt_enable", 0 if self._poll else _DONE)
        self._write("control", _START)

    def abort(self) -> None:
        """Stops the job; ``finish`` then raises ``DriverError`` with "aborted"."""
        self._write("control", _ABORT)

    def finish(self, *, max_cycles: int) -> None:
        """Waits for the end of the job and adds up its counters. Raises ``DriverError`` if it ended with an error."""
        if self._poll:
            self._wait_by_polling(max_cycles)
        else:
            self.transport.wait_interrupt(max_cycles)
        self._check_events()
        self.total += Counters(**{f.name: self._read(f.name) for f in fields(Counters)})

    def patience(self, *, m: int, n: int, groups: int, mode: int) -> int:
        """Cycles after which a job counts as stuck: ten times what a slow memory would take, and more."""
        device = self.device
        blocks = -(-m // device.rows) * -(-n // device.cols)
        row_bytes = sum(device.plan.stride(o, groups=groups,
                                           mode=mode) * device.tile.count(o.axis) for o in device.pe.operands)
        block = device.pe.schedule(groups=groups, mode=mode, share=device.share).block
        lines = 64 * (device.rows + device.cols)
        return 10_000 + 10 * blocks * (block + 64 * row_bytes * 8 // device.plan.bus_width + lines)

    def _wait_by_polling(self, max_cycles: int) -> None:
        for _ in range(max_cycles):
            if self._read("events") & _DONE:
                return
        raise DriverError(f"the job was not done after {max_cycles} reads of its events")

    def place_bytes(self, operand: Operand, rows: Bytes, stride: int) -> tuple[int, int]:
        """Puts the bytes of an operand (rows, row_bytes) into memory; returns address and stride."""
        address = self._allocate(len(rows) * stride)
        region = self.transport.memory[address:address + len(rows) * stride].reshape(len(rows), stride)
        region[:, :rows.shape[1]] = rows
        region[:, rows.shape[1]:] = 0
        return address, stride

    def _element(self, scheme: Scheme) -> ProcessingElement:
        """The device's processing element as it computes ``scheme``."""
        built = self.device.pe
        if scheme.family == built.family and scheme.out == built.scheme.out:
            pe = for_scheme(scheme, **{option: getattr(built, option) for option in built.options})
            if all(getattr(pe, name) == getattr(built, name) for name in HARDWARE):
                return pe
        raise DriverError(f"the co-processor computes {built.scheme.name}, not {scheme.name}")

    def _allocate(self, size: int) -> int:
        address = self._free
        self._free += -(-size // _ALIGNMENT) * _ALIGNMENT
        if self._free > len(self.transport.memory):
            raise DriverError(f"memory of {len(self.transport.memory)} bytes is full: {self._free} would be needed")
        return address

    def _check_events(self) -> None:
        events = self._read("events")
        raised = [(name, doc) for bit, (name, doc) in enumerate(EVENTS) if events >> bit & 1]
        self.saturated = any(name == "saturated" for name, _ in raised)
        errors = [f"{name} ({doc})" for name, doc in raised if name not in ("done", "saturated")]
        if errors:
            raise DriverError(f"the job failed: {'; '.join(errors)}")

    def _write(self, name: str, value: int) -> None:
        self.transport.write_register(self._offsets[name], value)

    def _read(self, name: str) -> int:
        return self.transport.read_register(self._offsets[name])


def utilisation(counters: Counters, *, macs: int, device: Coprocessor, mode: int) -> float:
    """Multiply-accumulates done, over those that the array could have done in the same cycles."""
    peak = device.rows * device.cols * device.pe.macs_per_cycle(mode)
    return macs / (peak * counters.cycles) if counters.cycles else 0.0
