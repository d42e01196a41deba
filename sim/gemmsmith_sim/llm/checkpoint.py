"""Load a Llama checkpoint folder in the Hugging Face layout."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gemmsmith_sim.cache import digest
from gemmsmith_sim.llm.config import LlamaConfig
from gemmsmith_sim.llm.errors import CheckpointError
from gemmsmith_sim.llm.safetensors_file import SafetensorsFile
from gemmsmith_sim.quantise.packed import PackedWeight, read_packed

__all__ = ["CALIBRATION_TEXT", "HELDOUT_TEXT", "Checkpoint", "CheckpointError", "LayerWeights", "load"]

_BUILTIN = Path(__file__).parent / "models" / "shakespeare"

#: Text that the built-in model has not seen: the last 10 % of tinyshakespeare.
HELDOUT_TEXT = _BUILTIN / "heldout.txt"

#: Text to choose precisions by: the 16 385 bytes of tinyshakespeare before that, which the model was trained on.
CALIBRATION_TEXT = _BUILTIN / "calibration.txt"

# Our name of each linear layer -> its name in the file.
_LINEARS = {
    "q": "self_attn.q_proj",
    "k": "self_attn.k_proj",
    "v": "self_attn.v_proj",
    "o": "self_attn.o_proj",
    "gate": "mlp.gate_proj",
    "up": "mlp.up_proj",
    "down": "mlp.down_proj",
}


Weight = NDArray[np.float32] | PackedWeight
"""Of a linear layer: numbers, or codes if the checkpoint is quantised."""


@dataclass(frozen=True)
class LayerWeights:
    """One block. ``linear`` maps q, k, v, o, gate, up, down to a weight of shape (outputs, inputs)."""

    attention_norm: NDArray[np.float32]
    ffn_norm: NDArray[np.float32]
    linear: dict[str, Weight]


@dataclass(frozen=True)
class Checkpoint:
    """A configuration and its weights, float32 but for packed linear layers.

    ``embedding`` and ``head`` are (vocabulary, hidden), and the same array if the model ties them.
    """

    folder: Path
    config: LlamaConfig
    embedding: NDArray[np.float32]
    layers: tuple[LayerWeights, ...]
    norm: NDArray[np.float32]
    head: NDArray[np.float32]

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the folder's configuration and weights: the same model, the same digest."""
        return digest((self.folder / "config.json"), *sorted(self.folder.glob("*.safetensors")))


def load(path: Path | str | None = None) -> Checkpoint:
    """Load the checkpoint folder ``path``, or the built-in byte-level Shakespeare model if it is None.

    The folder holds ``config.json`` and either ``model.safetensors`` or shards with
    ``model.safetensors.index.json``; tensors are F16, BF16 or F32. With a ``quantization_config`` of GPTQ or AWQ,
    linear layers that have a ``qweight`` are read as `PackedWeight`.

    Raises
    ------
    CheckpointError
        A file is missing or damaged; a tensor is missing, unknown, of the wrong shape or not finite; the
        configuration asks for something unsupported.
    """
    folder = _BUILTIN if path is None else Path(path)
    if not folder.is_dir():
        raise CheckpointError(f"{folder}: must be a folder with config.json and model.safetensors")
    config = LlamaConfig.load(folder / "config.json")
    tensors = _Tensors(folder)
    table, tied = (config.vocab_size, config.hidden_size), config.tie_word_embeddings
    embedding = tensors.read("model.embed_tokens.weight", table)
    layers = tuple(_load_layer(tensors, config, index) for index in range(config.num_hidden_layers))
    norm = tensors.read("model.norm.weight", (config.hidden_size,))
    head = embedding if tied else tensors.read("lm_head.weight", table)
    tensors.refuse_leftovers(tied=tied)
    return Checkpoint(folder, config, embedding, layers, norm, head)


def _load_layer(tensors: "_Tensors", config: LlamaConfig, index: int) -> LayerWeights:
    hidden, ffn = config.hidden_size, config.intermediate_size
    queries = config.num_attention_heads * config.head_dim
    keys = config.num_key_value_heads * config.head_dim
    shapes = {
        "q": (queries, hidden),
        "k": (keys, hidden),
        "v": (keys, hidden),
        "o": (hidden, queries),
        "gate": (ffn, hidden),
        "up": (ffn, hidden),
        "down": (hidden, ffn),
    }
    prefix = f"model.layers.{index}"
    return LayerWeights(
        attention_norm=tensors.read(f"{prefix}.input_layernorm.weight", (hidden,)),
        ffn_norm=tensors.read(f"{prefix}.post_attention_layernorm.weight", (hidden,)),
        linear={
            name: _load_linear(tensors, config, f"{prefix}.{stored}", shapes[name])
            for name, stored in _LINEARS.items()
        },
    )


def _load_linear(tensors: "_Tensors", config: LlamaConfig, name: str, shape: tuple[int, int]) -> Weight:
    if config.quantization_config is not None and f"{name}.qweight" in tensors:
        return read_packed(tensors, name, shape, config.quantization_config)
    return tensors.read(f"{name}.weight", shape)


class _Tensors:
    """All tensors of a folder, whichever file they lie in; remembers which have been read."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, SafetensorsFile] = {}  # tensor -> file
        self._read: set[str] = set()
        for path in self._paths():
            file = SafetensorsFile(path)
            for name in file.names:
                if name in self._files:
                    raise CheckpointError(f"{path}: {name} is also in another shard")
                self._files[name] = file

    def _paths(self) -> list[Path]:
        single, index = self._folder / "model.safetensors", self._folder / "model.safetensors.index.json"
        if single.exists() or not index.exists():
            return [single]
        try:
            shards = sorted(set(json.loads(index.read_bytes())["weight_map"].values()))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise CheckpointError(f"{index}: must be JSON with a weight_map from tensor to file") from error
        for shard in shards:
            if not isinstance(shard, str) or Path(shard).name != shard:
                raise CheckpointError(f"{index}: weight_map must name files of this folder, not {shard!r}")
        return [self._folder / shard for shard in shards]

    def __contains__(self, name: object) -> bool:
        return name in self._files

    def read(self, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        return self._file(name, shape).read(name, shape)

    def stored(self, name: str, shape: tuple[int, ...], dtype: str) -> NDArray[Any]:
        return self._file(name, shape).stored(name, shape, dtype)

    def error(self, name: str, what: str) -> CheckpointError:
        return self._files[name].error(f"{name} {what}")

    def _file(self, name: str, shape: tuple[int, ...]) -> SafetensorsFile:
        if name not in self._files:
            raise CheckpointError(f"{self._folder}: tensor {name} of shape {list(shape)} is missing")
        self._read.add(name)
        return self._files[name]

    def refuse_leftovers(self, *, tied: bool) -> None:
        """A tensor that nothing reads (a bias, one layer more) means another model than the one computed."""
        leftovers = {
            name
            for name in self._files.keys() - self._read
            # Old exports store this constant; tied ones may repeat the embedding as the head.
            if not name.endswith(".rotary_emb.inv_freq") and not (tied and name == "lm_head.weight")
        }
        if leftovers:
            raise CheckpointError(
                f"{self._folder}: tensor {min(leftovers)} has no place in a Llama of "
                f"this configuration ({len(leftovers)} such tensors)"
            )
