"""Splits a run of bus words into AXI4 bursts."""

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import data, stream
from amaranth.lib.wiring import Component, In, Out
from amaranth.utils import exact_log2

from .axi import PAGE_BYTES

__all__ = ["BurstSplitter", "check_max_burst", "request_layout"]


def request_layout(*, addr_width: int, beats_width: int, tag_width: int = 0) -> data.StructLayout:
    """Payload that asks for `beats` bus words from byte address `addr` on."""
    return data.StructLayout({"addr": addr_width, "beats": beats_width, "tag": tag_width})


def check_max_burst(max_burst: int, data_width: int) -> None:
    """Raise ValueError unless `max_burst` is a power of two that neither AXI4 nor a page forbids."""
    if max_burst not in {1 << n for n in range(9)}:
        raise ValueError(f"max_burst must be a power of two from 1 to 256, not {max_burst!r}")
    if max_burst * data_width > 8 * PAGE_BYTES:
        raise ValueError(f"max_burst must cover at most {PAGE_BYTES} bytes, not {max_burst!r} words")


class BurstSplitter(Component):
    """Turns a request for `beats` consecutive bus words into INCR bursts.

    Bursts end at multiples of `max_burst` bus words. Since such a block lies within one 4 KiB page, none
    crosses a page boundary, and no comparison with the page's end is needed. A request that is not aligned to
    a block begins with a short burst. A request of no beats passes as one item marked `empty`.

    Latency is one cycle; one burst a cycle. `o.valid` and `o.payload` depend on registers only.

    Parameters
    ----------
    data_width, addr_width : int
        Bits of the bus word and of a byte address.
    max_burst : int
        Bus words in a block: a power of two, at most 256 and at most a page.
    beats_width, tag_width : int
        Bits of `i.payload.beats` and of the tag that goes along.

    Members
    -------
    i : In(stream of request_layout)
        `addr` is the byte address; its bits below a bus word are ignored.
    o : Out(stream of {addr, len, tag, last, empty})
        `len` is the number of beats less one, as AXI wants it; `last` marks the last burst of a request.

    Raises
    ------
    ValueError
        If `max_burst` is not as said above.
    """

    def __init__(
        self, *, data_width: int, addr_width: int, max_burst: int, beats_width: int, tag_width: int = 0
    ):
        check_max_burst(max_burst, data_width)
        self._word_lsb = exact_log2(data_width // 8)
        self._block_bits = exact_log2(max_burst)
        self._beats_width = beats_width
        super().__init__({
            "i": In(stream.Signature(request_layout(
                addr_width=addr_width, beats_width=beats_width, tag_width=tag_width
            ))),
            "o": Out(stream.Signature(data.StructLayout({
                "addr": addr_width, "len": 8, "tag": tag_width, "last": 1, "empty": 1,
            }))),
        })

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        bits = self._block_bits
        word = self.i.payload.addr[self._word_lsb :]
        # A request is kept as its block's number, where it begins in that block, and where it ends, counted
        # from the beginning of the block (so that passing on to the next block takes one from the upper bits
        # of `end`).
        offset = Signal(bits)
        block = Signal(len(word) - bits)
        end = Signal(max(bits, self._beats_width) + 1)
        empty = Signal()
        tag = Signal.like(self.o.payload.tag)
        last = Signal()

        m.d.comb += [
            last.eq(empty | (end[bits:] == 0)),
            self.o.payload.addr[self._word_lsb + bits :].eq(block),
            self.o.payload.addr[self._word_lsb : self._word_lsb + bits].eq(offset),
            self.o.payload.len.eq((end[:bits] | (~last).replicate(bits)) - offset),
            self.o.payload.tag.eq(tag),
            self.o.payload.last.eq(last),
            self.o.payload.empty.eq(empty),
            self.i.ready.eq(~self.o.valid | (self.o.ready & last)),
        ]
        with m.If(self.i.ready):
            m.d.sync += [
                self.o.valid.eq(self.i.valid),
                offset.eq(word[:bits]),
                block.eq(word[bits:]),
                end.eq(word[:bits] + self.i.payload.beats - 1),
                empty.eq(self.i.payload.beats == 0),
                tag.eq(self.i.payload.tag),
            ]
        with m.Elif(self.o.ready):
            m.d.sync += [offset.eq(0), block.eq(block + 1), end[bits:].eq(end[bits:] - 1)]
        return m
