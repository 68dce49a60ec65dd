# SPDX-License-Identifier: Apache-2.0
"""Predictors of zero outputs: which outputs behind a ReLU need not be computed, and what that saves."""
