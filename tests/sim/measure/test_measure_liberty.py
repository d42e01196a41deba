import gzip
import hashlib
import itertools
import os
from pathlib import Path

import numpy as np
import pytest

from gemmsmith_sim.measure import ToolError
from gemmsmith_sim.measure.liberty import LIBRARIES, NamedLibrary, library, load_liberty, named, parse, unateness
from gemmsmith_sim.measure.liberty.adder import full_adder_rule
from gemmsmith_sim.measure.liberty.boundary import boundary, constant_cell
from gemmsmith_sim.measure.liberty.write import mapping_liberty

TOY = Path(__file__).parent / "data" / "toy.lib"
UNITS = """
    time_unit : "1ps"; voltage_unit : "1V"; leakage_power_unit : "1nW"; capacitive_load_unit (1, ff); nom_voltage : 1;
"""


@pytest.fixture(scope="module")
def toy():
    return load_liberty(TOY)


@pytest.fixture
def liberty_file(tmp_path):
    """Write a library with these cells to a file."""

    def write(name: str, body: str, units: str = UNITS) -> Path:
        path = tmp_path / name
        path.write_text(f"library (a) {{{units}{body}}}\n")
        return path

    return write


def test_units_are_converted(toy):
    assert (toy.name, toy.voltage, toy.max_transition_ps) == ("toy", 1.0, 500.0)
    inverter = toy.cells["INV"]
    assert inverter.leakage_nw == pytest.approx(0.03)  # mean of 2 and 4 times 10 pW; the ground pin's is left out
    assert toy.cells["NAND2"].leakage_nw == pytest.approx(0.05)
    pin = inverter.pins["A"]
    assert (pin.capacitance_ff, pin.capacitance_rise_ff, pin.capacitance_fall_ff) == pytest.approx((1.0, 1.1, 0.9))
    assert inverter.pins["Y"].max_capacitance_ff == pytest.approx(50)
    assert toy.sha256 == hashlib.sha256(TOY.read_bytes()).hexdigest()


def test_tables_have_one_order_of_axes_and_extend_linearly(toy):
    timing = toy.cells["INV"].pins["Y"].timings[0]
    slews, loads = np.array([0.0, 7.0, 100.0, 250.0]), np.array([[-1.0], [0.0], [3.0], [10.0], [40.0]])
    assert np.allclose(timing.cell_rise.lookup(slews, loads), 10 + 0.1 * slews + 2 * loads)
    assert np.allclose(timing.cell_fall.lookup(slews, loads), 8 + 0.1 * slews + loads)
    assert np.allclose(timing.rise_transition.lookup(slews, loads), 20 + 4 * loads + 0 * slews)
    setup = toy.cells["DFF"].pins["D"].timings[0]
    assert setup.rise_constraint.lookup(40, 20) == pytest.approx(5 + 4 + 1)
    assert setup.fall_constraint.lookup(40, 20) == pytest.approx(7)


def test_bilinear_inside_a_cell_of_the_grid(liberty_file):
    table = """
        lu_table_template (t) { variable_1 : input_net_transition; variable_2 : total_output_net_capacitance;
                                index_1 ("0, 10, 30"); index_2 ("0, 4"); }
        cell (C) { pin (A) { direction : input; } pin (Y) { direction : output; function : "A";
          timing () { related_pin : "A"; cell_rise (t) { values ("0, 8", "10, 20", "100, 300"); } } } }"""
    pin = load_liberty(liberty_file("grid.lib", table)).cells["C"].pins["Y"]
    lookup = pin.timings[0].cell_rise.lookup
    assert lookup(5, 2) == pytest.approx((0 + 8 + 10 + 20) / 4)
    assert lookup(20, 1) == pytest.approx((12.5 + 150) / 2)
    assert lookup(30, 4) == pytest.approx(300)
    assert lookup(40, 0) == pytest.approx(145)  # as steep as between 10 and 30


def test_energy_of_power_pins_only(toy):
    (power,) = toy.cells["INV"].pins["Y"].powers
    assert power.related_pin == "A"
    assert power.rise.lookup([0, 50]).tolist() == pytest.approx([1, 2])  # in the file's unit of 1 pF x (0.1 V)^2
    assert power.fall.lookup(50, 3) == pytest.approx(2)


def test_states_and_kinds_of_cells(toy):
    assert toy.cells["DFF"].ff.outputs == {"Q": "IQ"}
    inverting = toy.cells["DFFN"].ff
    assert (inverting.next_state, inverting.clear, inverting.outputs) == ("!D", "R'", {"QN": "IQ"})
    assert toy.cells["DFFN"].pins["CK"].clock
    assert toy.cells["LATCH"].latch.outputs == {"Q": "IQ"}
    assert toy.cells["TRI"].pins["Y"].function is None
    assert [name for name, cell in toy.cells.items() if cell.dont_use] == ["AND2_SMALL"]


def test_sense_from_the_function_where_the_file_has_none(toy):
    senses = {name: {t.sense for t in toy.cells[name].pins["Y"].timings} for name in ("NAND2", "BUF", "XOR2")}
    assert senses["NAND2"] == {"negative_unate"}
    assert senses["BUF"] == {"positive_unate"}
    assert senses["XOR2"] == {"negative_unate", "positive_unate", "non_unate"}


@pytest.mark.parametrize(
    ("text", "function"),
    [
        ("!A & B | (C ^ D)", lambda a, b, c, d: (not a and b) or c != d),
        ("A' B + C D'", lambda a, b, c, d: (not a and b) or (c and not d)),
        ("(A * B)' ^ C", lambda a, b, c, d: (not (a and b)) != c),
        ("A B ^ C | D", lambda a, b, c, d: (a and b != c) or d),  # ^ is tighter than and
        ("!(A+B)(C|D)", lambda a, b, c, d: not (a or b) and (c or d)),
        ("!A'' 1 + 0", lambda a, b, c, d: not a),
    ],
)
def test_expressions(text, function):
    rows = list(itertools.product((0, 1), repeat=4))
    columns = [sum(row[pin] << k for k, row in enumerate(rows)) for pin in range(4)]
    words = {name: np.array([column], np.uint64) for name, column in zip("ABCD", columns, strict=True)}
    value = int(np.broadcast_to(parse(text).evaluate(words), 1)[0])
    assert [value >> k & 1 for k in range(16)] == [int(bool(function(*row))) for row in rows]


def test_expression_errors():
    for text in ("A &", "(A", "A)", "A ? B", "", "!"):
        with pytest.raises(ValueError, match="boolean expression"):
            parse(text)
    with pytest.raises(ValueError, match=r"pins must contain 'B', not only \['A'\]"):
        parse("A & B").evaluate({"A": np.zeros(1, np.uint64)})


def test_unateness():
    assert unateness("!(A & B) | C", "A") == "negative_unate"
    assert unateness("!(A & B) | C", "C") == "positive_unate"
    assert unateness("A ^ B", "A") == "non_unate"


def test_several_files_packed_or_not_are_one_library(tmp_path, liberty_file):
    plain = liberty_file("b.lib", "cell (EXTRA) { area : 3; }")
    packed = tmp_path / "toy.lib.gz"
    packed.write_bytes(gzip.compress(TOY.read_bytes()))
    both = load_liberty([packed, plain])
    assert both.cells["EXTRA"].area == 3
    assert both.cells["INV"].area == 1
    assert both.sha256 == load_liberty([plain, packed]).sha256 != load_liberty(TOY).sha256


def test_read_again_from_the_cache(tmp_path, monkeypatch):
    first = load_liberty(TOY)
    monkeypatch.setattr("gemmsmith_sim.measure.liberty.load.parse_groups", None)
    again = load_liberty(TOY)
    assert (again.name, again.cells.keys()) == (first.name, first.cells.keys())
    table = again.cells["INV"].pins["Y"].timings[0].cell_rise
    assert np.array_equal(table.values, first.cells["INV"].pins["Y"].timings[0].cell_rise.values)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("cell (A) { pin (B) {", r"bad\.lib must .* read line 4 inside cell \(A\)"),
        ("cell (A) { } }", "cannot read line"),
        ("cell (A) { ] }", "cannot read line 3"),
        ("cell (A) { pin (Y) { timing () { related_pin : B; cell_rise (scalar) { values (\"1, 2\"); } } } }",
         r"cell_rise \(scalar\) must have 1 x 1 values, not 2"),
        ("lu_table_template (t) { variable_1 : voltage; index_1 (\"1\"); } cell (A) { pin (Y) { timing () { "
         "related_pin : B; cell_rise (t) { values (\"1\"); } } } }", "not 'voltage'"),
    ],
)  # fmt: skip
def test_files_that_are_not_liberty(liberty_file, body, message):
    with pytest.raises(ValueError, match=message):
        load_liberty(liberty_file("bad.lib", body))


def test_files_that_do_not_belong_together(liberty_file, tmp_path):
    one, two = liberty_file("a.lib", "cell (X) { }"), liberty_file("b.lib", "cell (X) { }")
    with pytest.raises(ValueError, match=r"must not share cells, but .*'X'"):
        load_liberty([one, two])
    other = liberty_file("c.lib", "cell (Y) { }", UNITS.replace("nom_voltage : 1;", "nom_voltage : 2;"))
    with pytest.raises(ValueError, match=r"one voltage, but .* 1 V and .* 2 V"):
        load_liberty([one, other])
    with pytest.raises(ValueError, match="time_unit must be a number and a unit"):
        load_liberty(liberty_file("d.lib", "", UNITS.replace('time_unit : "1ps";', "")))
    with pytest.raises(ValueError, match="cannot be read"):
        load_liberty(tmp_path / "none.lib")
    with pytest.raises(ValueError, match="at least one"):
        load_liberty([])


def test_boundary_and_constants(toy):
    around = boundary(toy)
    assert around.driver == "BUF"
    assert around.output_load_ff == pytest.approx(4)
    assert around.input_slew_ps == pytest.approx(10 + 2 * 4)
    assert constant_cell(toy, 0) == ("TIE0", "Y")
    assert constant_cell(toy, 1) == ("TIE1", "Y")


def test_extract_for_mapping(toy, tmp_path):
    path = tmp_path / "extract.lib"
    path.write_text(mapping_liberty(toy))
    extract = load_liberty(path)
    assert set(extract.cells) == {"INV", "BUF", "NAND2", "XOR2", "DFF", "DFFN", "TIE0", "TIE1"}
    before, after = (each.cells["INV"].pins["Y"].timings[0].cell_rise for each in (toy, extract))
    assert np.allclose(before.lookup([3, 60], [2, 5]), after.lookup([3, 60], [2, 5]))
    assert extract.cells["DFFN"].ff.next_state == "!D"


@pytest.fixture
def published(monkeypatch, tmp_path):
    """A named library of one file, of the toy's content, and no network."""
    sha256 = hashlib.sha256(TOY.read_bytes()).hexdigest()
    known = NamedLibrary("toy", "none", {"https://example.invalid/cells.lib": sha256}, dont_use=("XOR*",))
    monkeypatch.setattr(named, "LIBRARIES", {"my-toy": known})
    monkeypatch.setenv("GEMMSMITH_CACHE", str(tmp_path / "cache"))
    for variable in ("GEMMSMITH_LIBERTY", "GEMMSMITH_LIBERTY_MY_TOY"):
        monkeypatch.delenv(variable, raising=False)

    def refuse(url, timeout):
        raise OSError("no network")

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    return known


def test_named_library_without_network(published):
    said = []
    with pytest.raises(ToolError, match=r"no network; .*--liberty FILE or \$GEMMSMITH_LIBERTY_MY_TOY"):
        library("my-toy", notify=said.append)
    assert said == ["fetching https://example.invalid/cells.lib"]
    with pytest.raises(ValueError, match=r"must be my-toy or a Liberty file, not 'other'"):
        library("other")


def test_named_library_from_the_users_files(published, monkeypatch, tmp_path):
    given = library("my-toy", liberty=[TOY])
    assert (given.name, given.cells["XOR2"].dont_use, given.cells["INV"].dont_use) == ("my-toy", True, False)
    monkeypatch.setenv("GEMMSMITH_LIBERTY_MY_TOY", str(TOY))
    assert library("my-toy").sha256 == given.sha256
    monkeypatch.delenv("GEMMSMITH_LIBERTY_MY_TOY")
    (tmp_path / "whatever.lib.gz").write_bytes(gzip.compress(TOY.read_bytes()))  # known by its content
    (tmp_path / "other.lib").write_text("something else")
    monkeypatch.setenv("GEMMSMITH_LIBERTY", str(tmp_path))
    found = library("my-toy")
    assert (found.sha256, found.files) == (given.sha256, (str(tmp_path / "whatever.lib.gz"),))
    assert library(TOY).name == "toy"


def test_named_library_is_fetched_once_and_checked(published, monkeypatch):
    def answers(data):
        class Answer:
            def __enter__(self):
                return self

            def __exit__(self, *_):
                return False

            def read(self):
                return data

        return lambda url, timeout: Answer()

    monkeypatch.setattr("urllib.request.urlopen", answers(b"an error page"))
    with pytest.raises(ToolError, match="is not the file that was expected"):
        library("my-toy")
    monkeypatch.setattr("urllib.request.urlopen", answers(gzip.compress(TOY.read_bytes())))
    fetched = library("my-toy")
    monkeypatch.setattr("urllib.request.urlopen", None)
    assert library("my-toy").sha256 == fetched.sha256 == hashlib.sha256(TOY.read_bytes()).hexdigest()
    assert fetched.cells["INV"].area == 1


def test_published_libraries_are_pinned():
    for name, known in LIBRARIES.items():
        assert known.files, name
        assert all(url.startswith("https://") and len(sha256) == 64 for url, sha256 in known.files.items())


@pytest.mark.skipif("GEMMSMITH_LIBERTY" not in os.environ, reason="GEMMSMITH_LIBERTY names no directory of libraries")
@pytest.mark.parametrize(("name", "voltage", "cells", "inverter"), [("asap7", 0.7, 202, "INVx1_ASAP7_75t_R"),
                                                                  ("ihp-sg13g2", 1.2, 78, "sg13g2_inv_1")])  # fmt: skip
def test_published_libraries_from_the_directory(name, voltage, cells, inverter):
    real = library(name)
    assert (real.voltage, len(real.cells)) == (voltage, cells)
    for cell in real.cells.values():
        assert all(parse(pin.function) for pin in cell.outputs if pin.function)
    assert real.cells[inverter].pins["A"].capacitance_ff > 0.1
    assert boundary(real).input_slew_ps > 1


FULL_ADDER = """
    cell (INV) {{ area : 1; pin (A) {{ direction : input; }} pin (Y) {{ direction : output; function : "!A"; }} }}
    cell (ADD) {{
      area : 3; pin (A, B, CI) {{ direction : input; }}
      pin (S) {{ direction : output; function : "{sum}"; }}
      pin (CO) {{ direction : output; function : "{carry}"; }}
    }}
"""


@pytest.mark.parametrize(("sum_", "carry", "ports"), [
    ("A ^ B ^ CI", "(A B) + (CI (A + B))", ".S(sum), .CO(carry)"),
    ("!(A ^ B ^ CI)", "!((A B) + (CI (A + B)))", ".S(sum_n), .CO(carry_n)"),
    ("A ^ B ^ CI", "!((A B) + (CI A) + (CI B))", ".S(sum), .CO(carry_n)"),
])
def test_full_adders_are_known_by_their_functions(liberty_file, sum_, carry, ports):
    rule = full_adder_rule(load_liberty(liberty_file("a.lib", FULL_ADDER.format(sum=sum_, carry=carry))))
    assert f"ADD _TECHMAP_REPLACE_ (.A(a), .B(b), .CI(c), {ports});" in rule
    assert ("sum_n = ~sum" in rule, "carry_n = ~carry" in rule) == (".S(sum)" in ports, ".CO(carry)" in ports)


def test_without_full_adders_there_is_no_rule(liberty_file, toy):
    assert full_adder_rule(toy) == ""
    half = FULL_ADDER.format(sum="A ^ B ^ CI", carry="A & B & CI")
    assert full_adder_rule(load_liberty(liberty_file("a.lib", half))) == ""
