# SPDX-License-Identifier: Apache-2.0
"""Readers of networks, one file per format, and the one that chooses among them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from sysmt.base.choice import did_you_mean
from sysmt.base.errors import UserError
from sysmt.sim.nn.digits.network import LAYERS
from sysmt.sim.nn.digits.network import NAME as DIGITS
from sysmt.sim.nn.layer import Layer
from sysmt.sim.nn.networks import NETWORKS, network

from .topology import read_topology

if TYPE_CHECKING:
    from sysmt.sim.nn.inspection import OperatorFacts

NAMED = 8
"""Operators that a note names."""
SUFFIXES = (".tflite", ".onnx", ".csv")


def read_network(
    source: str | Path,
    variant: str = "baseline",
    optimise: bool = False,
    log: Callable[[str], None] = lambda change: None,
    note: Callable[[str], None] = lambda line: None,
    sparse: bool = False,
) -> tuple[Layer, ...]:
    """The layers of a network, from wherever it is described.

    Parameters
    ----------
    source : str or Path
        A .tflite or .onnx model; a topology or GEMM file of SCALE-Sim (.csv); the name of a built-in network, or
        `digits`.
    variant : str
        Of a built-in network, one of `sysmt.sim.nn.networks.VARIANTS`.
    optimise : bool
        Apply the graph passes to a model (`sysmt.sim.nn.passes`).
    log : function of str
        Is told every change that they make.
    note : function of str
        Is told which operators of a model are not supported, and left out.
    sparse : bool
        Layers of a model that can run have the sparsity of their weights, 2:4 or 4:4 (`Linear.sparsity`).

    Returns
    -------
    tuple of Layer
        In the order in which they run; of a model those that run on the array, for one input.

    Raises
    ------
    UserError
        The source is none of these, or cannot be read; one line says what is wrong.
    """
    if not isinstance(variant, str):
        raise UserError(f"variant must be a name such as 'baseline', not {variant!r}")
    if str(source) in NETWORKS:
        return network(str(source), variant)
    if variant != "baseline":
        raise UserError(
            f"variant must be baseline with {str(source)!r}, not {variant!r}; {', '.join(NETWORKS)} have more"
        )
    if str(source) == DIGITS:
        return LAYERS
    suffix = Path(source).suffix.lower()
    if suffix not in SUFFIXES:
        names = (*NETWORKS, DIGITS)
        files = f"a {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]} file"
        hint = did_you_mean(str(source), names)
        raise UserError(f"network must be {files} or one of {', '.join(names)}, not {str(source)!r}{hint}")
    if suffix == ".csv":
        return read_topology(source)
    from sysmt.sim.nn.model import read_model  # the library of the format is an extra

    try:
        model = read_model(source)
    except UserError as error:
        return _by_shapes(source, error, note)
    if optimise:
        model = model.optimised()
        for change in model.changes:
            log(change)
    layers = model.layers
    if sparse:
        layers = tuple(replace(linear.layer, sparsity=linear.sparsity) for linear in model.network.linears)
    if not layers:
        raise UserError(f"model {str(source)!r} must have a layer that runs on the array, not none")
    return layers


def _by_shapes(source: str | Path, reason: UserError, note: Callable[[str], None]) -> tuple[Layer, ...]:
    """The layers of a model that cannot run, by their shapes; refused when there is a layer of unknown shape."""
    from sysmt.sim.nn.inspection import LAYERS, inspect
    from sysmt.sim.nn.model import read_graph

    found = inspect(read_graph(source))
    missing = [operator for operator in found.operators if operator.obstacle]
    without = [operator for operator in missing if operator.index not in found.shaped]
    if not found.layers or any(operator.kind in LAYERS for operator in without):
        raise reason
    said = [f"without {_named(without)}"] if without else []
    said += (
        [f"as if quantised: {_named([row for row in missing if row.index in found.shaped])}"] if found.shaped else []
    )
    note(f"by shapes alone, {', '.join(said)}")
    return found.layers


def _named(operators: list["OperatorFacts"]) -> str:
    """Some operators for people, the first ones by name."""
    names = [f"operator {row.index} ({row.kind})" for row in operators[:NAMED]]
    return ", ".join([*names, *([f"and {len(operators) - NAMED} more"] if len(operators) > NAMED else [])])
