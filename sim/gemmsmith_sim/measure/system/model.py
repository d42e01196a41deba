"""Costs of the linear layers of a language model."""

from collections.abc import Iterable
from dataclasses import dataclass

from gemmsmith.emit import BuildConfig
from gemmsmith_sim.backends.memory import MemoryTiming
from gemmsmith_sim.llm.config import LlamaConfig

from .cost import IDEAL_MEMORY, SystemCost, cost
from .memories import HBM2_22NM, Energies

__all__ = ["Layer", "llama_layers", "model_cost"]


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A linear layer, M × K activations and N × K weights, ``count`` times. ``mode`` None means the scheme's."""

    name: str
    m: int
    n: int
    k: int
    count: int = 1
    mode: int | None = None


def model_cost(config: BuildConfig, layers: Iterable[Layer], *, memory: MemoryTiming = IDEAL_MEMORY,
               energies: Energies = HBM2_22NM) -> dict[str, SystemCost]:
    """Costs of the layers, each ``count`` times, by name. Their sum is the cost of a pass through the model.

    Raises ``ValueError`` as ``cost`` does, for a name that comes twice, or a count below 1.
    """
    costs: dict[str, SystemCost] = {}
    for layer in layers:
        if layer.name in costs:
            raise ValueError(f"names of layers must differ, not {layer.name!r} twice")
        costs[layer.name] = cost(config, m=layer.m, n=layer.n, k=layer.k, mode=layer.mode, memory=memory,
                                 energies=energies).repeated(layer.count)
    return costs


def llama_layers(model: LlamaConfig, *, tokens: int) -> tuple[Layer, ...]:
    """The linear layers of a Llama's blocks for ``tokens`` rows of activations: 1 when it writes, many when it reads.

    Raises ``ValueError`` if ``tokens`` is not positive.
    """
    if tokens < 1:
        raise ValueError(f"tokens must be at least 1, not {tokens!r}")
    hidden, ffn = model.hidden_size, model.intermediate_size
    queries, keys = model.num_attention_heads * model.head_dim, model.num_key_value_heads * model.head_dim
    shapes = {"q": (queries, hidden), "k": (keys, hidden), "v": (keys, hidden), "o": (hidden, queries),
              "gate": (ffn, hidden), "up": (ffn, hidden), "down": (hidden, ffn)}
    return tuple(Layer(name=name, m=tokens, n=n, k=k, count=model.num_hidden_layers) for name, (n, k) in shapes.items())
