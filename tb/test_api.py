# SPDX-License-Identifier: Apache-2.0
"""`import sysmt`: every public name, its examples, and that it says what the rooms say."""

import doctest
import inspect
import subprocess
import sys

import numpy as np
import pytest

import sysmt
from tb.references.product import matmul

FUNCTIONS = [name for name in sysmt.__all__ if inspect.isfunction(getattr(sysmt, name))]


def operands(m=5, k=11, n=6):
    random = np.random.default_rng(7)
    return random.integers(0, 256, (m, k), np.uint8), random.integers(-128, 128, (k, n), np.int8)


def test_importing_it_loads_nothing():
    text = "import sys; import sysmt; print([m for m in ('numpy', 'amaranth', 'sysmt.api') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", text], capture_output=True, text=True).stdout == "[]\n"


def test_names():
    assert len(FUNCTIONS) == 17
    assert set(sysmt.__all__) <= set(dir(sysmt))
    assert sysmt.__version__.count(".") == 2
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = sysmt.nothing


@pytest.mark.parametrize("name", sysmt.__all__)
def test_every_name_is_explained(name):
    assert len(getattr(sysmt, name).__doc__) > 20


@pytest.mark.parametrize(
    "name", [name for name in FUNCTIONS if getattr(sysmt, name).__module__.startswith("sysmt.api")]
)
def test_examples_of_the_docstrings(name):
    if name == "train":
        pytest.importorskip("torch", reason="torch is not installed: pip install 'sysmt[train]'")
    finder = doctest.DocTestFinder(recurse=False)
    (example,) = finder.find(inspect.unwrap(getattr(sysmt, name)), name, globs={})
    assert example.examples
    result = doctest.DocTestRunner().run(example)
    assert result.failed == 0


def test_matmul_and_simulate_are_what_the_slow_reference_says():
    x, w = operands()
    config = sysmt.preset("sysmt2_2", policy="S+Aw")
    slow = matmul(x, w, config.pe)
    golden, simulation = sysmt.matmul(x, w, config), sysmt.simulate(x, w, config)
    np.testing.assert_array_equal(golden.sums, slow.sums)
    np.testing.assert_array_equal(simulation.sums, slow.sums)
    assert simulation.sums.dtype == golden.sums.dtype == np.int32
    assert simulation.counters == golden.counters
    one = sysmt.simulate(x, w, config, threads=1)
    np.testing.assert_array_equal(one.sums, x.astype(np.int32) @ w)
    assert one.cycles > simulation.cycles


def test_generate_writes(tmp_path):
    written = sysmt.generate("os2").write(tmp_path)
    assert [path.name for path in written] == ["os2.v", "os2.json"]
    assert sysmt.generate(sysmt.TCAMConfig()).name == "sysmt"


def test_synthesise_takes_a_design_and_what_makes_one():
    design = sysmt.generate("os2", name="os2")
    assert sysmt.synthesise(design).cells == sysmt.synthesise("os2").cells


def test_programs_are_files_and_objects(tmp_path):
    program = sysmt.compile_model("digits", "engine_sysmt2_4", threads=1)
    sysmt.write_program(program, tmp_path / "a.sysmt")
    images = np.random.default_rng(3).integers(0, 17, (3, 8, 8, 1)).astype(np.uint8)
    np.savez(tmp_path / "in.npz", features=images)
    outputs, report = sysmt.run_program(tmp_path / "a.sysmt", tmp_path / "in.npz")
    np.testing.assert_array_equal(outputs, sysmt.read_model("digits").run([images])[0])
    again, _ = sysmt.run_program(sysmt.read_program(tmp_path / "a.sysmt"), images)
    np.testing.assert_array_equal(again, outputs)
    assert report["agree"] == 1.0
    with pytest.raises(sysmt.UserError, match="must be uint8"):
        sysmt.run_program(program, images.astype(np.int8))


def test_infer_reads_files_and_arrays(tmp_path):
    model = sysmt.read_model("digits")
    images = np.random.default_rng(3).integers(0, 17, (6, *model.inputs[0].shape[1:])).astype(np.uint8)
    exact = model.run([images])[0]
    np.savez(tmp_path / "in.npz", features=images, labels=exact.reshape(6, -1).argmax(1))
    result = sysmt.infer("digits", tmp_path / "in.npz", "os8")
    np.testing.assert_array_equal(result.outputs, exact)
    assert result.report["top1"] == 1
    assert sysmt.infer(model, images, "os8").report["agree"] == 1


BAD = [
    (lambda: sysmt.preset("os3"), "preset must be one of"),
    (lambda: sysmt.matmul(*operands(), config="tiny"), "preset must be one of"),
    (lambda: sysmt.generate("os2", name="4"), "name must be letters"),
    (lambda: sysmt.generate(sysmt.PEConfig()), "config must be of class ArrayConfig, .*, not NbSmtConfig"),
    (lambda: sysmt.generate("os2", name="logic"), "keyword of Verilog or SystemVerilog"),
    (lambda: sysmt.generate("os2", name=""), "name must be letters"),
    (lambda: sysmt.generate("os2", name=3), "name must be letters"),
    (lambda: sysmt.cycles(3), "network must be a name, a path or layers, not 3"),
    (lambda: sysmt.cycles([1, 2]), "network must be a name, a path or layers"),
    (lambda: sysmt.read_model(3), "model must be a .tflite or .onnx file or 'digits', not 3"),
    (lambda: sysmt.synthesise(3), "config must be of class"),
    (lambda: sysmt.synthesise("os2", target=None), "target must be generic"),
    (lambda: sysmt.generate(3), "config must be of class Config or the name of a preset, not 3"),
    (lambda: sysmt.matmul(*operands(), config=4), "config must be of class ArrayConfig or the name of a preset, not 4"),
    (lambda: sysmt.simulate(*operands()[::-1]), "x must be a uint8 array"),
    (lambda: sysmt.simulate(*operands(), threads=3), "threads must be"),
    (lambda: sysmt.cycles("resnet51"), "network must be"),
    (lambda: sysmt.read_model("model.pb"), "model must be a .tflite or .onnx file"),
    (lambda: sysmt.infer("digits", np.zeros((1, 2), np.uint8)), "must be uint8"),
    (lambda: sysmt.infer("digits", np.zeros((1, 8, 8, 1), np.uint8), reorder=True), "calibration inputs"),
    (lambda: sysmt.synthesise("os2", target="asic"), "target"),
    (lambda: sysmt.Board("/dev/no_such_port"), "port '/dev/no_such_port' does not exist"),
]


@pytest.mark.parametrize(("call", "message"), BAD, ids=[message for _, message in BAD])
def test_what_cannot_be_used_is_one_line(call, message):
    with pytest.raises(sysmt.UserError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("package", "extra", "call"),
    [
        ("cocotb_tools", "cosim", lambda: sysmt.simulate(*operands(), config="os2")),
        ("tflite", "infer", lambda: sysmt.read_model("model.tflite")),
        ("torch", "train", lambda: sysmt.train("digits")),
        ("serial", "boards", lambda: sysmt.Board("/dev/null")),
    ],
)
def test_a_missing_package_is_named_with_its_extra(monkeypatch, package, extra, call):
    for name in [package, *(name for name in sys.modules if name.startswith(f"{package}."))]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(sysmt.UserError, match=rf"^{package} is missing: pip install 'sysmt\[{extra}\]'$"):
        call()
