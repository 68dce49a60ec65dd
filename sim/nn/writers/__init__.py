# SPDX-License-Identifier: Apache-2.0
"""Writers of quantised networks: from the intermediate form to files."""
