"""What the user sees: results on standard output, everything else on standard error."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from rich.table import Table

PATIENCE, INTERVAL = 2.0, 30.0
"""Seconds of silence, where there is no terminal, before a line says what is being done, and between further lines."""


class Reporter(Protocol):
    """How a long task tells of itself."""

    def update(self, done: float, total: float) -> None:
        """So much is done."""

    def note(self, text: str) -> None:
        """Something worth a line."""


def say(text: str) -> None:
    """A line on standard error."""
    print(f"gemmsmith: {text}", file=sys.stderr, flush=True)


def print_json(value: Any) -> None:
    """A result for programs."""
    print(json.dumps(value, indent=2, ensure_ascii=False, default=str), flush=True)


def print_table(table: Table) -> None:
    """A table on standard output, as wide as it needs to be where there is no terminal."""
    from rich.console import Console

    Console(width=None if sys.stdout.isatty() else 200, soft_wrap=False, highlight=False).print(table)


def make_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], *,
               right: Sequence[str] = ()) -> Table:
    """A table of text; the columns named in ``right`` are aligned to the right."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(Text(column), justify="right" if column in right else "left")
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    return table


@contextmanager
def working(what: str) -> Iterator[Reporter]:
    """A task that may take a while: a progress bar on a terminal, else a line if it takes longer than ``PATIENCE``."""
    if sys.stderr.isatty():
        with _bar(what) as reporter:
            yield reporter
        return
    timer = threading.Timer(PATIENCE, say, [f"{what} …"])
    timer.daemon = True
    timer.start()
    try:
        yield _Lines()
    finally:
        timer.cancel()


class _Lines:
    """Reports without a terminal: notes, and now and then a line that says how far it is."""

    def __init__(self) -> None:
        self._said = time.monotonic()

    def update(self, done: float, total: float) -> None:
        if time.monotonic() - self._said > INTERVAL:
            self._said = time.monotonic()
            say(f"{done / total:.0%} done")

    def note(self, text: str) -> None:
        say(text)


@contextmanager
def _bar(what: str) -> Iterator[Reporter]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=30), TimeElapsedColumn()
    progress = Progress(*columns, console=Console(stderr=True), transient=True)
    task = progress.add_task(what, total=None)

    class Bar:
        def update(self, done: float, total: float) -> None:
            progress.update(task, completed=min(done, total), total=total)

        def note(self, text: str) -> None:
            progress.console.print(f"gemmsmith: {text}", highlight=False, markup=False)

    with progress:
        yield Bar()
