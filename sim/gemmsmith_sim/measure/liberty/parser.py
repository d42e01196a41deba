"""The syntax of Liberty files: text to nested groups. What the groups mean is `build`'s affair."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

__all__ = ["Group", "parse_groups"]

# One match is one statement: `}`, `name : value ;`, `name (arguments) ;` or `name (arguments) {`. Semicolons
# are optional, since published files lack some. A value without quotes ends with its line.
_STATEMENT = re.compile(
    r"""(?: \s+ | /\*.*?\*/ | \\\r?\n | ; )*
    (?: (?P<close>\})
      | (?P<name>[A-Za-z_]\w*) [ \t]*
        (?: : [ \t]* (?P<value> "[^"]*" | [^;{}\n]* )
          | \( (?P<arguments> (?: [^()"] | "[^"]*" )* ) \) (?: \s* (?P<open>\{) )?
        )
      | (?P<end>\Z)
    )""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(slots=True)
class Group:
    """``kind (arguments) { ... }``: simple and complex attributes by name, and the groups inside."""

    kind: str
    arguments: str
    attributes: dict[str, str] = field(default_factory=dict)
    """Name → value without quotes; of a complex attribute all its arguments as written. The last one counts."""
    groups: list["Group"] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        """The arguments as names."""
        return [name for part in self.arguments.split(",") if (name := unquote(part))]

    def all(self, *kinds: str) -> Iterator["Group"]:
        """The groups inside of one of these kinds, in the file's order."""
        return (group for group in self.groups if group.kind in kinds)


def unquote(text: str) -> str:
    """Without surrounding blanks and quotes."""
    return text.strip().strip('"').strip()


def parse_groups(text: str, file: str) -> Group:
    """The ``library`` group of a Liberty file.

    Raises
    ------
    ValueError
        For text that is not Liberty, with ``file`` and the line.
    """
    root = Group("", "")
    open_groups = [root]
    position = 0
    while match := _STATEMENT.match(text, position):
        position = match.end()
        group = open_groups[-1]
        kind = match.lastgroup
        if kind == "value":
            group.attributes[match["name"]] = unquote(match["value"])
        elif kind == "open":
            inner = Group(match["name"], match["arguments"])
            group.groups.append(inner)
            open_groups.append(inner)
        elif kind == "arguments":
            group.attributes[match["name"]] = match["arguments"]
        elif kind == "close" and len(open_groups) > 1:
            open_groups.pop()
        else:
            break
    if len(open_groups) > 1 or position < len(text) or [group.kind for group in root.groups] != ["library"]:
        line = text.count("\n", 0, position) + 1
        inside = f" inside {open_groups[-1].kind} ({open_groups[-1].arguments})" if len(open_groups) > 1 else ""
        raise ValueError(f"{file} must be a Liberty file with one library group; cannot read line {line}{inside}")
    return root.groups[0]
