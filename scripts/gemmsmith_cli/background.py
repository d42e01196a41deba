"""Measurements that run beside something the user watches."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from gemmsmith_cli.errors import NO_TOOL
from gemmsmith_sim.measure import ToolError

GRACE = 5.0
"""Seconds between asking a process to end and ending it."""


class Background:
    """Command lines of ``gemmsmith`` that run one after the other, each in a process of its own at low priority.

    A context manager: leaving it before they are done cancels them.

    Parameters
    ----------
    lines: arguments of each. log: gets what they print.
    """

    def __init__(self, *lines: Sequence[str], log: Path):
        self._lines, self._log = lines, log
        self._process: subprocess.Popen[bytes] | None = None
        self._cancelled = False
        self._error: ToolError | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def done(self) -> bool:
        """Whether all have ended."""
        return not self._thread.is_alive()

    def wait(self) -> None:
        """Waits for the end. Raises ``ToolError`` if one of them failed; those behind it were not begun."""
        self._thread.join()
        if self._error:
            raise self._error

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None,
                 traceback: TracebackType | None) -> None:
        self._cancelled = True
        if self._process and not self.done:
            self._process.terminate()
            self._thread.join(GRACE)
            self._process.kill()

    def _run(self) -> None:
        with self._log.open("wb") as log:
            for line in self._lines:
                if self._cancelled or self._error:
                    return
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "gemmsmith_cli.background", *line],
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
                if code := self._process.wait():
                    self._error = ToolError(f"gemmsmith {line[0]}", self._reason(code), self._log)

    def _reason(self, code: int) -> str:
        last = (self._log.read_text(errors="replace").splitlines() or [""])[-1].removeprefix("gemmsmith: error: ")
        return last if code in range(1, NO_TOOL + 1) and last else f"ended with code {code}"


if __name__ == "__main__":
    import os

    from gemmsmith_cli.main import main

    if hasattr(os, "nice"):
        os.nice(5)
    sys.exit(main())
