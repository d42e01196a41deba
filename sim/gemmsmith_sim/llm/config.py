"""The part of a Hugging Face Llama ``config.json`` that decides what is computed."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError, model_validator

from gemmsmith_sim.llm.errors import CheckpointError
from gemmsmith_sim.quantise.packed import PackedFormat

__all__ = ["LlamaConfig"]

# Features that would change the result if they were ignored: key -> the values that switch them off.
_UNSUPPORTED: dict[str, tuple[Any, ...]] = {
    "attention_bias": (None, False),
    "mlp_bias": (None, False),
    "pretraining_tp": (None, 1),
    "sliding_window": (None,),
    "partial_rotary_factor": (None, 1.0),
}


class LlamaConfig(BaseModel):
    """Validated model configuration, field names and defaults as in Hugging Face ``LlamaConfig``.

    Keys that do not change the numbers computed are ignored; features that are not implemented (attention or
    MLP bias, RoPE scaling, other activations, other architectures, quantised storage other than `PackedFormat`) are
    refused by name.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    model_type: Literal["llama"]
    hidden_size: PositiveInt
    intermediate_size: PositiveInt
    num_hidden_layers: PositiveInt
    num_attention_heads: PositiveInt
    num_key_value_heads: PositiveInt
    head_dim: PositiveInt
    vocab_size: PositiveInt
    max_position_embeddings: PositiveInt = 2048
    rms_norm_eps: float = Field(default=1e-6, gt=0, allow_inf_nan=False)
    rope_theta: float = Field(default=10000.0, gt=0, allow_inf_nan=False)
    hidden_act: Literal["silu"] = "silu"
    tie_word_embeddings: bool = False
    quantization_config: PackedFormat | None = None
    eos_token_id: int | list[int] | None = None

    @classmethod
    def load(cls, path: Path) -> "LlamaConfig":
        """Read ``config.json``.

        Raises
        ------
        CheckpointError
            The file is missing, not JSON, incomplete or asks for something unsupported.
        """
        try:
            return cls.model_validate_json(path.read_bytes())
        except OSError as error:
            raise CheckpointError(f"{path}: cannot be read: {error.strerror}") from error
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            # These three say it all themselves, and their input is the whole file.
            whole = first["type"] in ("missing", "value_error", "json_invalid")
            given = "" if whole else f", not {first['input']!r}"
            message = first["msg"].removeprefix("Value error, ")
            raise CheckpointError(f"{path}: {where + ': ' if where else ''}{message}{given}") from error

    @property
    def stop_tokens(self) -> frozenset[int]:
        """Tokens that end a text; empty if the model has none."""
        eos = self.eos_token_id
        return frozenset(() if eos is None else [eos] if isinstance(eos, int) else eos)

    @model_validator(mode="before")
    @classmethod
    def _normalise(cls, data: Any) -> Any:
        """Refuse what is unsupported, then fill in the defaults that depend on other fields."""
        if not isinstance(data, dict):
            raise ValueError("must hold a JSON object")
        data = dict(data)
        for key, off in _UNSUPPORTED.items():
            if data.get(key) not in off:
                raise ValueError(f"{key}={data[key]!r} is not supported, it must be absent or {off[-1]!r}")
        cls._take_rope(data)
        heads, hidden = data.get("num_attention_heads"), data.get("hidden_size")
        if data.get("num_key_value_heads") is None:
            data["num_key_value_heads"] = heads
        if data.get("head_dim") is None and isinstance(hidden, int) and isinstance(heads, int) and heads > 0:
            if hidden % heads:
                raise ValueError(f"hidden_size {hidden} must be a multiple of num_attention_heads {heads}")
            data["head_dim"] = hidden // heads
        return data

    @staticmethod
    def _take_rope(data: dict[str, Any]) -> None:
        """Accept plain RoPE in the older (``rope_scaling``) and the newer (``rope_parameters``) spelling."""
        for key in ("rope_scaling", "rope_parameters"):
            rope = data.get(key) or {}
            if not isinstance(rope, dict):
                raise ValueError(f"{key} must be a JSON object, not {rope!r}")
            kind = rope.get("rope_type", rope.get("type", "default"))
            if kind != "default":
                raise ValueError(f"{key} of type {kind!r} is not supported, only 'default' (plain RoPE) is")
            if "rope_theta" in rope:
                data["rope_theta"] = rope["rope_theta"]

    @model_validator(mode="after")
    def _check(self) -> "LlamaConfig":
        if self.num_attention_heads % self.num_key_value_heads:
            raise ValueError(
                f"num_attention_heads {self.num_attention_heads} must be a multiple of "
                f"num_key_value_heads {self.num_key_value_heads}"
            )
        if self.head_dim % 2:
            raise ValueError(f"head_dim must be even for RoPE, not {self.head_dim}")
        return self
