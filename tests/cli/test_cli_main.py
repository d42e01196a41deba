"""The frame: help, version, errors and exit codes, imports."""

import os
import subprocess
import sys

import pytest

from gemmsmith import __version__
from gemmsmith.emit import ConfigError, PackageError
from gemmsmith.schemes import SchemeError
from gemmsmith_cli import main as main_module
from gemmsmith_cli.errors import BAD_INPUT, FAILED, NO_TOOL, exit_code, one_line
from gemmsmith_sim.backends import base
from gemmsmith_sim.driver import DriverError
from gemmsmith_sim.golden import EncodeError
from gemmsmith_sim.llm.checkpoint import CheckpointError
from gemmsmith_sim.measure import MissingToolError, ToolError

VERBS = [verb.__name__.rpartition(".")[2] for verb in main_module.VERBS]


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_every_verb_has_an_example(run, verb):
    ran = run(verb, "--help")
    assert ran.code == 0
    assert f"  gemmsmith {verb}" in ran.out


def test_help_lists_every_verb(run):
    ran = run("--help")
    assert ran.code == 0
    assert all(f"  {verb} " in ran.out for verb in VERBS)


def test_version(run):
    assert run("--version").out == f"gemmsmith {__version__}\n"


def test_no_verb_shows_help_and_fails(run):
    ran = run()
    assert (ran.code, ran.out) == (BAD_INPUT, "")
    assert "Usage: gemmsmith" in ran.err


@pytest.mark.parametrize("arguments", [
    ("forge",), ("list", "--frobnicate"), ("build",), ("synth", "x", "--target", "tpu"),
    ("run", "--tokens", "0"), ("run", "--tokens", "many")])
def test_bad_command_lines_take_one_line(refused, arguments):
    refused(*arguments)


@pytest.mark.parametrize(("kind", "code"), [
    (SchemeError, BAD_INPUT), (ConfigError, BAD_INPUT), (EncodeError, BAD_INPUT), (CheckpointError, BAD_INPUT),
    (PackageError, BAD_INPUT), (FileNotFoundError, BAD_INPUT), (MemoryError, BAD_INPUT), (DriverError, FAILED),
    (base.ProtocolError, FAILED), (base.SimulationTimeout, FAILED), (base.RegisterError, FAILED),
    (base.MissingToolError, NO_TOOL), (KeyError, None), (RuntimeError, None)])
def test_exit_codes(kind, code):
    assert exit_code(kind("text")) == code


@pytest.mark.parametrize("kind", [ToolError, MissingToolError])
def test_exit_codes_of_tools(kind):
    assert exit_code(kind("yosys", "failed")) == NO_TOOL


def test_an_error_is_one_line():
    assert one_line(ValueError("first\n  second\n")) == "first second"
    assert one_line(FileNotFoundError(2, "No such file or directory", "x.npy")) == "x.npy: No such file or directory"
    assert len(one_line(ValueError("x" * 10_000))) < 2000


def raising(error):
    def app(**_):
        raise error

    return app


def test_interruption(run, monkeypatch):
    monkeypatch.setattr(main_module, "app", raising(KeyboardInterrupt()))
    assert run("list").code == 130


def test_our_own_faults_are_not_hidden(run, monkeypatch):
    monkeypatch.setattr(main_module, "app", raising(KeyError("a bug")))
    with pytest.raises(KeyError):
        run("list")


def test_traceback_on_demand(run):
    with pytest.raises(SchemeError):
        run("--traceback", "describe", "nonsense")


@pytest.mark.parametrize("arguments", [["--help"], ["list"], ["describe", "e2m1"]])
def test_little_is_imported_for_little(arguments):
    command = [sys.executable, "-X", "importtime", "-m", "gemmsmith_cli", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "gemmsmith_cli.main" in imported
    assert not imported & {"numpy", "amaranth", "gemmsmith_sim"}


def test_a_closed_pipe_is_no_error():
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "gemmsmith_cli", "list"]
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True)
    os.close(write)
    assert "Traceback" not in done.stderr
