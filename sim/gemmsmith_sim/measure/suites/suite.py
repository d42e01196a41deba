"""What a suite is, and the suites there are."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from gemmsmith.arith.tech import TARGETS

from ..bench.record import ASIC
from ..bench.unit import Unit

__all__ = [
    "EqualArea", "ModelShape", "PaperUnit", "Published", "Relative", "Suite", "SuiteUnit", "System", "load_suite",
    "model_shapes", "suite_names",
]  # fmt: skip

_FOLDER = Path(__file__).parent
_MODELS = "models"


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PaperUnit(_Data):
    """What the paper says of a unit, relative to its own baseline."""

    area: float | None = None
    power: float | None = None
    area_efficiency: float | None = None
    energy_efficiency: float | None = None


class Published(_Data):
    """Geometric means over the models, relative to the paper's baseline."""

    speedup: float
    area: float
    energy: float


class SuiteUnit(_Data):
    """A row of the table of units."""

    name: str = Field(description="as the paper calls it")
    unit: str = Field(description="SCHEME[,key=value…], as of gemmsmith bench")
    choices: dict[str, str] = Field(default_factory=dict, description="technology → further choices, key=value,…")
    counts_as: float | None = Field(
        default=None, description="MACs per cycle of the baseline that its area is held against; default: its own")
    paper: PaperUnit = PaperUnit()
    system: Published | None = Field(default=None, description="its array in the paper's table of workloads")

    @property
    def scheme(self) -> str:
        """Short or canonical name of the scheme."""
        return self.unit.partition(",")[0]

    def build(self, target: str, share: int) -> Unit:
        """A row of ``share`` cores behind one tail, with the structures of the target's technology."""
        technology = "asic" if target.startswith(ASIC) else target if target in TARGETS else "generic"
        parts = [self.unit, f"target={technology}", self.choices.get(technology, ""), "rows=1", f"cols={share}",
                 f"tail_share={share}"]
        return Unit(",".join(filter(None, parts)), "tile")


class ModelShape(_Data):
    """Public dimensions of a transformer whose blocks have the modules of `gemmsmith_sim.search.MODULES`."""

    hidden: int
    ffn: int
    layers: int
    gated: bool = Field(description="whether the feed-forward part has a gate beside its first layer")
    context: int = Field(description="longest sequence it was trained for; of images, the patches and one")
    kv: int | None = Field(default=None, description="outputs of k and of v, if not ``hidden``")
    source: str = ""

    def products(self) -> dict[str, list[tuple[int, int]]]:
        """Module → (N, K) of its products in one block."""
        hidden, kv = self.hidden, self.kv or self.hidden
        return {"qkv": [(hidden, hidden), (kv, hidden), (kv, hidden)], "o": [(hidden, hidden)],
                "u": [(self.ffn, hidden)] * (2 if self.gated else 1), "d": [(hidden, self.ffn)]}


class Loss(_Data):
    """Precisions that the paper chose for a loss of accuracy."""

    lengths: dict[str, list[int]] = Field(description="model → mantissa lengths of qkv, o, u, d")
    bit_operations: dict[str, float] = Field(description="model → the paper's reduction of bit operations")
    paper: Published


class Chip(_Data):
    """Areas of the paper's whole chip, mm²."""

    array: float
    rest: float = Field(description="buffers, vector unit, compressor, control: the same around every array")
    array_to_baseline: float = Field(description="area of the array over that of its baseline")

    @property
    def rest_to_baseline(self) -> float:
        """The rest over the area of the baseline's array."""
        return self.rest / (self.array / self.array_to_baseline)


class Energy(_Data):
    """The paper's shares of the baseline's energy, and what is left of the memories' with the variable format."""

    array: float
    memory: float
    memory_variable: float


class System(_Data):
    """The table of workloads."""

    variable: str = Field(description="family whose precision varies by module")
    throughput: int = Field(description="MACs per cycle of an array of fixed precision")
    small: tuple[int, int] = Field(description="rows and columns for models too small for the suite's array")
    choices: dict[str, str] = Field(default_factory=dict, description="of the co-processors around the arrays")
    losses: dict[str, Loss]
    chip: Chip
    energy: Energy


class Relative(_Data):
    """Time and energy of a model, relative to those of the suite's first baseline."""

    time: float | None = None
    energy: float | None = None


class EqualArea(_Data):
    """The table of workloads on arrays of equal area."""

    rows: int = Field(description="of the array of the first baseline, whose area all others get")
    cols: int
    models: dict[str, dict[str, Relative]] = Field(description="model → unit's name → the paper's figures")


class Suite(_Data):
    """A table of units and a table of workloads."""

    title: str
    rows: int
    cols: int
    k: int = Field(description="elements along K of a block of which a result per block may make use")
    baselines: list[str] = Field(description="units that all others are held against, the first of them everywhere")
    units: list[SuiteUnit]
    system: System | EqualArea

    def choose(self, names: Sequence[str] | None) -> list[SuiteUnit]:
        """The units of these schemes, in the suite's order, with the baselines; all of them for ``None``.

        Raises ``ValueError`` if the suite has none of a name.
        """
        known = [unit.scheme for unit in self.units]
        if unknown := [name for name in names or () if name not in known]:
            raise ValueError(f"the suite has no unit {unknown[0]!r}; it has {', '.join(known)}")
        return [unit for unit in self.units if not names or unit.scheme in {*names, self.baselines[0]}]


def suite_names() -> list[str]:
    """Names of the suites."""
    return sorted(path.stem for path in _FOLDER.glob("*.json") if path.stem != _MODELS)


def load_suite(name: str) -> Suite:
    """The suite called ``name``. Raises ``ValueError`` if there is none."""
    if name not in suite_names():
        raise ValueError(f"no suite is called {name!r}; there are {', '.join(suite_names())}")
    return Suite.model_validate(_read(name))


def model_shapes() -> Mapping[str, ModelShape]:
    """Name → dimensions of the models that suites may name."""
    return {name: ModelShape.model_validate(shape) for name, shape in _read(_MODELS).items()}


def _read(name: str) -> Any:
    return json.loads((_FOLDER / f"{name}.json").read_text(encoding="utf-8"))
