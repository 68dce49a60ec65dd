# SPDX-License-Identifier: Apache-2.0
"""The compiler: from a network and its plan to a program of the engine."""

from dataclasses import dataclass, replace

from sysmt.base.errors import UserError
from sysmt.hdl.params.engine import EngineConfig
from sysmt.sim.engine.host import Operators, Scores
from sysmt.sim.engine.layer import DoesNotFitError
from sysmt.sim.engine.program import Ends, Program, ProgramLayer
from sysmt.sim.engine.transfer import HostTensor, Place
from sysmt.sim.nn.forward import Plan
from sysmt.sim.nn.geometry import Geometry
from sysmt.sim.nn.network import Network
from sysmt.sim.nn.operators.linear import Linear

from .band_choice import choose
from .bands import can_arrive, with_bands
from .depthwise_patches import with_patches
from .descriptors import Words
from .host import host_operators, host_scores
from .lower import lower
from .lowered import Lowered
from .patches import inputs_in_patches
from .places import described, place


def compile_network(
    network: Network,
    plan: Plan,
    config: EngineConfig,
    *,
    exact: Plan | None = None,
    clock_hz: float | None = None,
) -> Program:
    """Compile a network.

    Parameters
    ----------
    network : Network
    plan : Plan
        How its layers run (`sysmt.sim.quant` makes plans); what the program computes is what a `Runner` with this plan
        does, bit for bit.
    config : EngineConfig
        The engine it will run on.
    exact : Plan, optional
        The plan with the network's own weights and biases, where it has others: so that the program knows the exact
        network's answers, too.
    clock_hz : float, optional
        Of the engine, for times.

    Raises
    ------
    UserError
        Something does not fit into the engine, or the engine cannot do it: says what, and how many bytes.
    """
    return compile_banded(network, plan, config, exact=exact, clock_hz=clock_hz, may_arrive=False).program


@dataclass(frozen=True, kw_only=True, eq=False)
class Compiled:
    """A program, and what it needs of its input.

    Parameters
    ----------
    program : Program
    arriving : dict of int to (int, int, int)
        By layer: rows of the input that must be in the activation memory for it, as the first of their words in the
        input, their number, and the first word of the memory; empty where the input lies there from the start.
    """

    program: Program
    arriving: dict[int, tuple[int, int, int]]


def compile_banded(
    network: Network,
    plan: Plan,
    config: EngineConfig,
    *,
    exact: Plan | None,
    clock_hz: float | None,
    may_arrive: bool,
) -> Compiled:
    """As `compile_network`; with `may_arrive` the input need not lie in the activation memory where it does not fit."""
    ends = {"input": network.inputs, "output": network.outputs, "state": network.states}
    for what, found in ends.items():
        if len(found) > (what != "state"):
            raise UserError(f"network must have one input, one output and no state, not {len(found)} {what}s; cut it")
    compiled = _compile(network, plan, config, clock_hz, may_arrive)
    if exact is not None and any(layer.weights is not None or layer.correction is not None for layer in plan):
        other = _compile(network, exact, config, clock_hz, may_arrive)
        return replace(compiled, program=replace(compiled.program, exact=other.program))
    return compiled


def _compile(network: Network, plan: Plan, config: EngineConfig, clock_hz: float | None, may_arrive: bool) -> Compiled:
    lowered, patches, places, used = _placed(lower(network, plan, config), config, may_arrive)
    if len(lowered.layers) > config.layers:
        raise DoesNotFitError(
            f"layers must be at least {len(lowered.layers)}, as many as the network has, not {config.layers}; use a "
            "larger engine"
        )
    chosen = with_patches(
        lowered.layers, config, lambda layers: _words(replace(lowered, layers=layers), places, config).fit
    )
    lowered = replace(lowered, layers=chosen)
    words = _words(lowered, places, config)
    results = {step.output: step.result for step in network.steps} | {network.input_index: network.input}
    first, last = results[lowered.input], results[lowered.output]
    over = [described(lowered, config, used)] if used > config.activation_words else []
    program = Program(
        config=config,
        images=words.memories(over),
        activation_words=used,
        ends=Ends(input=network.input, output=network.output),
        layers=tuple(
            ProgramLayer(
                name=layer.name,
                kind=layer.kind,
                tensor=layer.target,
                place=places[layer.target],
                macs=lowered.macs.get(layer.target, layer.macs),
            )
            for layer in lowered.layers
        ),
        input=HostTensor(
            name=first.name,
            shape=first.shape[1:],
            dtype=first.dtype,
            place=places[lowered.input],
            patches=patches,
            zero=lowered.layers[0].pad_value,
        ),
        output=HostTensor(name=last.name, shape=last.shape[1:], dtype=last.dtype, place=places[lowered.output]),
        before=host_operators(network, lowered.before, network.input_index, lowered.input),
        after=_after(network, plan, lowered),
        clock_hz=clock_hz,
    )
    return Compiled(program=program, arriving=_arriving(lowered, places))


def _arriving(lowered: Lowered, places: dict[int, Place]) -> dict[int, tuple[int, int, int]]:
    found = {}
    for at, layer in enumerate(lowered.layers):
        if layer.source in lowered.arriving:
            place = places[layer.source]
            found[at] = lowered.arriving[layer.source] * place.words, place.size, place.base
    return found


def _words(lowered: Lowered, places: dict[int, Place], config: EngineConfig) -> Words:
    """The words of all layers."""
    words = Words(config)
    for index, layer in enumerate(lowered.layers):
        source, target = places[layer.source], places[layer.target]
        ends = {
            "from_input": int(source.half > 0),
            "to_output": int(target.half > 0),
            "last": int(index == len(lowered.layers) - 1),
        }
        residual = places[layer.addition.residual] if layer.addition else None
        words.layer(layer, source, target, residual, ends=ends)
    return words


def _placed(
    lowered: Lowered, config: EngineConfig, may_arrive: bool
) -> tuple[Lowered, Geometry | None, dict[int, Place], int]:
    """The fastest layout of the input that leaves room for all activations, with the places of tensors.

    Where none does, layers are fused by bands of rows; where that is not enough and the input may come from an SDRAM,
    it is `arriving` in bands, too. Else the smallest; the last number, words of activation memory, says so.
    """
    tried = []
    for found, patches in inputs_in_patches(lowered, config):
        places, used = place(found, config)
        if used <= config.activation_words:
            return found, patches, places, used
        tried.append((found, patches, places, used))
    for by_rows in (False, True) if may_arrive and can_arrive(lowered) else (False,):
        for found, patches, _, _ in tried:
            fused = _fused(found, config, by_rows)
            if fused is not None:
                return fused[0], patches, *fused[1:]
    return min(tried, key=lambda way: way[3])


def _fused(lowered: Lowered, config: EngineConfig, arriving: bool) -> tuple[Lowered, dict[int, Place], int] | None:
    """The layers fused by bands, with the places of tensors; None where these do not fit."""
    for parts in range(32, 16, -1):
        groups = choose(lowered, config, config.activation_words * parts // 32, arriving)
        if groups is None:
            return None
        banded = with_bands(lowered, groups, arriving)
        places, used = place(banded, config)
        if used <= config.activation_words:
            return banded, places, used
    return None


def _after(network: Network, plan: Plan, lowered: Lowered) -> Operators | Scores | None:
    """What the host computes behind the engine's output."""
    last = lowered.after[-1:]
    if len(lowered.after) == 1 and isinstance(last[0].operation, Linear):
        return host_scores(last[0], plan[-1])
    return host_operators(network, lowered.after, lowered.output, network.output_index)
