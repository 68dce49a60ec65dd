# SPDX-License-Identifier: Apache-2.0
"""What every room needs: errors that a user can mend, and where files go. Imports nothing of the project."""
