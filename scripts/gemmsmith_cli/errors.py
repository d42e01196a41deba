"""What went wrong, in one line, and what the shell is told of it."""

from __future__ import annotations

FAILED, BAD_INPUT, NO_TOOL, INTERRUPTED = 1, 2, 3, 130
"""Exit codes: a check, or the simulated hardware, failed; the input cannot be used; a tool is missing or failed;
Ctrl-C."""

LONGEST_LINE = 1000


class InputError(ValueError):
    """A file or an argument that cannot be used. The message is one line that says what would be right."""


class CheckError(RuntimeError):
    """A result is not what it must be, such as an output of the hardware that differs from the golden model."""


# By name: the modules that define these classes take a second to import, and most errors are found before that.
_EXIT_CODES = {
    "CheckError": FAILED,
    "DriverError": FAILED,
    "ProtocolError": FAILED,
    "RegisterError": FAILED,
    "SimulationTimeout": FAILED,
    "MemoryError": BAD_INPUT,
    "OSError": BAD_INPUT,
    "PackageError": BAD_INPUT,
    "ValueError": BAD_INPUT,
    "MissingToolError": NO_TOOL,
    "ToolError": NO_TOOL,
    "ToolNotFound": NO_TOOL,
    "YosysError": NO_TOOL,
}


def exit_code(error: BaseException) -> int | None:
    """The exit code of an error that a user can cause; None for a fault of ours, which deserves its traceback."""
    if hasattr(error, "format_message"):  # of the command-line parser
        return BAD_INPUT
    return next((_EXIT_CODES[kind.__name__] for kind in type(error).__mro__ if kind.__name__ in _EXIT_CODES), None)


def one_line(error: BaseException) -> str:
    """The error's message without line breaks."""
    if isinstance(error, OSError) and error.filename is not None:
        text = f"{error.filename}: {error.strerror}"
    elif isinstance(error, MemoryError):
        text = f"out of memory: {error}"
    else:
        text = error.format_message() if hasattr(error, "format_message") else str(error)
    line = " ".join(text.split()) or type(error).__name__
    return line if len(line) <= LONGEST_LINE else line[:LONGEST_LINE - 1] + "…"
