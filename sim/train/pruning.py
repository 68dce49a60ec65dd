# SPDX-License-Identifier: Apache-2.0
"""Pruning: the smallest weights become zero, a share of each layer or all but N of every M along the reduction.

Source: Han et al., NIPS 2015 (magnitude); Mishra et al., 2021 (2:4).
"""

from dataclasses import dataclass

import torch

from sysmt.base.errors import UserError

from .network import TrainedNetwork


@dataclass(frozen=True)
class Pattern:
    """Which weights are pruned.

    Parameters
    ----------
    share : float
        Of each layer, 0 to below 1.
    keep, group : int
        N and M of N:M, in place of a share; 0: no groups.
    """

    share: float = 0.0
    keep: int = 0
    group: int = 0

    def __str__(self) -> str:
        return f"{self.keep}:{self.group}" if self.group else f"{self.share:g}"

    @staticmethod
    def parse(text: str) -> "Pattern":
        """Read a share such as 0.4, or N:M such as 2:4.

        Raises
        ------
        UserError
            It is neither.
        """
        left, colon, right = text.partition(":")
        try:
            pattern = Pattern(keep=int(left), group=int(right)) if colon else Pattern(share=float(left))
        except ValueError:
            pattern = Pattern(share=-1)
        sensible = 1 <= pattern.keep <= pattern.group <= 64 if colon else 0 <= pattern.share < 1
        if not sensible:
            raise UserError(f"prune must be a share from 0 to below 1, or N:M such as 2:4, not {text!r}")
        return pattern


def prune(network: TrainedNetwork, pattern: Pattern) -> None:
    """Set the masks of the layers that may be threaded, from their weights as they are now."""
    for name in sorted(network.architecture.threaded()):
        weight = network.parameters[f"{name}.weight"].detach()
        network.masks[f"{name}.weight"] = mask(weight, pattern)


def mask(weight: torch.Tensor, pattern: Pattern) -> torch.Tensor:
    """1 where a weight is kept, 0 where it is pruned: float32 [O, I, KH, KW], as the weights.

    The groups of N:M follow the reduction of the array: kernel positions, and input channels within.
    """
    by_tap = weight.permute(0, 2, 3, 1)
    magnitude = by_tap.abs().flatten(1)
    kept = torch.ones_like(magnitude)
    if pattern.group:
        outputs, k = magnitude.shape
        # Places beyond K come last in their group: they are never kept instead of a weight.
        padded = torch.nn.functional.pad(magnitude, (0, -k % pattern.group), value=-1.0)
        groups = padded.view(outputs, -1, pattern.group)
        smallest = groups.argsort(dim=2, stable=True)[:, :, : pattern.group - pattern.keep]
        kept = torch.ones_like(groups).scatter_(2, smallest, 0.0).view(outputs, -1)[:, :k]
    elif pattern.share:
        order = magnitude.flatten().argsort(stable=True)
        flat = kept.flatten()
        flat[order[: round(pattern.share * len(flat))]] = 0.0
        kept = flat.view_as(magnitude)
    return kept.reshape(by_tap.shape).permute(0, 3, 1, 2).contiguous()
