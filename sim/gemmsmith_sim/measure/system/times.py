"""Cycles at which something last happened: the state of the cycle model."""

from collections import deque
from dataclasses import fields

__all__ = ["LONG_AGO", "Times", "window"]

LONG_AGO = -(1 << 60)
"""Before the job."""


def window(length: int) -> deque[int]:
    """The last ``length`` times of something; ``[0]`` is the one ``length`` before the next."""
    return deque([LONG_AGO] * length, maxlen=length)


class Times:
    """Base of dataclasses whose fields are cycle numbers, or windows of them.

    All that happens later is a maximum of these plus constants. So if all of them stand to each other as they did
    before, what follows repeats itself.
    """

    def relative(self, now: int, oldest: int) -> tuple[int, ...]:
        """The times, counted from ``now``. What lies before ``oldest`` can delay nothing any more and is all the
        same."""
        flat: list[int] = []
        for field in fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            flat.extend([value] if isinstance(value, int) else value)
        return tuple(max(time, oldest) - now for time in flat)

    def shift(self, cycles: int) -> None:
        """Lets everything have happened ``cycles`` later."""
        for field in fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            if isinstance(value, int):
                setattr(self, field.name, value + cycles)
            else:
                setattr(self, field.name, type(value)((time + cycles for time in value), maxlen=value.maxlen))
