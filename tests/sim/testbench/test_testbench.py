"""The Verilog benches pass on what was built, and fail on anything else."""

import re

import pytest
from bench_run import BenchDirectory, require

from gemmsmith.emit import BuildConfig
from gemmsmith_sim.testbench import testbench_files as bench_files


def hex_bytes(files):
    return sum(len(text) for path, text in files.items() if path.endswith(".hex"))


@pytest.mark.parametrize("level", ["coprocessor", "tile", "pe"])
@pytest.mark.parametrize("scheme", ["fp16", "int8", "anda-m6"])
def test_files_are_complete_and_the_same_for_a_seed(scheme, level):
    config = BuildConfig.resolve(scheme, {"level": level, "name": "unit"})
    files = bench_files(config, seed=3)
    assert files == bench_files(config, seed=3)
    assert files != bench_files(config, seed=4)
    assert {"tb/unit_tb.v", "tb/Makefile", "tb/README.md", "tb/unit_expected.hex"} <= set(files)
    read = set(re.findall(r'"(\S+\.hex)"', files["tb/unit_tb.v"]))
    assert {f"tb/{name}" for name in read} == {path for path in files if path.endswith(".hex")}
    assert not re.search(r"@[A-Z_]+@", "".join(files.values()))
    outputs = int(re.search(r"OUTPUTS = (\d+)", files["tb/unit_tb.v"])[1])
    assert len(files["tb/unit_expected.hex"].splitlines()) == outputs > 0


def test_a_bare_core_has_no_bench():
    assert bench_files(BuildConfig.resolve("int8", {"level": "core"})) == {}


@pytest.mark.parametrize("level", ["coprocessor", "tile"])
@pytest.mark.parametrize("scheme", ["int8", "anda-m16"])
def test_vectors_are_small(scheme, level):
    config = BuildConfig.resolve(scheme, {"level": level, "rows": "64", "cols": "64", "axi_data_width": "512"})
    assert 10_000 < hex_bytes(bench_files(config)) < 150_000


def test_jobs_have_several_blocks_tails_and_modes():
    config = BuildConfig.resolve("anda-m6", {})
    readme = bench_files(config)["tb/README.md"]
    jobs = [tuple(map(int, job)) for job in re.findall(r"M = (\d+), N = (\d+), K = (\d+), mode (\d+)", readme)]
    chunk = config.coprocessor().plan.groups * 64
    assert any(m > config.rows and m % config.rows and n > config.cols and n % config.cols for m, n, _, _ in jobs)
    assert any(k > chunk and k % 64 for _, _, k, _ in jobs)
    assert {mode for *_, mode in jobs} == {1, 6, 16}


def check_bench(directory, simulator, operand):
    """The bench passes; fails with an output expected otherwise, with none expected, with other operands."""
    run = directory.run(simulator)
    assert run.succeeded, run.log
    outputs = int(re.search(r"^PASS (\d+) outputs", run.log, re.MULTILINE)[1])
    assert outputs == len(directory.vectors("expected").read_text().splitlines())
    spoil(directory, simulator, "expected", lambda text: text[:-2] + ("1" if text[-2] == "0" else "0") + "\n",
          f"with 1 failures, {outputs} outputs")
    spoil(directory, simulator, "expected", lambda text: "", "with")
    spoil(directory, simulator, operand, lambda text: re.sub(r"[1-9a-f](?=\w*\n)", "0", text), "expected 0x")


def spoil(directory, simulator, vectors, change, message):
    """The bench fails, and says so, with some of its vectors changed."""
    path = directory.vectors(vectors)
    good = path.read_text()
    path.write_text(change(good))
    run = directory.run(simulator)
    path.write_text(good)
    assert not run.succeeded
    assert "PASS" not in run.log
    assert re.search(rf"^FAIL.*{message}", run.log, re.MULTILINE), run.log


BUILDS = {
    "int8-coprocessor": ("int8", {"rows": "2", "cols": "2"}),
    "anda-tile": ("anda-m6", {"rows": "2", "cols": "2", "level": "tile"}),
    "anda-coprocessor": ("anda-m6", {"rows": "2", "cols": "4", "axi_data_width": "64", "out": "fp16"}),
    "anda-pairs-coprocessor": ("anda-m6", {"rows": "2", "cols": "2", "planes": "2", "stages": "0", "tail_loop": "2"}),
    "fp16-coprocessor": ("fp16", {"rows": "2", "cols": "2", "axi_addr_width": "40"}),
    "fp16-tile": ("fp16", {"rows": "2", "cols": "2", "level": "tile"}),
    "int8-pe": ("int8", {"level": "pe"}),
}
DEFAULT = ("int8-coprocessor", "anda-tile")


@pytest.fixture(scope="module")
def directories(tmp_path_factory):
    """Build → its directory, written when first asked for."""
    made = {}

    def directory(build):
        if build not in made:
            scheme, choices = BUILDS[build]
            made[build] = BenchDirectory(tmp_path_factory.mktemp(build), scheme, **choices)
        return made[build]
    return directory


@pytest.mark.parametrize("simulator", ["iverilog", "verilator"])
@pytest.mark.parametrize("build", [pytest.param(b, marks=[] if b in DEFAULT else pytest.mark.slow) for b in BUILDS])
def test_bench_passes_and_can_fail(directories, build, simulator):
    require(simulator)
    directory = directories(build)
    streamed = directory.config.level != "coprocessor"
    check_bench(directory, simulator, directory.config.element().operands[0].name if streamed else "memory")


# Build, module, what is replaced there, by what, and what the bench must say.
MUTANTS = {
    "core subtracts": (
        "int8-coprocessor", "int8_coprocessor_staged_core", r"(\$signed\(\S+ *\)) \+ ", r"\1 - ",
        r"FAIL output \(0, 0\)"),
    "rows too far apart": (
        "int8-coprocessor", "int8_coprocessor_coprocessor_storer", r"addr \+ stride", "addr + stride + 16",
        "FAIL memory outside"),
    "blocks do not end": (
        "anda-tile", "anda_m6_tile", r"assign m_axis_o_tlast = ", "assign m_axis_o_tlast = 1'b0 & ", "with TLAST 0"),
    "a bit of a weight is wrong": (
        "anda-tile", "anda_m6_tile_anda_column_edge", r"w_codes\[3\]", "~w_codes[3]", "FAIL output"),
}


@pytest.mark.parametrize("simulator", ["iverilog", pytest.param("verilator", marks=pytest.mark.slow)])
@pytest.mark.parametrize("mutant", MUTANTS)
def test_wrong_hardware_fails(directories, mutant, simulator):
    require(simulator)
    build, module, pattern, replacement, message = MUTANTS[mutant]
    directory = directories(build)
    good = directory.rtl.read_text()
    begin = re.search(rf"^module {module}\(", good, re.MULTILINE).start()
    changed, count = re.subn(pattern, replacement, good[begin:], count=1)
    assert count == 1
    directory.rtl.write_text(good[:begin] + changed)
    try:
        run = directory.run(simulator)
    finally:
        directory.rtl.write_text(good)
    assert not run.succeeded
    assert "PASS" not in run.log
    assert re.search(message, run.log), run.log
