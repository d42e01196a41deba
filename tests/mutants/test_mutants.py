"""Every fault in ``mutants.MUTANTS`` is caught by the test that is named for it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mutants.mutants import MUTANTS, Mutant

ROOT = Path(__file__).parents[2]
SOURCES = ("hw", "sim", "tests")


def test_each_fault_is_one_line_of_its_own():
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 10
    for mutant in MUTANTS:
        assert (ROOT / mutant.file).read_text().count(mutant.old) == 1, mutant.name
        assert (ROOT / mutant.caught_by.partition("::")[0]).is_file(), mutant.name


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_caught(mutant: Mutant, tmp_path: Path):
    for source in SOURCES:
        shutil.copytree(ROOT / source, tmp_path / source, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    target = tmp_path / mutant.file
    target.write_text(target.read_text().replace(mutant.old, mutant.new))
    paths = os.pathsep.join(str(tmp_path / source) for source in SOURCES)
    environment = {**os.environ, "PYTHONPATH": paths, "HYPOTHESIS_STORAGE_DIRECTORY": str(tmp_path / "hypothesis")}
    environment.pop("PYTEST_XDIST_WORKER", None)
    where = subprocess.run([sys.executable, "-c",
                            "import gemmsmith, gemmsmith_sim; print(gemmsmith.__file__, gemmsmith_sim.__file__)"],
                           cwd=tmp_path, env=environment, capture_output=True, text=True, check=True).stdout
    assert where.count(str(tmp_path)) == 2, "the mutated copy must be the one that is imported"
    run = subprocess.run([sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist",
                          mutant.caught_by],
                         cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=280)
    assert run.returncode == 1, f"no test noticed {mutant.name}:\n{run.stdout[-2000:]}{run.stderr[-2000:]}"
    assert "failed" in run.stdout
