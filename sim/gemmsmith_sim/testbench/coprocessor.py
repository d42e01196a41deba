"""The bench of a co-processor: an AXI4-Lite host, an AXI4 memory, and jobs that the driver has described."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import cycle

import numpy as np

from gemmsmith.coprocessor import EVENTS, Coprocessor
from gemmsmith.coprocessor.registers import constant_registers
from gemmsmith.emit import BuildConfig
from gemmsmith.pe import ProcessingElement
from gemmsmith.schemes import Axis
from gemmsmith_sim.driver import Driver
from gemmsmith_sim.testbench.jobs import Job, largest_k, make_job, modes_of
from gemmsmith_sim.testbench.text import Bench, hex_lines, hex_memory, noise

FILL = 0xA5
"""Memory that no operand lies in."""
GUARD_BYTES = 256
"""Memory between two outputs, and behind the last."""
OPERAND_BYTES = 16_000
"""Memory for the operands of a job, or less if addresses are short: K is made smaller until they fit."""

WHAT = """\
It plays the host (AXI4-Lite: every register access is in the bench in clear text, as firmware would do it) and the
memory (AXI4, pausing at random on every channel), runs {jobs} jobs, and compares each output. Every other byte of
memory must be what it was before, and every burst legal: INCR, whole words, within a 4 KiB page. The jobs:

{listed}"""


class Recorder:
    """A transport with nothing behind it: keeps memory and register writes for the bench to repeat."""

    def __init__(self, device: Coprocessor, memory_bytes: int):
        constants = constant_registers(rows=device.rows, cols=device.cols, bus_width=device.plan.bus_width)
        self.memory = np.full(memory_bytes, FILL, np.uint8)
        self.writes: list[tuple[int, int]] = []
        self._values = {r.offset: constants.get(r.name, 0) for r in device.registers.registers}

    def write_register(self, offset: int, value: int) -> None:
        self.writes.append((offset, value))

    def read_register(self, offset: int) -> int:
        return self._values[offset]

    def wait_interrupt(self, max_cycles: int) -> int:
        raise NotImplementedError("a recorder runs nothing")

    def take(self) -> list[tuple[int, int]]:
        """The writes since the last call."""
        writes, self.writes = self.writes, []
        return writes


def coprocessor_bench(config: BuildConfig, seed: int) -> Bench:
    """Jobs with tails along M, N and K, with several blocks, with K beyond the buffers, in several modes."""
    device, rng = config.coprocessor(), np.random.default_rng(seed)
    memory_bytes = 1 << min(20, config.axi_addr_width)
    jobs = [_job(device, pe, size, min(OPERAND_BYTES, memory_bytes // 8), rng)
            for pe, size in zip(cycle(modes_of(device.pe)), _sizes(device), strict=False)]
    recorder = Recorder(device, memory_bytes)
    sequence = _sequence(device, recorder, jobs)
    word_bytes, out_width = device.plan.bus_width // 8, device.pe.scheme.out_width
    return Bench(
        template="coprocessor_tb.v",
        values={
            "JOBS": str(len(jobs)), "OUTPUTS": str(sum(job.outputs.size for job in jobs)),
            "DATA_WIDTH": str(device.plan.bus_width), "ADDR_WIDTH": str(config.axi_addr_width),
            "AXIL_WIDTH": str(device.registers.addr_width), "OUT_WIDTH": str(out_width),
            "WORDS": str(-(-sequence.end // word_bytes)), "MAX_CYCLES": str(sequence.max_cycles),
            "SEQUENCE": "\n".join(f"    {line}" for line in sequence.lines), "FILL": f"{FILL:02x}", "NOISE": noise(rng),
            "DONE": str(1 << [name for name, _ in EVENTS].index("done"))},
        vectors={"memory": hex_memory(recorder.memory, word_bytes, FILL),
                 "expected": hex_lines((int(o) for job in jobs for o in job.outputs.flat), out_width)},
        docs={"memory": f"the operands in memory, a bus word per line; memory that it leaves out is {FILL:#x}",
              "expected": "the outputs, one per line: job by job, row by row"},
        what=WHAT.format(jobs=len(jobs), listed="\n".join(f"{i}. {job}" for i, job in enumerate(jobs, 1))))


@dataclass
class Sequence:
    """What the host does: statements of the bench, the cycles it has for them, and where memory ends."""

    lines: list[str]
    max_cycles: int
    end: int


def _sequence(device: Coprocessor, recorder: Recorder, jobs: list[Job]) -> Sequence:
    """Puts the operands of all jobs into memory, outputs behind them, and has the driver describe each job."""
    driver = Driver(recorder, device)
    placed = [(driver.place(job.a), driver.place(job.w)) for job in jobs]
    end = max(address + stride * matrix.encoded.shape[0]
              for pair in placed for matrix in pair for address, stride in matrix.where.values())
    constants = constant_registers(rows=device.rows, cols=device.cols, bus_width=device.plan.bus_width)
    sequence = Sequence([_call(device, "check_register", device.registers[name].offset, value)
                         for name, value in constants.items()], 1000, end + GUARD_BYTES)
    for number, (job, (a, w)) in enumerate(zip(jobs, placed, strict=True), 1):
        # Outputs begin and rows end inside a bus word, with bytes between them that must stay.
        width = device.pe.scheme.out_width // 8
        address, stride = sequence.end + width, (job.n + 3) * width
        size = {"m": job.m, "n": job.n, "groups": job.groups, "mode": job.pe.mode}
        driver.describe({**a.where, **w.where}, o=(address, stride), **size)
        driver.start()
        sequence.lines += [
            f"// Job {number}: {job}",
            *(_call(device, "write_register", offset, value) for offset, value in recorder.take()),
            "wait_for_interrupt;",
            f"check_register('h{device.registers['events'].offset:02x}, DONE);  // events",
            f"check_outputs({address}, {stride}, {job.m}, {job.n});"]
        sequence.max_cycles += driver.patience(**size)
        sequence.end = address + job.m * stride + GUARD_BYTES
    return sequence


def _call(device: Coprocessor, task: str, offset: int, value: int) -> str:
    names = {register.offset: register.name for register in device.registers.registers}
    return f"{task}('h{offset:02x}, 'h{value:08x});  // {names[offset]}"


def _sizes(device: Coprocessor) -> list[tuple[int, int, int]]:
    """M, N and K wanted of each job."""
    rows, cols, group = device.rows, device.cols, device.pe.group
    tail = max(1, group // 3)
    return [(min(2 * rows + 1, max(rows + 1, 9)), min(2 * cols + 1, 9), group * -(-40 // group) + tail),
            (min(rows + 1, 3), cols + 1, 1),
            (1, min(cols, 2), (device.plan.groups + 1) * group + tail)]


def _job(device: Coprocessor, pe: ProcessingElement, size: tuple[int, int, int], limit: int,
         rng: np.random.Generator) -> Job:
    """A job of M, N and at most K, whose operands fit ``limit`` bytes."""
    m, n, wanted = size

    def operand_bytes(k: int) -> int:
        return sum((m if o.axis is Axis.ROW else n) * device.plan.stride(o, groups=pe.groups(k), mode=pe.mode)
                   for o in pe.operands)

    return make_job(pe, m, n, largest_k(wanted, operand_bytes, limit), rng)
