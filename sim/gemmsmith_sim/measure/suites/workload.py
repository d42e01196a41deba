"""Language models as products, in the precision chosen for each module."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gemmsmith_sim.llm.checkpoint import Checkpoint
from gemmsmith_sim.search.assignment import PrecisionMap

from .suite import ModelShape, Published, Suite, System, model_shapes

__all__ = ["Product", "Workload", "products_of", "published_workloads", "tuned_workload"]

FP16_BITS = 16


@dataclass(frozen=True)
class Product:
    """(tokens × K) by (K × N), so many times in a pass through the model."""

    module: str
    n: int
    k: int
    count: int


@dataclass(frozen=True, kw_only=True)
class Workload:
    """The linear layers of a model.

    Parameters
    ----------
    model, label: names; the label is of the precision.
    shape: of the model. lengths: module → mantissa length.
    rows, cols: of the array of variable precision.
    paper: the paper's geometric means, of which this is one. bit_operations: the paper's, of this model.
    """

    model: str
    label: str
    shape: ModelShape
    lengths: Mapping[str, int]
    rows: int
    cols: int
    paper: Published | None = None
    bit_operations: float | None = None

    @property
    def tokens(self) -> int:
        """Rows of activations of the prefill: the longest sequence."""
        return self.shape.context

    def products(self) -> list[Product]:
        """Every product of a pass."""
        return products_of(self.shape)

    def reduction(self) -> float:
        """Of bit operations, against FP16 activations and the same weights: 16 / M, M weighted by the products."""
        sizes = [(p.n * p.k * p.count, self.lengths[p.module]) for p in self.products()]
        return FP16_BITS * sum(size for size, _ in sizes) / sum(size * length for size, length in sizes)


def products_of(shape: ModelShape) -> list[Product]:
    """Every product of a pass through a model's linear layers."""
    return [Product(module, n, k, shape.layers) for module, sizes in shape.products().items() for n, k in sizes]


def published_workloads(suite: Suite) -> list[Workload]:
    """The models of the suite's paper with the lengths that it chose; none if its precision does not vary."""
    if not isinstance(suite.system, System):
        return []
    shapes = model_shapes()
    return [Workload(model=model, label=loss, shape=shapes[model], rows=suite.rows, cols=suite.cols,
                     lengths=dict(zip(shapes[model].products(), lengths, strict=True)), paper=chosen.paper,
                     bit_operations=chosen.bit_operations[model])
            for loss, chosen in suite.system.losses.items() for model, lengths in chosen.lengths.items()]


def tuned_workload(suite: Suite, file: Path, checkpoint: Checkpoint, name: str) -> Workload:
    """A model of one's own with the lengths in a file of ``gemmsmith tune``, on the suite's small array.

    Raises ``PrecisionError`` if the file cannot be used or is of another model, ``ValueError`` if it is not about the
    suite's family of variable precision.
    """
    if not isinstance(suite.system, System):
        raise ValueError(f"--precision goes with suites of variable precision; {suite.title} is none")
    precision = PrecisionMap.load(file)
    precision.check_model(checkpoint)
    if precision.base.family != suite.system.variable:
        raise ValueError(f"{file}: must choose precisions of {suite.system.variable}, not of {precision.base.family}")
    config = checkpoint.config
    shape = ModelShape(hidden=config.hidden_size, ffn=config.intermediate_size, layers=config.num_hidden_layers,
                       gated=True, kv=config.num_key_value_heads * config.head_dim,
                       context=config.max_position_embeddings)
    rows, cols = suite.system.small
    lengths = {module: scheme.operand_bits[0] for module, scheme in precision.schemes.items()}
    return Workload(model=name, label=file.stem, shape=shape, lengths=lengths, rows=rows, cols=cols)
