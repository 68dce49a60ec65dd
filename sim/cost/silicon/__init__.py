# SPDX-License-Identifier: Apache-2.0
"""What a configuration takes in silicon, predicted from a few that were synthesised."""

from .components import Built
from .predict import TARGETS, Interval, Silicon, predict, predict_all

__all__ = ["TARGETS", "Built", "Interval", "Silicon", "predict", "predict_all"]
