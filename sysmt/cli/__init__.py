# SPDX-License-Identifier: Apache-2.0
"""The command line: each command parses, calls one function of a room, and prints."""
