"""The loader: every layout it takes, and one clear line for everything it refuses."""

import json
import struct

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import save, save_file

from gemmsmith_sim.llm.checkpoint import HELDOUT_TEXT, CheckpointError, load

Q0 = "model.layers.0.self_attn.q_proj.weight"


def refused(path) -> str:
    """The message with which the loader refuses a folder: one line that names the place."""
    with pytest.raises(CheckpointError) as caught:
        load(path)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message


def test_builtin_model():
    checkpoint = load()
    assert checkpoint.config.num_hidden_layers == len(checkpoint.layers) == 4
    assert checkpoint.head is checkpoint.embedding
    linear = sum(weight.size for layer in checkpoint.layers for weight in layer.linear.values())
    norms = checkpoint.norm.size * (2 * len(checkpoint.layers) + 1)
    assert checkpoint.embedding.size + linear + norms == 820_352
    assert len(HELDOUT_TEXT.read_bytes()) == 111_540


def test_every_tensor_lands_in_its_place(folder, tensors):
    checkpoint = load(folder.write(tensors))
    names = {name: f"self_attn.{name}_proj" for name in ("q", "k", "v", "o")}
    names |= {name: f"mlp.{name}_proj" for name in ("gate", "up", "down")}
    for index, layer in enumerate(checkpoint.layers):
        prefix = f"model.layers.{index}"
        assert layer.linear.keys() == names.keys()
        for name, stored in names.items():
            np.testing.assert_array_equal(layer.linear[name], tensors[f"{prefix}.{stored}.weight"])
        np.testing.assert_array_equal(layer.attention_norm, tensors[f"{prefix}.input_layernorm.weight"])
        np.testing.assert_array_equal(layer.ffn_norm, tensors[f"{prefix}.post_attention_layernorm.weight"])
    np.testing.assert_array_equal(checkpoint.embedding, tensors["model.embed_tokens.weight"])
    np.testing.assert_array_equal(checkpoint.norm, tensors["model.norm.weight"])
    np.testing.assert_array_equal(checkpoint.head, tensors["lm_head.weight"])


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float32])
def test_dtypes_are_widened_exactly(folder, tensors, dtype):
    stored = tensors[Q0].astype(dtype)
    stored.flat[:4] = [-0.0, 1.0, np.finfo(np.float16).smallest_subnormal, -65280.0]
    checkpoint = load(folder.write(tensors | {Q0: stored}))
    expected = stored.astype(np.float32)
    np.testing.assert_array_equal(checkpoint.layers[0].linear["q"].view(np.uint32), expected.view(np.uint32))
    assert checkpoint.layers[0].linear["q"].dtype == np.float32


def test_shards(folder, tensors):
    whole = load(folder.write(tensors))
    folder.weights.unlink()
    weight_map = {name: f"part-{index % 2}.safetensors" for index, name in enumerate(sorted(tensors))}
    for shard in sorted(set(weight_map.values())):
        save_file({name: tensors[name] for name in tensors if weight_map[name] == shard}, folder.path / shard)
    index = folder.path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": weight_map}))
    np.testing.assert_array_equal(load(folder.path).layers[1].linear["down"], whole.layers[1].linear["down"])

    index.write_text(json.dumps({"weight_map": {Q0: "../elsewhere.safetensors"}}))
    assert "files of this folder, not '../elsewhere.safetensors'" in refused(folder.path)
    index.write_text("{}")
    assert "weight_map" in refused(folder.path)
    index.write_text(json.dumps({"weight_map": weight_map}))
    save_file(tensors, folder.path / "part-0.safetensors")
    assert "also in another shard" in refused(folder.path)
    (folder.path / "part-1.safetensors").unlink()
    assert "part-1.safetensors: cannot be read" in refused(folder.path)


def test_tied_head_may_be_stored_or_not(folder, tensors):
    checkpoint = load(folder.write(tensors, tie_word_embeddings=True))
    assert checkpoint.head is checkpoint.embedding
    del tensors["lm_head.weight"]
    load(folder.write(tensors, tie_word_embeddings=True))
    assert "lm_head.weight of shape [37, 20] is missing" in refused(folder.write(tensors))


def test_defaults_that_depend_on_other_fields(folder, tensors):
    config = load(folder.write(tensors, rope_theta=None, rope_parameters={"rope_theta": 7.0})).config
    assert config.rope_theta == 7.0
    changes = {"num_key_value_heads": None, "head_dim": None, "num_attention_heads": 5}
    assert "[24, 20], config.json asks for [20, 20]" in refused(folder.write(tensors, **changes))


@pytest.mark.parametrize(
    ("eos", "stop"), [(None, set()), (2, {2}), ([2, 5], {2, 5})], ids=["none", "one", "several"]
)
def test_stop_tokens(folder, eos, stop):
    assert load(folder.write(eos_token_id=eos)).config.stop_tokens == stop


@pytest.mark.parametrize("cut", [0, 5, 8, 100, -1])
def test_truncated_file(folder, cut):
    folder.write()
    folder.weights.write_bytes(folder.weights.read_bytes()[:cut])
    assert "truncated" in refused(folder.path)


def test_trailing_data(folder):
    folder.write()
    folder.weights.write_bytes(folder.weights.read_bytes() + b"\0")
    assert "not fully covered" in refused(folder.path)


@pytest.mark.parametrize("header", [
    b"not json", b"[]", b'{"a": 1}', b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]}}',
    b'{"a": {"dtype": "F32", "shape": [3], "data_offsets": [0, 8]}}',
])
def test_damaged_header(folder, header):
    folder.write()
    folder.weights.write_bytes(struct.pack("<Q", len(header)) + header + bytes(8))
    assert "is truncated, damaged or no safetensors file" in refused(folder.path)


def test_reader_agrees_with_the_library_on_bytes(folder, tensors):
    """`save` lays tensors out by its own rules; nothing may hang on their order."""
    folder.write()
    folder.weights.write_bytes(save(dict(reversed(tensors.items()))))
    np.testing.assert_array_equal(load(folder.path).norm, tensors["model.norm.weight"])


def test_missing_unknown_and_misshapen_tensors(folder, tensors):
    missing = {name: tensor for name, tensor in tensors.items() if name != Q0}
    assert f"tensor {Q0} of shape [24, 20] is missing" in refused(folder.write(missing))
    bias = Q0.replace("weight", "bias")
    assert f"tensor {bias} has no place" in refused(folder.write(tensors | {bias: np.zeros(24, np.float32)}))
    turned = tensors | {Q0: np.ascontiguousarray(tensors[Q0].T)}
    assert f"{Q0} has shape [20, 24], config.json asks for [24, 20]" in refused(folder.write(turned))
    assert f"{Q0} has dtype I32" in refused(folder.write(tensors | {Q0: tensors[Q0].astype(np.int32)}))
    constant = {"model.layers.0.self_attn.rotary_emb.inv_freq": np.zeros(2, np.float32)}
    load(folder.write(tensors | constant))


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
def test_weights_must_be_finite(folder, tensors, poison):
    tensors[Q0][3, 4] = poison
    assert f"{Q0} holds a NaN or an infinity" in refused(folder.write(tensors))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"model_type": "mistral"}, "model_type: Input should be 'llama', not 'mistral'"),
        ({"hidden_size": None}, "hidden_size: Field required"),
        ({"hidden_size": 0}, "hidden_size: Input should be greater than 0, not 0"),
        ({"hidden_size": 20.5}, "hidden_size: "),
        ({"hidden_act": "gelu"}, "hidden_act: Input should be 'silu', not 'gelu'"),
        ({"attention_bias": True}, "attention_bias=True is not supported"),
        ({"mlp_bias": True}, "mlp_bias=True is not supported"),
        ({"quantization_config": {"bits": 4}}, "quantization_config.quant_method: Field required"),
        ({"rope_scaling": {"type": "linear", "factor": 2}}, "rope_scaling of type 'linear' is not supported"),
        ({"rope_parameters": {"rope_type": "llama3"}}, "rope_parameters of type 'llama3' is not supported"),
        ({"rope_scaling": "linear"}, "rope_scaling must be a JSON object, not 'linear'"),
        ({"num_key_value_heads": 4}, "num_attention_heads 6 must be a multiple of num_key_value_heads 4"),
        ({"head_dim": None}, "hidden_size 20 must be a multiple of num_attention_heads 6"),
        ({"head_dim": 3}, "head_dim must be even for RoPE, not 3"),
        ({"rms_norm_eps": -1.0}, "rms_norm_eps"),
        ({"rope_theta": 0}, "rope_theta"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_refused_configurations(folder, change, says):
    message = refused(folder.write(**change))
    assert "config.json" in message
    assert says in message


@pytest.mark.parametrize("text", ["", "{", "[]", "\x80"])
def test_config_must_be_a_json_object(folder, text):
    folder.write()
    (folder.path / "config.json").write_text(text, encoding="latin-1")
    assert "config.json" in refused(folder.path)


def test_missing_files(folder, tmp_path):
    assert "must be a folder" in refused(tmp_path / "nowhere")
    assert "config.json: cannot be read" in refused(folder.path)
    folder.write()
    folder.weights.unlink()
    assert "model.safetensors: cannot be read" in refused(folder.path)
