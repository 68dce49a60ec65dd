# SPDX-License-Identifier: Apache-2.0
"""The silicon report: facts gathered once, shown as a page, as Markdown or as JSON."""
