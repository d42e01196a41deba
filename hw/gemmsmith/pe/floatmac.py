"""FP8 and BF16 multiply-accumulate: the element of FP16 with operands of another format."""

from __future__ import annotations

from gemmsmith.formats import FloatFormat
from gemmsmith.pe.base import Edge
from gemmsmith.pe.fp16 import Fp16Edge, Fp16Element
from gemmsmith.schemes import Axis, FloatMac


class FloatMacElement(Fp16Element):
    """One product a cycle; see ``Fp16Element``. Significands and exponents are as wide as the format needs."""

    family = "floatmac"
    scheme: FloatMac

    def __init__(self, *, scheme: FloatMac):
        self.number, self.title = scheme.number, scheme.x.upper()
        super().__init__(scheme=scheme)

    def row_edge(self) -> Edge:
        return FloatMacEdge(self, Axis.ROW)

    def column_edge(self) -> Edge:
        return FloatMacEdge(self, Axis.COLUMN)


class FloatMacEdge(Fp16Edge):
    """Row or column edge of the element's format."""

    pe: FloatMacElement

    def __init__(self, pe: FloatMacElement, axis: Axis):
        super().__init__(pe, axis)
        self.number: FloatFormat = pe.number
