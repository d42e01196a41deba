"""Packed checkpoints, written here bit by bit: every layout is read code for code, everything else is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from gemmsmith.schemes import MixPe, parse
from gemmsmith_sim.golden import for_scheme
from gemmsmith_sim.llm.checkpoint import CheckpointError, load
from gemmsmith_sim.llm.model import FloatLinear, Llama
from gemmsmith_sim.llm.quantized import GoldenLinear, WeightOnlyLinear
from gemmsmith_sim.quantise import PackedWeight, clip_search
from oracle import packers

HIDDEN, FFN, KEYS, VOCABULARY = 64, 96, 32, 11
CONFIG = {"model_type": "llama", "hidden_size": HIDDEN, "intermediate_size": FFN, "num_hidden_layers": 1,
          "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": VOCABULARY, "max_position_embeddings": 8,
          "tie_word_embeddings": True}
LINEARS = {"q": ("self_attn.q_proj", HIDDEN, HIDDEN), "k": ("self_attn.k_proj", KEYS, HIDDEN),
           "v": ("self_attn.v_proj", KEYS, HIDDEN), "o": ("self_attn.o_proj", HIDDEN, HIDDEN),
           "gate": ("mlp.gate_proj", FFN, HIDDEN), "up": ("mlp.up_proj", FFN, HIDDEN),
           "down": ("mlp.down_proj", HIDDEN, FFN)}
DOWN = "model.layers.0.mlp.down_proj"
V1 = {"quant_method": "gptq", "bits": 4, "group_size": 32, "desc_act": False, "sym": False}
V2 = V1 | {"checkpoint_format": "gptq_v2"}
AWQ = {"quant_method": "awq", "bits": 4, "group_size": 32, "zero_point": True, "version": "GEMM"}

Arrays = dict[str, np.ndarray]


def arrays_of(name: str, stored: dict[str, Any]) -> Arrays:
    """Random codes, zero points and scales of a layer, the same for each layer name."""
    _, n, k = LINEARS[name]
    rng, bits = np.random.default_rng([ord(c) for c in name]), stored["bits"]
    groups = 1 if stored["group_size"] == -1 else -(-k // stored["group_size"])
    lowest = 0 if stored.get("checkpoint_format") == "gptq_v2" or stored["quant_method"] == "awq" else 1
    return {"codes": rng.integers(0, 1 << bits, (n, k)), "zeros": rng.integers(lowest, 1 << bits, (n, groups)),
            "scales": rng.uniform(0.01, 0.1, (n, groups)).astype(np.float16)}


def tensors_of(stored: dict[str, Any], *, g_idx: bool = True) -> Arrays:
    tensors: Arrays = {"model.embed_tokens.weight": np.random.default_rng(0).normal(
        size=(VOCABULARY, HIDDEN)).astype(np.float16)}
    for norm in ("model.norm", "model.layers.0.input_layernorm", "model.layers.0.post_attention_layernorm"):
        tensors[f"{norm}.weight"] = np.ones(HIDDEN, np.float16)
    for name, (path, _, k) in LINEARS.items():
        arrays = arrays_of(name, stored)
        codes, zeros = arrays["codes"].tolist(), arrays["zeros"].tolist()
        if stored["quant_method"] == "awq":
            packed = packers.awq(codes, zeros)
        else:
            packed = packers.gptq(codes, zeros, bits=stored["bits"], minus_one="checkpoint_format" not in stored)
            if g_idx:
                packed["g_idx"] = (np.arange(k) // (stored["group_size"] % (1 << 30))).astype(np.int32)
        packed["scales"] = np.ascontiguousarray(arrays["scales"].T)
        tensors |= {f"model.layers.0.{path}.{key}": tensor for key, tensor in packed.items()}
    return tensors


def write(folder: Path, stored: dict[str, Any], tensors: Arrays | None = None) -> Path:
    (folder / "config.json").write_text(json.dumps(CONFIG | {"quantization_config": stored}))
    save_file(tensors_of(stored) if tensors is None else tensors, folder / "model.safetensors")
    return folder


def scheme_of(stored: dict[str, Any], **choices: Any) -> MixPe:
    group = max(stored["group_size"], 0)
    return MixPe(w=f"int{stored['bits']}", zero="zp", group=group).replace(**choices)


LAYOUTS = [V1 | {"bits": bits, "group_size": group} for bits in (2, 3, 4, 8) for group in (32, 64, -1)] + [
    V2, V2 | {"bits": 3, "group_size": -1}, AWQ, AWQ | {"group_size": 64}, AWQ | {"group_size": -1}]


@pytest.mark.parametrize("stored", LAYOUTS, ids=lambda s: f"{s['quant_method']}-{s['bits']}-g{s['group_size']}")
def test_codes_zero_points_and_scales_are_taken_over(tmp_path: Path, stored: dict[str, Any]) -> None:
    checkpoint = load(write(tmp_path, stored))
    for name in LINEARS:
        weight, arrays = checkpoint.layers[0].linear[name], arrays_of(name, stored)
        assert isinstance(weight, PackedWeight)
        for scheme in (scheme_of(stored), scheme_of(stored, a=4, out="fp16")):
            encoded = weight.encode(scheme)
            for key, array in encoded.arrays.items():
                assert np.array_equal(array, arrays[key]), key
        size = encoded.shape[1] if stored["group_size"] == -1 else stored["group_size"]
        spread = [arrays[key].repeat(size, axis=1)[:, : encoded.shape[1]].astype(np.float64)
                  for key in ("zeros", "scales")]
        meant = (arrays["codes"] - spread[0]) * spread[1]
        assert np.array_equal(encoded.values, meant)
        assert np.array_equal(weight.values.astype(np.float64), meant)
        assert weight.size == meant.size


def test_the_model_runs_on_packed_weights(tmp_path: Path) -> None:
    """On the golden model as if the codes had been given; on floats with the values that they mean."""
    stored, tokens = V2, np.arange(6)
    checkpoint = load(write(tmp_path, stored))
    scheme = scheme_of(stored)
    golden = GoldenLinear(scheme)
    handle = golden.prepare("layers.0.q", checkpoint.layers[0].linear["q"])
    x = np.random.default_rng(1).normal(size=(3, HIDDEN)).astype(np.float32)
    encoded = checkpoint.layers[0].linear["q"].encode(scheme)
    model = for_scheme(scheme)
    assert np.array_equal(golden.matmul(handle, x), model.matmul(model.encode_activations(x), encoded))
    logits = [Llama(checkpoint, linear).forward(tokens)
              for linear in (FloatLinear(), WeightOnlyLinear(scheme), GoldenLinear(scheme, clip_search))]
    assert np.abs(logits[0] - logits[1]).max() < 0.02 * np.abs(logits[0]).max()
    assert np.abs(logits[0] - logits[2]).max() < 0.1 * np.abs(logits[0]).max()


def test_zero_points_in_the_middle_are_symmetric_weights(tmp_path: Path) -> None:
    tensors = tensors_of(AWQ)
    for name in tensors:
        if name.endswith("qzeros"):
            tensors[name] = np.full_like(tensors[name], np.uint32(0x88888888).view(np.int32))
    weight = load(write(tmp_path, AWQ, tensors)).layers[0].linear["up"]
    encoded = weight.encode(scheme_of(AWQ, zero="sym"))
    assert np.array_equal(encoded.arrays["codes"], arrays_of("up", AWQ)["codes"] - 8)
    assert np.array_equal(encoded.values, weight.values)
    with pytest.raises(CheckpointError, match="zero=sym wants every zero point to be 8; with others it is zero=zp"):
        load(write(tmp_path, AWQ)).layers[0].linear["up"].encode(scheme_of(AWQ, zero="sym"))


def test_old_files_without_group_indices_and_with_zero_biases(tmp_path: Path) -> None:
    tensors = tensors_of(V1, g_idx=False)
    tensors[f"{DOWN}.bias"] = np.zeros(HIDDEN, np.float16)
    assert load(write(tmp_path, V1, tensors)).layers[0].linear["down"].shape == (HIDDEN, FFN)


@pytest.mark.parametrize(("scheme", "message"), [
    (parse("w4a8"), r"want the scheme w4a8 or w4a4 with zero=zp group=32, not mixpe-a_int8"),
    (parse("anda-m6"), r"want the scheme w4a8 or w4a4 with zero=zp group=32, not anda-m6"),
    (MixPe(w="int3", group=32, zero="zp"), "want the scheme w4a8"),
    (MixPe(group=32, zero="zp", scale="pow2"), "want the scheme w4a8"),
])
def test_other_schemes_are_refused(tmp_path: Path, scheme: Any, message: str) -> None:
    weight = load(write(tmp_path, V1)).layers[0].linear["down"]
    with pytest.raises(CheckpointError, match=f"{DOWN}: its packed weights {message}"):
        weight.encode(scheme)


def test_groups_that_no_scheme_has_are_refused(tmp_path: Path) -> None:
    weight = load(write(tmp_path, V1 | {"group_size": 16})).layers[0].linear["down"]
    with pytest.raises(CheckpointError, match="share scales in groups of 16; hardware is there for 32, 64, 128, 256"):
        weight.encode(parse("w4a8", zero="zp"))


def changed(stored: dict[str, Any], key: str, tensor: np.ndarray | None) -> Arrays:
    tensors = tensors_of(stored) | ({} if tensor is None else {f"{DOWN}.{key}": tensor})
    return {name: array for name, array in tensors.items() if not (tensor is None and name == f"{DOWN}.{key}")}


@pytest.mark.parametrize(("stored", "key", "tensor", "message"), [
    (V1, "qzeros", None, "tensor {down}.qzeros of shape [3, 8] is missing"),
    (V1, "scales", None, "tensor {down}.scales of shape [3, 64] is missing"),
    (V1, "qweight", np.zeros((96, 8), np.int32), "{down}.qweight has shape [96, 8], config.json asks for [12, 64]"),
    (AWQ, "qweight", np.zeros((12, 64), np.int32), "{down}.qweight has shape [12, 64], config.json asks for [96, 8]"),
    (V1, "qweight", np.zeros((12, 64), np.float32), "{down}.qweight has dtype F32, supported are I32"),
    (V1, "scales", np.ones((3, 64), np.float32), "{down}.scales has dtype F32, supported are F16"),
    (V1, "scales", np.zeros((3, 64), np.float16), "{down}.scales must hold positive normal FP16 numbers only"),
    (V1, "qzeros", np.full((3, 8), -1, np.int32), "{down}.qzeros holds 15, a zero point of 16 that 4 bits cannot hold"),
    (V1, "g_idx", np.arange(96, dtype=np.int32) % 3, "{down}.g_idx must be ascending, k // group_size; activation"),
    (V1, "bias", np.ones(64, np.float16), "{down}.bias must be zero: linear layers have no bias here"),
    (V1, "extra", np.ones(64, np.float16), "tensor {down}.extra has no place in a Llama"),
])
def test_damaged_layers_are_refused_in_one_line(tmp_path: Path, stored: dict[str, Any], key: str,
                                                tensor: np.ndarray | None, message: str) -> None:
    write(tmp_path, stored, changed(stored, key, tensor))
    with pytest.raises(CheckpointError) as caught:
        load(tmp_path)
    assert message.format(down=DOWN) in str(caught.value)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("stored", "message"), [
    (V1 | {"bits": 5}, "quantization_config.bits: Input should be 2, 3, 4 or 8, not 5"),
    (V1 | {"quant_method": "hqq"}, "quantization_config.quant_method: Input should be 'gptq' or 'awq', not 'hqq'"),
    (V1 | {"group_size": 0}, "group_size must be positive, or -1 for one group"),
    (V1 | {"checkpoint_format": "marlin"}, "config.checkpoint_format: Input should be 'gptq' or 'gptq_v2'"),
    (AWQ | {"bits": 8}, "awq has 4 bits, not 8"),
    (AWQ | {"version": "gemv"}, "quantization_config.version: Input should be 'gemm', not 'gemv'"),
])
def test_formats_that_are_not_read_are_refused(tmp_path: Path, stored: dict[str, Any], message: str) -> None:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG | {"quantization_config": stored}))
    with pytest.raises(CheckpointError) as caught:
        load(tmp_path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
