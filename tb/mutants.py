# SPDX-License-Identifier: Apache-2.0
"""Seeded bugs: a component whose methods are made from its own source with one expression changed."""

import contextlib
import importlib
import inspect
import types
from collections.abc import Iterator, Sequence

import pytest


@contextlib.contextmanager
def seeded_bug(module: str, component: str, right: str, wrong: str) -> Iterator[None]:
    """While this lasts, `component` of `module` is elaborated with its text `right` (found once) as `wrong`."""
    original = importlib.import_module(module)
    source = inspect.getsource(original)
    if source.count(right) != 1:
        raise ValueError(f"{module} must hold {right!r} once, not {source.count(right)} times")
    mutant = types.ModuleType(original.__name__)
    mutant.__package__ = original.__package__
    mutant.__file__ = original.__file__
    exec(compile(source.replace(right, wrong), original.__file__, "exec"), mutant.__dict__)
    # The other classes stay the original ones: an enumeration only compares with itself.
    classes = {n: c for n, c in vars(original).items() if inspect.isclass(c) and n != component}
    mutant.__dict__.update(classes)
    kind = getattr(original, component)
    # Not the constructor: its super() belongs to the class it was written in.
    methods = {n: f for n, f in vars(getattr(mutant, component)).items() if inspect.isfunction(f) and n != "__init__"}
    healthy = {name: getattr(kind, name) for name in methods}
    try:
        for name, method in methods.items():
            setattr(kind, name, method)
        yield
    finally:
        for name, method in healthy.items():
            setattr(kind, name, method)


def one_bug_per_component(names: Sequence[str] | str, bugs: Sequence[object]) -> pytest.MarkDecorator:
    """`parametrize` for seeded bugs: the first one of every component is always sought, the others by `make regress`.

    Parameters
    ----------
    names : names of parameters
        `module` and `component` among them say where a bug is; without them all are in one component.
    bugs : sequence
        A value, or a tuple of values, for each of them.
    """
    wanted = [names] if isinstance(names, str) else list(names)
    where = [i for i, name in enumerate(wanted) if name in ("module", "component")]
    seen, marked = set(), []
    for bug in bugs:
        values = bug if isinstance(bug, tuple) else (bug,)
        component = tuple(values[i] for i in where)
        marked.append(pytest.param(*values, marks=[pytest.mark.regress] if component in seen else []))
        seen.add(component)
    return pytest.mark.parametrize(names, marked)
