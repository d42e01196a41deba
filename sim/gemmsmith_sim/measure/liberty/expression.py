"""Boolean functions of Liberty: parse them, and evaluate them on many input vectors at once.

Grammar (Liberty Reference Manual, ``function``), from the loosest to the tightest operator: ``+`` or ``|``;
``*``, ``&`` or nothing between two operands; ``^``; ``!`` before or ``'`` after an operand. Constants are
``0`` and ``1``.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

__all__ = ["Expression", "parse", "unateness"]

Words = npt.NDArray[np.uint64]

_TOKEN = re.compile(r"\s*(?:(?P<name>[A-Za-z_][\w.\[\]]*)|(?P<operator>[01!'()&*|+^]))")
_ALL = np.uint64(0xFFFF_FFFF_FFFF_FFFF)


@dataclass(frozen=True)
class Expression:
    """A boolean function: ``operator`` is ``"pin"``, ``"constant"``, ``"not"``, ``"and"``, ``"or"``, ``"xor"``."""

    operator: str
    operands: tuple["Expression", ...] = ()
    name: str = ""
    """Of the pin; ``"0"`` or ``"1"`` of a constant."""

    def pins(self) -> tuple[str, ...]:
        """The pins that occur, each once, in the order of their first occurrence."""
        if self.operator == "pin":
            return (self.name,)
        return tuple(dict.fromkeys(pin for operand in self.operands for pin in operand.pins()))

    def evaluate(self, pins: Mapping[str, Words]) -> Words:
        """The function's value in every bit of the words of its pins, which have one shape (or broadcast).

        Raises
        ------
        ValueError
            If a pin of the function is missing.
        """
        if self.operator == "pin":
            if self.name not in pins:
                raise ValueError(f"pins must contain {self.name!r}, not only {sorted(pins)}")
            return pins[self.name]
        if self.operator == "constant":
            return np.asarray(_ALL if self.name == "1" else np.uint64(0))
        values = [operand.evaluate(pins) for operand in self.operands]
        if self.operator == "not":
            return np.asarray(~values[0])
        function = {"and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor}[self.operator]
        result = values[0]
        for value in values[1:]:
            result = function(result, value)
        return np.asarray(result)


@cache
def parse(text: str) -> Expression:
    """The expression that ``text`` stands for.

    Raises
    ------
    ValueError
        If it is not an expression of Liberty.
    """
    return _Parser(text).parse()


@cache
def unateness(text: str, pin: str) -> str:
    """How the function ``text`` follows ``pin``: ``"positive_unate"``, ``"negative_unate"`` or ``"non_unate"``.

    By its truth table; a function that does not depend on the pin counts as ``"positive_unate"``.
    """
    expression = parse(text)
    others = [name for name in expression.pins() if name != pin]
    rows = np.arange(1 << len(others), dtype=np.uint64)
    vectors = {name: (rows >> np.uint64(i)) & np.uint64(1) for i, name in enumerate(others)}
    at_0, at_1 = (
        np.broadcast_to(expression.evaluate({**vectors, pin: np.full_like(rows, level)}) & np.uint64(1), rows.shape)
        for level in (0, 1)
    )
    if (at_0 <= at_1).all():
        return "positive_unate"
    return "negative_unate" if (at_0 >= at_1).all() else "non_unate"


class _Parser:
    """Recursive descent, one method per level of precedence."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens: list[str] = []
        position, end = 0, len(text.rstrip())
        while position < end:
            match = _TOKEN.match(text, position)
            if match is None:
                raise self.error()
            self.tokens.append(match["name"] or match["operator"])
            position = match.end()
        self.tokens.reverse()  # the next one is the last of the list

    def error(self) -> ValueError:
        return ValueError(f"function must be a boolean expression of pins, not {self.text!r}")

    def parse(self) -> Expression:
        result = self.disjunction()
        if self.tokens:
            raise self.error()
        return result

    def next(self) -> str:
        return self.tokens[-1] if self.tokens else ""

    def disjunction(self) -> Expression:
        terms = [self.conjunction()]
        while self.next() in ("|", "+"):
            self.tokens.pop()
            terms.append(self.conjunction())
        return terms[0] if len(terms) == 1 else Expression("or", tuple(terms))

    def conjunction(self) -> Expression:
        factors = [self.exclusive()]
        while self.next() not in ("", "|", "+", ")"):
            if self.next() in ("&", "*"):
                self.tokens.pop()
            factors.append(self.exclusive())
        return factors[0] if len(factors) == 1 else Expression("and", tuple(factors))

    def exclusive(self) -> Expression:
        terms = [self.operand()]
        while self.next() == "^":
            self.tokens.pop()
            terms.append(self.operand())
        return terms[0] if len(terms) == 1 else Expression("xor", tuple(terms))

    def operand(self) -> Expression:
        token = self.tokens.pop() if self.tokens else ""
        if token == "!":
            return Expression("not", (self.operand(),))
        if token == "(":
            result = self.disjunction()
            if not self.tokens or self.tokens.pop() != ")":
                raise self.error()
        elif token in ("0", "1"):
            result = Expression("constant", name=token)
        elif token and (token[0].isalpha() or token[0] == "_"):
            result = Expression("pin", name=token)
        else:
            raise self.error()
        while self.next() == "'":
            self.tokens.pop()
            result = Expression("not", (result,))
        return result
