# SPDX-License-Identifier: Apache-2.0
"""N:M sparsity of weights where shapes do not tell it: of built-in networks, topology files, single products."""

from collections.abc import Iterable
from dataclasses import replace

from sysmt.base.errors import UserError
from sysmt.hdl.params.kinds.sparq import GROUP
from sysmt.hdl.params.pe import PEConfig

from .layer import Layer

UNSAID = (1, 1)
"""The sparsity of a layer of which nothing was said."""


def ratio(text: str) -> tuple[int, int]:
    """N:M of text such as "2:4".

    Raises
    ------
    UserError
        It is of another form.
    """
    n, colon, m = text.partition(":") if isinstance(text, str) else ("", "", "")
    if not (colon and all(part.isascii() and part.isdigit() and len(part) <= 3 for part in (n, m))):
        raise UserError(f"sparsity must be N:M, such as 2:4, not {text!r}")
    if not 1 <= int(n) <= int(m):
        raise UserError(f"sparsity must be N:M with 1 <= N <= M, not {text!r}")
    return int(n), int(m)


def with_sparsity(layers: Iterable[Layer], pe: PEConfig, text: str | None = None) -> tuple[Layer, ...]:
    """The layers as a PE needs them to be counted: where it counts on weights that are zero, all say their sparsity.

    Parameters
    ----------
    layers : iterable of Layer
    pe : PEConfig
    text : str, optional
        N:M of every layer, but for those with a filter per channel.

    Raises
    ------
    UserError
        It is needed and not given; or given and not needed, by the PE or by layers that say it.
    """
    found, known = tuple(layers), None if text is None else ratio(text)
    needed = pe.dense_threads < pe.threads
    said = [layer for layer in found if layer.sparsity != UNSAID]
    if known is None:
        if needed and not said:
            raise UserError(
                "stc = True needs 2:4 weights, which shapes do not tell: say sparsity 2:4 (--sparsity 2:4), or 1:1 "
                "where all are dense"
            )
        return found
    if not needed:
        raise UserError(f"sparsity {text} needs PEs that count on it (kind = sparq with stc = true), not {pe.kind}")
    if said:
        raise UserError(f"sparsity {text} must be left out: layer {said[0].name} says its own, {said[0].sparsity_text}")
    if known[0] == known[1]:
        known = GROUP, GROUP
    return tuple(layer if layer.per_channel else replace(layer, sparsity=known) for layer in found)
