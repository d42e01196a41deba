"""Runs the command in this process, in an empty directory with a few matrices."""

from dataclasses import dataclass

import numpy as np
import pytest

from gemmsmith_cli.main import main


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str


@pytest.fixture
def tiny():
    """Choices of an int8 co-processor that compiles within seconds."""
    return "rows=1", "cols=1", "axi_data_width=32", "buffer_k=64", "lanes=4"


@pytest.fixture
def run(capsys):
    """``run("list", "--json")``: exit code, standard output, standard error."""

    def run_command(*arguments: object) -> Ran:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return run_command


@pytest.fixture
def refused(run):
    """The one line of a command that must fail with ``code`` and say nothing else."""

    def run_refused(*arguments: object, code: int = 2) -> str:
        ran = run(*arguments)
        assert ran.code == code, ran
        assert ran.out == ""
        assert ran.err.startswith("gemmsmith: error: ")
        assert ran.err.count("\n") == 1, ran.err
        return ran.err

    return run_refused


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working directory: a.npy (3 × 70, float32) and w.npy (5 × 70, float64)."""
    rng = np.random.default_rng(11)
    np.save(tmp_path / "a.npy", rng.normal(size=(3, 70)).astype(np.float32))
    np.save(tmp_path / "w.npy", rng.normal(size=(5, 70)))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def untouched(folder):
    """Fails if the test leaves a file that it did not put there with ``untouched(path)``."""
    before = set(folder.rglob("*"))

    def put(name: str):
        before.add(folder / name)
        return folder / name

    yield put
    assert set(folder.rglob("*")) == before
