# SPDX-License-Identifier: Apache-2.0
"""The engine: an array that runs whole networks from its own memories."""
