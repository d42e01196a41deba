"""Checkpoints of llama2.c (its version-0 ``.bin`` files) as folders that ``checkpoint.load`` reads.

Layout, little-endian: seven int32 (width, feed-forward width, layers, heads, key/value heads, vocabulary, context; the
vocabulary is negative if the classifier is not the embedding), then float32 tensors, row-major (outputs, inputs), each
stacked over the layers; between the last norm and the classifier lie context × head width floats of rotary tables.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gemmsmith_sim.cache import atomic_dir
from gemmsmith_sim.llm.errors import CheckpointError

__all__ = ["convert"]

_HEADER = struct.Struct("<7i")
_UNKNOWN, _BEGIN, _END = "<unk>", "<s>", "</s>"
_FIRST_BYTE, _BYTES = 3, 256
_SPACE = "▁"
Tensors = dict[str, NDArray[np.float32]]


def convert(model: Path, folder: Path, *, tokenizer: Path | None = None) -> None:
    """Write ``model`` as ``config.json`` and ``model.safetensors`` (F32) to ``folder``, and its tokenizer.

    Rows of the query and key weights are reordered: llama2.c rotates neighbouring pairs, the folder's layout pairs
    each row of a head's first half with one of the second.

    Parameters
    ----------
    folder: is made; must not be there.
    tokenizer: the ``tok….bin`` that belongs to the model, written as ``tokenizer.json``. Needs the ``tokenizers``
        library.

    Raises ``CheckpointError`` for a file that is not such a checkpoint or tokenizer, or a folder that is there.
    """
    from safetensors.numpy import save_file

    if folder.exists():
        raise CheckpointError(f"{folder}: is there already; name a new folder")
    if not folder.absolute().parent.is_dir():
        raise CheckpointError(f"{folder}: cannot be made, {folder.parent} is not a directory")
    header, tensors = _read(model)
    words = _tokenizer(tokenizer, header.vocab) if tokenizer else None
    with atomic_dir(folder.absolute()) as work:
        (work / "config.json").write_text(json.dumps(header.config(), indent=2) + "\n")
        save_file(tensors, work / "model.safetensors")
        if words is not None:
            words.save(str(work / "tokenizer.json"))


@dataclass(frozen=True)
class _Header:
    dim: int
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    vocab: int
    context: int
    tied: bool

    @property
    def head_dim(self) -> int:
        return self.dim // self.heads

    def config(self) -> dict[str, Any]:
        return {
            "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": self.dim,
            "intermediate_size": self.hidden, "num_hidden_layers": self.layers, "num_attention_heads": self.heads,
            "num_key_value_heads": self.kv_heads, "vocab_size": self.vocab, "max_position_embeddings": self.context,
            "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "hidden_act": "silu", "tie_word_embeddings": self.tied,
            "bos_token_id": 1, "eos_token_id": [1, 2]}  # a text ends where the next one begins

    def tensors(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Names of ours and shapes, in the file's order; stacked tensors have ``{}`` for the layer."""
        keys, block = self.kv_heads * self.head_dim, "model.layers.{}"
        yield "model.embed_tokens.weight", (self.vocab, self.dim)
        yield f"{block}.input_layernorm.weight", (self.layers, self.dim)
        yield f"{block}.self_attn.q_proj.weight", (self.layers, self.dim, self.dim)
        yield f"{block}.self_attn.k_proj.weight", (self.layers, keys, self.dim)
        yield f"{block}.self_attn.v_proj.weight", (self.layers, keys, self.dim)
        yield f"{block}.self_attn.o_proj.weight", (self.layers, self.dim, self.dim)
        yield f"{block}.post_attention_layernorm.weight", (self.layers, self.dim)
        yield f"{block}.mlp.gate_proj.weight", (self.layers, self.hidden, self.dim)
        yield f"{block}.mlp.down_proj.weight", (self.layers, self.dim, self.hidden)
        yield f"{block}.mlp.up_proj.weight", (self.layers, self.hidden, self.dim)
        yield "model.norm.weight", (self.dim,)
        yield "", (self.context, self.head_dim)  # rotary tables
        if not self.tied:
            yield "lm_head.weight", (self.vocab, self.dim)


def _read(path: Path) -> tuple[_Header, Tensors]:
    data = _bytes(path)
    if len(data) < _HEADER.size:
        raise CheckpointError(f"{path}: is no llama2.c checkpoint: shorter than a header of {_HEADER.size} bytes")
    sizes = _HEADER.unpack_from(data)
    dim, hidden, layers, heads, kv_heads, vocab, context = sizes
    if min(dim, hidden, layers, heads, kv_heads, abs(vocab), context) < 1 or dim % heads or heads % kv_heads:
        raise CheckpointError(f"{path}: is no llama2.c checkpoint of version 0: its sizes would be {sizes}")
    header = _Header(dim, hidden, layers, heads, kv_heads, abs(vocab), context, tied=vocab > 0)
    due = _HEADER.size + 4 * sum(int(np.prod(shape, dtype=object)) for _, shape in header.tensors())
    if len(data) != due:
        raise CheckpointError(f"{path}: must hold {due} bytes, as its header says, not {len(data)}")
    values = np.frombuffer(data, "<f4", offset=_HEADER.size).astype(np.float32)
    tensors: Tensors = {}
    start = 0
    for name, shape in header.tensors():
        count = int(np.prod(shape))
        tensor, start = values[start:start + count].reshape(shape), start + count
        if "{}" in name:
            tensors |= {name.format(layer): _rows(name, part, header) for layer, part in enumerate(tensor)}
        elif name:
            tensors[name] = tensor.copy()
    return header, tensors


def _rows(name: str, weight: NDArray[np.float32], header: _Header) -> NDArray[np.float32]:
    """A layer's tensor; of queries and keys, each head's even rows first, then its odd ones."""
    if "q_proj" in name or "k_proj" in name:
        pairs = weight.reshape(-1, header.head_dim // 2, 2, header.dim)
        return pairs.swapaxes(1, 2).reshape(weight.shape)
    return weight.copy()


def _tokenizer(path: Path, vocab: int) -> Any:
    """Byte-pair encoding with byte fallback: of all neighbours that make a token, those of the best score merge."""
    try:
        from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, processors
    except ImportError:
        raise CheckpointError(f"{path}: needs the tokenizers library, which is not installed: "
                              "pip install 'gemmsmith[llm]'") from None
    scores, pieces = _pieces(path, vocab)
    ids = {piece: index for index, piece in enumerate(pieces)}
    if len(ids) != len(pieces):
        raise CheckpointError(f"{path}: holds a token twice")
    merges = [(piece[:cut], piece[cut:])
              for piece in sorted(pieces[_FIRST_BYTE + _BYTES:], key=lambda piece: -scores[ids[piece]])
              for cut in range(1, len(piece)) if piece[:cut] in ids and piece[cut:] in ids]
    words = Tokenizer(models.BPE(vocab=ids, merges=merges, unk_token=_UNKNOWN, byte_fallback=True))
    words.add_special_tokens([AddedToken(name, normalized=False, special=True) for name in pieces[:_FIRST_BYTE]])
    words.normalizer = normalizers.Sequence([normalizers.Prepend(_SPACE), normalizers.Replace(" ", _SPACE)])
    words.post_processor = processors.TemplateProcessing(single=f"{_BEGIN} $A", special_tokens=[(_BEGIN, 1)])
    words.decoder = decoders.Sequence([decoders.Replace(_SPACE, " "), decoders.ByteFallback(), decoders.Fuse(),
                                       decoders.Strip(" ", 1, 0)])
    return words


def _pieces(path: Path, vocab: int) -> tuple[list[float], list[str]]:
    """Scores and texts of the tokens: three special ones, 256 bytes, then pieces of text."""
    data = _bytes(path)
    scores, pieces, start = [], [], 4
    try:
        for _ in range(vocab):
            score, length = struct.unpack_from("<fi", data, start)
            start += 8 + length
            if length < 0 or start > len(data):
                raise ValueError("a token is cut off")
            scores.append(score)
            pieces.append(data[start - length:start].decode().replace(" ", _SPACE))
    except (struct.error, ValueError):
        raise CheckpointError(f"{path}: is no llama2.c tokenizer of {vocab} tokens, the model's vocabulary") from None
    pieces[:_FIRST_BYTE] = [_UNKNOWN, _BEGIN, _END]
    due = [f"<0x{byte:02X}>" for byte in range(_BYTES)]
    if start != len(data) or pieces[_FIRST_BYTE:_FIRST_BYTE + _BYTES] != due:
        raise CheckpointError(f"{path}: is no llama2.c tokenizer of {vocab} tokens with 256 bytes behind the third")
    return scores, pieces


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror}") from None
