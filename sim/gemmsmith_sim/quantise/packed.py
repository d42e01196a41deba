"""Linear layers that GPTQ or AWQ tools have quantised and packed into 32-bit words, taken over code for code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from gemmsmith.schemes import Axis, MixPe, Scheme
from gemmsmith.schemes.mixpe import GROUPS
from gemmsmith_sim.golden import Encoded
from gemmsmith_sim.golden.base import Array
from gemmsmith_sim.golden.int4 import FP16_SMALLEST_NORMAL
from gemmsmith_sim.golden.narrow import int_range
from gemmsmith_sim.llm.errors import CheckpointError

WORD = 32
AWQ_ORDER = (0, 2, 4, 6, 1, 3, 5, 7)
"""Column, of the eight that share a word, in each nibble from the lowest."""


class PackedFormat(BaseModel):
    """``quantization_config`` of a ``config.json``: how linear layers of shape (N, K) are stored.

    Per layer, with groups = ⌈K / group_size⌉:

    - ``gptq`` (AutoGPTQ, GPTQModel): ``qweight`` int32 (K · bits / 32, N), along K a stream of codes of ``bits`` bits,
      lowest first (3 bits: 32 codes in three words); ``qzeros`` int32 (groups, N · bits / 32), along N likewise,
      holding zero points minus one, or with ``checkpoint_format`` ``gptq_v2`` as they are; ``scales`` float16
      (groups, N); ``g_idx`` int32 (K,), the group of each k, if stored.
    - ``awq`` (AutoAWQ, version GEMM, 4 bits): ``qweight`` int32 (K, N / 8), nibbles from the lowest hold the columns
      0, 2, 4, 6, 1, 3, 5, 7 of each eight; ``qzeros`` int32 (groups, N / 8) likewise, zero points as they are;
      ``scales`` float16 (groups, N).

    A weight is (code − zero point) · scale.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    quant_method: Literal["gptq", "awq"]
    bits: Literal[2, 3, 4, 8]
    group_size: int = Field(ge=-1)
    checkpoint_format: Literal["gptq", "gptq_v2"] = "gptq"
    version: Literal["gemm"] = "gemm"

    @field_validator("version", mode="before")
    @classmethod
    def _lower(cls, value: Any) -> Any:
        return value.lower() if isinstance(value, str) else value

    @model_validator(mode="after")
    def _check(self) -> PackedFormat:
        if self.group_size == 0:
            raise ValueError("group_size must be positive, or -1 for one group")
        if self.quant_method == "awq" and self.bits != 4:
            raise ValueError(f"awq has 4 bits, not {self.bits}")
        return self


class Tensors(Protocol):
    """Where tensors are read from."""

    def stored(self, name: str, shape: tuple[int, ...], dtype: str) -> Array:
        """A tensor as it is stored. Raises ``CheckpointError`` unless it is there and of this shape and dtype, named as
        in safetensors files."""

    def error(self, name: str, what: str) -> CheckpointError:
        """An error that names the tensor's file, the tensor and what is wrong."""

    def __contains__(self, name: object) -> bool: ...


@dataclass(frozen=True, eq=False)
class PackedWeight:
    """A weight (N, K) in integer codes with zero points, as the checkpoint has it.

    Members
    -------
    name: of the layer. bits: of a code. group: weights along K that share a scale, 0: all.
    codes: uint8 (N, K). zeros: uint8 (N, groups). scales: float16 (N, groups), positive normal numbers.
    """

    name: str
    bits: int
    group: int
    codes: NDArray[np.uint8]
    zeros: NDArray[np.uint8]
    scales: NDArray[np.float16]

    @property
    def shape(self) -> tuple[int, int]:
        return self.codes.shape[0], self.codes.shape[1]

    @property
    def size(self) -> int:
        """Weights."""
        return self.codes.size

    @property
    def values(self) -> NDArray[np.float32]:
        """What the codes mean, exactly: at most nine bits times eleven."""
        size = self.group or self.shape[1]
        zeros, scales = (per_group.astype(np.float32).repeat(size, axis=1)[:, : self.shape[1]]
                         for per_group in (self.zeros, self.scales))
        return (self.codes - zeros) * scales

    def encode(self, scheme: Scheme) -> Encoded:
        """The weights for ``scheme``, code for code; ``zero=sym`` takes them if all zero points are in the middle.

        Raises ``CheckpointError`` if the scheme does not compute with just these weights.
        """
        if self.group not in GROUPS:
            raise CheckpointError(f"{self.name}: its packed weights share scales in groups of {self.group}; hardware "
                                  "is there for 32, 64, 128, 256 and the whole row")
        wanted = {"w": f"int{self.bits}", "scale": "fp16", "group": self.group}
        if not isinstance(scheme, MixPe) or any(getattr(scheme, key) != value for key, value in wanted.items()):
            raise CheckpointError(f"{self.name}: its packed weights want the scheme w{self.bits}a8 or w{self.bits}a4 "
                                  f"with zero=zp group={self.group}, not {scheme.name}")
        arrays: dict[str, Array] = {"codes": self.codes, "scales": self.scales}
        if scheme.zero == "zp":
            arrays["zeros"] = self.zeros
        else:
            middle = 1 << self.bits - 1
            if (self.zeros != middle).any():
                raise CheckpointError(f"{self.name}: zero=sym wants every zero point to be {middle}; with others it is "
                                      "zero=zp")
            arrays["codes"] = (self.codes.astype(np.int16) + int_range(scheme)[0]).astype(np.int8)
        return Encoded(scheme, Axis.COLUMN, self.shape, arrays)


def read_packed(tensors: Tensors, name: str, shape: tuple[int, int], stored: PackedFormat) -> PackedWeight:
    """The layer ``name`` (``model.layers.0.self_attn.q_proj``, say) of shape (N, K).

    Raises ``CheckpointError`` with the file, the tensor and what is wrong: missing or misshapen tensors, an order of
    groups that is not ascending (``desc_act``: K would have to be permuted), a zero point that ``bits`` cannot hold, a
    bias that is not zero, scales that are not positive normal numbers.
    """
    (n, k), bits = shape, stored.bits
    size = k if stored.group_size == -1 else stored.group_size
    groups = -(-k // size)
    if n * bits % WORD or (k * bits % WORD and stored.quant_method == "gptq"):
        raise tensors.error(f"{name}.qweight", f"must hold {bits}-bit codes of shape {[n, k]}: no whole words")
    qzeros = tensors.stored(f"{name}.qzeros", (groups, n * bits // WORD), "I32")
    if stored.quant_method == "gptq":
        qweight = tensors.stored(f"{name}.qweight", (k * bits // WORD, n), "I32")
        codes, zeros = unpack(np.ascontiguousarray(qweight.T), bits), unpack(qzeros, bits).T
        _check_order(tensors, name, k, size)
        if stored.checkpoint_format == "gptq":
            zeros = _plus_one(tensors, name, zeros, bits)
    else:
        qweight = tensors.stored(f"{name}.qweight", (k, n * bits // WORD), "I32")
        codes, zeros = (_ascending(unpack(words, bits)).T for words in (qweight, qzeros))
    scales = tensors.stored(f"{name}.scales", (groups, n), "F16").T
    if not ((scales >= FP16_SMALLEST_NORMAL) & np.isfinite(scales)).all():
        raise tensors.error(f"{name}.scales", "must hold positive normal FP16 numbers only")
    if f"{name}.bias" in tensors and tensors.stored(f"{name}.bias", (n,), "F16").any():
        raise tensors.error(f"{name}.bias", "must be zero: linear layers have no bias here")
    group = 0 if stored.group_size == -1 else size
    return PackedWeight(name, bits, group, *map(np.ascontiguousarray, (codes, zeros, scales)))


def unpack(words: NDArray[np.int32], bits: int) -> NDArray[np.uint8]:
    """int32 (rows, words) as the stream of unsigned codes in each row, lowest bits first: uint8 (rows, codes)."""
    stream = np.ascontiguousarray(words, "<i4").view(np.uint8)
    fields = np.unpackbits(stream, axis=1, bitorder="little").reshape(len(words), -1, bits)
    return np.packbits(fields, axis=2, bitorder="little")[:, :, 0]


def _ascending(nibbles: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Nibbles (rows, N) of AWQ's words in the order of their columns."""
    return nibbles.reshape(len(nibbles), -1, 8)[:, :, np.argsort(AWQ_ORDER)].reshape(nibbles.shape)


def _plus_one(tensors: Tensors, name: str, zeros: NDArray[np.uint8], bits: int) -> NDArray[np.uint8]:
    largest = (1 << bits) - 1
    if (zeros == largest).any():
        raise tensors.error(f"{name}.qzeros", f"holds {largest}, a zero point of {largest + 1} that {bits} bits cannot "
                            "hold; if the file stores zero points as they are, its checkpoint_format is gptq_v2")
    return zeros + np.uint8(1)


def _check_order(tensors: Tensors, name: str, k: int, size: int) -> None:
    if f"{name}.g_idx" not in tensors:
        return
    order = tensors.stored(f"{name}.g_idx", (k,), "I32")
    if (order != np.arange(k) // size).any():
        raise tensors.error(f"{name}.g_idx", "must be ascending, k // group_size; activation order (desc_act) is not "
                            "supported: quantise with desc_act=false")
