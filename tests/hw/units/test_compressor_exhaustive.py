"""The emitted Verilog, compiled: every code with every mantissa length and rounding, real tensors, mapped netlist."""

import numpy as np
import pytest
from compressor_bench import assert_equal, expected, random_codes
from compressor_verilator import CompiledCompressor

from gemmsmith.emit.verilog import emit
from gemmsmith.units import Compressor
from gemmsmith_sim.backends.base import MissingToolError
from gemmsmith_sim.backends.toolchain import compiler, verilator_root
from gemmsmith_sim.measure import netlist_verilog, synthesize, tools
from gemmsmith_sim.measure.tensors import recorded

FULL = pytest.param(64, marks=pytest.mark.slow)
CODES = np.arange(1 << 16, dtype=np.uint16)


@pytest.fixture(autouse=True)
def _tools():
    try:
        verilator_root(), compiler()
    except MissingToolError as error:
        pytest.skip(str(error))


def check(unit, rows, **how):
    got, cycles = unit.compress(rows, **how)
    how = {name: how[name] for name in ("m", "nearest") if name in how}
    assert_equal(got, expected(rows, **{"nearest": False, **how}))
    return cycles


def by_exponent():
    """All codes, each in a group of its own exponent: what it would be in a group alone."""
    return CODES[np.argsort(CODES >> 10 & 31, kind="stable")]


def below(exponent):
    """All finite codes up to an exponent, 63 to a group whose first element has just that exponent."""
    fields = CODES >> 10 & 31
    smaller = CODES[fields <= exponent]
    groups = np.pad(smaller, (0, -len(smaller) % 63)).reshape(-1, 63)
    return np.insert(groups, 0, exponent << 10, axis=1).reshape(-1)


@pytest.mark.parametrize("elements", [4, FULL])
def test_every_code_alone_and_at_every_distance(elements):
    unit = CompiledCompressor(elements=elements, m_max=16)
    codes = np.concatenate([by_exponent(), below(30)])
    assert len(codes) > 2 * 65000
    for m in range(1, 17):
        for nearest in (False, True):
            check(unit, [codes], m=m, nearest=nearest)


def test_every_exponent_of_a_group():
    unit = CompiledCompressor(elements=4, m_max=16)
    for exponent in range(30):
        check(unit, [below(exponent)[:64 * 32]], m=1 + exponent % 16, nearest=exponent % 3 == 0)


@pytest.mark.parametrize("elements", [4, FULL])
def test_many_rows(elements):
    rng = np.random.default_rng(elements)
    unit = CompiledCompressor(elements=elements, m_max=16)
    for m in range(1, 17):
        sizes = [1, 64, *rng.integers(1, 2500, 30)]
        rates = [(1, 1), (0.7, 0.7), (0.2, 1), (1, 0.2)][m % 4]
        rows = [random_codes(rng, size) for size in sizes]
        check(unit, rows, m=m, nearest=m % 3 == 0, in_rate=rates[0], out_rate=rates[1])


@pytest.mark.slow
@pytest.mark.parametrize("m", [1, 5, 16])
def test_hidden_behind_its_input(m):
    """64 elements a beat: cycles = groups + a constant."""
    unit = CompiledCompressor(elements=64, m_max=16)
    codes = random_codes(np.random.default_rng(m), 64 * 16 * 500)
    assert check(unit, [codes], m=m) == 16 * 500 + unit.shape.latency + m - 1


@pytest.mark.parametrize("m", [4, 7, 11])
def test_activations_of_a_real_model(m):
    unit = CompiledCompressor(elements=4, m_max=16)
    for tensor in recorded(tokens=8):
        check(unit, list(tensor.activations.astype(np.float16).view(np.uint16)), m=m, nearest=m == 7)


@pytest.mark.parametrize(("elements", "m_max"), [(1, 16), (64, 1), (8, 7)])
def test_verilog_is_lint_clean(elements, m_max, tmp_path):
    (tmp_path / "unit.v").write_text(emit(Compressor(elements=elements, m_max=m_max), name="unit").verilog)
    log = tmp_path / "log"
    tools.run("verilator", ["--lint-only", "-Wall", "--top-module", "unit", "unit.v"], cwd=tmp_path, log=log)
    assert "%Warning" not in log.read_text()


def test_mapped_netlist(tmp_path):
    verilog = tmp_path / "unit.v"
    verilog.write_text(emit(Compressor(elements=4, m_max=3), name="unit").verilog)
    result = synthesize([verilog], "unit", "ecp5", dsp=False, options=("-nobram",))
    assert result.luts > 300
    assert result.ffs > 300
    text = "".join(path.read_text() for path in netlist_verilog(result))
    unit = CompiledCompressor(elements=4, m_max=3, verilog=text)
    rng = np.random.default_rng(6)
    for m in (1, 2, 3):
        rows = [random_codes(rng, size) for size in (64, 1, 130, 700, 64)]
        check(unit, rows, m=m, nearest=m == 2, in_rate=0.8, out_rate=0.8)
