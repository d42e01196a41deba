"""The co-processor: a tile behind AXI4, which computes O = A · Wᵀ for operands in memory."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, ResetInserter, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import Out

from gemmsmith.bus.axi import Axi4, AxiLite, connect_flat, flat_ports
from gemmsmith.bus.burst import check_max_burst
from gemmsmith.bus.reader import AxiReader
from gemmsmith.bus.registers import RegisterBank, RegisterMap
from gemmsmith.bus.writer import AxiWriter
from gemmsmith.coprocessor.compressing import CompressingStorer, check_compression
from gemmsmith.coprocessor.dense import operand_buffer
from gemmsmith.coprocessor.loader import Loader, tag_layout
from gemmsmith.coprocessor.plan import Plan
from gemmsmith.coprocessor.registers import EVENTS, MANTISSA_WIDTH, constant_registers, register_map
from gemmsmith.coprocessor.storer import Storer
from gemmsmith.hierarchy import place
from gemmsmith.pe import ProcessingElement
from gemmsmith.stream import Fifo
from gemmsmith.tile import Tile

BLOCKS_AHEAD = 4
"""Blocks that the loader may run ahead of the array, and the array ahead of the storer."""


class Coprocessor(wiring.Component):
    """Array, operand buffers, DMA and registers.

    A job is described by registers (``register_map``): sizes, mode, and address and stride of each operand
    and of the output. Inputs must be aligned to bus words, outputs to their own size. While a block is
    computed, the operands of the next one are loaded.

    A bus error, an abort or a bad descriptor ends the job cleanly: no new burst is begun, begun ones are
    finished, and the event is sticky; the next job finds the unit as after reset. Outputs that had been
    written before an error stay written.

    Parameters
    ----------
    pe: the processing element. rows, cols, share: see ``Tile``.
    axi_data_width: bits of the memory bus: 32, 64, 128, 256 or 512. axi_addr_width: bits of an address, 16 to
        64.
    buffer_k: elements along K that each half of an operand buffer holds (rounded up, see ``Plan``).
    max_burst: longest burst in bus words. outstanding: bursts under way at once, for reads and for writes.
    compress: longest mantissa that FP16 outputs can be compressed to, as activations of a following job; 0: none.

    Members
    -------
    s_axil_*: AXI4-Lite registers. m_axi_*: AXI4 memory bus. irq: high while an enabled event is set.
    """

    _MustUse__silence = True  # also made only to be read: by the driver, by reports

    def __init__(self, pe: ProcessingElement, *, rows: int, cols: int, share: int = 1, axi_data_width: int = 128,
                 axi_addr_width: int = 32, buffer_k: int = 1024, max_burst: int = 16, outstanding: int = 8,
                 compress: int = 0):
        if axi_data_width not in (32, 64, 128, 256, 512):
            raise ValueError(f"axi_data_width must be 32, 64, 128, 256 or 512, not {axi_data_width!r}")
        if not 16 <= axi_addr_width <= 64:
            raise ValueError(f"axi_addr_width must be 16 to 64, not {axi_addr_width!r}")
        if max(rows, cols) > 255:
            raise ValueError(f"rows and cols must be at most 255, not {rows} and {cols}")
        check_max_burst(max_burst, axi_data_width)
        if compress not in range(17):
            raise ValueError(f"compress must be 0 or a mantissa length from 1 to 16, not {compress!r}")
        if compress:
            if pe.scheme.out != "fp16":
                raise ValueError(f"outputs must be fp16 to be compressed, not {pe.scheme.out}")
            check_compression(cols=cols, data_width=axi_data_width)
        self.pe, self.rows, self.cols, self.share, self.compress = pe, rows, cols, share, compress
        self.tile = Tile(pe, rows=rows, cols=cols, share=share)
        self.plan = Plan(pe, axi_data_width, buffer_k)
        self.registers: RegisterMap = register_map(
            pe, addr_width=axi_addr_width, rows=rows, cols=cols, bus_width=axi_data_width, compress=compress)
        self._bus = {"data_width": axi_data_width, "addr_width": axi_addr_width}
        self._bursts = {"max_burst": max_burst, "outstanding": outstanding}
        super().__init__({
            **flat_ports("s_axil", AxiLite(addr_width=self.registers.addr_width).flip()),
            **flat_ports("m_axi", Axi4(**self._bus)),
            "irq": Out(1),
        })

    @property
    def module_key(self) -> tuple[Any, ...]:
        return (self.pe.key, self.rows, self.cols, self.share, *self._bus.values(), self.plan.buffer_k,
                *self._bursts.values(), self.compress)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.bank = bank = RegisterBank(self.registers)
        connect_flat(m, self, "s_axil", bank.bus)
        clear = Signal()
        ending = Signal()
        loader = Loader(self.plan, rows=self.rows, cols=self.cols, addr_width=self._bus["addr_width"],
                        places=bool(self.compress))
        m.submodules.loader = ResetInserter(clear)(loader)
        reader, writer, storer = self._dma(m, clear)
        place(m, "tile", self.tile, reset=clear)
        for name, source, sink in (("blocks", loader.block, self.tile.block), ("stores", loader.store, storer.block)):
            queue = Fifo(shape=source.payload.shape(), depth=BLOCKS_AHEAD + 1)
            m.submodules[name] = ResetInserter(clear)(queue)
            wiring.connect(m, source, queue.i)
            wiring.connect(m, queue.o, sink)
        wiring.connect(m, loader.request, reader.i)
        wiring.connect(m, self.tile.o, storer.i)
        self._buffers(m, clear, bank, loader, reader)
        self._describe(m, bank, loader, storer)
        running = self._job(m, bank, loader, reader, writer, storer, clear, ending)
        self._count(m, bank, running, writer)
        m.d.comb += [reader.stop.eq(ending), writer.stop.eq(ending)]
        return m

    def _storer(self) -> Storer | CompressingStorer:
        if self.compress:
            return CompressingStorer(rows=self.rows, cols=self.cols, m_max=self.compress, **self._bus)
        return Storer(rows=self.rows, cols=self.cols, out_width=self.pe.scheme.out_width, **self._bus)

    def _dma(self, m: Module, clear: Signal) -> tuple[AxiReader, AxiWriter, Storer | CompressingStorer]:
        tag = tag_layout(self.plan, self.rows, self.cols)
        storer = self._storer()
        m.submodules.storer = ResetInserter(clear)(storer)
        m.submodules.reader = reader = AxiReader(tag_width=tag.size, **self._bus, **self._bursts)
        m.submodules.writer = writer = AxiWriter(max_row_beats=storer.max_row_beats, **self._bus, **self._bursts)
        connect_flat(m, self, "m_axi", reader.bus)
        connect_flat(m, self, "m_axi", writer.bus)
        wiring.connect(m, storer.o_request, writer.i_request)
        wiring.connect(m, storer.o_data, writer.i_data)
        return reader, writer, storer

    def _buffers(self, m: Module, clear: Signal, bank: Any, loader: Loader, reader: AxiReader) -> None:
        """One operand buffer per operand; words and markers go to the one their tag names."""
        tag = data.View(tag_layout(self.plan, self.rows, self.cols), reader.o.payload.tag)
        free, committed = [], []
        m.d.comb += reader.o.ready.eq(1)
        for i, operand in enumerate(self.pe.operands):
            banks = self.tile.count(operand.axis)
            buffer = operand_buffer(self.plan, operand, banks=banks)
            m.submodules[f"buffer_{operand.name}"] = ResetInserter(clear)(buffer)
            mine = reader.o.valid & (tag.operand == i)
            sink = getattr(self.tile, operand.name)
            m.d.comb += [
                buffer.write.valid.eq(mine & ~reader.o.payload.marker), buffer.write.bank.eq(tag.value),
                buffer.write.address.eq(reader.o.payload.index), buffer.write.data.eq(reader.o.payload.data),
                buffer.commit.eq(mine & reader.o.payload.marker), buffer.words.eq(tag.value),
                buffer.again.eq(tag.again),
                sink.valid.eq(buffer.o.valid), buffer.o.ready.eq(sink.ready),
                *(sink.payload[b].eq(buffer.o.payload[b][:operand.width]) for b in range(banks)),
            ]
            if operand.descending:
                m.d.comb += buffer.beats.eq(self.pe.beats_signal(bank.mode))
            free.append(buffer.free)
            committed.append(buffer.commit)
        m.d.comb += [loader.free.eq(Cat(free)), loader.committed.eq(Cat(committed))]

    def _describe(self, m: Module, bank: Any, loader: Loader, storer: Storer | CompressingStorer) -> None:
        """The job's description, from the registers."""
        m.d.comb += [
            *(getattr(bank, name).eq(value) for name, value in constant_registers(
                rows=self.rows, cols=self.cols, bus_width=self._bus["data_width"]).items()),
            loader.m.eq(bank.m), loader.n.eq(bank.n), loader.groups.eq(bank.groups), loader.mode.eq(bank.mode),
            self.tile.mode.eq(bank.mode), loader.o_address.eq(_address(bank, "o")), loader.o_stride.eq(bank.o_stride),
            storer.stride.eq(bank.o_stride),
        ]
        saturated = self.tile.flag
        if isinstance(storer, CompressingStorer):
            saturated = saturated | storer.saturated
            m.d.comb += [
                storer.start.eq(loader.start), storer.mantissa.eq(bank.o_format[:MANTISSA_WIDTH]),
                storer.nearest.eq(bank.o_format[MANTISSA_WIDTH]), storer.exponent_stride.eq(bank.o_exponent_stride),
                storer.exponent_address.eq(_address(bank, "o_exponent")),
            ]
        m.d.comb += bank.events_set[-1].eq(saturated)
        for i, operand in enumerate(self.pe.operands):
            m.d.comb += [loader.address[i].eq(_address(bank, operand.name)),
                         loader.stride[i].eq(getattr(bank, f"{operand.name}_stride"))]

    def _bad_descriptor(self, bank: Any) -> Value:
        in_low = (self._bus["data_width"] // 8).bit_length() - 1
        out_low = (self.pe.scheme.out_width // 8).bit_length() - 1
        low_bits = [bank.o_address[:out_low], bank.o_stride[:out_low]]
        for operand in self.pe.operands:
            low_bits += [getattr(bank, f"{operand.name}_{field}")[:in_low] for field in ("address", "stride")]
        unknown_mode = (bank.mode < self.pe.modes.start) | (bank.mode >= self.pe.modes.stop)
        wrong = Cat(low_bits).any() | (bank.m == 0) | (bank.n == 0) | (bank.groups == 0) | unknown_mode
        return wrong | self._bad_compression(bank) if self.compress else wrong

    def _bad_compression(self, bank: Any) -> Value:
        """Whether compressed outputs are wanted that there are not, or that are not aligned to planes."""
        mantissa = bank.o_format[:MANTISSA_WIDTH]
        low = Cat(getattr(bank, name)[:3] for name in ("o_address", "o_stride", "o_exponent_address",
                                                       "o_exponent_stride"))
        return (mantissa > self.compress) | ((mantissa != 0) & low.any())

    def _job(self, m: Module, bank: Any, loader: Loader, reader: AxiReader, writer: AxiWriter,
             storer: Storer | CompressingStorer, clear: Signal, ending: Signal) -> Signal:
        """The life of a job: described, tiled, stored, done; or ended early by an error. Returns
        ``running``."""
        event = dict(zip((name for name, _ in EVENTS), bank.events_set, strict=True))
        running = Signal()
        unfinished = Signal(range(4 * BLOCKS_AHEAD + 4))
        begun = loader.block.valid & loader.block.ready
        failed = Cat(reader.error, writer.error).any()
        m.d.comb += [
            bank.status.eq(running), self.irq.eq((bank.events & bank.interrupt_enable).any()),
            event["read_slverr"].eq(reader.error.slverr), event["read_decerr"].eq(reader.error.decerr),
            event["write_slverr"].eq(writer.error.slverr), event["write_decerr"].eq(writer.error.decerr),
        ]
        m.d.sync += unfinished.eq(Mux(clear, 0, unfinished + begun - storer.finished))
        with m.FSM():
            with m.State("IDLE"):
                with m.If(bank.control[0]):
                    with m.If(self._bad_descriptor(bank)):
                        m.d.comb += [event["bad_descriptor"].eq(1), event["done"].eq(1)]
                    with m.Else():
                        m.d.comb += loader.start.eq(1)
                        m.d.sync += running.eq(1)
                        m.next = "RUN"
            with m.State("RUN"):
                unsent = storer.o_data.valid | storer.o_request.valid
                if isinstance(storer, CompressingStorer):
                    unsent = unsent | ~storer.empty
                with m.If(failed | bank.control[1]):
                    m.d.comb += event["aborted"].eq(bank.control[1])
                    m.next = "END"
                with m.Elif(~loader.busy & (unfinished == 0) & ~unsent & writer.idle):
                    m.next = "DONE"
            with m.State("END"):
                m.d.comb += ending.eq(1)
                with m.If(reader.idle & writer.idle & ~self.m_axi_arvalid & ~self.m_axi_awvalid):
                    m.d.comb += clear.eq(1)
                    m.next = "DONE"
            with m.State("DONE"):
                m.d.comb += event["done"].eq(1)
                m.d.sync += running.eq(0)
                m.next = "IDLE"
        return running

    def _count(self, m: Module, bank: Any, running: Signal, writer: AxiWriter) -> None:
        """Performance counters: cleared by the start of a job, wrap at 2³²."""
        received = self.m_axi_rvalid & self.m_axi_rready
        steps: dict[str, Any] = {
            "cycles": 1, "beats": self.tile.beat, "stalls": self.tile.stall, "bytes_written": writer.bytes,
            "bytes_read": Mux(received, self._bus["data_width"] // 8, 0),
        }
        for name, step in steps.items():
            counter = Signal(32, name=name)
            m.d.comb += getattr(bank, name).eq(counter)
            with m.If(running):
                m.d.sync += counter.eq(counter + step)
            with m.Elif(bank.control[0]):
                m.d.sync += counter.eq(0)


def _address(bank: Any, name: str) -> Value:
    """A byte address from its register, or its two."""
    return Cat(getattr(bank, f"{name}_address"), getattr(bank, f"{name}_address_high", Cat()))

