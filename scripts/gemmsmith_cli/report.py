"""``gemmsmith report``: a benchmark as a page to look at."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gemmsmith_cli.errors import InputError
from gemmsmith_cli.options import example

if TYPE_CHECKING:
    from gemmsmith_sim.measure.bench import Bench

EXAMPLE = example("report build/bench", "report build/bench --md -o figures.md")

_NAMES = {"html": "report.html", "md": "report.md"}


def command(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="What gemmsmith bench wrote, or its bench.json.")],
    as_html: Annotated[bool, typer.Option("--html", help="Write the page: tables that sort, charts.")] = False,
    as_md: Annotated[bool, typer.Option("--md", help="Write Markdown: the ratios, then the tables.")] = False,
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", show_default=False,
                                                help="Where to, for one of the two: .html or .md.")] = None,
) -> None:
    """Turn a benchmark into one HTML page and Markdown.

    Without --html or --md both are written: DIR/report.html and DIR/report.md. The page needs no network.
    """
    from gemmsmith_cli.files import check_output
    from gemmsmith_sim.cache import atomic_write
    from gemmsmith_sim.measure.bench import load

    files = _files(directory, as_html, as_md, output)
    for path in files.values():
        check_output(path)
    bench = load(_record(directory))
    texts = {path: _render(bench, kind) for kind, path in files.items()}
    for path, text in texts.items():
        atomic_write(path, text)
        print(f"written to {path}")


def _files(directory: Path, as_html: bool, as_md: bool, output: Path | None) -> dict[str, Path]:
    """Kind of report → where it goes."""
    if output is None:
        folder = directory if directory.is_dir() else directory.parent
        return {kind: folder / _NAMES[kind] for kind, wanted in (("html", as_html), ("md", as_md))
                if wanted or as_html == as_md}
    if as_html and as_md:
        raise InputError("-o names one file; ask for --html or --md, or leave -o away for both")
    kind = "html" if as_html else "md" if as_md else output.suffix.removeprefix(".")
    if kind not in _NAMES:
        raise InputError(f"-o {output}: say --html or --md, or name a file that ends in .html or .md")
    return {kind: output}


def _record(directory: Path) -> Path:
    path = directory / "bench.json" if directory.is_dir() else directory
    if not path.is_file():
        raise InputError(f"{path}: no such file; gemmsmith bench -o DIR writes DIR/bench.json")
    return path


def _render(bench: Bench, kind: str) -> str:
    if kind == "md":
        from gemmsmith_sim.measure.bench.page import markdown

        return markdown(bench)
    from gemmsmith_sim.backends.base import MissingToolError

    try:
        from gemmsmith_sim.measure.bench.page.html import html
    except ModuleNotFoundError as error:
        raise MissingToolError(f"the page needs the package {error.name}: pip install gemmsmith[report]; "
                               "--md works without") from None
    return html(bench)
