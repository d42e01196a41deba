"""The user's cache directory, content digests, and writes that are seen whole or not at all.

Compiled simulators and measurements are kept under names made from their inputs, so that an entry never
needs to be invalidated: other inputs, another name.
"""

import contextlib
import functools
import hashlib
import importlib.util
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

__all__ = ["atomic_dir", "atomic_write", "cache_dir", "digest", "fingerprint"]


def cache_dir(kind: str) -> Path:
    """The directory for entries of one ``kind`` (``"synth"``, ``"pnr"``, ``"backends"`` ...), created.

    It lies in ``$GEMMSMITH_CACHE``, else ``$XDG_CACHE_HOME/gemmsmith``, else ``~/.cache/gemmsmith``.

    Raises
    ------
    ValueError
        If ``kind`` is not a plain directory name.
    """
    if Path(kind).name != kind or kind in ("", ".", ".."):
        raise ValueError(f"kind must be a plain directory name, not {kind!r}")
    if own := os.environ.get("GEMMSMITH_CACHE"):
        root = Path(own)
    elif xdg := os.environ.get("XDG_CACHE_HOME"):
        root = Path(xdg) / "gemmsmith"
    else:
        root = Path.home() / ".cache" / "gemmsmith"
    directory = root.expanduser().absolute() / kind
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def digest(*parts: str | bytes | Path) -> str:
    """SHA-256 of the parts in order, as 64 hexadecimal digits; a ``Path`` stands for its file's content.

    Each part is preceded by its length: ``digest("ab", "c")`` and ``digest("a", "bc")`` differ.
    """
    sha = hashlib.sha256()
    for part in parts:
        data = part.read_bytes() if isinstance(part, Path) else part
        data = data.encode() if isinstance(data, str) else data
        sha.update(len(data).to_bytes(8, "little"))
        sha.update(data)
    return sha.hexdigest()


@functools.cache
def fingerprint(source: str) -> str:
    """Digest of the Python text of a module or package, subpackages included: part of the name of an entry that was
    computed with it.

    Raises
    ------
    ValueError
        If there is no such module.
    """
    spec = importlib.util.find_spec(source)
    if spec is None or spec.origin is None:
        raise ValueError(f"sources must be importable modules, not {source!r}")
    origin = Path(spec.origin)
    files = sorted(origin.parent.rglob("*.py")) if spec.submodule_search_locations else [origin]
    return digest(*(part for file in files for part in (str(file.relative_to(origin.parent)), file)))


def atomic_write(path: Path, data: str | bytes) -> None:
    """Write ``data`` to ``path`` through a temporary file beside it; readers see the old or the new file."""
    data = data.encode() if isinstance(data, str) else data
    temporary = _beside(path)
    try:
        with temporary.open("xb") as file:
            file.write(data)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def atomic_dir(destination: Path) -> Iterator[Path]:
    """An empty directory to fill; it becomes ``destination`` when the block ends without an exception.

    If two processes fill the same entry at once the first one to finish wins and the other's copy is
    dropped: entries are named after their content, so both are the same. After an exception nothing is left.
    """
    work = _beside(destination)
    work.mkdir()
    try:
        yield work
        try:
            os.replace(work, destination)
        except OSError:
            if not destination.is_dir():
                raise
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _beside(path: Path) -> Path:
    """A fresh name in the same directory. Not from `tempfile`, whose files only their owner may read."""
    return path.with_name(f".{path.name}.{secrets.token_hex(8)}")
