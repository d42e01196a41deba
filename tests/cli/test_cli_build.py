"""build and synth."""

import json
import subprocess
import sys
import time

import pytest

from gemmsmith_cli.background import Background
from gemmsmith_sim.measure import ToolError


@pytest.fixture(scope="module")
def core(tmp_path_factory):
    """A build of a bare core."""
    from gemmsmith_cli.main import main

    directory = tmp_path_factory.mktemp("builds") / "core"
    assert main(["build", "int8", "level=core", "lanes=4", "name=mac", "-o", str(directory)]) == 0
    return directory


def test_build_a_coprocessor(run, folder, tiny):
    report = json.loads(run("build", "int8", *tiny, "name=tiny", "-o", "out/tiny", "--json").out)
    assert report["config"]["rows"] == 1
    for path in report["manifest"]["sha256"]:
        assert (folder / "out/tiny" / path).is_file()
    assert "module tiny(" in (folder / "out/tiny/rtl/tiny.v").read_text()
    assert (folder / "out/tiny/sw/tiny_regs.h").is_file()
    assert list((folder / "out/tiny/tb").iterdir())


@pytest.mark.parametrize("level", ["tile", "pe"])
def test_build_parts_again_and_again(run, folder, level):
    line = ("build", "int8", f"level={level}", "rows=1", "cols=1", "lanes=4", "-o", "part")
    first = run(*line)
    text = (folder / f"part/rtl/int8_{level}.v").read_text()
    assert first.code == 0
    assert all(path in first.out for path in (f"rtl/int8_{level}.v", "config.resolved.json", "manifest.json"))
    assert run(*line).out == first.out
    assert (folder / f"part/rtl/int8_{level}.v").read_text() == text


def test_build_refuses(refused, untouched, folder):
    assert "is not a build" in refused("build", "int8", "-o", ".")
    assert "a.npy" in refused("build", "int8", "-o", "a.npy")
    assert "a.npy" in refused("build", "int8", "-o", "a.npy/x")
    for choice in ("target=tpu", "level=chip", "axi_data_width=48", "rows=256", "name=1a", "name=a__b", "lanes=3"):
        refused("build", "int8", choice, "-o", "new")


def test_synth(run, core):
    ran = run("synth", core, "--target", "ecp5", "--no-dsp", "--json")
    report = json.loads(ran.out)
    assert report["synth"]["luts"] > 0
    assert report["synth"]["dsps"] == 0
    assert report["pnr"] is None
    assert report["config"]["name"] == "mac"
    stored = json.loads((core / "report/synth-ecp5.json").read_text())
    assert stored == report
    text = run("synth", core, "--target", "ecp5", "--no-dsp").out
    assert "LUT4" in text
    assert "synth-ecp5.json" in text


@pytest.mark.slow
def test_synth_with_place_and_route(run, core):
    report = json.loads(run("synth", core, "--target", "ice40", "--pnr", "--seeds", 2, "--json").out)
    assert report["pnr"]["seeds"] == [1, 2]
    assert report["pnr"]["median"] > 1


def test_synth_refuses(refused, core, folder, tmp_path):
    assert "not a build" in refused("synth", folder, "--target", "ecp5")
    assert "xcup" in refused("synth", core, "--target", "xcup", "--pnr")
    config = core / "config.resolved.json"
    text = config.read_text()
    try:
        config.write_text(text.replace('"generic"', '"tpu"'))
        refused("synth", core, "--target", "ecp5")
        config.write_text(text[:50])
        assert "JSON" in refused("synth", core, "--target", "ecp5")
    finally:
        config.write_text(text)


def test_background_runs_in_turn(folder):
    with Background(("list",), ("describe", "e2m1"), log=folder / "log") as background:
        background.wait()
    text = (folder / "log").read_text()
    assert text.index("Schemes") < text.index("e2m1finite")


def test_background_reports_the_first_failure(folder):
    with Background(("synth", "nowhere", "--target", "ecp5"), ("list",), log=folder / "log") as background:
        with pytest.raises(ToolError, match="nowhere is not a build"):
            background.wait()
    assert "Schemes" not in (folder / "log").read_text()


def test_background_is_cancelled(folder):
    start = time.monotonic()
    with Background(("perplexity", "--scheme", "anda-m6"), ("list",), log=folder / "log") as background:
        time.sleep(0.2)
        assert not background.done
    assert background.done
    assert time.monotonic() - start < 20


def test_termination_ends_with_its_own_code(folder):
    command = [sys.executable, "-m", "gemmsmith_cli", "perplexity", "--scheme", "anda-m6"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    time.sleep(1.5)
    process.terminate()
    _, err = process.communicate(timeout=60)
    assert process.returncode in (143, -15)  # −15: before the program had begun
    assert "Traceback" not in err
