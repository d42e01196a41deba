import hashlib
import os
import stat

import pytest

from gemmsmith_sim.cache import atomic_dir, atomic_write, cache_dir, digest


def test_cache_dir_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("GEMMSMITH_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache_dir("synth") == tmp_path / "home/.cache/gemmsmith/synth"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_dir("synth") == tmp_path / "xdg/gemmsmith/synth"
    monkeypatch.setenv("GEMMSMITH_CACHE", str(tmp_path / "own"))
    assert cache_dir("synth") == tmp_path / "own/synth"
    assert cache_dir("synth").is_dir()


@pytest.mark.parametrize("kind", ["", "..", "a/b", "/tmp"])
def test_cache_dir_refuses_paths(kind):
    with pytest.raises(ValueError, match="kind must be a plain directory name"):
        cache_dir(kind)


def test_digest(tmp_path):
    file = tmp_path / "file"
    file.write_bytes(b"abc")
    assert digest(file) == digest("abc") == digest(b"abc")
    assert digest("abc") == hashlib.sha256((3).to_bytes(8, "little") + b"abc").hexdigest()
    assert len({digest("ab", "c"), digest("a", "bc"), digest("abc"), digest("abc", "")}) == 4


def test_atomic_write_replaces_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "file"
    atomic_write(path, "one")
    atomic_write(path, b"two")
    assert path.read_text() == "two"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("umask", "file", "directory"), [(0o022, 0o644, 0o755), (0o007, 0o660, 0o770)])
def test_what_is_written_honours_the_umask(tmp_path, umask, file, directory):
    old = os.umask(umask)
    try:
        atomic_write(tmp_path / "file", "text")
        with atomic_dir(tmp_path / "entry"):
            pass
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == file
    assert stat.S_IMODE((tmp_path / "entry").stat().st_mode) == directory


def test_atomic_dir_appears_when_complete(tmp_path):
    destination = tmp_path / "entry"
    with atomic_dir(destination) as work:
        (work / "file").write_text("text")
        assert not destination.exists()
    assert (destination / "file").read_text() == "text"
    assert list(tmp_path.iterdir()) == [destination]


def test_atomic_dir_leaves_nothing_after_an_exception(tmp_path):
    def fill_and_fail():
        with atomic_dir(tmp_path / "entry") as work:
            (work / "file").write_text("text")
            raise RuntimeError("tool failed")

    with pytest.raises(RuntimeError, match="tool failed"):
        fill_and_fail()
    assert list(tmp_path.iterdir()) == []


def test_atomic_dir_first_one_wins(tmp_path):
    destination = tmp_path / "entry"
    with atomic_dir(destination) as slow:
        (slow / "file").write_text("slow")
        with atomic_dir(destination) as fast:
            (fast / "file").write_text("fast")
    assert (destination / "file").read_text() == "fast"
    assert list(tmp_path.iterdir()) == [destination]
