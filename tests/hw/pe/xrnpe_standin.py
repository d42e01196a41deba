from gemmsmith.schemes import Axis, Cadence, Operand, Part, XrNpe


class StandIn:
    """What a tail of XR-NPE asks its element."""

    mode_width, result_words, result_width, row_side, column_side = 4, 4, 34, 0, 0

    def __init__(self, out):
        self.scheme = XrNpe(out=out)
        self.key = (out,)
        if out in ("fp32", "fp16"):
            self.mode_width = 2

    def select(self, axis, part):
        return tuple(Operand(name=f"{letter}_exponent", axis=axis, width=8, cadence=Cadence.BLOCK, part=Part.TAIL)
                     for letter, axis in (("a", Axis.ROW), ("w", Axis.COLUMN)))

    def tail(self, share):
        from gemmsmith.pe.xrnpe_readout import ReadOut
        return ReadOut(self, share)
