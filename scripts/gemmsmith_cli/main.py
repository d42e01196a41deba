"""Entry point: finds the verb, and turns errors into one line and an exit code."""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
import warnings
from collections.abc import Sequence
from typing import Annotated

import typer

from gemmsmith_cli import (
    bench,
    build,
    compare,
    convert,
    demo,
    describe,
    doctor,
    estimate,
    matmul,
    perceive,
    perplexity,
    quantize,
    report,
    run,
    synth,
    tune,
)
from gemmsmith_cli import list as list_verb
from gemmsmith_cli.errors import BAD_INPUT, INTERRUPTED, exit_code, one_line

app = typer.Typer(
    name="gemmsmith", add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False,
    help="Matrix-multiply hardware for low-precision language models: "
         "Verilog that equals its golden model bit for bit.",
    epilog="Exit codes: 0 success, 1 a check or the hardware failed, 2 bad input, "
           "3 a tool is missing or failed, 130 interrupted.")

VERBS = (doctor, list_verb, describe, build, quantize, matmul, run, perplexity, perceive, tune, convert, estimate,
         synth, bench, report, compare, demo)
for verb in VERBS:
    name = verb.__name__.rpartition(".")[2]
    app.command(name, epilog=verb.EXAMPLE)(verb.command)


@app.callback(invoke_without_command=True)
def _common(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
    traceback: Annotated[bool, typer.Option("--traceback", help="Show where an error comes from.")] = False,
) -> None:
    context.obj = {"traceback": traceback}
    if version:
        from gemmsmith import __version__

        print(f"gemmsmith {__version__}")
        raise typer.Exit(0)
    if context.invoked_subcommand is None:
        print(context.get_help(), file=sys.stderr)
        raise typer.Exit(BAD_INPUT)


def _terminate(number: int, frame: object) -> None:
    raise SystemExit(128 + number)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command line (default: the program's) and returns its exit code."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    # Configurations are described by components that are never elaborated.
    warnings.filterwarnings("ignore", message=".*created but never used")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a model may write what the terminal cannot show
    # Tools that were installed beside this Python are found even if its environment is not activated.
    os.environ["PATH"] = os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", os.defpath)])
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _terminate)  # so that what was started is stopped
    try:
        code = app(args=arguments, prog_name="gemmsmith", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except (KeyboardInterrupt, typer.Abort):
        print(file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()  # nobody reads on; keep the interpreter from saying so
        return 1
    except Exception as error:
        code = exit_code(error)
        if code is None or "--traceback" in arguments:
            raise
        print(f"gemmsmith: error: {one_line(error)}", file=sys.stderr)
        return code


if __name__ == "__main__":
    sys.exit(main())
