# SPDX-License-Identifier: Apache-2.0
"""The command line: each verb parses, calls one function of a room, and prints."""
