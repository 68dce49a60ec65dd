# SPDX-License-Identifier: Apache-2.0
"""The accelerator: an array behind tile buffers, a controller and a framed host link."""
