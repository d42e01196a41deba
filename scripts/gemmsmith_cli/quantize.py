"""``gemmsmith quantize``: a matrix in a scheme's codes."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from gemmsmith_cli.console import print_json, working
from gemmsmith_cli.errors import InputError
from gemmsmith_cli.options import Choices, Json, SchemeName, example, parse_choices

EXAMPLE = example("quantize anda-m6 w.npy --as w -o w.npz")


class Role(StrEnum):
    """Which matrix of a product."""

    ACTIVATIONS = "a"
    WEIGHTS = "w"


def command(
    scheme: SchemeName,
    matrix: Annotated[Path, typer.Argument(metavar="X.npy", help="Float matrix, rows × K.")],
    role: Annotated[Role, typer.Option("--as", help="Encode as activations or as weights.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Archive (.npz) to write.")],
    choices: Choices = None,
    as_json: Json = False,
) -> None:
    """Encode a matrix as activations or weights.

    Writes the codes, and the values they stand for (float64).
    """
    from gemmsmith.schemes import parse
    from gemmsmith_cli.files import check_output, load_matrix, save_arrays

    parsed = parse(scheme, **parse_choices(choices))
    check_output(output)
    x = load_matrix(matrix)
    with working(f"encoding {matrix} as {parsed.short}"):
        encoded = encode(parsed, x, role, matrix)
        values = encoded.values
        save_arrays(output, {**encoded.arrays, "values": values})
    report = {"scheme": parsed.name, "as": role.value, "shape": list(x.shape), "output": str(output),
              "arrays": {name: {"dtype": str(array.dtype), "shape": list(array.shape)}
                         for name, array in encoded.arrays.items()},
              **_errors(x, values)}
    if as_json:
        print_json(report)
        return
    print(f"{output}: {parsed.name}, {x.shape[0]} × {x.shape[1]}")
    for name, array in encoded.arrays.items():
        print(f"  {name}: {array.dtype} {array.shape}")
    print(f"  largest error {report['largest_error']:.4g}, relative to all values {report['relative_error']:.4g}")


def encode(scheme: Any, x: Any, role: Role, path: Path) -> Any:
    """``x`` in the scheme's codes; errors name the file."""
    from gemmsmith_sim.golden import EncodeError, for_scheme

    golden = for_scheme(scheme)
    try:
        return (golden.encode_activations if role is Role.ACTIVATIONS else golden.encode_weights)(x)
    except EncodeError as error:
        raise InputError(f"{path}: {error}") from None


def _errors(x: Any, values: Any) -> dict[str, float]:
    import numpy as np

    exact = x.astype(np.float64)
    difference, norm = values - exact, np.linalg.norm(exact)
    return {"largest_error": float(np.abs(difference).max()),
            "relative_error": float(np.linalg.norm(difference) / norm) if norm else 0.0}
