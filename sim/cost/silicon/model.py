# SPDX-License-Identifier: Apache-2.0
"""Area, registers, clock, energy and FPGA resources of any configuration, from those that were synthesised."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sysmt.hdl.params.array import ArrayConfig

from .components import COMPONENTS, Built, Counts, components
from .ridge import NORMAL_95, Fit, fit
from .samples import Sample
from .traits import clock_traits, throughput

REDUCTIONS = (144, 288, 576)
"""K of the layers that energy is measured on: of ResNet-8 the largest of each width (`sysmt.sim.flow.workloads`)."""
TRAITS = tuple(clock_traits(ArrayConfig(), components(ArrayConfig())))
ROUGH = 1.0
"""By how much the rough size of a component that no sample has may be expected to be off, relative."""
SLOWER = np.array([-1.0 if name.startswith("pipeline") else 1.0 for name in TRAITS])
"""Traits are something more on a path, but for stages of the pipeline: with less than the samples none is slower."""
TRAIT_DEVIATION = 0.2
"""By how much a trait may be expected to change the clock, in logarithms; beyond the samples no more is known of it."""


@dataclass(frozen=True)
class Figure:
    """How a figure is made of components.

    Members
    -------
    size : str
        Rough size of a component (`Component`), of which the figure is a multiple.
    blocks : str
        Under which name samples hold the figure's parts per block, where they do.
    per_mac : bool
        Per cycle it is a sum of components; it is told per multiply-accumulate.
    whole : bool
        A whole number.
    """

    size: str
    blocks: str = ""
    per_mac: bool = False
    whole: bool = False


FIGURES = {
    "area": Figure("gates", blocks="blocks"),
    "femtojoules": Figure("gates", blocks="energy_blocks", per_mac=True),
    "flip_flops": Figure("flip_flops", whole=True),
    "luts": Figure("luts", whole=True),
}
"""Figures that are sums of components; the clock is a product of traits."""


@dataclass(frozen=True, eq=False)
class SumModel:
    """A figure as a sum of components: in all, or block by block where samples tell it so."""

    figure: Figure
    names: tuple[tuple[str, ...], ...]
    fitted: Fit
    seen: frozenset[str]
    """Components that a sample has; of others no more is known than their rough size."""

    @classmethod
    def of(cls, name: str, samples: Sequence[Sample], base: "SumModel | None" = None) -> "SumModel":
        """Fitted to those of the samples that have the figure.

        With `base`, the same figure on another target, sizes are expected to be as there, but for one factor; the
        deviation of a sample is then no smaller than there.
        """
        figure = FIGURES[name]
        known = [sample for sample in samples if name in sample.measured]
        configs = [sample.config for sample in known]
        counts = [components(sample.config, sample.placed) for sample in known]
        whole = np.array([sample.measured[name] for sample in known], np.float64)
        by_block = figure.blocks and all(figure.blocks in sample.measured for sample in known)
        groups: dict[str, list[str]] = {}
        for component, facts in COMPONENTS.items():
            groups.setdefault(facts.block if by_block else "", []).append(component)
        scale = _per(figure, configs)
        # What one unit of rough size is worth on this target.
        rough = base.sizes if base else {name: getattr(facts, figure.size) for name, facts in COMPONENTS.items()}
        every = _table(counts, tuple(rough)) @ np.array(list(rough.values()))
        unit = 1.0 if figure.whole and not base else float(np.exp(np.median(np.log(whole * scale / every))))
        parts, targets, priors, names = [], [], [], []
        for block, group in groups.items():
            found = tuple(group)
            share = [sample.measured[figure.blocks].get(block, 0.0) if by_block else 0.0 for sample in known]
            target = np.array(share) if by_block else whole
            parts.append(_table(counts, found) / (scale * whole)[:, None])
            targets.append(target / whole)
            sizes = unit * np.array([rough[component] for component in found])
            priors.append((sizes, np.abs(sizes)))
            names.append(found)
        fitted = fit(parts, targets, priors, base.fitted.deviation if base else 0.0)
        seen = frozenset(name for row in counts for name in row) | (base.seen if base else frozenset())
        return cls(figure, tuple(names), fitted, seen)

    @property
    def sizes(self) -> dict[str, float]:
        """What one of every component takes."""
        pairs = zip(self.names, self.fitted.means, strict=True)
        return {name: float(size) for names, means in pairs for name, size in zip(names, means, strict=True)}

    def predict(self, configs: Sequence[Built], counts: Sequence[dict[str, float]]) -> np.ndarray:
        """Value, low and high, float [configurations, 3]."""
        scale = _per(self.figure, configs)
        parts = [_table(counts, names) / scale[:, None] for names in self.names]
        value, _ = self.fitted.predict(parts)
        value = np.maximum(value, 1e-9)
        spread = self.fitted.scales([part / value[:, None] for part in parts])
        sizes = [
            mean * np.array([name not in self.seen for name in of])
            for of, mean in zip(self.names, self.fitted.means, strict=True)
        ]
        guessed = sum(((part / value[:, None] * size) ** 2).sum(1) for part, size in zip(parts, sizes, strict=True))
        factor = np.exp(NORMAL_95 * np.sqrt(self.fitted.deviation**2 * (1 + spread) + ROUGH**2 * guessed))
        return np.stack([value, value / factor, value * factor], 1)


@dataclass(frozen=True, eq=False)
class ClockModel:
    """The clock as a product of traits."""

    fitted: Fit
    least: np.ndarray
    most: np.ndarray
    """Of every trait, among the samples."""

    @classmethod
    def of(cls, samples: Sequence[Sample], base: "ClockModel | None" = None) -> "ClockModel":
        """Fitted to those of the samples that have a clock; with `base`, traits are expected to act as there."""
        known = [sample for sample in samples if "mhz" in sample.measured]
        configs = [sample.config for sample in known]
        traits = _traits(configs, [components(config) for config in configs])
        logs = np.log(np.array([sample.measured["mhz"] for sample in known], np.float64))
        mean, wide = np.zeros(len(TRAITS)), np.full(len(TRAITS), TRAIT_DEVIATION)
        if base:
            mean = base.fitted.means[0].copy()
        mean[0], wide[0] = float(logs.mean()), 1.0
        fitted = fit([traits], [logs], [(mean, wide)], base.fitted.deviation if base else 0.0)
        return cls(fitted, traits.min(0), traits.max(0))

    def predict(self, configs: Sequence[Built], counts: Sequence[Counts]) -> np.ndarray:
        """MHz, low and high, float [configurations, 3]; `counts` are the components of every configuration."""
        traits = _traits(configs, counts)
        logs, _ = self.fitted.predict([traits])
        near = np.clip(traits, self.least, self.most)
        known = self.fitted.deviation**2 * (1 + self.fitted.scales([near]))
        slower = (traits - near) * SLOWER
        low, high = (
            NORMAL_95 * np.sqrt(known + ((TRAIT_DEVIATION * np.maximum(side, 0)) ** 2).sum(1))
            for side in (slower, -slower)
        )
        value = np.exp(logs)
        return np.stack([value, value / np.exp(low), value * np.exp(high)], 1)


def _traits(configs: Sequence[Built], counts: Sequence[Counts]) -> np.ndarray:
    found = [clock_traits(config, of) for config, of in zip(configs, counts, strict=True)]
    return np.array([list(traits.values()) for traits in found]).reshape(-1, len(TRAITS))


def _table(counts: Sequence[dict[str, float]], names: tuple[str, ...]) -> np.ndarray:
    rows = [[row.get(name, 0.0) for name in names] for row in counts]
    return np.array(rows, np.float64).reshape(len(counts), len(names))


def _per(figure: Figure, configs: Sequence[Built]) -> np.ndarray:
    """What a sum of components is divided by."""
    if not figure.per_mac:
        return np.ones(len(configs))
    arrays = [config if isinstance(config, ArrayConfig) else config.array for config in configs]
    return np.array([len(REDUCTIONS) / sum(1 / throughput(array, k) for k in REDUCTIONS) for array in arrays])
