# SPDX-License-Identifier: Apache-2.0
"""Graph passes: a network made smaller or shorter without changing a value. A pass is a function Graph -> `Pass`.

| pass | what it does |
|---|---|
| `fold_padding` | a PAD becomes the padding of the convolution behind it |
| `remove_unread_nodes` | operators that lead nowhere go |
| `remove_dead_channels` | channels that are constant, or that nobody reads, go |
| `fuse_additions` | says which ADD can run behind the convolution that computes one of its operands |

Tensors keep their indices and nodes theirs (`Node.index`), so that what is left can be compared with the graph before.
"""

from sysmt.sim.nn.graph import Graph
from sysmt.sim.nn.simplify import fold

from .additions import fuse_additions
from .dead_channels import remove_dead_channels
from .padding import fold_padding
from .plain import plain
from .result import Pass
from .unread import remove_unread_nodes

__all__ = [
    "PASSES",
    "Pass",
    "fold_padding",
    "fuse_additions",
    "optimise",
    "remove_dead_channels",
    "remove_unread_nodes",
]

PASSES = (remove_unread_nodes, fold_padding, remove_dead_channels, fuse_additions)
"""In the order they run: padding before dead channels, since it decides which channels are constant at the edges."""


def optimise(graph: Graph) -> Pass:
    """All passes: the graph, and what each of them did; nothing to a graph that is not `plain`."""
    folded = fold(graph)
    if not plain(folded):
        return Pass(graph)
    changes: tuple[str, ...] = ()
    for one in PASSES:
        done = one(folded)
        folded, changes = done.graph, changes + done.changes
    return Pass(folded, changes)
