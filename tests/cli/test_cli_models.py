"""run, perplexity and demo."""

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from gemmsmith.schemes import parse
from gemmsmith_cli.errors import CheckError
from gemmsmith_cli.run import hardware
from gemmsmith_sim.driver import Counters, Placed
from gemmsmith_sim.golden import for_scheme
from gemmsmith_sim.llm import checkpoint
from gemmsmith_sim.llm.quantized import RtlLinear
from oracle import packers

MODEL = checkpoint.HELDOUT_TEXT.parent


@pytest.fixture
def text(folder):
    path = folder / "text.txt"
    path.write_text(checkpoint.HELDOUT_TEXT.read_text()[:200])
    return path


def test_run_streams_text(run, folder):
    line = ("run", "--scheme", "anda-m6", "--prompt", "KING:", "--tokens", 5, "--seed", 3)
    ran = run(*line)
    assert ran.code == 0
    assert ran.out.startswith("KING:")
    assert len(ran.out) == len("KING:") + 5 + 1
    assert "5 tokens" in ran.err
    report = json.loads(run(*line, "--json").out)
    assert report["prompt"] + report["text"] == ran.out.removesuffix("\n")
    assert report["backend"] == "golden"


def test_run_on_a_folder_and_with_choices(run, folder):
    line = ("--scheme", "anda-m6", "--tokens", 3, "--json", "--temperature", 0)
    reports = [json.loads(run("run", *more, *line).out) for more in ((), (MODEL,), (MODEL, "weight_group=128"))]
    assert len({report["text"] for report in reports}) == 1


def test_run_on_rtl(run, folder, tiny):
    line = ("run", "--scheme", "int8", "--prompt", "A", "--tokens", 1, "--json")
    report = json.loads(run(*line, "--backend", "rtl", *tiny).out)
    assert report["text"] == json.loads(run(*line).out)["text"]
    assert report["compared"] == 4 * (128 + 64 + 64 + 128 + 384 + 384 + 128)
    assert report["cycles"] > 0


class BrokenDriver:
    """Computes as golden does, but the sign of the last output is wrong."""

    total = Counters()
    device = SimpleNamespace(pe=SimpleNamespace(scheme=parse("int8")))

    def load_weights(self, w):
        return Placed(w, {}, ())

    def matmul(self, a, w):
        product = for_scheme(a.scheme).matmul(a, w.encoded)
        product[-1, -1] *= -1
        return product


def test_every_output_of_the_hardware_is_compared():
    linear = RtlLinear(BrokenDriver())
    x = np.random.default_rng(5).normal(size=(6, 32)).astype(np.float32)
    handle = linear.prepare("layers.0.q", x[:4])
    linear.matmul(handle, x)
    linear.matmul(handle, x[:2])
    assert (linear.outputs, linear.mismatches, linear.first_mismatch) == (32, 2, "layers.0.q")
    assert linear.macs == 32 * 32
    with pytest.raises(CheckError, match=r"2 of 32 outputs .* layers\.0\.q"):
        hardware(linear)


def test_perplexity(run, text):
    reports = [json.loads(run("perplexity", "--text", text, *more, "--json").out)
               for more in ((), ("--scheme", "anda-m6"), ("--scheme", "anda-m6", "--backend", "weights"))]
    assert [report["backend"] for report in reports] == ["float", "golden", "weights"]
    assert all(report["tokens"] == 128 for report in reports)
    assert all(2 < report["perplexity"] < 8 for report in reports)
    assert len({report["perplexity"] for report in reports}) == 3
    assert "perplexity" in run("perplexity", "--text", text, "--window", 16).out


def test_quantisers_of_weights(run, refused, text):
    line = ("perplexity", "--text", text, "--scheme", "w3a8", "--json")
    reports = [json.loads(run(*line, *more).out)
               for more in ((), ("--quantiser", "nearest"), ("--quantiser", "clip"), ("zero=zp", "group=32"))]
    assert [report.get("quantiser") for report in reports] == [None, "nearest", "clip", None]
    values = [report["perplexity"] for report in reports]
    assert values[0] == values[1]
    assert len(set(values)) == 3
    assert "w3a8 clip" in run(*line[:-1], "--quantiser", "clip").out
    says = refused("run", "--scheme", "int8", "--quantiser", "clip")
    assert "quantiser clip serves the mixpe schemes (w4a8 …), not int8" in says
    assert "the float backend takes no --quantiser clip" in refused("run", "--quantiser", "clip")


def test_a_packed_model_computes_as_its_codes_do(run, refused, folder, text):
    """The built-in model rounded to nearest, in AWQ's words: what `--scheme w4a8 zero=zp` computes from floats."""
    choices = ("--text", text, "--scheme", "w4a8", "zero=zp")
    model = _packed(folder / "awq", parse("w4a8", zero="zp"))
    reports = [json.loads(run("perplexity", *more, *choices, "--json").out) for more in ((), (model,))]
    assert reports[0]["perplexity"] == reports[1]["perplexity"]
    assert json.loads(run("perplexity", model, "--text", text, "--json").out)["backend"] == "float"
    assert "is quantised already" in refused("perplexity", model, *choices, "--quantiser", "nearest")
    says = refused("run", model, "--scheme", "anda-m6")
    assert "self_attn.q_proj: its packed weights want the scheme w4a8 or w4a4 with zero=zp group=128" in says


def _packed(target, scheme):
    target.mkdir()
    with safe_open(MODEL / "model.safetensors", framework="numpy") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    for name in [name for name in tensors if "_proj" in name]:
        arrays = for_scheme(scheme).encode_weights(tensors.pop(name)).arrays
        packed = packers.awq(arrays["codes"].tolist(), arrays["zeros"].tolist())
        packed["scales"] = np.ascontiguousarray(arrays["scales"].T)
        tensors |= {f"{name.removesuffix('.weight')}.{key}": tensor for key, tensor in packed.items()}
    save_file(tensors, target / "model.safetensors")
    config = json.loads((MODEL / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "awq", "bits": 4, "group_size": 128, "version": "gemm"}
    (target / "config.json").write_text(json.dumps(config))
    return target


@pytest.mark.parametrize(("arguments", "says"), [
    (("--backend", "golden"), "needs a --scheme"), (("--backend", "float", "--scheme", "int8"), "takes no --scheme"),
    (("--scheme", "posit"), "no scheme"), (("rows=2",), "no choice 'rows'"), (("nowhere",), "nowhere"),
    (("--scheme", "int8", "frob=1"), "no choice 'frob'"), ((".",), "config.json")])
def test_models_refuse(refused, folder, arguments, says):
    assert says in refused("run", *arguments)
    assert says in refused("perplexity", *arguments)


def test_run_refuses(refused, folder):
    assert "--prompt" in refused("run", "--prompt", "")
    assert "temperature" in refused("run", "--temperature", "-1")


def test_perplexity_refuses(refused, folder, text):
    assert "missing.txt" in refused("perplexity", "--text", "missing.txt")
    assert "window of 128" in refused("perplexity", "--text", _short(folder))
    assert "window" in refused("perplexity", "--text", text, "--window", 129)


def _short(folder):
    path = folder / "short.txt"
    path.write_text("too short")
    return path


def test_damaged_checkpoints(refused, folder):
    model = folder / "model"
    shutil.copytree(MODEL, model)
    whole = (model / "model.safetensors").read_bytes()
    for size in (4, 1000, len(whole) - 1):
        (model / "model.safetensors").write_bytes(whole[:size])
        assert "model.safetensors" in refused("run", model)
    (model / "config.json").write_text("{")
    assert "config.json" in refused("run", model)


def test_demo_refuses(refused, untouched):
    assert "not an earlier demo" in refused("demo", "-o", ".")
    assert "a.npy" in refused("demo", "-o", "a.npy")
    assert "a.npy" in refused("demo", "-o", "a.npy/x")
    assert "tokens" in refused("demo", "--tokens", "1")
    assert "--prompt" in refused("demo", "--prompt", "")


@pytest.mark.slow
def test_demo(run, folder):
    ran = run("demo", "-o", "demo", "--tokens", 3, "--json")
    report = json.loads(ran.out)
    assert ran.code == 0
    assert report["writing"]["tokens"] == 3
    assert report["writing"]["outputs"] == 4 * 1280 * (7 + 2)
    assert [unit["name"] for unit in report["measurements"]] == ["co-processor", "processing element"]
    assert "ROMEO:" in (folder / "demo/report.md").read_text()
    again = json.loads(run("demo", "-o", "demo", "--tokens", 3, "--json").out)
    assert again["cached_synthesis"]
    assert all(accuracy["cached"] for accuracy in again["perplexity"])
    assert again["writing"]["text"] == report["writing"]["text"]
