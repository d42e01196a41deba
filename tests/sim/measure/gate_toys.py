"""For tests of netlists: a cell library of round figures, netlists from Python, and simulations written plainly."""

import heapq
import json
import random
from itertools import pairwise
from pathlib import Path

from gemmsmith_sim.measure.gates import Netlist
from gemmsmith_sim.measure.liberty import Library, load_liberty
from gemmsmith_sim.measure.liberty.expression import Expression

CELLS = {  # name: inputs, function, delay in ps
    "INV": ("A", "!A", 10), "BUF": ("A", "A", 20), "NAND": ("AB", "!(A & B)", 15), "NOR": ("AB", "!(A | B)", 20),
    "XOR": ("AB", "A ^ B", 35), "MUX": ("ABS", "(A & !S) | (B & S)", 40), "MAJ": ("ABC", "(A & B) | (C & (A | B))", 30),
    "ONE": ("", "1", 0), "ZERO": ("", "0", 0),
}
VOLTAGE = 2.0
PIN_FF, CLOCK_FF = 1.5, 0.5
OUTPUT_FJ, HIDDEN_FJ, FLOP_FJ = 3.0, 0.25, 7.0
CLOCK_FJ = {"IQ": (1.0, 2.0), "!IQ": (4.0, 8.0)}
"""Energy of a rising and of a falling clock edge in a state."""
GATE_CLOCK_FF, GATE_MOST_FF, GATE_SETUP_PS = 0.75, 1.25, 12
GATE_STOPPED_FJ = {"!EN & !TE": (0.5, 1.5), "EN | TE": (16.0, 2.5)}
GATE_PASSED_FJ = {"EN | TE": (5.0, 6.0), "!EN & !TE": (32.0, 11.0)}
"""Of a clock gate, at a rising and a falling clock edge in a state; edges that pass cost 1 fJ more per fF behind."""
LEAKAGE_NW = 5.0
FLOP_PS = 50
_OPERATORS = {"and": " & ", "or": " | ", "xor": " ^ "}


def liberty() -> str:
    """The library as Liberty text; 1 V² · fF is 1 fJ."""
    cells = [_cell(name, *cell) for name, cell in CELLS.items()]
    return f"""library (toys) {{
      time_unit : "1ps"; voltage_unit : "1V"; leakage_power_unit : "1nW"; capacitive_load_unit (1, ff);
      nom_voltage : {VOLTAGE};
      {"".join(cells)}
      {_flop("DFF", "", "")}
      {_flop("DFFR", 'clear : "!R";', f"pin (R) {{ direction : input; capacitance : {PIN_FF}; }}")}
      {_flop("DFFN", "", "").replace('clocked_on : "CK"', 'clocked_on : "!CK"')}
      power_lut_template (load) {{ variable_1 : total_output_net_capacitance; index_1 ("0, 1"); }}
      {clock_gate("ICG", "latch_posedge_precontrol")}
      {clock_gate("ICGN", "latch_negedge_precontrol")}
      cell (LATCH) {{ area : 1; latch (IQ, IQN) {{ enable : "G"; data_in : "D"; }}
        pin (G) {{ direction : input; capacitance : 1; }} pin (D) {{ direction : input; capacitance : 1; }}
        pin (Q) {{ direction : output; function : "IQ"; }} }}
    }}
    """


def _cell(name: str, inputs: str, function: str, delay: int) -> str:
    arcs = "".join(f"""timing () {{ related_pin : "{pin}"; {_scalars(delay, "cell_rise", "cell_fall")}
      {_scalars(8, "rise_transition", "fall_transition")} }}
      internal_power () {{ related_pin : "{pin}"; {_scalars(OUTPUT_FJ, "rise_power", "fall_power")} }}"""
                   for pin in inputs)
    pins = "".join(f"""pin ({pin}) {{ direction : input; capacitance : {PIN_FF};
      internal_power () {{ {_scalars(HIDDEN_FJ, "rise_power", "fall_power")} }} }}""" for pin in inputs)
    return f"""cell ({name}) {{ area : {1 + len(inputs)}; cell_leakage_power : {LEAKAGE_NW}; {pins}
      pin (Y) {{ direction : output; max_capacitance : 100; function : "{function}"; {arcs} }} }}
    """


def _flop(name: str, asynchronous: str, pin: str) -> str:
    edges = "".join(f"""internal_power () {{ when : "{state.replace("IQ", "Q")}";
      {_scalars(rise, "rise_power")} {_scalars(fall, "fall_power")} }}""" for state, (rise, fall) in CLOCK_FJ.items())
    return f"""cell ({name}) {{ area : 8; cell_leakage_power : {LEAKAGE_NW};
      ff (IQ, IQN) {{ clocked_on : "CK"; next_state : "D"; {asynchronous} }} {pin}
      pin (CK) {{ direction : input; clock : true; capacitance : {CLOCK_FF}; {edges} }}
      pin (D) {{ direction : input; capacitance : {PIN_FF};
        internal_power () {{ {_scalars(HIDDEN_FJ, "rise_power", "fall_power")} }} }}
      pin (Q) {{ direction : output; function : "IQ";
        timing () {{ related_pin : "CK"; timing_type : rising_edge; {_scalars(FLOP_PS, "cell_rise", "cell_fall")}
          {_scalars(8, "rise_transition", "fall_transition")} }}
        internal_power () {{ related_pin : "CK"; {_scalars(FLOP_FJ, "rise_power", "fall_power")} }} }} }}
    """


def clock_gate(name: str, kind: str, area: float = 6) -> str:
    """A clock gate as Liberty text; open libraries mark them ``dont_use`` for logic."""
    stopped = "".join(f"""internal_power () {{ when : "{state}"; {_scalars(rise, "rise_power")}
      {_scalars(fall, "fall_power")} }}""" for state, (rise, fall) in GATE_STOPPED_FJ.items())
    passed = "".join(f"""internal_power () {{ related_pin : "CK"; when : "{state}";
      rise_power (load) {{ values ("{rise}, {rise + 1}"); }}
      fall_power (load) {{ values ("{fall}, {fall + 1}"); }} }}"""
                     for state, (rise, fall) in GATE_PASSED_FJ.items())
    data = "".join(f"""pin ({pin}) {{ direction : input; capacitance : {PIN_FF}; clock_gate_{role}_pin : true;
      timing () {{ related_pin : "CK"; timing_type : setup_rising;
        {_scalars(GATE_SETUP_PS, "rise_constraint", "fall_constraint")} }}
      internal_power () {{ {_scalars(HIDDEN_FJ, "rise_power", "fall_power")} }} }}"""
                   for pin, role in (("EN", "enable"), ("TE", "test")))
    return f"""cell ({name}) {{ area : {area}; cell_leakage_power : {LEAKAGE_NW}; dont_use : true;
      clock_gating_integrated_cell : "{kind}"; {data}
      pin (CK) {{ direction : input; clock : true; clock_gate_clock_pin : true; capacitance : {GATE_CLOCK_FF};
        {stopped} }}
      pin (GCK) {{ direction : output; clock_gate_out_pin : true; state_function : "CK & IQ";
        max_capacitance : {GATE_MOST_FF}; {passed} }} }}
    """


def _scalars(value: float, *names: str) -> str:
    return " ".join(f'{name} (scalar) {{ values ("{value}"); }}' for name in names)


def library(directory: Path) -> Library:
    path = directory / "toys.lib"
    path.write_text(liberty())
    return load_liberty(path)


class Circuit:
    """A flat netlist under construction; nets are called by name, and "0" and "1" are constants."""

    def __init__(self, *inputs: str):
        self.cells: dict[str, tuple[str, dict[str, str]]] = {}
        self.ports = dict.fromkeys(inputs, "input")

    def add(self, cell: str, output: str, *inputs: str, clock: str = "clk") -> str:
        names = CELLS[cell][0] if cell in CELLS else "DR"[:len(inputs)]
        pins = dict(zip(names, inputs, strict=True))
        outputs = {"Y": output} if cell in CELLS else {"Q": output, "CK": clock}
        self.cells[f"{cell.lower()}_{output}"] = cell, pins | outputs
        return output

    def gate(self, output: str, enable: str, test: str = "0", *, cell: str = "ICG", clock: str = "clk") -> str:
        self.cells[f"{cell.lower()}_{output}"] = cell, {"EN": enable, "TE": test, "CK": clock, "GCK": output}
        return output

    def json(self, *outputs: str) -> str:
        bits: dict[str, int | str] = {"0": "0", "1": "1", "x": "x"}
        nets = [*self.ports, *(net for _, pins in self.cells.values() for net in pins.values()), *outputs]
        for net in nets:
            bits.setdefault(net, len(bits) + 2)
        directions = self.ports | dict.fromkeys(outputs, "output")
        module = {
            "attributes": {}, "netnames": {net: {"bits": [bit]} for net, bit in bits.items()},
            "ports": {net: {"direction": way, "bits": [bits[net]]} for net, way in directions.items()},
            "cells": {name: {"type": cell, "attributes": {}, "connections": {p: [bits[n]] for p, n in pins.items()},
                             "port_directions": {p: "output" if p in ("Y", "Q", "GCK") else "input" for p in pins}}
                      for name, (cell, pins) in self.cells.items()}}
        cell = {"attributes": {"blackbox": "1"}, "ports": {}, "cells": {}, "netnames": {}}
        return json.dumps({"modules": {"INV": cell, "toy": module}})

    def netlist(self, path: Path, cells: Library, *outputs: str) -> Netlist:
        path.write_text(self.json(*outputs))
        return Netlist.load(path, cells)


def random_circuit(rng: random.Random, gates: int = 60, flops: int = 8) -> Circuit:
    """Gates that read what was there before them, between flip-flops."""
    circuit = Circuit("clk", "a", "b", "c")
    nets = ["a", "b", "c", *(f"q{i}" for i in range(flops))]
    for index in range(gates):
        cell = rng.choice([name for name in CELLS if CELLS[name][0]])
        nets.append(circuit.add(cell, f"n{index}", *(rng.choice(nets[-12:]) for _ in CELLS[cell][0])))
    for index in range(flops):
        circuit.add("DFF", f"q{index}", rng.choice(nets[-30:]))
    return circuit


def carry_chain(bits: int) -> Circuit:
    """A ripple-carry adder between registers: its carry makes sums change again and again."""
    circuit = Circuit("clk", *(f"{x}{i}" for x in "ab" for i in range(bits)))
    carry = "0"
    for i in range(bits):
        a, b = circuit.add("DFF", f"qa{i}", f"a{i}"), circuit.add("DFF", f"qb{i}", f"b{i}")
        half = circuit.add("XOR", f"half{i}", a, b)
        circuit.add("DFF", f"s{i}", circuit.add("XOR", f"sum{i}", half, carry))
        carry = circuit.add("MAJ", f"carry{i}", a, b, carry)
    return circuit


def evaluate(circuit: Circuit, cell: str, values: dict[str, int]) -> int:
    """Output of a gate, by Python's own operators."""
    kind, pins = circuit.cells[cell]
    scope = {pin: bool(values[net]) for pin, net in pins.items() if pin in CELLS[kind][0]}
    text = CELLS[kind][1].replace("!", " not ").replace("&", " and ").replace("|", " or ").replace("^", "!=")
    return int(eval(text, {}, scope))


def settle(circuit: Circuit, values: dict[str, int]) -> None:
    """Evaluate gates, one after the other, until nothing changes."""
    before = None
    while before != values:
        before = dict(values)
        for cell, (kind, pins) in circuit.cells.items():
            if kind in CELLS:
                values[pins["Y"]] = evaluate(circuit, cell, values)


def events(circuit: Circuit, delays: dict[str, int], old: dict[str, int], sources: dict[str, int]) -> dict[str, int]:
    """Transitions of every net when ``sources`` take new values, each after its delay: a queue of events.

    Delays are inertial: a new value of a gate that is due replaces the one that was.
    """
    values, counts = dict(old), dict.fromkeys(old, 0)
    queue = [(delays[net], net) for net, value in sources.items() if old[net] != value]
    due = {net: (delays[net], sources[net]) for _, net in queue}
    readers = {net: [cell for cell, (kind, pins) in circuit.cells.items() if kind in CELLS
                     and net in [pins[p] for p in CELLS[kind][0]]] for net in old}
    heapq.heapify(queue)
    while queue:
        now = queue[0][0]
        changed = []
        while queue and queue[0][0] == now:
            _, net = heapq.heappop(queue)
            if net in due and due[net][0] == now:
                values[net] = due.pop(net)[1]
                counts[net] += 1
                changed.append(net)
        for cell in {cell for net in changed for cell in readers[net]}:
            net = circuit.cells[cell][1]["Y"]
            value = evaluate(circuit, cell, values)
            if value == values[net]:
                due.pop(net, None)
            elif net not in due:
                due[net] = now + delays[net], value
                heapq.heappush(queue, (*due[net][:1], net))
    return counts


def verilog_expression(function: Expression, nets: dict[str, str]) -> str:
    """A function of Liberty as Verilog, of named nets."""
    if function.operator == "pin":
        return nets[function.name]
    if function.operator == "constant":
        return f"1'b{function.name}"
    parts = [verilog_expression(operand, nets) for operand in function.operands]
    if function.operator == "not":
        return f"~{parts[0]}"
    return f"({_OPERATORS[function.operator].join(parts)})"


def verilog(netlist: Netlist, delays: list[int], states: list[list[int]], period: int) -> str:
    """Verilog of one lane of a netlist with delays, which dumps all transitions to ``toggles.vcd``.

    It starts in the first of ``states`` (value of each net); with every clock edge the inputs become those of the next.
    """
    inputs = [int(net) for nets in netlist.inputs.values() for net in nets]
    outputs = [(part, pin, range(nets.start, nets.stop))
               for part in netlist.parts for pin, nets in part.outputs.items()]
    lines = ["module toggles;", "reg clock = 0;"]
    lines += [f"reg n{net} = {states[0][net]};" for net in (0, 1, *inputs, *netlist.flop_nets)]
    for part, pin, nets in outputs:
        for index, net in enumerate(nets):
            named = {name: f"n{of[index]}" for name, of in part.inputs.items()}
            if part in netlist.flops:
                inverted = "~" if part.inverted[pin] else ""
                lines.append(f"always @(posedge clock) n{net} <= #{delays[net]} "
                             f"{inverted}{verilog_expression(part.next_state, named)};")
            else:
                lines.append(f"wire n{net}; assign #{delays[net]} n{net} = "
                             f"{verilog_expression(part.functions[pin], named)};")
    lines.append(f'initial begin #{period} $dumpfile("toggles.vcd"); $dumpvars(0, toggles); #{period}')
    for old, new in pairwise(states):
        lines.append("clock = 1;")
        lines += [f"n{net} <= {new[net]};" for net in inputs if old[net] != new[net]]
        lines.append(f"#{period // 2} clock = 0; #{period - period // 2};")
    return "\n".join([*lines, "$finish; end", "endmodule", ""])


def vcd_toggles(path: Path, count: int) -> list[int]:
    """Transitions of nets n0 … in a dump of ``verilog``."""
    names, counts, initial = {}, [0] * count, False
    for line in path.read_text().splitlines():
        if line.startswith("$var"):
            _, _, _, code, name, *_ = line.split()
            names[code] = name
        elif line.startswith(("$dumpvars", "$end")):
            initial = line.startswith("$dumpvars")
        elif line[:1] in ("0", "1") and not initial and names[line[1:]] != "clock":
            counts[int(names[line[1:]][1:])] += 1
    return counts
