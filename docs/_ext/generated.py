# SPDX-License-Identifier: Apache-2.0
"""Sphinx extension: pages made from the code at build time, so that no fact is written twice.

`docs/generated/` holds, after a build, the public API, a page per room (both by autodoc), every command's help, and the
protocol of the link.
"""

import contextlib
import inspect
import io
import pkgutil
import shutil
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import sysmt
from sysmt.cli.commands import COMMANDS
from sysmt.cli.main import main
from sysmt.hdl.params import link_reference

HERE = Path(__file__).resolve().parent.parent / "generated"

HOUSES = ("sysmt.hdl", "sysmt.sim", "sysmt.boards")
"""Packages whose rooms have a page each; the last one is a room itself."""

INSIDE_A_SIMULATOR = ("tb_",)
"""Modules that only a simulator can load."""


def modules(room: str) -> list[str]:
    """The room and every module below it."""
    found = find_spec(room)
    below = pkgutil.walk_packages((found and found.submodule_search_locations) or [], f"{room}.")
    return [room, *(m.name for m in below if not m.name.rpartition(".")[2].startswith(INSIDE_A_SIMULATOR))]


def rooms() -> list[str]:
    """The rooms, in the order of their names."""
    below = (m.name for house in HOUSES[:-1] for m in pkgutil.iter_modules(import_module(house).__path__, f"{house}."))
    return [*below, HOUSES[-1]]


def room_page(room: str) -> str:
    """A page with the docstrings of one room."""
    parts = [f"# {room.removeprefix('sysmt.')}\n"]
    for name in modules(room):
        heading = f"## {name}\n\n" if name != room else ""
        parts.append(f"{heading}```{{eval-rst}}\n.. automodule:: {name}\n```\n")
    return "\n".join(parts)


def api_page() -> str:
    """Everything that `import sysmt` offers, functions first."""
    public = [(name, getattr(sysmt, name)) for name in getattr(sysmt, "__all__", ())]
    parts = ["# Python API\n", "What `import sysmt` offers; everything is loaded when it is first used.\n"]
    for title, wanted in (("Functions", inspect.isfunction), ("Classes", inspect.isclass)):
        directive = "autofunction" if title == "Functions" else "autoclass"
        entries = [f".. {directive}:: sysmt.{name}\n" for name, thing in public if wanted(thing)]
        if entries:
            parts += [f"## {title}\n", "```{eval-rst}\n" + "\n".join(entries) + "```\n"]
    return "\n".join(parts)


def help_of(*words: str) -> str:
    """What `sysmt WORDS --help` prints."""
    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):
        main([*words, "--help"])
    return text.getvalue()


def commands_page() -> str:
    """Every command with its options, as the command line itself explains them."""
    parts = ["# Commands\n\nWhat `sysmt COMMAND --help` prints.\n", f"```text\n{help_of()}```\n"]
    parts += [f"## sysmt {c.name}\n\n```text\n{help_of(c.name)}```\n" for c in COMMANDS]
    return "\n".join(parts)


def write(app) -> None:
    """`builder-inited`: all generated pages, old ones removed."""
    shutil.rmtree(HERE, ignore_errors=True)
    (HERE / "rooms").mkdir(parents=True)
    for room in rooms():
        (HERE / "rooms" / f"{room.removeprefix('sysmt.')}.md").write_text(room_page(room))
    (HERE / "api.md").write_text(api_page())
    (HERE / "protocol.md").write_text(link_reference.markdown())
    (HERE / "commands.md").write_text(commands_page())


def setup(app) -> dict[str, bool]:
    app.connect("builder-inited", write)
    return {"parallel_read_safe": True}
