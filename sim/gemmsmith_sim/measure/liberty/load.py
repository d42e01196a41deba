"""Read Liberty files, packed or not, and keep what was read in the cache."""

import gc
import gzip
import hashlib
import pickle
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ...cache import atomic_write, cache_dir, digest
from .build import build_library
from .model import Cell, Library
from .parser import parse_groups

__all__ = ["load_liberty", "read_liberty", "unpack"]

_FORMAT = "liberty 3"
"""Changes with the model, so that nothing older is loaded from the cache."""


def read_liberty(path: Path) -> bytes:
    """A file's text, unpacked if it is compressed with gzip.

    Raises
    ------
    ValueError
        If it cannot be read.
    """
    try:
        return unpack(Path(path).read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"Liberty file {str(path)!r} cannot be read: {error}") from None


def unpack(data: bytes) -> bytes:
    """``data`` without compression by gzip, if there is one."""
    return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data


def load_liberty(path: Path | Sequence[Path]) -> Library:
    """Read one Liberty file, or several that are parts of one library.

    The first time takes seconds for a large library; later ones come from the cache, by content.

    Raises
    ------
    ValueError
        If a file cannot be read or is not Liberty, or if the files do not belong together (a cell in two
        of them, different voltages).
    """
    paths = [Path(path)] if isinstance(path, (str, Path)) else [Path(part) for part in path]
    if not paths:
        raise ValueError("path must name at least one Liberty file")
    texts = [read_liberty(part) for part in paths]
    sums = [hashlib.sha256(text).hexdigest() for text in texts]
    entry = cache_dir("liberty") / f"{digest(_FORMAT, *sums)}.pickle"
    library = _cached(entry)
    if library is None:
        parts = [
            build_library(parse_groups(text.decode("utf-8", "replace"), str(part)), str(part), sha256)
            for part, text, sha256 in zip(paths, texts, sums, strict=True)
        ]
        library = _merge(parts)
        atomic_write(entry, pickle.dumps(library, pickle.HIGHEST_PROTOCOL))
    return replace(library, files=tuple(map(str, paths)))


def _cached(entry: Path) -> Library | None:
    if not entry.is_file():
        return None
    collecting = gc.isenabled()
    gc.disable()  # half a million small objects, none of them garbage: three times as fast
    try:
        library = pickle.loads(entry.read_bytes())
    except (pickle.UnpicklingError, EOFError, AttributeError, ImportError, LookupError, TypeError, ValueError):
        return None  # of another version, or damaged: read again
    finally:
        if collecting:
            gc.enable()
    return library if isinstance(library, Library) else None


def _merge(parts: Sequence[Library]) -> Library:
    first = parts[0]
    cells: dict[str, Cell] = {}
    for part in parts:
        if part.voltage != first.voltage:
            raise ValueError(
                f"Liberty files must be of one voltage, but {first.files[0]} has {first.voltage:g} V "
                f"and {part.files[0]} {part.voltage:g} V"
            )
        if twice := sorted(cells.keys() & part.cells.keys()):
            raise ValueError(f"Liberty files must not share cells, but {part.files[0]} has {twice[0]!r} again")
        cells.update(part.cells)
    sha256 = first.sha256 if len(parts) == 1 else digest(*sorted(part.sha256 for part in parts))
    return replace(first, cells=cells, sha256=sha256)
