"""Libraries that are known by name: where their files are, and which of their cells must not be used."""

import hashlib
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path

from ...cache import atomic_write, cache_dir
from ..tools import ToolError
from .load import load_liberty, read_liberty, unpack
from .model import Library

__all__ = ["LIBRARIES", "NamedLibrary", "library"]


@dataclass(frozen=True)
class NamedLibrary:
    """A published library: files of one corner in public repositories, each pinned to a commit."""

    title: str
    licence: str
    files: Mapping[str, str]
    """Address → SHA-256 of the file, decompressed."""
    dont_use: tuple[str, ...] = ()
    """Shell-style patterns of cells, beside those that the files themselves mark."""


_RAW = "https://raw.githubusercontent.com"
_ASAP7 = "lambdapdk/asap7/libs/asap7sc7p5t_rvt/nldm"
LIBRARIES: Mapping[str, NamedLibrary] = {
    "asap7": NamedLibrary(
        "ASAP7, 7 nm predictive, 7.5 tracks, RVT, TT, 0.7 V, 25 °C",
        "BSD-3-Clause",
        {
            f"{_RAW}/siliconcompiler/lambdapdk/{commit}/{_ASAP7}/asap7sc7p5t_{part}_RVT_TT_nldm.lib.gz": sha256
            for part, commit, sha256 in (
                ("AO", "ed50fdd1f10d7a9ebf85617c40d66311c870cd5b",
                 "b1ece108c0a2acd8d01c05cee6daee2834425037b1d9aad625d6f1dd640f1940"),
                ("INVBUF", "ed50fdd1f10d7a9ebf85617c40d66311c870cd5b",
                 "a4ceb32e418e1aac8667e28fbd8e9e46baf520180be4db075598a4d7c681a56e"),
                ("OA", "56ee6ec087c97ccf1e4ad053a7b8224f1aa9253c",
                 "6529c6c72465cd133dfbfb03952327ab2774bb6aa4be866d78fd7bc6c58c9f6f"),
                ("SEQ", "ed50fdd1f10d7a9ebf85617c40d66311c870cd5b",
                 "57a0b403485b99ebd676942af4673ac086b86c7c75fbdc3e5c0038501dd22ba3"),
                ("SIMPLE", "ed50fdd1f10d7a9ebf85617c40d66311c870cd5b",
                 "fa92e6ab1481810602811b1eea54bc016a341f11fb5188d7512c026599adf038"),
            )
        },
        # Widths below one fin and halves of drives, scan flip-flops, clock gates: what open flows leave out.
        dont_use=("*xp*_ASAP7*", "*x1p*_ASAP7*", "SDF*", "ICG*"),
    ),
    "ihp-sg13g2": NamedLibrary(
        "IHP SG13G2, 130 nm, typical, 1.2 V, 25 °C",
        "Apache-2.0",
        {
            f"{_RAW}/The-OpenROAD-Project/OpenSTA/d1b2b396/test/ihp-sg13g2/sg13g2_stdcell_typ_1p20V_25C.lib":
                "6f50333c719d8f324c9f8a18197e034ae531de3655002eb9d10c04f281ee0660",
        },
        dont_use=("sg13g2_dlygate*",),
    ),
}  # fmt: skip


def library(
    name_or_path: str | Path, *, liberty: Sequence[Path] = (), notify: Callable[[str], None] | None = None
) -> Library:
    """A library by name, or from Liberty files.

    The files of a named library come from the first of these that has them: ``liberty``; the paths in
    ``$GEMMSMITH_LIBERTY_<NAME>`` (``GEMMSMITH_LIBERTY_ASAP7``, separated as in ``PATH``); the directory
    ``$GEMMSMITH_LIBERTY``, in which files are known by their content; the cache; the network. Files of the last three
    are checked by SHA-256; the first two are the user's choice. Names of cells that must not be used apply to all.

    Parameters
    ----------
    name_or_path
        A name of `LIBRARIES`, or a Liberty file. With ``liberty`` it may be any name.
    liberty
        The files to read.
    notify
        Called with one line of text before each download.

    Raises
    ------
    ValueError
        For an unknown name, and for files that cannot be read or are not Liberty.
    ToolError
        If the files must be fetched and cannot be.
    """
    name = str(name_or_path)
    known = LIBRARIES.get(name)
    variable = f"GEMMSMITH_LIBERTY_{name.upper().replace('-', '_')}"
    paths = [Path(path) for path in liberty]
    if known and not paths:
        paths = [Path(path) for path in os.environ.get(variable, "").split(os.pathsep) if path]
        paths = paths or [_obtain(url, sha256, variable, notify) for url, sha256 in known.files.items()]
    elif not paths:
        if not Path(name).is_file():
            raise ValueError(f"library must be {', '.join(LIBRARIES)} or a Liberty file, not {name!r}")
        paths = [Path(name)]
        name = ""
    result = _load(tuple((path, *_stamp(path)) for path in paths))
    patterns = known.dont_use if known else ()
    cells = {
        cell.name: replace(cell, dont_use=True) if any(fnmatchcase(cell.name, p) for p in patterns) else cell
        for cell in result.cells.values()
    }
    return replace(result, name=name or result.name, cells=cells)


@lru_cache(maxsize=4)
def _load(stamped: tuple[tuple[Path, int, int], ...]) -> Library:
    """`load_liberty`, once per process as long as the files stay as they are."""
    return load_liberty([path for path, *_ in stamped])


def _stamp(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError as error:
        raise ValueError(f"Liberty file {str(path)!r} cannot be read: {error.strerror}") from None
    return status.st_mtime_ns, status.st_size


def _obtain(url: str, sha256: str, variable: str, notify: Callable[[str], None] | None) -> Path:
    """The file with this content: from the user's directory, from the cache, or fetched."""
    if directory := os.environ.get("GEMMSMITH_LIBERTY"):
        files = {_sha256(path, *_stamp(path)): path for path in sorted(Path(directory).glob("*.lib*"))}
        if sha256 in files:
            return files[sha256]
    cached = cache_dir("liberty") / f"{sha256[:16]}-{url.rpartition('/')[2]}"
    if not cached.is_file():
        cached_data = _fetch(url, sha256, variable, notify)
        atomic_write(cached, cached_data)
    return cached


@lru_cache
def _sha256(path: Path, _changed: int, _size: int) -> str:
    return hashlib.sha256(read_liberty(path)).hexdigest()


def _fetch(url: str, sha256: str, variable: str, notify: Callable[[str], None] | None) -> bytes:
    if notify:
        notify(f"fetching {url}")
    cure = f"get the library's files by other means and give them with --liberty FILE or ${variable}"
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            data: bytes = answer.read()
    except (OSError, urllib.error.URLError) as error:
        raise ToolError("liberty", f"cannot fetch {url}: {error}; {cure}") from None
    if hashlib.sha256(unpack(data)).hexdigest() != sha256:
        raise ToolError("liberty", f"{url} is not the file that was expected (SHA-256 {sha256[:16]}...); {cure}")
    return data
