# SPDX-License-Identifier: Apache-2.0
"""Sphinx extension: drawings, tables and formulas in docstrings become literal blocks.

Docstrings are read in a terminal more often than here, so a drawing is simply indented. reStructuredText would take
it for a quotation. A paragraph in front of the first section that begins indented, or has a column of bars on its
left, is shown as it stands.
"""

import inspect
import re
from itertools import groupby

UNDERLINE = re.compile(r"^-{3,}$")
ITEM = re.compile(r"\s*([-*]|\d+\.) ")


def literal_blocks(lines: list[str]) -> list[str]:
    """`lines` of a docstring with the paragraphs that are drawings marked as literal."""
    start = next((n for n in range(1, len(lines)) if UNDERLINE.match(lines[n]) and lines[n - 1].strip()), None)
    end = len(lines) if start is None else start - 1
    out: list[str] = []
    before = ""
    for blank, paragraph in groupby(lines[:end], key=lambda line: not line.strip()):
        text = list(paragraph)
        if blank:
            out += text
            continue
        drawn = text[0].startswith((" ", "|"))
        if drawn and not before.endswith("::") and not ITEM.match(before):
            out += ["::", "", *(f"    {line}" for line in text)]
        else:
            out += text
        if not (drawn and before.endswith("::")):
            before = text[-1] if not ITEM.match(text[0]) else text[0]
    return out + lines[end:]


def process(app, what, name, obj, options, lines: list[str]) -> None:
    """`autodoc-process-docstring`, before napoleon."""
    lines[:] = literal_blocks(lines)
    if what in ("attribute", "data", "property"):
        lines.insert(0, "")  # else napoleon takes what stands before a colon in the first line for a type


def signature(app, what, name, obj, options, arguments, returns):
    """`autodoc-process-signature`: of a component its own, not that of Amaranth's base class."""
    ours = [c for c in obj.__mro__ if c.__module__.startswith("sysmt.")] if what == "class" else []
    own = next((vars(c)["__init__"] for c in ours if inspect.isfunction(vars(c).get("__init__"))), None)
    if own is None:
        return None
    parameters = list(inspect.signature(own).parameters.values())[1:]
    return str(inspect.Signature([p.replace(annotation=p.empty) for p in parameters])), None


def setup(app) -> dict[str, bool]:
    app.connect("autodoc-process-signature", signature)
    app.connect("autodoc-process-docstring", process, priority=100)
    return {"parallel_read_safe": True}
