"""A cocotb bench for any register bank behind ``s_axil``, with cocotbext-axi as the host.

``REGISTERS`` in the environment names a JSON file: ``RegisterMap.to_dict()``, and ``"constants"``, what the
read-only registers that never change hold, by name. Writing a random value to a register must do no harm: the bench
leaves ``"pulse"`` registers alone.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, with_timeout
from cocotbext.axi import AxiLiteBus, AxiLiteMaster, AxiResp

DESCRIPTION: dict[str, Any] = json.loads(Path(os.environ["REGISTERS"]).read_text())
REGISTERS: list[dict[str, Any]] = DESCRIPTION["registers"]
WRITABLE = [register for register in REGISTERS if register["access"] == "rw"]
PATIENCE_NS = 20_000


class Host:
    """Reads and writes, with random pauses on each channel."""

    def __init__(self, dut: Any, *, stall: float = 0.0, seed: int = 1) -> None:
        self.dut, self.rng = dut, random.Random(seed)
        bus = AxiLiteBus.from_prefix(dut, "s_axil")
        self.master = AxiLiteMaster(bus, dut.aclk, dut.aresetn, reset_active_level=False)
        write, read = self.master.write_if, self.master.read_if
        if stall:
            for channel in (write.aw_channel, write.w_channel, write.b_channel, read.ar_channel, read.r_channel):
                channel.set_pause_generator(self._pauses(stall))
        Clock(dut.aclk, 10, "ns").start()

    def _pauses(self, stall: float) -> Iterator[bool]:
        while True:
            yield self.rng.random() < stall

    async def reset(self) -> None:
        dut = self.dut
        dut.aresetn.value = 0
        await ClockCycles(dut.aclk, 4)
        for valid in (dut.s_axil_bvalid, dut.s_axil_rvalid, dut.m_axi_arvalid, dut.m_axi_awvalid, dut.m_axi_wvalid):
            assert not valid.value, f"{valid._name} is high in reset"
        dut.aresetn.value = 1
        await ClockCycles(dut.aclk, 1)

    async def read(self, offset: int) -> tuple[int, AxiResp]:
        answer = await with_timeout(self.master.read(offset, 4), PATIENCE_NS, "ns")
        return int.from_bytes(answer.data, "little"), answer.resp

    async def write(self, offset: int, value: bytes) -> AxiResp:
        return (await with_timeout(self.master.write(offset, value), PATIENCE_NS, "ns")).resp

    async def fill(self) -> dict[int, int]:
        """Write random words to all writable registers, in random order; returns what each must now hold."""
        expected = {}
        for register in self.rng.sample(WRITABLE, len(WRITABLE)):
            value = self.rng.getrandbits(32)
            assert await self.write(register["offset"], value.to_bytes(4, "little")) == AxiResp.OKAY
            expected[register["offset"]] = value & mask(register)
        return expected

    async def check(self, expected: dict[int, int]) -> None:
        """Read registers in random order."""
        assert expected, "nothing to check"
        for offset in self.rng.sample(sorted(expected), len(expected)):
            assert await self.read(offset) == (expected[offset], AxiResp.OKAY), f"register {offset:#x}"


def mask(register: dict[str, Any]) -> int:
    """The bits that a register has."""
    return (1 << register["width"]) - 1


@cocotb.test()
async def values_after_reset(dut: Any) -> None:
    host, constants = Host(dut), DESCRIPTION["constants"]
    await host.reset()
    expected = {r["offset"]: r["reset"] for r in REGISTERS if r["access"] != "ro"}
    expected |= {r["offset"]: constants[r["name"]] for r in REGISTERS if r["name"] in constants}
    await host.check(expected)


@cocotb.test()
@cocotb.parametrize(stall=[0.0, 0.3, 0.7])
async def written_values_are_read(dut: Any, stall: float) -> None:
    host = Host(dut, stall=stall)
    await host.reset()
    for _ in range(3):
        await host.check(await host.fill())


@cocotb.test()
async def strobes_select_bytes(dut: Any) -> None:
    host = Host(dut, stall=0.2)
    await host.reset()
    expected = await host.fill()
    for _ in range(60):
        register = host.rng.choice(WRITABLE)
        first = host.rng.randrange(4)
        data = host.rng.randbytes(host.rng.randint(1, 4 - first))
        assert await host.write(register["offset"] + first, data) == AxiResp.OKAY
        word = bytearray(expected[register["offset"]].to_bytes(4, "little"))
        word[first : first + len(data)] = data
        expected[register["offset"]] = int.from_bytes(word, "little") & mask(register)
    await host.check(expected)


@cocotb.test()
async def holes_answer_with_an_error(dut: Any) -> None:
    host = Host(dut)
    await host.reset()
    expected = await host.fill()
    taken = {register["offset"] for register in REGISTERS}
    between = [offset for offset in range(0, max(taken), 4) if offset not in taken]
    beyond = range(max(taken) + 4, 1 << DESCRIPTION["addr_width"], 4)
    for offset in (*between, *host.rng.sample(beyond, min(20, len(beyond)))):
        assert (await host.read(offset))[1] == AxiResp.SLVERR, f"hole {offset:#x}"
        assert await host.write(offset, b"\xff" * 4) == AxiResp.SLVERR, f"hole {offset:#x}"
    await host.check(expected)


@cocotb.test()
async def reads_and_writes_at_once(dut: Any) -> None:
    """A writer and a reader that know nothing of each other, each with its own half of the registers."""
    host = Host(dut, stall=0.3)
    await host.reset()
    expected = await host.fill()
    mine, others = WRITABLE[::2], {r["offset"]: expected[r["offset"]] for r in WRITABLE[1::2]}

    async def writer() -> None:
        for i in range(40):
            register = mine[i % len(mine)]
            value = host.rng.getrandbits(register["width"])
            assert await host.write(register["offset"], value.to_bytes(4, "little")) == AxiResp.OKAY
            expected[register["offset"]] = value

    writing = cocotb.start_soon(writer())
    while not writing.done():
        await host.check(others)
    await writing
    await host.check(expected)


@cocotb.test()
async def reset_in_an_access(dut: Any) -> None:
    host = Host(dut, stall=0.5)
    for cycles in range(1, 8):
        await host.reset()
        cocotb.start_soon(host.master.write(WRITABLE[0]["offset"], b"\xa5" * 4))
        cocotb.start_soon(host.master.read(WRITABLE[-1]["offset"], 4))
        await ClockCycles(dut.aclk, cycles)
        await host.reset()
        await host.check({r["offset"]: r["reset"] for r in WRITABLE})
    await host.check(await host.fill())
