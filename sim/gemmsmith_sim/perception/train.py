"""Trains the network in numpy, in under a minute on one core: ``python -m gemmsmith_sim.perception.train``."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from gemmsmith_sim.perception.columns import pool_back, uncolumns
from gemmsmith_sim.perception.network import LAYERS, WEIGHTS, Parameters
from gemmsmith_sim.perception.scenes import Scenes, make_scenes

__all__ = ["gradients", "train"]

Floats = NDArray[np.float32]

PICTURES, SEED = 8000, 1
"""Of the training; other seeds are other pictures."""
BATCH, EPOCHS, RATE = 32, 12, 4e-3
FIRST, SECOND, TINY = 0.9, 0.99, 1e-8
"""Adam's decays, and what keeps it from dividing by zero."""


def train(*, pictures: int = PICTURES, epochs: int = EPOCHS, seed: int = SEED) -> Parameters:
    """Trained parameters, rounded to float16 values; the same arguments give the same ones on one machine."""
    scenes, rng = make_scenes(pictures, seed=seed), np.random.default_rng(seed)
    parameters = _random(rng)
    step, steps = 0, epochs * -(-pictures // BATCH)
    means = {name: np.zeros((2, *values.shape), np.float32) for name, values in _flat(parameters).items()}
    for _ in range(epochs):
        order = rng.permutation(pictures)
        for start in range(0, pictures, BATCH):
            _, slopes = gradients(parameters, scenes[order[start:start + BATCH]])
            step += 1
            rate = RATE * 0.5 * (1 + np.cos(np.pi * step / steps))
            for name, values in _flat(parameters).items():
                values -= rate * _adam(means[name], _flat(slopes)[name], step)
    for values in _flat(parameters).values():
        values[:] = values.astype(np.float16)
    return parameters


def gradients(parameters: Parameters, scenes: Scenes) -> tuple[float, Parameters]:
    """Mean cross entropy of ``scenes``, in nats, and its derivative by every parameter."""
    x, tape = scenes.images, []
    for layer in LAYERS:
        activations = layer.activations(x)
        product = activations @ parameters.weights[layer.name].T
        biased, following = layer.after(product, parameters.biases[layer.name], len(scenes))
        tape.append((layer, x.shape, activations, biased, following))
        x = following
    shifted = x - x.max(axis=1, keepdims=True)
    logs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    chosen = np.arange(len(scenes)), scenes.labels
    loss = -float(logs[chosen].mean())
    back = np.exp(logs)
    back[chosen] -= 1
    back /= len(scenes)
    slopes = Parameters({}, {})
    for layer, shape, activations, biased, following in reversed(tape):
        if layer.pooled:
            back = pool_back(back, biased, following)
        if layer.kind != "dense":
            back = back * (biased > 0)
        back = back.reshape(-1, layer.outputs)
        slopes.weights[layer.name], slopes.biases[layer.name] = back.T @ activations, back.sum(axis=0)
        back = back @ parameters.weights[layer.name]
        back = back.reshape(shape) if layer.kind == "dense" else uncolumns(back, shape, layer.kernel)
    return loss, slopes


def _random(rng: np.random.Generator) -> Parameters:
    weights = {layer.name: rng.normal(0, np.sqrt(2 / layer.shape[1]), layer.shape).astype(np.float32)
               for layer in LAYERS}
    return Parameters(weights, {layer.name: np.zeros(layer.outputs, np.float32) for layer in LAYERS})


def _flat(parameters: Parameters) -> dict[str, Floats]:
    return {**{f"{name}.weight": values for name, values in parameters.weights.items()},
            **{f"{name}.bias": values for name, values in parameters.biases.items()}}


def _adam(means: Floats, slope: Floats, step: int) -> Floats:
    """The direction of a step; ``means`` (first and second moment) are moved on."""
    means[0] += (1 - FIRST) * (slope - means[0])
    means[1] += (1 - SECOND) * (slope * slope - means[1])
    direction: Floats = means[0] / (1 - FIRST**step) / (np.sqrt(means[1] / (1 - SECOND**step)) + TINY)
    return direction


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the network of the shapes.")
    parser.add_argument("-o", "--output", type=Path, default=WEIGHTS, help="safetensors file")
    path = parser.parse_args().output
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(_flat(train()), path)


if __name__ == "__main__":
    main()
