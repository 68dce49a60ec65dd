# SPDX-License-Identifier: Apache-2.0
"""Mutants of Python source: where a circuit's text can be changed by one thing, and the changed texts.

Constants, comparisons, operators, negations, deleted statements and parts of statement lists, swapped arguments,
initial values. Only bodies of functions are changed; docstrings, errors and assertions are left alone, and nothing is
made wider: a register with a bit more is the same register. Nor is the initial value changed of what is always
assigned in `comb`.
"""

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass

COMPARED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
}
OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitOr,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
SWAPPED = 2
"""Arguments of a call that is changed by swapping its last two: `Mux(c, a, b)`, `Cat(a, b)`."""
SHAPED = {"Signal", "signed", "unsigned", "replicate", "In", "Out", "Signature", "ArrayLayout"}
"""Calls whose arguments are widths, or ranges."""
VALUED = {"Const", "C"}
"""Calls whose arguments are so, but for the first."""
UNSEEN = {"reset_less", "strict"}
"""Arguments by name that change no value: what is reset needlessly is overwritten all the same, and `zip` that is
strict asserts something."""
KEPT = {"isinstance", "getattr", "setattr", "hasattr", "zip", "range", "min", "max", "connect", "shared", "super"}
"""Calls whose arguments are not swapped: the order does not matter, or nothing could be made."""


@dataclass(frozen=True)
class Mutant:
    """One change of a file.

    Parameters
    ----------
    line : int
    before, after : str
        What was changed: an expression or a statement, on one line.
    text : str
        The whole file, changed.
    """

    line: int
    before: str
    after: str
    text: str


@dataclass(frozen=True)
class _Change:
    """A part of the source by its place, and what stands there instead."""

    node: ast.expr | ast.stmt
    after: str


def mutants(source: str) -> list[Mutant]:
    """All mutants of a file, in the order of its text."""
    lines = source.encode().splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    found, content = [], b"".join(lines)
    for change in _changes(ast.parse(source)):
        node = change.node
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        begin, end = starts[node.lineno - 1] + node.col_offset, starts[node.end_lineno - 1] + node.end_col_offset
        text = (content[:begin] + change.after.encode() + content[end:]).decode()
        found.append(Mutant(node.lineno, ast.unparse(node), change.after, text))
    unique = {mutant.text: mutant for mutant in found if mutant.text != source}
    return sorted(unique.values(), key=lambda mutant: (mutant.line, mutant.before, mutant.after))


def _changes(tree: ast.Module) -> Iterator[_Change]:
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef):
            wired = _wired(function)
            for statement in function.body:
                yield from (change for change in _of_statement(statement) if id(change.node) not in wired)


def _wired(function: ast.FunctionDef) -> set[int]:
    """The `Signal()` of variables that a function assigns in `comb` whatever is the case."""
    assigned = {
        ast.unparse(part.func.value)
        for statement in function.body
        if isinstance(statement, ast.AugAssign) and ast.unparse(statement.target) == "m.d.comb"
        for part in (statement.value.elts if isinstance(statement.value, ast.List) else [statement.value])
        if isinstance(part, ast.Call) and isinstance(part.func, ast.Attribute) and part.func.attr == "eq"
    }
    made = [
        (target, value)
        for statement in function.body
        if isinstance(statement, ast.Assign)
        for target, value in _pairs(statement.targets[-1], statement.value)
    ]
    return {id(value) for target, value in made if ast.unparse(target) in assigned and ast.unparse(value) == "Signal()"}


def _pairs(target: ast.expr, value: ast.expr) -> list[tuple[ast.expr, ast.expr]]:
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        return list(zip(target.elts, value.elts, strict=True))
    return [(target, value)]


def _of_statement(statement: ast.stmt) -> Iterator[_Change]:
    """Changes of a statement and of those inside it, other functions left out."""
    if isinstance(statement, (ast.FunctionDef, ast.ClassDef, ast.Raise, ast.Assert, ast.Import, ast.ImportFrom)):
        return
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        return
    if _adds_logic(statement):
        yield _Change(statement, "pass")
    for child in ast.iter_child_nodes(statement):
        if isinstance(child, ast.stmt):
            yield from _of_statement(child)
        elif isinstance(child, (ast.match_case, ast.ExceptHandler)):
            for inner in child.body:
                yield from _of_statement(inner)
        elif isinstance(child, ast.expr) and child is not getattr(statement, "annotation", None):
            yield from _of_expression(child)
        elif isinstance(child, ast.withitem):
            yield from _of_expression(child.context_expr)


def _adds_logic(statement: ast.stmt) -> bool:
    """Whether a statement gives a domain of a module something to do: `m.d.comb += ...`."""
    return isinstance(statement, ast.AugAssign) and ast.unparse(statement.target).startswith("m.d.")


def _of_expression(root: ast.expr) -> Iterator[_Change]:
    widths = {id(width) for node in ast.walk(root) if isinstance(node, ast.Call) for width in _widths(node)}
    unseen = {id(word.value) for node in ast.walk(root) for word in getattr(node, "keywords", ()) if word.arg in UNSEEN}
    inside_texts = {id(part) for node in ast.walk(root) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}
    for node in ast.walk(root):
        if isinstance(node, ast.expr) and id(node) not in inside_texts | unseen:
            for other in _others(node):
                if id(node) in widths and isinstance(other, ast.Constant) and other.value > node.value:
                    continue
                yield _Change(node, f"({ast.unparse(other)})" if isinstance(node, ast.BinOp) else ast.unparse(other))


def _widths(node: ast.Call) -> Iterator[ast.expr]:
    """What makes something wider where it is more: `8` of `Signal(8)` and `Memory(shape=2 * 8)`."""
    shapes = [word.value for word in node.keywords if word.arg == "shape"]
    name = ast.unparse(node.func).rpartition(".")[2]
    if name in SHAPED | VALUED:
        shapes += node.args[name in VALUED :]
    for shape in shapes:
        yield from _grow(shape)


def _grow(shape: ast.expr) -> Iterator[ast.expr]:
    """An expression and those of its parts that make it more where they are more."""
    yield shape
    if isinstance(shape, ast.BinOp) and isinstance(shape.op, (ast.Add, ast.Sub, ast.Mult, ast.Pow)):
        yield from _grow(shape.left)
        if not isinstance(shape.op, ast.Sub):
            yield from _grow(shape.right)
    elif isinstance(shape, ast.Call) and ast.unparse(shape.func) in ("range", "max"):
        for arg in shape.args[-1:] if ast.unparse(shape.func) == "range" else shape.args:
            yield from _grow(arg)


def _others(node: ast.expr) -> Iterator[ast.expr]:
    """What an expression is changed to, by one thing at its top."""
    if isinstance(node, ast.Constant) and type(node.value) is bool:
        yield ast.Constant(not node.value)
    elif isinstance(node, ast.Constant) and type(node.value) is int:
        yield ast.Constant(node.value + 1)
        if node.value > 1:
            yield ast.Constant(node.value - 1)
    elif isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in COMPARED:
        yield _with(node, ops=[COMPARED[type(node.ops[0])]()])
    elif isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        yield _with(node, op=OPERATORS[type(node.op)]())
    elif isinstance(node, ast.BoolOp):
        yield _with(node, op=ast.Or() if isinstance(node.op, ast.And) else ast.And())
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.Invert, ast.Not, ast.USub)):
        yield node.operand
    elif isinstance(node, ast.List) and len(node.elts) > 1 and all(_assigns(part) for part in node.elts):
        for place in range(len(node.elts)):
            yield _with(node, elts=[part for i, part in enumerate(node.elts) if i != place])
    elif isinstance(node, ast.Call):
        yield from _calls(node)


def _assigns(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "eq"


def _calls(node: ast.Call) -> Iterator[ast.expr]:
    name = ast.unparse(node.func).rpartition(".")[2]
    args = node.args
    if len(args) >= SWAPPED and name not in KEPT and not any(isinstance(arg, ast.Starred) for arg in args):
        yield _with(node, args=[*args[:-2], args[-1], args[-2]])
    if name == "Signal" and not any(word.arg == "init" for word in node.keywords) and not args:
        yield _with(node, keywords=[*node.keywords, ast.keyword("init", ast.Constant(1))])


def _with(node: ast.expr, **changes: object) -> ast.expr:
    made = copy.copy(node)
    for name, value in changes.items():
        setattr(made, name, value)
    return made
