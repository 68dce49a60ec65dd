# SPDX-License-Identifier: Apache-2.0
"""Accelerator and engine on a bus: command lists, registers, results, and a front end for every bus."""
