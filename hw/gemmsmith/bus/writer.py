"""Writes rows of elements to memory over AXI4: `RowPacker` forms bus words, `AxiWriter` forms bursts."""

from typing import Any

from amaranth.hdl import Cat, Module, Mux, ResetInserter, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import Component, In, Out
from amaranth.utils import bits_for, ceil_log2, exact_log2

from ..stream import Fifo
from .axi import BUS_ERRORS, Axi4Write, Response, drive_constants
from .burst import BurstSplitter, check_max_burst, request_layout

__all__ = ["AxiWriter", "RowPacker"]


def _write_layout(data_width: int) -> data.StructLayout:
    return data.StructLayout({"data": data_width, "strb": data_width // 8})


class RowPacker(Component):
    """Packs rows of elements into bus words with byte strobes.

    A row is `count` ≥ 1 elements that lie side by side in memory from byte address `addr` on, a multiple of
    the element's size. Its request appears on `o_request`, its words (first and last perhaps partly strobed)
    on `o_data`; the request comes first. Bytes that are not strobed are undefined.

    Latency: one cycle from `i_row` to `o_request`, two to the first `i.ready`; one from the last element of a
    word to `o_data`. One element a cycle, and before an `AxiWriter` also across rows of three elements or more.

    Parameters
    ----------
    element_width : int
        Bits of an element: 8, 16, 32 or 64.
    data_width, addr_width : int
        Bits of the bus word and of a byte address.
    max_elements : int
        Elements in a row at most.

    Members
    -------
    i_row : In(stream of {addr, count: range(max_elements + 1)})
    i : In(stream of unsigned(element_width))
    o_request : Out(stream of {addr, beats}), as `AxiWriter.i_request` with `max_row_beats` of this class
    o_data : Out(stream of {data, strb})

    Raises
    ------
    ValueError
        If `element_width` is not as said above or exceeds `data_width`, or `max_elements` is not positive.
    """

    def __init__(self, *, element_width: int, data_width: int, addr_width: int, max_elements: int):
        if element_width not in (8, 16, 32, 64) or element_width > data_width:
            raise ValueError(f"element_width must be 8, 16, 32 or 64, not beyond the bus, not {element_width!r}")
        if max_elements < 1:
            raise ValueError(f"max_elements must be positive, not {max_elements!r}")
        self._element_bytes = element_width // 8
        self._lanes = data_width // element_width
        self._max_elements = max_elements
        row = data.StructLayout({"addr": addr_width, "count": bits_for(max_elements)})
        request = request_layout(addr_width=addr_width, beats_width=bits_for(self.max_row_beats))
        super().__init__({
            "i_row": In(stream.Signature(row)),
            "i": In(stream.Signature(element_width)),
            "o_request": Out(stream.Signature(request)),
            "o_data": Out(stream.Signature(_write_layout(data_width))),
        })

    @property
    def max_row_beats(self) -> int:
        """Bus words that a row touches at most: one more than it fills if it begins in a last lane."""
        return (self._lanes - 1 + self._max_elements + self._lanes - 1) // self._lanes

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        lane_bits = exact_log2(self._lanes)
        element_lsb = exact_log2(self._element_bytes)
        word_lsb = element_lsb + lane_bits
        row = self.i_row.payload
        place_layout = data.StructLayout({"lane": lane_bits, "left": len(row.count)})

        # A row's request goes out at once; its place waits in `following` until the row before it has its
        # elements.
        following = Signal(place_layout)
        waiting = Signal()
        current = Signal(place_layout)
        active = Signal()
        taken = Signal()
        final = Signal()
        first_lane = row.addr[element_lsb:word_lsb]
        m.d.comb += self.i_row.ready.eq(~waiting & (~self.o_request.valid | self.o_request.ready))
        with m.If(self.o_request.ready):
            m.d.sync += self.o_request.valid.eq(0)
        with m.If(~active | final):
            m.d.sync += [current.eq(following), active.eq(waiting), waiting.eq(0)]
        with m.Elif(taken):
            m.d.sync += [current.lane.eq(current.lane + 1), current.left.eq(current.left - 1)]
        with m.If(self.i_row.valid & self.i_row.ready):
            m.d.sync += [
                self.o_request.valid.eq(1),
                self.o_request.payload.addr[word_lsb:].eq(row.addr[word_lsb:]),
                self.o_request.payload.beats.eq(((first_lane + row.count - 1) >> lane_bits) + 1),
                following.lane.eq(first_lane),
                following.left.eq(row.count - 1),
                waiting.eq(1),
            ]

        m.d.comb += [
            self.i.ready.eq(active & (~self.o_data.valid | self.o_data.ready)),
            taken.eq(self.i.valid & self.i.ready),
            final.eq(taken & (current.left == 0)),
        ]
        self._pack(m, current.lane, taken, final)
        return m

    def _pack(self, m: Module, lane: Value, taken: Signal, final: Signal) -> None:
        """Put an element into its lane of `o_data`, complete after the last lane and after `final`."""
        word, strobe = self.o_data.payload.data, self.o_data.payload.strb
        place = Cat((taken & (lane == k)).replicate(self._element_bytes) for k in range(self._lanes))
        for k in range(self._lanes):
            with m.If(taken & (lane == k)):
                m.d.sync += word.word_select(k, 8 * self._element_bytes).eq(self.i.payload)
        with m.If(~self.o_data.valid | self.o_data.ready):
            m.d.sync += [
                strobe.eq(Mux(self.o_data.valid, 0, strobe) | place),
                self.o_data.valid.eq(taken & ((lane == self._lanes - 1) | final)),
            ]


class AxiWriter(Component):
    """AXI4 write manager: requests and strobed bus words in, bursts out.

    AWVALID rises only when all data of its burst has arrived, so W never starves behind an accepted address;
    W does not wait for AWREADY. Requests are split as `BurstSplitter` says. `i_data` carries the words of all
    requests, in order, without further marks; it may run ahead of `i_request`.

    `stop` aborts: while it is high no burst begins, bursts begun are finished, and requests and words that
    belong to no burst begun are taken and dropped. Hold it until `idle`: the writer is then as after reset.
    (Reset the source of the words too, for example with `ResetInserter(stop)(RowPacker(...))`.)

    Latency: two cycles from the last word of a burst to AWVALID and WVALID. One word a cycle, also across
    one-word bursts if the subordinate takes an address each cycle. No combinational path leads from a bus
    input to a bus output.

    Parameters
    ----------
    data_width, addr_width : int
        Bits of the bus word and of a byte address.
    max_row_beats : int
        Bus words in a request at most.
    max_burst : int
        Longest burst in bus words: a power of two ≤ 256, at most 4 KiB.
    outstanding : int
        Bursts not yet answered at most.

    Members
    -------
    bus : Out(Axi4Write)
    i_request : In(stream of {addr: byte address aligned to the bus word, beats: range(max_row_beats + 1), ≥
    1}) i_data : In(stream of {data, strb})
    stop : In(1)
    idle : Out(1)
        All words and requests taken so far are written and answered.
    error : Out(BUS_ERRORS)
        High for one cycle per burst with that answer.
    bytes : Out(range(data_width // 8 + 1))
        Bytes strobed in the word that went out on W in the cycle before, else 0.

    Raises
    ------
    ValueError
        If a parameter is not as said above.
    """

    def __init__(
        self,
        *,
        data_width: int,
        addr_width: int,
        max_row_beats: int,
        max_burst: int = 16,
        outstanding: int = 8,
    ):
        if max_row_beats < 1:
            raise ValueError(f"max_row_beats must be positive, not {max_row_beats!r}")
        if outstanding < 1:
            raise ValueError(f"outstanding must be positive, not {outstanding!r}")
        check_max_burst(max_burst, data_width)
        self._data_width = data_width
        self._addr_width = addr_width
        self._beats_width = bits_for(max_row_beats)
        self._max_burst = max_burst
        self._longest = min(max_burst, max_row_beats)
        self._outstanding = outstanding
        request = request_layout(addr_width=addr_width, beats_width=self._beats_width)
        super().__init__({
            "bus": Out(Axi4Write(data_width=data_width, addr_width=addr_width)),
            "i_request": In(stream.Signature(request)),
            "i_data": In(stream.Signature(_write_layout(data_width))),
            "stop": In(1),
            "idle": Out(1),
            "error": Out(BUS_ERRORS),
            "bytes": Out(range(data_width // 8 + 1)),
        })

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        splitter = BurstSplitter(
            data_width=self._data_width, addr_width=self._addr_width, max_burst=self._max_burst,
            beats_width=self._beats_width,
        )
        m.submodules.splitter = ResetInserter(self.stop)(splitter)
        wiring.connect(m, wiring.flipped(self.i_request), splitter.i)
        # Room for two of the longest bursts: one is sent while the next one fills. The output register of the
        # queue is the one more that makes it cheap.
        words = Fifo(shape=_write_layout(self._data_width), depth=(2 << ceil_log2(self._longest)) + 1)
        sending = Signal()
        m.submodules.words = ResetInserter(self.stop & ~sending)(words)
        wiring.connect(m, wiring.flipped(self.i_data), words.i)

        begin = Signal()
        waiting = self._count_waiting(m, words, begin, splitter.o.payload.len)
        enough = waiting > splitter.o.payload.len
        unanswered = self._count_unanswered(m, begin)
        finishing = self._send(m, words.o, sending, begin, splitter.o.payload.len)

        aw = self.bus.aw
        free = ~aw.valid | aw.ready
        m.d.comb += [
            *drive_constants(aw, self._data_width),
            splitter.o.ready.eq(
                enough & free & (~sending | finishing) & (unanswered != self._outstanding) & ~self.stop
            ),
            begin.eq(splitter.o.valid & splitter.o.ready),
            self.idle.eq(~splitter.o.valid & (unanswered == 0) & (words.level == 0)),
        ]
        with m.If(free):
            m.d.sync += [
                aw.valid.eq(begin),
                aw.payload.addr.eq(splitter.o.payload.addr),
                aw.payload.len.eq(splitter.o.payload.len),
            ]
        return m

    def _count_waiting(self, m: Module, words: Fifo, begin: Signal, length: Value) -> Signal:
        """Words in the queue that belong to no burst begun."""
        waiting = Signal.like(words.level)
        arrived = self.i_data.valid & self.i_data.ready
        m.d.sync += waiting.eq(waiting + arrived - Mux(begin, length + 1, 0))
        with m.If(self.stop):
            m.d.sync += waiting.eq(0)
        return waiting

    def _count_unanswered(self, m: Module, begin: Signal) -> Signal:
        """Bursts begun and not answered on B."""
        b = self.bus.b
        unanswered = Signal(range(self._outstanding + 1))
        m.d.comb += b.ready.eq(1)
        m.d.sync += [
            unanswered.eq(unanswered + begin - b.valid),
            self.error.slverr.eq(b.valid & (b.payload.resp == Response.SLVERR)),
            self.error.decerr.eq(b.valid & (b.payload.resp == Response.DECERR)),
        ]
        return unanswered

    def _send(self, m: Module, word: Any, sending: Signal, begin: Signal, length: Value) -> Value:
        """Drive W; the value returned is high when the last word of the burst goes."""
        w = self.bus.w
        left = Signal(range(self._longest))
        sent = Signal()
        m.d.comb += [
            w.valid.eq(sending & word.valid),
            word.ready.eq(sending & w.ready),
            w.payload.data.eq(word.payload.data),
            w.payload.strb.eq(word.payload.strb),
            w.payload.last.eq(left == 0),
            sent.eq(w.valid & w.ready),
        ]
        with m.If(begin):
            m.d.sync += [sending.eq(1), left.eq(length)]
        with m.Elif(sent):
            m.d.sync += [sending.eq(~w.payload.last), left.eq(left - 1)]
        m.d.sync += self.bytes.eq(Mux(sent, _popcount(w.payload.strb), 0))
        return sent & w.payload.last


def _popcount(bits: Value) -> Value:
    """Number of ones, as a balanced tree."""
    if len(bits) == 1:
        return bits
    half = len(bits) // 2
    return _popcount(bits[:half]) + _popcount(bits[half:])
