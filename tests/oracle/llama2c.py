"""Files of llama2.c, written from its description: random models and tokenizers."""

from __future__ import annotations

import struct
from itertools import pairwise
from pathlib import Path

import numpy as np

SIZES = {"dim": 8, "hidden": 12, "layers": 2, "heads": 2, "kv_heads": 1, "vocab": 256, "context": 32}


def model_parts(*, tied: bool = True, seed: int = 1, **sizes: int) -> dict[str, np.ndarray]:
    """Tensors in the file's order."""
    s = SIZES | sizes
    dim, layers, head = s["dim"], s["layers"], s["dim"] // s["heads"]
    shapes: dict[str, tuple[int, ...]] = {
        "embedding": (s["vocab"], dim), "rms_att": (layers, dim), "wq": (layers, dim, dim),
        "wk": (layers, s["kv_heads"] * head, dim), "wv": (layers, s["kv_heads"] * head, dim),
        "wo": (layers, dim, dim), "rms_ffn": (layers, dim), "w1": (layers, s["hidden"], dim),
        "w2": (layers, dim, s["hidden"]), "w3": (layers, s["hidden"], dim), "rms_final": (dim,),
        "rotary": (s["context"], head)}
    if not tied:
        shapes["classifier"] = (s["vocab"], dim)
    rng = np.random.default_rng(seed)
    return {name: rng.normal(0, 0.7, shape).astype("<f4") for name, shape in shapes.items()}


def write_model(path: Path, *, tied: bool = True, seed: int = 1, **sizes: int) -> dict[str, np.ndarray]:
    """Writes a model and gives its tensors."""
    parts, s = model_parts(tied=tied, seed=seed, **sizes), SIZES | sizes
    vocab = s["vocab"] if tied else -s["vocab"]
    header = struct.pack("<7i", s["dim"], s["hidden"], s["layers"], s["heads"], s["kv_heads"], vocab, s["context"])
    path.write_bytes(header + b"".join(part.tobytes() for part in parts.values()))
    return parts


def write_tokenizer(path: Path, pieces: list[str]) -> int:
    """Three special tokens, the bytes, and ``pieces``, best score first. Gives the size of the vocabulary."""
    tokens = ["<unk>", "\n<s>\n", "\n</s>\n", *(f"<0x{byte:02X}>" for byte in range(256)), *pieces]
    scores = [0.0] * 259 + [-float(rank) for rank in range(len(pieces))]
    data = struct.pack("<i", max(map(len, tokens)))
    for token, score in zip(tokens, scores, strict=True):
        data += struct.pack("<fi", score, len(token.encode())) + token.encode()
    path.write_bytes(data)
    return len(tokens)


def greedy_merge(text: str, pieces: list[str]) -> list[int]:
    """Tokens as llama2.c finds them: characters, then again and again the pair whose union scores best."""
    ids = {piece: 259 + rank for rank, piece in enumerate(pieces)}
    parts: list[str | int] = []
    for char in " " + text if text else "":
        parts += [char] if char in ids else [byte + 3 for byte in char.encode()]
    while True:
        pairs = [(ids[a + b], i) for i, (a, b) in enumerate(pairwise(parts))
                 if isinstance(a, str) and isinstance(b, str) and a + b in ids]
        if not pairs:
            return [1, *(part if isinstance(part, int) else ids[part] for part in parts)]
        _, i = min(pairs)
        parts[i:i + 2] = [str(parts[i]) + str(parts[i + 1])]
