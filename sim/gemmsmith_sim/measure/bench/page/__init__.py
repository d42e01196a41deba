"""A benchmark file as a page to look at: HTML with charts, Markdown with the same tables.

`markdown` needs nothing but this package; ``html.html`` needs the extra ``report`` (Jinja, Altair, vl-convert) and is
therefore imported where it is used.
"""

from .markdown import markdown

__all__ = ["markdown"]
