# SPDX-License-Identifier: Apache-2.0
"""Products as runs of an accelerator: blocks of tiles in an order, and the bytes that they move over the host link."""
