# SPDX-License-Identifier: Apache-2.0
"""The compiler: from a network and its plan to a program of the engine."""

from dataclasses import replace

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
    ends = {"input": network.inputs, "output": network.outputs, "state": network.states}
    for what, found in ends.items():
        if len(found) > (what != "state"):
            raise UserError(f"network must have one input, one output and no state, not {len(found)} {what}s; cut it")
    program = _compile(network, plan, config, clock_hz)
    if exact is not None and any(layer.weights is not None or layer.correction is not None for layer in plan):
        return replace(program, exact=_compile(network, exact, config, clock_hz))
    return program


def _compile(network: Network, plan: Plan, config: EngineConfig, clock_hz: float | None) -> Program:
    lowered, patches, places, used = _placed(lower(network, plan, config), config)
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
    return Program(
        config=config,
        images=words.memories(over),
        activation_words=used,
        ends=Ends(input=network.input, output=network.output),
        layers=tuple(
            ProgramLayer(
                name=layer.name, kind=layer.kind, tensor=layer.target, place=places[layer.target], macs=layer.macs
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


def _placed(lowered: Lowered, config: EngineConfig) -> tuple[Lowered, Geometry | None, dict[int, Place], int]:
    """The fastest layout of the input that leaves room for all activations, with the places of tensors.

    The smallest where none does; the last number, words of activation memory, says so.
    """
    tried = []
    for found, patches in inputs_in_patches(lowered, config):
        places, used = place(found, config)
        if used <= config.activation_words:
            return found, patches, places, used
        tried.append((found, patches, places, used))
    return min(tried, key=lambda way: way[3])


def _after(network: Network, plan: Plan, lowered: Lowered) -> Operators | Scores | None:
    """What the host computes behind the engine's output."""
    last = lowered.after[-1:]
    if len(lowered.after) == 1 and isinstance(last[0].operation, Linear):
        return host_scores(last[0], plan[-1])
    return host_operators(network, lowered.after, lowered.output, network.output_index)
