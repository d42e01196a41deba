"""Configurations and build directories: complete or absent, checked, and made again byte for byte."""

import hashlib
import json
import os

import pytest

from gemmsmith.emit import BuildConfig, ConfigError, PackageError, emit_build, load_build, write_build

SMALL = {"level": "pe", "name": "unit", "lanes": "2"}


@pytest.fixture(scope="module")
def built():
    config = BuildConfig.resolve("int8", SMALL)
    return config, emit_build(config)


def contents(directory):
    return {str(p.relative_to(directory)): p.read_bytes() for p in sorted(directory.rglob("*")) if p.is_file()}


def test_a_build_is_complete_and_reproducible(built, tmp_path):
    config, emitted = built
    for name in ("one", "two"):
        write_build(config, tmp_path / name, emitted=emitted, extra={"tb/x.hex": "0\n"}, seed=3)
    files = contents(tmp_path / "one")
    assert files == contents(tmp_path / "two")
    assert set(files) == {"config.resolved.json", "manifest.json", "rtl/unit.v", "rtl/unit.names.json", "tb/x.hex"}
    assert (tmp_path / "one" / "report").is_dir()
    manifest = json.loads(files["manifest.json"])
    assert manifest["seed"] == 3
    for path, digest in manifest["sha256"].items():
        assert hashlib.sha256(files[path]).hexdigest() == digest
    assert set(manifest["sha256"]) == set(files) - {"manifest.json"}
    assert load_build(tmp_path / "one") == (config, [tmp_path / "one" / "rtl" / "unit.v"])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["one", "two"]


def test_a_coprocessor_has_its_registers_beside_it(tmp_path):
    config = BuildConfig.resolve("fp16", {"rows": "1", "cols": "1", "name": "unit"})
    write_build(config, tmp_path / "b", emitted=emit_build(config))
    header = (tmp_path / "b" / "sw" / "unit_regs.h").read_text()
    assert "UNIT_A_CODE_ADDRESS_OFFSET" in header
    assert json.loads((tmp_path / "b" / "sw" / "unit_regs.json").read_text())["registers"]


def test_an_old_build_is_replaced_and_anything_else_is_left_alone(built, tmp_path):
    config, emitted = built
    write_build(config, tmp_path / "b", emitted=emitted, extra={"tb/old": ""})
    write_build(config, tmp_path / "b", emitted=emitted)
    assert "tb/old" not in contents(tmp_path / "b")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("x")
    with pytest.raises(PackageError, match="exists and is not a build"):
        write_build(config, tmp_path / "mine", emitted=emitted)
    assert contents(tmp_path / "mine") == {"thesis.tex": b"x"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_unwritable_place(built, tmp_path):
    config, emitted = built
    tmp_path.chmod(0o500)
    with pytest.raises(PackageError, match="not a writable directory"):
        write_build(config, tmp_path / "b", emitted=emitted)


def test_a_file_in_the_way(built, tmp_path):
    config, emitted = built
    (tmp_path / "file").write_text("x")
    with pytest.raises(PackageError, match="not a writable directory"):
        write_build(config, tmp_path / "file" / "b", emitted=emitted)


def test_load_says_what_is_missing(built, tmp_path):
    with pytest.raises(PackageError, match=r"is not a build: it has no config\.resolved\.json"):
        load_build(tmp_path)
    config, emitted = built
    write_build(config, tmp_path / "b", emitted=emitted)
    (tmp_path / "b" / "rtl" / "unit.v").unlink()
    with pytest.raises(PackageError, match="is missing; build it again"):
        load_build(tmp_path / "b")


def test_a_configuration_spells_everything_out():
    config = BuildConfig.resolve("anda-m6", {"rows": "2", "cols": "8", "m_max": "8", "weight_group": "64",
                                             "out": "fp16"})
    assert config.scheme == "anda-m6-g64-trunc-w_int4_sym-g64-s_fp16-acc_fp32_rne_ascending-ftz-out_fp16"
    assert (config.name, config.tail_share, config.options) == (
        "anda_m6_coprocessor", 4, {"m_max": 8, "tail_loop": 4, "planes": 1, "stages": 6})
    assert BuildConfig.load(config.to_json()) == config


@pytest.mark.parametrize(("scheme", "choices", "message"), [
    ("int9", {}, "no scheme is called 'int9'"),
    ("anda-m17", {}, "m of anda must be one of 1..16, not 17"),
    ("int8", {"color": "red"}, "int8 builds have no choice 'color'; there are"),
    ("int8", {"rows": "many"}, "rows must be a whole number, not 'many'"),
    ("int8", {"rows": "0"}, "rows: input should be greater than or equal to 1, not 0"),
    ("int8", {"level": "chip"},
     "level: input should be 'coprocessor', 'tile', 'pe', 'engine', 'core' or 'tail', not 'chip'"),
    ("int8", {"lanes": "3"}, "lanes must be a power of two"),
    ("int8", {"target": "lego"}, "target must be one of generic"),
    ("int8", {"cols": "6", "tail_share": "4"}, "tail_share must be a power of two that divides cols"),
    ("int8", {"axi_data_width": "48"}, "axi_data_width must be 32, 64, 128, 256 or 512, not 48"),
    ("int8", {"axi_addr_width": "8"}, "axi_addr_width must be 16 to 64, not 8"),
    ("int8", {"max_burst": "3"}, "max_burst"),
    ("anda-m8", {"m_max": "4"}, "m_max must be at least the scheme's m"),
    ("int8", {"name": "a-b"}, "name must be a Verilog identifier"),
])
def test_what_cannot_be_built_is_refused_in_one_line(scheme, choices, message):
    with pytest.raises(ConfigError) as refusal:
        BuildConfig.resolve(scheme, choices)
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("text", ["{", "[]", '{"scheme": "int8", "extra": 1}', '{"scheme": 3}', "3"])
def test_a_damaged_configuration_is_refused_in_one_line(text):
    with pytest.raises(ConfigError) as refusal:
        BuildConfig.load(text)
    assert "\n" not in str(refusal.value)
