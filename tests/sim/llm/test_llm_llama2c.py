"""Converted llama2.c files compute what llama2.c does: its forward pass written out, its merges step by step."""

import math

import numpy as np
import pytest

from gemmsmith_sim.llm.checkpoint import CheckpointError, load
from gemmsmith_sim.llm.llama2c import convert
from gemmsmith_sim.llm.model import FloatLinear, Llama
from gemmsmith_sim.llm.tokenizer import load_tokenizer
from oracle import llama2c

PIECES = [*" abcdehlnot.", "th", " th", " the", "he", "an", "and", "lo", "hell", "hello", " a", "nd", "é", "tt"]


def norm(x, weight):
    return weight * x / np.sqrt(np.mean(x * x) + 1e-5)


def rotate(vector, position, head):
    """llama2.c: neighbours are a pair, pair i of a head turns by position / 10000^(2i / head)."""
    out = vector.copy()
    for i in range(0, len(vector), 2):
        angle = position / 10000 ** ((i % head) / head)
        cos, sin = math.cos(angle), math.sin(angle)
        out[i:i + 2] = vector[i] * cos - vector[i + 1] * sin, vector[i] * sin + vector[i + 1] * cos
    return out


def reference(parts, tokens, *, heads=2, kv_heads=1):
    """Logits after the last token, in float64."""
    p = {name: part.astype(np.float64) for name, part in parts.items()}
    head = p["embedding"].shape[1] // heads
    cache = [([], []) for _ in p["wq"]]
    for position, token in enumerate(tokens):
        x = p["embedding"][token]
        for layer, (keys, values) in enumerate(cache):
            h = norm(x, p["rms_att"][layer])
            query = rotate(p["wq"][layer] @ h, position, head)
            keys.append(rotate(p["wk"][layer] @ h, position, head))
            values.append(p["wv"][layer] @ h)
            mixed = []
            for index in range(heads):
                start = index * kv_heads // heads * head
                part = np.s_[start:start + head]
                scores = np.array([query[index * head:(index + 1) * head] @ key[part] for key in keys]) / head**0.5
                shares = np.exp(scores - scores.max())
                mixed.append(sum(s * v[part] for s, v in zip(shares / shares.sum(), values, strict=True)))
            x = x + p["wo"][layer] @ np.concatenate(mixed)
            h = norm(x, p["rms_ffn"][layer])
            gate = p["w1"][layer] @ h
            x = x + p["w2"][layer] @ (gate / (1 + np.exp(-gate)) * (p["w3"][layer] @ h))
    return p.get("classifier", p["embedding"]) @ norm(x, p["rms_final"])


@pytest.mark.parametrize("tied", [True, False])
def test_logits(tmp_path, tied):
    parts = llama2c.write_model(tmp_path / "m.bin", tied=tied, seed=3)
    convert(tmp_path / "m.bin", tmp_path / "out")
    tokens = [1, 200, 3, 77, 1, 9]
    logits = Llama(load(tmp_path / "out"), FloatLinear()).forward(tokens)[-1]
    np.testing.assert_allclose(logits, reference(parts, tokens), rtol=2e-3, atol=2e-4)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["config.json", "model.safetensors"]
    assert load(tmp_path / "out").config.stop_tokens == {1, 2}


def test_tokenizer(tmp_path):
    pytest.importorskip("tokenizers")
    vocab = llama2c.write_tokenizer(tmp_path / "tok.bin", PIECES)
    llama2c.write_model(tmp_path / "m.bin", vocab=vocab)
    convert(tmp_path / "m.bin", tmp_path / "out", tokenizer=tmp_path / "tok.bin")
    words = load_tokenizer(load(tmp_path / "out"))
    for text in ("the hello and", "a\nbéé ttt", "  two  spaces", "日本 the", "nothing known: XYZ!", "hellohell"):
        assert words.encode(text) == llama2c.greedy_merge(text, PIECES), text
        assert words.decode(words.encode(text)) == text


@pytest.mark.parametrize(("damage", "says"), [
    (lambda data: data[:20], "shorter than a header"), (lambda data: data[:-4], r"must hold \d+ bytes"),
    (lambda data: data + b"\0", r"must hold \d+ bytes"), (lambda data: b"\0" * len(data), "its sizes would be"),
    (lambda data: b"\x07" + data[1:], "its sizes would be")])
def test_damaged_models_are_refused(tmp_path, damage, says):
    path = tmp_path / "m.bin"
    llama2c.write_model(path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(CheckpointError, match=says):
        convert(path, tmp_path / "out")
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("damage", "says"), [
    (lambda data: data[:-1], f"no llama2.c tokenizer of {259 + len(PIECES)} tokens"),
    (lambda data: data + b"\0", f"no llama2.c tokenizer of {259 + len(PIECES)} tokens"),
    (lambda data: data.replace(b"<0x41>", b"<0x42>"), "256 bytes behind"),
    (lambda data: data.replace("é".encode(), b"nd"), "holds a token twice")])
def test_damaged_tokenizers_are_refused(tmp_path, damage, says):
    pytest.importorskip("tokenizers")
    vocab = llama2c.write_tokenizer(tmp_path / "tok.bin", PIECES)
    llama2c.write_model(tmp_path / "m.bin", vocab=vocab)
    data = (tmp_path / "tok.bin").read_bytes()
    (tmp_path / "tok.bin").write_bytes(damage(data))
    with pytest.raises(CheckpointError, match=says):
        convert(tmp_path / "m.bin", tmp_path / "out", tokenizer=tmp_path / "tok.bin")
    assert not (tmp_path / "out").exists()


def test_an_existing_folder_is_left_alone(tmp_path):
    llama2c.write_model(tmp_path / "m.bin")
    with pytest.raises(CheckpointError, match="is there already"):
        convert(tmp_path / "m.bin", tmp_path)
    with pytest.raises(CheckpointError, match="is not a directory"):
        convert(tmp_path / "m.bin", tmp_path / "no" / "where")
    with pytest.raises(CheckpointError, match="cannot be read"):
        convert(tmp_path / "missing.bin", tmp_path / "out")
