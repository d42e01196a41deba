"""``gemmsmith matmul``: one product, on the golden model or on the simulated hardware."""

from __future__ import annotations

import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gemmsmith_cli.console import print_json, working
from gemmsmith_cli.errors import CheckError, InputError
from gemmsmith_cli.options import Choices, Json, SchemeName, example, parse_choices
from gemmsmith_cli.quantize import Role, encode

if TYPE_CHECKING:
    from gemmsmith.emit import BuildConfig

EXAMPLE = example("matmul anda-m6 a.npy w.npy -o o.npy",
                  "matmul int8 a.npy w.npy -o o.npy --backend rtl rows=4 cols=4 --json")


class Engine(StrEnum):
    """What multiplies."""

    GOLDEN = "golden"
    RTL = "rtl"


def command(
    scheme: SchemeName,
    a: Annotated[Path, typer.Argument(metavar="A.npy", help="Activations, M × K.")],
    w: Annotated[Path, typer.Argument(metavar="W.npy", help="Weights, N × K, as in torch.nn.Linear.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="O = A · Wᵀ, M × N, float32 (.npy).")],
    choices: Choices = None,
    backend: Annotated[Engine, typer.Option(
        help="golden: numpy model; rtl: the generated Verilog in Verilator.")] = Engine.GOLDEN,
    check: Annotated[bool | None, typer.Option(
        "--check/--no-check", help="Compare rtl with golden bit for bit (default).", show_default=False)] = None,
    as_json: Json = False,
) -> None:
    """Multiply two matrices exactly as the hardware does."""
    from gemmsmith_cli.files import check_output, load_matrix, save_matrix

    config = _resolve(scheme, parse_choices(choices), backend)
    if check and backend is Engine.GOLDEN:
        raise InputError("--check compares rtl with golden; choose --backend rtl")
    check_output(output)
    left, right = load_matrix(a), load_matrix(w)
    if left.shape[1] != right.shape[1]:
        raise InputError(f"{a} has K = {left.shape[1]} columns, {w} has {right.shape[1]}; they must be equal")
    parsed = config.parsed_scheme()
    with working("encoding"):
        encoded = encode(parsed, left, Role.ACTIVATIONS, a), encode(parsed, right, Role.WEIGHTS, w)
    start = time.monotonic()
    if backend is Engine.RTL:
        product, details = _on_rtl(config, *encoded, check=check is not False)
    else:
        product, details = _on_golden(*encoded), {}
    values = _values(encoded[0], product)
    save_matrix(output, values.astype("float32"))
    m, n, k = len(left), len(right), left.shape[1]
    report = {"scheme": parsed.name, "backend": backend.value, "m": m, "n": n, "k": k, "output": str(output),
              "relative_error": _relative_error(values, left, right), "seconds": round(time.monotonic() - start, 3),
              **details}
    if as_json:
        print_json(report)
    else:
        _show(report)


def _resolve(scheme: str, choices: dict[str, str], backend: Engine) -> BuildConfig:
    if backend is Engine.RTL:
        from gemmsmith_cli.session import resolve_rtl

        return resolve_rtl(scheme, choices)
    from gemmsmith.emit import BuildConfig

    return BuildConfig.resolve(scheme, choices)


def _on_golden(a: Any, w: Any) -> Any:
    from gemmsmith_sim.golden import for_scheme

    with working(f"multiplying {a.shape[0]} × {w.shape[0]} × {a.shape[1]}"):
        return for_scheme(a.scheme).matmul(a, w)


def _values(a: Any, product: Any) -> Any:
    """What the outputs mean, which may be codes."""
    from gemmsmith_sim.golden import for_scheme

    return for_scheme(a.scheme).output_values(product)


def _on_rtl(config: BuildConfig, a: Any, w: Any, *, check: bool) -> tuple[Any, dict[str, Any]]:
    from dataclasses import asdict

    from gemmsmith_cli.session import ReportingTransport, expected_cycles, open_rtl
    from gemmsmith_sim.driver import utilisation

    (m, k), n = a.shape, w.shape[0]
    with open_rtl(config) as (driver, device):
        with working(f"simulating {m} × {n} × {k}") as reporter:
            expected = expected_cycles(device, m=m, n=n, k=k)
            driver.transport = ReportingTransport(driver.transport, reporter, expected)
            product = driver.matmul(a, w)
        details = {"config": config.model_dump(), **asdict(driver.total),
                   "utilisation": utilisation(driver.total, macs=m * n * k, device=device, mode=device.pe.mode)}
    if check:
        details["compared"] = _compare(product, _on_golden(a, w))
    return product, details


def _compare(product: Any, golden: Any) -> int:
    """Outputs compared. Raises ``CheckError`` unless all are equal, bit for bit."""
    import numpy as np

    bits = np.dtype(f"u{golden.dtype.itemsize}")
    found, due = product.view(bits), golden.view(bits)
    if len(wrong := np.argwhere(found != due)):
        row, column = wrong[0]
        raise CheckError(f"{len(wrong)} of {due.size} outputs of the RTL differ from the golden model, the first at "
                         f"row {row}, column {column}: {found[row, column]:#x}, not {due[row, column]:#x}")
    return int(due.size)


def _relative_error(values: Any, a: Any, w: Any) -> float | None:
    """‖O − A·Wᵀ‖ / ‖A·Wᵀ‖, against float64; None where O is not finite or A·Wᵀ is zero."""
    import numpy as np

    exact = a.astype(np.float64) @ w.astype(np.float64).T
    norm = np.linalg.norm(exact)
    return float(np.linalg.norm(values - exact) / norm) if norm and np.isfinite(values).all() else None


def _show(report: dict[str, Any]) -> None:
    print(f"{report['output']}: {report['m']} × {report['n']}, K = {report['k']}, {report['scheme']}")
    if report["relative_error"] is not None:
        print(f"  relative to float64: error {report['relative_error']:.4g}")
    if "cycles" in report:
        print(f"  {report['cycles']} cycles, {report['utilisation']:.1%} of the array used, "
              f"{report['bytes_read']} bytes read, {report['bytes_written']} written")
    if "compared" in report:
        print(f"  RTL equals golden bit for bit: {report['compared']} outputs compared")
