"""What stands around the compressor on the way out: gathering groups, writing planes and exponents."""

import random

import pytest

from busmodels.streams import Bench, drive, from_list, watch
from gemmsmith.coprocessor.compressing import CompressingStorer
from gemmsmith.coprocessor.gather import GroupGather
from gemmsmith.coprocessor.planes import PlaneWriter

GROUP = 64


def blocks_of(m, n, rows, cols):
    """Blocks of an M × N matrix as the loader has them, and their outputs as the drain gives them."""
    blocks, outputs = [], []
    for top in range(0, m, rows):
        for left in range(0, n, cols):
            height, width = min(rows, m - top), min(cols, n - left)
            last = left + cols >= n
            blocks.append({"addr": 0x1000 * top + left, "last_row": height - 1, "last_column": width - 1,
                           "last": last, "end": last and top + rows >= m})
            outputs += [{"data": 1 + 1000 * (top + r) + left + c, "row_last": c == width - 1,
                         "last": (r, c) == (height - 1, width - 1)} for r in range(height) for c in range(width)]
    return blocks, outputs


@pytest.mark.parametrize(("m", "n", "rows", "cols"), [(3, 130, 2, 16), (3, 128, 3, 64), (1, 3, 1, 1), (4, 33, 4, 32)])
@pytest.mark.parametrize("rate", [0.5, 1])
def test_gather(m, n, rows, cols, rate):
    dut, rng = GroupGather(rows=rows, cols=cols, addr_width=24), random.Random(m)
    blocks, outputs = blocks_of(m, n, rows, cols)
    codes, panels = [], []
    groups = -(-n // GROUP)
    bench = Bench(dut)

    async def done(ctx):
        while len(codes) < m * groups * GROUP:
            await ctx.tick()
        await ctx.tick().repeat(70)

    bench.add(drive, dut.block, from_list(blocks), rng=rng, rate=rate, background=True)
    bench.add(drive, dut.i, from_list(outputs), rng=rng, rate=rate, background=True)
    bench.add(watch, dut.o, lambda p: codes.append((p.codes, p.last)), rng=rng, rate=rate, background=True)
    bench.add(watch, dut.panel, lambda p: panels.append((p.addr, p.last_row, p.first, p.last)), rng=rng, rate=rate,
              background=True)
    bench.add(done)
    bench.run()
    tops = range(0, m, rows)
    expected = [1 + 1000 * row + column if column < n else 0
                for top in tops for group in range(groups) for row in range(top, min(m, top + rows))
                for column in range(GROUP * group, GROUP * group + GROUP)]
    assert [code for code, _ in codes] == expected
    assert [k for k, (_, last) in enumerate(codes) if last] == [len(expected) - 1]
    assert [(last_row, first, last) for _, last_row, first, last in panels] == [
        (min(rows, m - top) - 1, group == 0, group == groups - 1) for top in tops for group in range(groups)]
    assert [addr for addr, _, first, _ in panels if first] == [0x1000 * top for top in tops]


class Written:
    """Bytes that requests and words write."""

    def __init__(self, bus_bytes):
        self._bus_bytes = bus_bytes
        self.requests, self.words = [], []

    def bytes(self):
        words, memory = iter(self.words), {}
        for addr, beats in self.requests:
            assert addr % self._bus_bytes == 0
            for beat in range(beats):
                data, strobe = next(words)
                for k in range(self._bus_bytes):
                    if strobe >> k & 1:
                        where = addr + beat * self._bus_bytes + k
                        assert where not in memory, "written twice"
                        memory[where] = data >> 8 * k & 255
        assert next(words, None) is None
        return memory


@pytest.mark.parametrize(("data_width", "rows", "m", "groups"), [(64, 3, 2, 14), (128, 2, 1, 26), (256, 1, 3, 13),
                                                                 (64, 2, 3, 1)])
def test_planes_and_exponents(data_width, rows, m, groups):
    """Two blocks of rows, the second of one row; exponents that cross words, end in one, or fill it."""
    rng = random.Random(groups)
    dut = PlaneWriter(rows=rows, m_max=4, data_width=data_width, addr_width=24)
    base, stride, exponent_base, exponent_stride = 0x1000, 0x400, 0x8008, 0x48
    panels, batches, expected = [], [], {}
    heights = [rows, 1]
    for top, height in zip((0, rows), heights, strict=True):
        exponents = [0] * height
        for group in range(groups):
            panels.append({"addr": base + top * stride, "last_row": height - 1, "first": group == 0,
                           "last": group == groups - 1})
            for row in range(height):
                signs, *planes = words = [rng.getrandbits(64) for _ in range(m + 1)]
                exponent = rng.randrange(1, 31)
                exponents[row] |= exponent << 5 * group
                batches += [{"plane": plane, "signs": signs, "exponents": exponent, "count": 1, "first": k == 0,
                             "last": k == m - 1, "row_last": 0} for k, plane in enumerate(planes)]
                put(expected, base + (top + row) * stride + group * 8 * (m + 1),
                    b"".join(word.to_bytes(8, "little") for word in words))
        for row, packed in enumerate(exponents):
            put(expected, exponent_base + (top + row) * exponent_stride,
                packed.to_bytes(8 * -(-5 * groups // 64), "little"))
    written, bench = Written(data_width // 8), Bench(dut)

    async def run(ctx):
        ctx.set(dut.mantissa, m)
        for name, value in (("stride", stride), ("exponent_stride", exponent_stride),
                            ("exponent_address", exponent_base), ("start", 1)):
            ctx.set(getattr(dut, name), value)
        await ctx.tick()
        ctx.set(dut.start, 0)
        ctx.set(dut.exponent_address, 0)
        while batches:
            await ctx.tick()
        await ctx.tick().repeat(100)

    bench.add(run)
    bench.add(drive, dut.panel, from_list(panels), rng=rng, rate=0.5, background=True)
    bench.add(drive, dut.i, lambda: batches.pop(0) if batches else None, rng=rng, rate=0.8, background=True)
    bench.add(watch, dut.o_request, lambda p: written.requests.append((p.addr, p.beats)), rng=rng, background=True)
    bench.add(watch, dut.o_data, lambda p: written.words.append((p.data, p.strb)), rng=rng, background=True)
    bench.run()
    assert len(expected) > 0
    assert written.bytes() == expected


def put(memory, address, content):
    memory.update({address + k: byte for k, byte in enumerate(content)})


@pytest.mark.parametrize(("change", "message"), [({"cols": 24}, "cols must divide 64 to compress outputs, not 24"),
                                                 ({"data_width": 32}, "axi_data_width must be at least 64")])
def test_arguments_are_checked(change, message):
    arguments = {"rows": 1, "cols": 1, "m_max": 4, "data_width": 64, "addr_width": 32, **change}
    with pytest.raises(ValueError, match=message):
        CompressingStorer(**arguments)
