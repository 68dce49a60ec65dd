# SPDX-License-Identifier: Apache-2.0
"""Every seeded bug replaces text that is there: most of them run with `make regress` only, where that shows late."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DECORATOR = "one_bug_per_component"


def texts(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and text of every bug of a test file that is written out."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", None) == DECORATOR:
            names = ast.literal_eval(node.args[0])
            names = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
            for row in getattr(node.args[1], "elts", ()) if "right" in names else ():
                place = names.index("right")
                if isinstance(row, ast.Tuple) and isinstance(row.elts[place], ast.Constant):
                    yield row.lineno, row.elts[place].value


def test_what_a_seeded_bug_replaces_is_once_in_some_module():
    sources = [path.read_text() for folder in ("hdl", "sim", "boards") for path in (ROOT / folder).rglob("*.py")]
    files = [path for path in sorted((ROOT / "tb").glob("test_*.py")) if f"@{DECORATOR}" in path.read_text()]
    found = [(path.name, *text) for path in files for text in texts(ast.parse(path.read_text()))]
    assert len(found) > 150
    gone = [text for text in found if not any(source.count(text[2]) == 1 for source in sources)]
    assert not gone
