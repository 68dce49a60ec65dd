# SPDX-License-Identifier: Apache-2.0
"""Which accelerator for which networks: a space of configurations, what each takes, and those that no other beats."""
