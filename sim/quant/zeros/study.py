# SPDX-License-Identifier: Apache-2.0
"""A network with predicted zeros: what is saved against what is lost, over the whole trade-off."""

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np

from sysmt.base.choice import must_be_one_of
from sysmt.base.errors import UserError
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.pe import PEConfig
from sysmt.sim.cost.rtl import RtlCycles
from sysmt.sim.nn.batches import run_all
from sysmt.sim.nn.engines import Golden
from sysmt.sim.nn.forward import Runner, exact_plan
from sysmt.sim.nn.inputs import Inputs
from sysmt.sim.nn.model import Model
from sysmt.sim.nn.network import Network, Step
from sysmt.sim.quant.judge import classifies, output_error

from .choice import Option, by_neighbours, by_threshold, by_truth, frontier
from .patterns import diagonal, pattern
from .predictor import train
from .saving import Saving, saving
from .sites import Mask, Site, masked, outputs_at, sites

METHODS = ("zap", "neighbours", "perfect")
TRAINING_INPUTS = 32
"""Most calibration inputs that predictors are trained on; thresholds are measured on as many others, if there are."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What is studied.

    Parameters
    ----------
    method : "zap", "neighbours" or "perfect"
        Trained predictors; diagonals of windows; the truth, as a bound of what any method can save.
    pattern : int
        Of `zap`: which pixels are computed first (`sysmt.sim.quant.zeros.patterns`).
    points : int
        Of the trade-off curve.
    """

    method: str = "zap"
    pattern: int = 5
    points: int = 6

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise UserError(must_be_one_of("method", self.method, METHODS))
        pattern(self.pattern, (1, 1))
        if not 1 <= self.points <= 100:
            raise UserError(f"points must be from 1 to 100, not {self.points}")


def study(
    model: Model,
    inputs: Inputs,
    calibration: Inputs,
    config: ArrayConfig,
    settings: Settings | None = None,
    log: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Predict zeros of a model, from cautious to bold.

    Parameters
    ----------
    model : Model
    inputs, calibration : Inputs
        The tested inputs, with labels or without; others that predictors are trained and thresholds measured on.
    config : ArrayConfig
        The array whose tiles are counted.
    settings : Settings, optional
    log : function of str
        Is told the progress.

    Returns
    -------
    dict
        `macs` of an input, `covered` (share of them in layers where zeros can be predicted), `zeros` (share of them for
        outputs that are zero), `top1_exact` (None without labels), and `points`, each with `loss` (expected),
        `saved` (share of all multiply-accumulates left out), `cycles_saved` and `cycles_saved_covered` (share of the
        array's cycles when rows are left out), `wrong` (share of predictions), `top1`, `agree`, `output_error` and
        `layers`.

    Raises
    ------
    UserError
        No layer has a ReLU and an image behind it.
    """
    settings = settings or Settings()
    network = model.network
    places = sites(network)
    if not places:
        raise UserError("model must have a layer with a ReLU and an image behind it, not none: no zeros to predict")
    half = min(TRAINING_INPUTS, max(1, len(calibration) // 2))
    seen = _values(network, places, calibration[: 2 * half])
    options = []
    for site in places:
        log(f"calibrating {site.name}")
        options.append(options_of(settings, site, seen[site.step]))
    exact = run_all(_runner(network), inputs.values)
    macs = sum(layer.macs for layer in network.layers)
    points: list[dict[str, Any]] = []
    for choice in frontier(options, settings.points):
        log(f"expected loss {sum(option.loss for option in choice):.4f}")
        points.append(_point(network, places, choice, inputs, exact, config, settings))
    zeros = sum(site.macs * float(np.count_nonzero(seen[site.step] == 0)) for site in places)
    return {
        "method": settings.method,
        "pattern": settings.pattern if settings.method == "zap" else None,
        "inputs": len(inputs),
        "macs": macs,
        "covered": sum(network.layers[site.layer].macs for site in places) / macs,
        "zeros": zeros / len(calibration[: 2 * half]) / macs,
        "top1_exact": _top1(exact[0], inputs.labels),
        "points": points,
    }


def computed_first(settings: Settings, option: Option, size: tuple[int, int]) -> np.ndarray:
    """What is computed before zeros are predicted: bool [H, W]."""
    if settings.method == "zap":
        return pattern(settings.pattern, size)
    if settings.method == "neighbours":
        return diagonal(int(option.setting or 1), size)
    return np.zeros(size, bool)


def options_of(settings: Settings, site: Site, values: np.ndarray) -> tuple[Option, ...]:
    """The settings of one layer, from outputs [B, H, W, C] on calibration inputs, by halves where there is training."""
    if settings.method == "neighbours":
        return by_neighbours(site, values)
    if settings.method == "perfect":
        return by_truth(site, values)
    half = (len(values) + 1) // 2
    predictor = train(values[:half], pattern(settings.pattern, site.shape[:2]))
    return by_threshold(site, predictor, values[half:] if len(values) > half else values)


def _runner(network: Network) -> Runner:
    return Runner(network=network, engine=Golden(PEConfig(), counting=False), plan=exact_plan(network))


def _values(network: Network, places: tuple[Site, ...], inputs: Inputs) -> dict[int, np.ndarray]:
    """By step: outputs [B, H, W, C] on all inputs, in their order."""
    by_output = {network.steps[site.step].output: site for site in places}
    runner = _runner(network)
    found: dict[int, list[np.ndarray]] = {site.step: [] for site in places}

    def keep(step: Step, values: np.ndarray) -> None:
        site = by_output.get(step.output)
        if site is not None:
            found[site.step].append(outputs_at(site, values))

    for i in range(0, len(inputs), 16):
        runner(inputs.values[i : i + 16], tensors=keep)
    return {step: np.concatenate(parts) for step, parts in found.items()}


def _point(
    network: Network,
    places: tuple[Site, ...],
    choice: tuple[Option, ...],
    inputs: Inputs,
    exact: tuple[np.ndarray, ...],
    config: ArrayConfig,
    settings: Settings,
) -> dict[str, Any]:
    totals: dict[int, Saving] = {site.layer: Saving() for site in places}
    lock = Lock()

    def counted(site: Site, option: Option, mask: Mask) -> Mask:
        linear, size = network.linears[site.layer], site.shape[:2]
        computed = computed_first(settings, option, size)

        def run(values: np.ndarray) -> np.ndarray:
            left_out = mask(values)
            one = saving(site.macs, linear.depthwise, values, left_out, computed, config)
            with lock:
                totals[site.layer] += one
            return left_out

        return run

    masks = {
        site: counted(site, option, option.mask)
        for site, option in zip(places, choice, strict=True)
        if option.mask is not None
    }
    outputs = run_all(_runner(masked(network, masks)), inputs.values)
    layers = []
    saved = cycles = cycles_exact = wrong = left_out = 0
    for site, option in zip(places, choice, strict=True):
        found = totals[site.layer]
        saved += found.left_out * site.macs
        cycles, cycles_exact = cycles + found.cycles, cycles_exact + found.cycles_exact
        wrong, left_out = wrong + found.wrong, left_out + found.left_out
        layers.append(
            {
                "layer": site.name,
                "setting": option.setting,
                "loss": option.loss,
                "left_out": _share(found.left_out, found.outputs),
                "wrong": _share(found.wrong, found.left_out),
                "cycles_saved": 1 - found.cycles / found.cycles_exact if found.cycles_exact else 0.0,
            }
        )
    count = len(inputs)
    macs = sum(layer.macs for layer in network.layers)
    everything = count * _array_cycles(network, config)
    same = None
    if classifies(network, inputs.labels):
        same = float(np.mean(_answers(exact[0]) == _answers(outputs[0])))
    return {
        "loss": sum(option.loss for option in choice),
        "saved": saved / (count * macs),
        "cycles_saved": (cycles_exact - cycles) / everything,
        "cycles_saved_covered": _share(cycles_exact - cycles, cycles_exact),
        "wrong": _share(wrong, left_out),
        "top1": _top1(outputs[0], inputs.labels),
        "agree": same,
        "output_error": output_error(exact, outputs).relative,
        "layers": layers,
    }


def _array_cycles(network: Network, config: ArrayConfig) -> int:
    """Cycles of the whole network, layer after layer on one thread."""
    return sum(RtlCycles(config, 1, optimise=True).layer_cycles(layer) for layer in network.layers)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _answers(outputs: np.ndarray) -> np.ndarray:
    answers: np.ndarray = outputs.reshape(len(outputs), -1).argmax(axis=1)
    return answers


def _top1(outputs: np.ndarray, labels: np.ndarray | None) -> float | None:
    return None if labels is None else float(np.mean(_answers(outputs) == labels))
