"""quantize and matmul: results, and input that must be refused before anything is written."""

import json
import subprocess

import numpy as np
import pytest

from gemmsmith.schemes import parse
from gemmsmith_cli import matmul, session
from gemmsmith_sim.backends.base import MissingToolError
from gemmsmith_sim.golden import for_scheme


def golden(scheme, a, w):
    model = for_scheme(scheme)
    product = model.matmul(model.encode_activations(a), model.encode_weights(w))
    return model.output_values(product).astype(np.float32)


@pytest.mark.parametrize("name", ["fp16", "int8", "anda-m6"])
@pytest.mark.parametrize("role", ["a", "w"])
def test_quantize(run, folder, name, role):
    ran = run("quantize", name, "w.npy", "--as", role, "-o", "x.npz", "--json")
    report = json.loads(ran.out)
    model, x = for_scheme(parse(name)), np.load("w.npy")
    encoded = (model.encode_activations if role == "a" else model.encode_weights)(x)
    with np.load("x.npz") as stored:
        assert set(stored) == {*encoded.arrays, "values"}
        for key, array in encoded.arrays.items():
            np.testing.assert_array_equal(stored[key], array)
        np.testing.assert_array_equal(stored["values"], encoded.values)
    assert report["largest_error"] == np.abs(encoded.values - x).max()
    assert run("quantize", name, "w.npy", "--as", role, "-o", "x.npz").code == 0


@pytest.mark.parametrize("choices", [("fp16",), ("int8", "out=fp16"), ("anda-m6", "weight_group=64", "rows=2"),
                                     ("xrnpe-posit8", "out=posit16")])
def test_matmul_on_golden(run, folder, choices):
    name, *rest = choices
    report = json.loads(run("matmul", name, "a.npy", "w.npy", *rest, "-o", "o.npy", "--json").out)
    own = dict(choice.split("=") for choice in rest if not choice.startswith("rows"))
    product = np.load("o.npy")
    np.testing.assert_array_equal(product, golden(parse(name, **own), np.load("a.npy"), np.load("w.npy")))
    assert product.dtype == np.float32
    assert (report["m"], report["n"], report["k"]) == (3, 5, 70)
    assert 0 <= report["relative_error"] < 0.2


def test_dtypes_and_layouts_do_not_matter(run, folder):
    a = np.load("a.npy").astype(np.float16)
    np.save("half.npy", a)
    np.save("odd.npy", np.asfortranarray(a.astype(">f8")))
    for name in ("half", "odd"):
        assert run("matmul", "int8", f"{name}.npy", "w.npy", "-o", f"{name}_o.npy").code == 0
    np.testing.assert_array_equal(np.load("half_o.npy"), np.load("odd_o.npy"))


def test_matmul_on_rtl(run, folder, tiny):
    ran = run("matmul", "int8", "a.npy", "w.npy", *tiny, "-o", "o.npy", "--backend", "rtl", "--json")
    report = json.loads(ran.out)
    np.testing.assert_array_equal(np.load("o.npy"), golden(parse("int8"), np.load("a.npy"), np.load("w.npy")))
    assert report["compared"] == 15
    assert report["cycles"] > 0
    assert report["bytes_written"] == 60
    assert report["config"]["cols"] == 1
    assert 0 < report["utilisation"] <= 1
    text = run("matmul", "int8", "a.npy", "w.npy", *tiny, "-o", "o.npy", "--backend", "rtl").out
    assert "equals golden bit for bit: 15 outputs compared" in text


def test_a_wrong_bit_fails_the_check(refused, run, untouched, tiny, monkeypatch):
    right = matmul._on_golden

    def wrong(a, w):
        product = right(a, w).copy()
        product.view(np.uint32)[1, 2] ^= 1
        return product

    monkeypatch.setattr(matmul, "_on_golden", wrong)
    line = ("matmul", "int8", "a.npy", "w.npy", *tiny, "-o", "o.npy", "--backend", "rtl")
    assert "1 of 15 outputs of the RTL differ from the golden model, the first at row 1, column 2" in refused(
        *line, code=1)
    assert run(*line, "--no-check").code == 0
    untouched("o.npy")


@pytest.mark.parametrize("error", [
    subprocess.CalledProcessError(1, ["c++", "--version"]), FileNotFoundError(2, "No such file or directory", "c++"),
    RuntimeError("the C++ compiler failed:\nmain.cpp: no space left"), MissingToolError("no C++ compiler found")])
def test_a_compiler_that_fails(refused, untouched, tiny, monkeypatch, error):
    def fail(verilog, top):
        raise error

    monkeypatch.setattr(session, "build_library", fail)
    line = refused("matmul", "int8", "a.npy", "w.npy", *tiny, "-o", "o.npy", "--backend", "rtl", code=3)
    assert "c++" in line.lower()


def nan_at(row, column):
    x = np.ones((3, 70))
    x[row, column] = np.nan
    return x


@pytest.mark.parametrize(("value", "says"), [
    (np.ones(70), "not of shape (70,)"), (np.ones((2, 3, 70)), "not of shape (2, 3, 70)"),
    (np.ones((0, 70)), "not of shape (0, 70)"),
    (np.ones((3, 70), np.int32), "not int32"), (np.ones((3, 70), np.longdouble), "must hold float16"),
    (np.ones((3, 70), complex), "not complex128"), (np.array([["x"]]), "not <U1"),
    (nan_at(1, 2), "nan at row 1, column 2"),
    (np.full((3, 70), -np.inf), "-inf at row 0, column 0"), (np.full((3, 70), 1e5), "65504"),
    (np.ones((3, 71)), "K = 71"), (np.array([[None]]), "not a complete .npy file")])
def test_matrices_that_are_refused(refused, untouched, value, says):
    np.save(untouched("x.npy"), value)
    assert says in refused("matmul", "anda-m6", "x.npy", "w.npy", "-o", "o.npy")


@pytest.mark.parametrize("size", [0, 5, 100, 400])
def test_truncated_files(refused, untouched, folder, size):
    untouched("x.npy").write_bytes((folder / "a.npy").read_bytes()[:size])
    assert "x.npy" in refused("matmul", "int8", "x.npy", "w.npy", "-o", "o.npy")
    assert "x.npy" in refused("quantize", "int8", "x.npy", "--as", "a", "-o", "o.npz")


def test_files_that_are_refused(refused, untouched, folder):
    assert "missing.npy: No such file" in refused("matmul", "int8", "missing.npy", "w.npy", "-o", "o.npy")
    assert "directory" in refused("matmul", "int8", ".", "w.npy", "-o", "o.npy")
    np.savez(untouched("x.npz"), np.ones((3, 70)))
    assert "archive" in refused("matmul", "int8", "x.npz", "w.npy", "-o", "o.npy")


@pytest.mark.parametrize("output", ["nowhere/o.npy", "a.npy/o.npy", "."])
def test_outputs_that_are_refused(refused, untouched, output):
    assert output in refused("matmul", "int8", "a.npy", "w.npy", "-o", output)
    assert output in refused("quantize", "int8", "a.npy", "--as", "a", "-o", output)


@pytest.mark.parametrize(("arguments", "says"), [
    (("posit8",), "no scheme"), (("anda-m17",), "1..16"), (("int8", "frob=1"), "no choice 'frob'"),
    (("int8", "out=fp8"), "fp32, fp16"), (("int8", "rows=many"), "whole number"), (("int8", "rows=0"), "rows"),
    (("int8", "level=tile", "--backend", "rtl"), "level must be coprocessor"), (("int8", "--check"), "--backend rtl")])
def test_choices_that_are_refused(refused, untouched, arguments, says):
    name, *rest = arguments
    assert says in refused("matmul", name, "a.npy", "w.npy", "-o", "o.npy", *rest)
