# SPDX-License-Identifier: Apache-2.0
"""Passes over the RTLIL that Amaranth writes: what Verilog made of it must not show other tools.

Amaranth's text is regular (a cell is one block of lines, an operand a slice, a constant, or one list of those), so that
these passes are rewriting of lines, and one run of Yosys does the rest.
"""

import re
from collections import Counter

from sysmt.hdl.params.blocks import ATTRIBUTE

CELL = re.compile(r"^  cell (\$\w+) (\S+)\n((?:    .*\n)*)  end\n", re.MULTILINE)
INSTANCE = re.compile(r"^  cell \\\S+ \S+\n(?:    .*\n)*  end\n", re.MULTILINE)
EQUAL_OPERANDS = frozenset({"$eq", "$ne", "$lt", "$le", "$gt", "$ge"})
"""Cells whose operands Verilog extends to the wider of them."""
WIDE_OPERANDS = frozenset({"$add", "$sub", "$mul", "$neg", "$divfloor", "$modfloor"})
"""Cells whose operands Verilog extends to the width of the result."""
SHIFTS = frozenset({"$shl", "$shr", "$sshr", "$shift"})
"""Cells of whose operands it extends the first."""
NAME = re.compile(r"\\\S+ |[A-Za-z_][\w$]*")
WIRE = re.compile(r"^  wire (?:\[\d+:0\] )?(\\\S+ |\w+) ?;\n", re.MULTILINE)
ASSIGN = re.compile(r"^  assign (.*?) = (.*);\n", re.MULTILINE)


LINT = {
    "DECLFILENAME": "all modules of the design are in this file",
    "CASEOVERLAP": "of the selects of a multiplexer at most one is on",
    "CMPCONST": "a limit is compared even where the width of the field is enough to keep it",
    "PROCASSINIT": "registers have initial values beside their reset, for FPGAs",
    "UNOPTFLAT": "bits of one vector are made of others of it; no bit of itself",
    "VARHIDDEN": "a signal may be called as the design is",
    "UNUSEDSIGNAL": "fields of payloads have names for whoever looks at waveforms",
    "UNDRIVEN": "nor have all of those names a driver: Yosys' `check -assert` finds what is used without one",
}
"""What Verilator's `-Wall` would say of the Verilog, and why it stays."""


def with_equal_widths(text: str) -> str:
    """Operands as wide as Verilog makes them before it computes, and results as wide as what is computed.

    Amaranth leaves out the bits that only repeat a sign or a zero, where a linter has to suspect an error.
    """
    return CELL.sub(_cell, text)


def _cell(found: re.Match[str]) -> str:
    kind, name, body = found.groups()
    if kind not in EQUAL_OPERANDS | WIDE_OPERANDS | SHIFTS:
        return found[0]
    widths = {port: int(bits) for port, bits in re.findall(r"^    parameter \\(\w)_WIDTH (\d+)$", body, re.MULTILINE)}
    width = max(widths["A"], widths["B"], 1) if kind in EQUAL_OPERANDS else max(widths["Y"], widths["A"])
    for port in "A" if kind in SHIFTS else "AB":
        if widths.get(port, width) < width:
            body = _extended(body, port, widths[port], width)
    before = after = ""
    if kind not in EQUAL_OPERANDS and widths["Y"] < width:
        wide = f"{name}_wide"
        before = f"  wire width {width} {wide}\n\n"
        result = re.search(r"^    connect \\Y (.*)$", body, re.MULTILINE)
        assert result
        body = _replaced(_replaced(body, "connect", "Y", wide), "parameter", "Y_WIDTH", str(width))
        after = f"\n  connect {result[1]} {wide} [{widths['Y'] - 1}:0]\n"
    return f"{before}  cell {kind} {name}\n{body}  end\n{after}"


def _replaced(body: str, what: str, name: str, value: str) -> str:
    return re.sub(rf"^    {what} \\{name} .*$", lambda _: f"    {what} \\{name} {value}", body, flags=re.MULTILINE)


def _extended(body: str, port: str, width: int, wanted: int) -> str:
    """The cell with its operand `port` of `width` bits repeated in sign, or in zero, to `wanted` bits."""
    operand = re.search(rf"^    connect \\{port} (.*)$", body, re.MULTILINE)
    signed = re.search(rf"^    parameter \\{port}_SIGNED (\d)", body, re.MULTILINE)
    assert operand
    assert signed
    bits = "" if width == 0 else operand[1].removeprefix("{ ").removesuffix(" }")
    fill = f"{wanted - width}'{'0' * (wanted - width)}"
    if signed[1] == "1" and width:
        constant, wire = re.match(r"\d+'([01])", bits), re.match(r"(\S+ )\[(\d+)(?::\d+)?\]", bits)
        assert constant or wire, f"operand {operand[1]} is written in another way than Amaranth's"
        if constant:
            fill = f"{wanted - width}'{constant[1] * (wanted - width)}"
        elif wire:
            fill = " ".join([f"{wire[1]}[{wire[2]}]"] * (wanted - width))
    body = _replaced(body, "connect", port, f"{{ {fill} {bits} }}" if bits else fill)
    return _replaced(body, "parameter", f"{port}_WIDTH", str(wanted))


def without_empty_signals(text: str) -> str:
    """RTLIL text without wires and ports of no bits, which Verilog cannot have: `[-1:0]` are two."""
    unconnected = r"^    connect \S+ \{  \}\n"
    parts = re.split(r"^(?=module )", text, flags=re.MULTILINE)
    for i, module in enumerate(parts):
        if "\n  wire width 0 " in module:
            module = re.sub(r"^(?:  attribute .*\n)*  wire width 0 .*\n", "", module, flags=re.MULTILINE)
            module = re.sub(r"^connect \S+ \{  \}\n", "", module, flags=re.MULTILINE)
        parts[i] = INSTANCE.sub(lambda cell: re.sub(unconnected, "", cell[0], flags=re.MULTILINE), module)
    return "".join(parts)


def without_contents(text: str, uninitialised: str) -> str:
    """RTLIL text without the initial contents of memories that have the attribute `uninitialised`."""
    marked = rf"^  attribute \\{re.escape(uninitialised)} .*\n((?:  attribute .*\n)*)(  memory .* (\\\S+))$"
    parts = re.split(r"^(?=module )", text, flags=re.MULTILINE)
    for i, module in enumerate(parts):
        names = {found[2] for found in re.findall(marked, module, re.MULTILINE)}
        if not names:
            continue
        parts[i] = re.sub(marked, r"\1\2", module, flags=re.MULTILINE)
        for name in names:
            memid = re.escape(name.replace("\\", "\\\\"))
            cell = rf'^  cell \$meminit_v2 \S+\n    parameter \\MEMID "{memid}"\n(?:    .*\n)*  end\n'
            parts[i], removed = re.subn(cell, "", parts[i], flags=re.MULTILINE)
            assert removed, f"memory {name} has no initial content to leave out"
    return "".join(parts)


def without_initial_values(text: str) -> str:
    """RTLIL text whose registers and memories have no initial values."""
    text = re.sub(r"^  attribute \\init .*\n", "", text, flags=re.MULTILINE)
    return re.sub(r"^  cell \$meminit_v2 \S+\n(?:    .*\n)*  end\n", "", text, flags=re.MULTILINE)


def owned_registers(text: str) -> dict[str, dict[str, str]]:
    """The modules of RTLIL text, and in each the signals that say a block of their own."""
    modules: dict[str, dict[str, str]] = {}
    block = module = ""
    for line in map(str.strip, text.splitlines()):
        word, _, rest = line.partition(" ")
        if word == "module":
            module = rest.removeprefix("\\")
            modules[module] = {}
        elif word == "attribute":
            if rest.startswith(f"\\{ATTRIBUTE} "):
                block = rest.split('"')[1]
        else:
            name = rest.rpartition("\\")[2]
            if word == "wire" and block and "$" not in name:  # Other names of the same nets have it.
                modules[module][name] = block
            block = ""
    return modules


def split(verilog: str, begins: str) -> tuple[str, str]:
    """The finished Verilog without the modules whose names begin so, and those alone: nothing, if there are none."""
    head, *modules = re.split(r"^(?=module |/\* verilator lint_restore)", verilog, flags=re.MULTILINE)
    moved = [module for module in modules if module.startswith(f"module {begins}")]
    if not moved:
        return verilog, ""
    kept = [module for module in modules if module not in moved]
    return "".join([head, *kept]), "".join([head, *moved, modules[-1]])


TWO_CLOCKS = {
    "SYNCASYNCNET": "one clock's reset resets the synchroniser of the other's at once, and registers at an edge"
}
"""As `LINT`, of designs with two clocks."""
SYNCHRONISER = "async_ff_clk"
"""A name in every one of them, and in no other."""


def finished(verilog: str) -> str:
    """The Verilog that Yosys has written, ready for every tool.

    Without signals that are only declared, without names that begin with $, which are those of Icarus and slang
    themselves, and with Verilator's pragmas for what `LINT` lists, which end with the text.
    """
    modules = re.split(r"^(?=module )", re.sub(r"\A/\*.*?\*/\s*", "", verilog, flags=re.DOTALL), flags=re.MULTILINE)
    lint = LINT | (TWO_CLOCKS if SYNCHRONISER in verilog else {})
    off = "".join(f"/* verilator lint_off {warning} */  // {reason}\n" for warning, reason in lint.items())
    text = re.sub(r"\\\$(\S+ )", r"\\_\1", "".join(map(_without_idle_names, modules)))
    return f"/* verilator lint_save */\n{off}\n{text}/* verilator lint_restore */\n"


def _without_idle_names(module: str) -> str:
    module = _without_names_of_nothing(module)
    uses = Counter(NAME.findall(module))
    return WIRE.sub(lambda found: "" if uses[found[1]] == 1 else found[0], module)


def _without_names_of_nothing(module: str) -> str:
    """Without assignments from names without a driver to names that nothing reads: those of logic Yosys took away."""
    ports = set(re.findall(r"^  (?:input|output) (?:\[\d+:0\] )?(\\\S+ |\w+) ?;$", module, re.MULTILINE))
    wires = set(WIRE.findall(module)) - ports
    assigned = {found[0]: (NAME.findall(found[1]), set(NAME.findall(found[2]))) for found in ASSIGN.finditer(module)}
    pins = NAME.findall("".join(re.findall(r"^    \..*\n", module, re.MULTILINE)))
    nothing = wires.difference(pins, *(targets for targets, _ in assigned.values()))
    uses = Counter(NAME.findall(module))
    nothing = {name for name in nothing if uses[name] > 1}
    while nothing:
        idle = {
            text: targets
            for text, (targets, read) in assigned.items()
            if wires.issuperset(targets) and not read.isdisjoint(nothing)
        }
        more = {name for targets in idle.values() for name in targets} - nothing
        ends = {text for text, targets in idle.items() if all(uses[name] == 2 for name in targets)}
        if not more and not ends:
            break
        nothing |= more
        for text in ends:
            uses.subtract(NAME.findall(text))
            del assigned[text]
            module = module.replace(text, "")
    return module
