# SPDX-License-Identifier: Apache-2.0
"""What `generate --package` writes agrees with the Verilog, and designs with prefixes stand in one chip."""

import json
import re
from functools import cache
from importlib.util import find_spec

import pytest

from sysmt.base.errors import UserError
from sysmt.cli.main import main
from sysmt.hdl.designs import check_name, default_name, design_of
from sysmt.hdl.packaging import package, ports_of
from sysmt.hdl.params.presets import preset
from sysmt.hdl.params.settings import with_settings
from sysmt.sim.flow import yosys

DESIGNS = {
    "os2": (),
    "tcam32": ("entries=4",),
    "tiny": (),
    "accel_os2": (),
    "accel_os2 axi": ("link=axi",),
    "accel_os2 cfu": ("link=cfu",),
    "engine_os2 wishbone": ("link=wishbone",),
    "accel_os2 two": ("link=axi", "bus_clock=true"),
    "accel_os2 two_streams": ("link=axi-stream", "bus_clock=true"),
    "accel_os2 two_wishbone": ("link=wishbone", "bus_clock=true"),
}
"""Settings of presets."""

needs_yosys = pytest.mark.skipif(find_spec("pyosys") is None, reason="elaborates: pip install 'sysmt[silicon]'")


def emitted(case: str, name: str, *settings: str):
    return design_of(with_settings(preset(case.split()[0]), [*DESIGNS[case], *settings]), name)


@cache
def packaged(case: str):
    """(design, what is packaged with it, ports in the text of its top module with their widths)."""
    name = f"left_{case}".replace(" ", "_")
    design = emitted(case, name)
    top = re.search(rf"^module {name}\((.*?)\);\n(.*?)^endmodule", design.verilog, re.MULTILINE | re.DOTALL)
    declared = re.findall(r"^  (input|output) (?:\[(\d+):0\] )?(\w+);", top[2], re.MULTILINE)
    ports = {port: (direction, int(high or 0) + 1) for direction, high, port in declared}
    assert set(ports) == {port.strip() for port in top[1].split(",")}
    return design, package(name, design.manifest, tuple(design.files), 250.0), ports


def wrapper(design) -> str:
    """A module of no ports around the template of an instance of the design."""
    return f"module at_{design.name};\n{package(design.name, design.manifest)[f'{design.name}_inst.v']}endmodule\n"


def elaborate(folder, designs, text: str, top: str) -> None:
    """Read and elaborate in Yosys, which fails for modules of one name, modules and ports that are not there."""
    for design in designs:
        design.write(folder)
    (folder / "chip.v").write_text(text)
    files = [*(f"{design.name}.v" for design in designs), "chip.v"]
    yosys.run([*(f"read_verilog {file}" for file in files), f"hierarchy -check -top {top}"], folder)


@pytest.mark.parametrize("case", DESIGNS)
def test_ports_are_those_of_the_verilog(case):
    design, _, ports = packaged(case)
    assert {name: (direction, bits) for name, direction, bits in ports_of(design.manifest)} == ports


@pytest.mark.parametrize("case", DESIGNS)
def test_every_port_is_constrained_once(case):
    design, files, ports = packaged(case)
    lines = [line for line in files[f"{design.name}.sdc"].splitlines() if not line.startswith("#")]
    commands, between = {}, [line for line in lines if "get_clocks" in line]
    for line in [line for line in lines if line not in between]:
        words, target = re.fullmatch(r"(.*) \[get_ports \{(\S+)\}\]", line).groups()
        assert target not in commands
        commands[target] = words
    assert set(commands) == {port + ("[*]" if bits > 1 else "") for port, (_, bits) in ports.items()}
    clock = "aclk" if "aclk" in ports else "clk"
    two = "core_clk" in ports
    assert len(between) == 2 * two
    for name in (clock, "core_clk")[: 1 + two]:
        assert commands.pop(name) == f"create_clock -name {name} -period 4.000"
    for target, words in commands.items():
        port = target.removesuffix("[*]")
        direction = ports[port][0]
        if port in ("rx", "tx") or (two and port in ("rst", "aresetn")):
            assert words == f"set_false_path {'-from' if direction == 'input' else '-to'}"
        else:
            assert words == f"set_{direction}_delay -clock {clock} 0.800"


@pytest.mark.parametrize("case", DESIGNS)
def test_the_core_names_what_is_written(case):
    yaml = pytest.importorskip("yaml", reason="reads the core as FuseSoC does: pip install pyyaml")
    design, files, _ = packaged(case)
    head, _, rest = files[f"{design.name}.core"].partition("\n")
    assert head == "CAPI=2:"
    core = yaml.safe_load(rest)
    names = {
        key: [next(iter(f)) if isinstance(f, dict) else f for f in s["files"]] for key, s in core["filesets"].items()
    }
    software = [file for file in design.files if file.endswith((".c", ".h"))]
    assert names == {"rtl": [f"{design.name}.v"], "constraints": [f"{design.name}.sdc"]} | (
        {"software": software} if software else {}
    )
    headers = [next(iter(f)) for f in core["filesets"].get("software", {"files": ()})["files"] if isinstance(f, dict)]
    assert headers == [file for file in software if file.endswith(".h")]
    assert all(set(target["filesets"]) <= set(names) for target in core["targets"].values())
    assert {target["toplevel"] for target in core["targets"].values()} == {design.name}
    assert re.fullmatch(rf"::{design.name}:\d+(\.\d+)*", core["name"])
    assert [line for line in files[f"{design.name}.f"].splitlines() if not line.startswith("//")] == [
        f"{design.name}.v"
    ]


@needs_yosys
@pytest.mark.parametrize(
    "cases",
    [
        pytest.param(("os2", "tcam32", "tiny", "accel_os2"), id="small"),
        pytest.param(tuple(DESIGNS), id="all", marks=pytest.mark.regress),
    ],
)
def test_two_of_everything_stand_in_one_chip(cases, tmp_path):
    """The right one of most presets has other settings, which do not enter the names of its modules."""
    others = {"os2": "rows=3", "tcam32": "latency=1", "tiny": "ways=1", "accel_os2": "array.rows=1"}
    left = [packaged(case)[0] for case in cases]
    right = [emitted(case, f"right_{case}".replace(" ", "_"), *filter(None, [others.get(case)])) for case in cases]
    designs = [*left, *right]
    for design in designs:
        assert all(module.lstrip("\\").startswith(design.name) for module in design.modules)
    instances = [f"at_{design.name} u{i} ();\n" for i, design in enumerate(designs)]
    chip = f"module chip;\n{''.join(instances)}endmodule\n"
    elaborate(tmp_path, designs, "".join(map(wrapper, designs)) + chip, "chip")


@needs_yosys
def test_two_of_one_preset_and_one_named_as_a_part_stand_in_one_chip(tmp_path, capsys):
    """By default names: no prefix is wanted. An accelerator `npu` has an array inside, and `npu_array` is one."""
    for words in (["os2"], ["os2", "--set", "rows=3"], ["os2", "--name", "npu_array"], ["accel_os2", "--name", "npu"]):
        assert main(["generate", *words, "--package", "-o", str(tmp_path)]) == 0
    names = ["os2", "os2_rows3", "npu_array", "npu"]
    assert {file.stem for file in tmp_path.glob("*.f")} == set(names)
    texts = [(tmp_path / f"{name}_inst.v").read_text() for name in names]
    wrappers = "".join(f"module at_{name};\n{text}endmodule\n" for name, text in zip(names, texts, strict=True))
    chip = f"module chip;\n{''.join(f'at_{name} u_{name} ();' for name in names)}\nendmodule\n"
    (tmp_path / "chip.v").write_text(wrappers + chip)
    files = [*(f"{name}.v" for name in names), "chip.v"]
    yosys.run([*(f"read_verilog {file}" for file in files), "hierarchy -check -top chip"], tmp_path)


@pytest.mark.parametrize(
    ("preset_name", "settings", "name"),
    [
        ("os4", [], "os4"),
        ("os4", ["rows=4"], "os4"),
        ("os4", ["rows=3", "target=fpga"], "os4_rows3_fpga"),
        ("os4", ["counters=false", "drain=in_place"], "os4_in_place_no_counters"),
        ("tiny", ["null=off"], "tiny_no_null"),
        ("tiny", ["null.entries=4"], "tiny_entries4"),
        ("accel_os2", ["link=axi"], "accel_os2_axi"),
    ],
)
def test_default_names_say_what_is_set(preset_name, settings, name):
    base = preset(preset_name)
    assert default_name(preset_name, base, with_settings(base, settings)) == name


def test_default_names_that_cannot_say_it_end_with_a_hash():
    base = preset("sysmt2_4")
    configs = [with_settings(base, [f"policy={policy}"]) for policy in ("S+W", "S+Aw", "S+aW")]
    configs.append(with_settings(base, ["rows=3", "cols=5", "drain=in_place", "counters=false", "fuse=true"]))
    names = [default_name("sysmt2_4", base, config) for config in configs]
    assert len(set(names)) == len(names)
    for name in names:
        assert re.fullmatch(r"sysmt2_4_\w+_[0-9a-f]{8}", check_name(name))


@needs_yosys
def test_the_elaboration_finds_what_clashes_and_what_is_not_there(tmp_path):
    array = emitted("os2", "npu")
    with pytest.raises(UserError, match="[Rr]e-?definition"):
        elaborate(
            tmp_path,
            [
                array,
                emitted("os2", "npu__pe"),
            ],
            wrapper(array),
            "at_npu",
        )
    with pytest.raises(UserError, match="refuse"):
        elaborate(tmp_path, [array], wrapper(array).replace(".refused(", ".refuse("), "at_npu")


def test_command(tmp_path, capsys):
    words = ["generate", "os2", "--prefix", "left", "--package", "--clock", "125", "-o", str(tmp_path), "--json"]
    assert main(words) == 0
    facts = json.loads(capsys.readouterr().out)
    written = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    ends = (".v", ".json", ".core", ".sdc", ".f", "_inst.v")
    assert set(written) == {f"left_os2{end}" for end in ends}
    assert {file.rpartition("/")[2] for file in facts["files"]} == set(written)
    assert facts["name"] == "left_os2"
    assert b"create_clock -name clk -period 8.000 " in written["left_os2.sdc"]
    assert main(words) == 0
    assert written == {file.name: file.read_bytes() for file in tmp_path.iterdir()}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--clock", "100"), "--clock 100 is for the constraints that --package writes"),
        (("--package", "--clock", "0"), "clock must be 0.001 to 10000 MHz, not 0"),
        (("--package", "--clock", "nan"), "clock must be 0.001 to 10000 MHz, not nan"),
        (
            ("--clock-gate-cell", "ICG"),
            "clock_gate_cell = ICG is for gated clocks, of which there are none: set clock_g",
        ),
        (
            ("--set", "clock_gating=true", "--clock-gate-cell", "ICG:a,b"),
            "must be CELL, CELL:clock,enable,output or CE",
        ),
        (("--set", "clock_gating=true", "--clock-gate-cell", "ICG:a,b,b"), "ports of different names, not 'ICG:a,b,b'"),
        (("--prefix", "4"), "prefix must be letters, digits and _"),
        (("--name", "npu__pe"), "name must not contain __, which begins the names of parts, not 'npu__pe'"),
        (("--prefix", "a_"), "name must not contain __"),
        (("--prefix", "a" * 63), "name must be letters, digits and _ (64 at most"),
    ],
)
def test_refused(words, message, tmp_path, capsys):
    assert main(["generate", "os2", *words, "-o", str(tmp_path)]) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
