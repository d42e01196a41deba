"""What a scheme is: a frozen description of a matrix product, exact to the bit.

A scheme says *what is computed*: the operand formats, the groups, where sums are exact and where they are
rounded, the output format, and how each operand lies in memory. It says nothing about hardware structure
(that is a processing element) and computes nothing itself (that is the golden model). The two share schemes
and formats only, so that a common mistake cannot hide.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from enum import Enum
from typing import Any, ClassVar, Self

OUTPUTS = {"fp32": 32, "fp16": 16}
"""Output formats and their widths in bits."""


class SchemeError(ValueError):
    """A scheme name, or a choice in one, that does not exist. The message says what would be right."""


class Axis(Enum):
    """Which matrix an operand belongs to. O = A · Wᵀ: rows of the array make rows of O, columns make
    columns."""

    ROW = "row"
    """Activations: row r of the array serves rows m ≡ r of A, shared by all its columns."""
    COLUMN = "column"
    """Weights: column c of the array serves rows n ≡ c of W (columns of O), shared by all its rows."""


class Cadence(Enum):
    """How often a new word of an operand is wanted (or a core delivers a result)."""

    BEAT = "beat"
    GROUP = "group"
    BLOCK = "block"


class Part(Enum):
    """Which part of the processing element takes the operand."""

    EDGE = "edge"
    TAIL = "tail"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Operand:
    """One array in memory, and one input of a processing element.

    Memory layout (the same for every array size): row m (of A or of W) starts at ``base + m · stride``; its
    words follow each other in the order in which the hardware takes them (but see ``descending``), each in a
    little-endian container of ``container`` bits (but see ``dense``); ``stride`` is a multiple of the data bus.

    Parameters
    ----------
    name: identifier, used in ports, registers and the C header.
    axis: whose rows the words belong to.
    width: significant bits of a word; bit 0 first.
    cadence: ``BEAT`` (one word a beat), ``GROUP`` (one word per ``every`` groups), ``BLOCK`` (``words`` per
        block, that is per K; an edge takes them in a warm-up before the first beat, one a cycle).
    part: the edge, or the tail (which sees the word together with the core's result).
    every: groups that share a word (``GROUP`` only).
    words: words per block (``BLOCK`` only; a tail operand has exactly one).
    dense: words lie side by side in memory, ``width`` bits each and none between them (``GROUP`` only).
    descending: in memory, a group's words behind its first stand the other way round: the one that is taken last
        comes first (``BEAT`` only).
    doc: what a word holds.
    """

    name: str
    axis: Axis
    width: int
    cadence: Cadence
    part: Part = Part.EDGE
    every: int = 1
    words: int = 1
    dense: bool = False
    descending: bool = False
    doc: str = ""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", self.name):
            raise ValueError(f"operand name must be snake_case, not {self.name!r}")
        if self.width < 1:
            raise ValueError(f"width of {self.name} must be at least 1, not {self.width!r}")
        if self.every < 1 or (self.every > 1 and self.cadence is not Cadence.GROUP):
            raise ValueError(f"every of {self.name} must be 1, or more for a group operand, not {self.every!r}")
        if self.words < 1 or (self.words > 1 and (self.cadence, self.part) != (Cadence.BLOCK, Part.EDGE)):
            raise ValueError(f"words of {self.name} must be 1, or more for a block operand of an edge, "
                             f"not {self.words!r}")
        if self.cadence is Cadence.BEAT and self.part is Part.TAIL:
            raise ValueError(f"{self.name}: a tail takes operands per group or per block, not per beat")
        if self.dense and self.cadence is not Cadence.GROUP:
            raise ValueError(f"{self.name}: dense words come per group, not per {self.cadence.value}")
        if self.descending and self.cadence is not Cadence.BEAT:
            raise ValueError(f"{self.name}: descending words come per beat, not per {self.cadence.value}")

    @property
    def container(self) -> int:
        """Bits a word takes by itself: the next power of two, at least 8."""
        return max(8, 1 << (self.width - 1).bit_length())

    @property
    def pitch(self) -> int:
        """Bits from one word to the next in memory."""
        return self.width if self.dense else self.container

    def words_per_row(self, *, groups: int, beats: int) -> int:
        """Words in a row of ``groups`` groups of ``beats`` beats."""
        if self.cadence is Cadence.BEAT:
            return groups * beats
        if self.cadence is Cadence.GROUP:
            return -(-groups // self.every)
        return self.words


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scheme(ABC):
    """Base of all schemes. Subclasses are frozen dataclasses whose fields are the choices they offer.

    Parameters
    ----------
    out: output format, ``fp32`` or ``fp16`` (one more rounding, to nearest even, subnormals kept, overflow to
        inf).
    """

    family: ClassVar[str]
    """Name shared by scheme, processing element and golden model: each lives in a file of this name."""
    pattern: ClassVar[str]
    """Regular expression of the canonical name, its groups named like the fields."""
    summary: ClassVar[str]
    """One line for lists."""
    source: ClassVar[str]
    """Paper or standard."""
    outputs: ClassVar[dict[str, int]] = OUTPUTS
    """Output formats of the family, and bits of one output."""
    activation_choices: ClassVar[frozenset[str]] = frozenset()
    """Fields that only the activations' codes depend on: weights encoded once go with every value of them."""

    out: str = "fp32"

    def __post_init__(self) -> None:
        self._choice("out", self.outputs)

    def _choice(self, field: str, allowed: Any) -> None:
        if getattr(self, field) not in allowed:
            choices = f"{allowed.start}..{allowed.stop - 1}" if isinstance(allowed, range) else ", ".join(
                str(a) for a in allowed)
            raise SchemeError(f"{field} of {self.family} must be one of {choices}, not {getattr(self, field)!r}")

    @property
    @abstractmethod
    def name(self) -> str:
        """Canonical name: spells out every choice; used in files, JSON and on the command line."""

    @property
    @abstractmethod
    def short(self) -> str:
        """Shortest name that gives this family; other choices are overrides."""

    @property
    @abstractmethod
    def k_multiple(self) -> int:
        """K is padded with zero codes to a multiple of this."""

    @property
    def out_width(self) -> int:
        """Bits of one output."""
        return self.outputs[self.out]

    def shares_weights(self, other: Scheme) -> bool:
        """Whether weights encoded for ``other`` are this scheme's too, code for code."""
        same = {field: getattr(self, field) for field in self.activation_choices}
        return type(self) is type(other) and dataclasses.replace(other, **same) == self

    # What a search for the precision of each module needs.

    def ladder(self) -> tuple[Self, ...]:
        """The schemes that a precision search chooses from in this one's place, cheapest first; none by default."""
        return ()

    @property
    def operand_bits(self) -> tuple[int, int]:
        """Bits of an activation and of a weight whose product is the bit operations of a multiply-accumulate.

        A scheme with a ladder must say them.
        """
        raise NotImplementedError(f"{self.family} does not say its operands' bits")

    @classmethod
    def build_choices(cls, schemes: Sequence[Self]) -> dict[str, int]:
        """Choices, of the scheme and its processing element, of a build that computes all of ``schemes``, one or more.

        Raises ``SchemeError`` if no build does.
        """
        if len(set(schemes)) != 1:
            raise cls._mixed(schemes, "one scheme")
        return {}

    @classmethod
    def _mixed(cls, schemes: Sequence[Scheme], computed: str) -> SchemeError:
        """The error of schemes that no build computes together."""
        return SchemeError(f"one build of {cls.family} computes {computed}, not "
                           f"{', '.join(sorted({scheme.name for scheme in schemes}))}")

    def replace(self, **choices: str | int) -> Self:
        """The scheme with some choices changed. Raises ``SchemeError`` for unknown names or values."""
        types = {f.name: type(getattr(self, f.name)) for f in dataclasses.fields(self)}
        typed: dict[str, Any] = {}
        for key, value in choices.items():
            if key not in types:
                raise SchemeError(f"{self.family} has no choice {key!r}; it has {', '.join(sorted(types))}")
            try:
                typed[key] = types[key](value)
            except ValueError:
                raise SchemeError(f"{key} must be a whole number, not {value!r}") from None
        return dataclasses.replace(self, **typed)

    @classmethod
    def semantics(cls) -> str:
        """What is computed, step by step: the docstrings of the family and of the bases that it shares with others."""
        told = cls.__mro__[:cls.__mro__.index(Scheme)]
        return "\n\n".join(inspect.cleandoc(base.__doc__ or "") for base in told)

    @classmethod
    def compared(cls) -> tuple[Self, ...]:
        """The schemes of this family that a comparison shows if none are named."""
        return (cls(),)

    @classmethod
    def from_canonical(cls, text: str) -> Self | None:
        """The scheme of a canonical name, or None when the name belongs to another family."""
        match = re.fullmatch(cls.pattern, text)
        return cls().replace(**match.groupdict()) if match else None
