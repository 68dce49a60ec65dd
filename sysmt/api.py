# SPDX-License-Identifier: Apache-2.0
"""The functions of `import sysmt`: each calls one function of a room, which is loaded when it is called.

A configuration is an object, or the name of a preset.
"""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from sysmt.base.errors import UserError
from sysmt.base.extras import named
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.config import Config
from sysmt.hdl.params.presets import DEFAULT_ARRAY, PRESETS, preset
from sysmt.sim.golden.product import Counters, Product

if TYPE_CHECKING:
    from sysmt.hdl.emit import Design
    from sysmt.hdl.params.engine import EngineConfig
    from sysmt.sim.cost.evaluate import CycleReport
    from sysmt.sim.engine.program import Program
    from sysmt.sim.flow.synthesis import Synthesis
    from sysmt.sim.nn.inputs import Inputs
    from sysmt.sim.nn.layer import Layer
    from sysmt.sim.nn.model import Model
    from sysmt.sim.quant.infer import Inference
    from sysmt.sim.train.recipe import Recipe
    from sysmt.sim.train.run import Trained

C = TypeVar("C", bound=Config)


@dataclass(frozen=True, eq=False)
class Simulation:
    """What the simulated Verilog computed, counted, and how long it took.

    Parameters
    ----------
    sums : int32 [M, N]
    counters : Counters
        As those of `matmul`.
    cycles : int
        From the first step taken to the last row delivered.
    """

    sums: np.ndarray
    counters: Counters
    cycles: int


def _array(config: ArrayConfig | str) -> ArrayConfig:
    return _config(config, ArrayConfig)


def _config(config: Config | str, kind: type[C]) -> C:
    """The configuration itself, or the preset of that name; anything else is refused."""
    if isinstance(config, str):
        return preset(config, kind)
    if not isinstance(config, kind):
        raise UserError(f"config must be of class {kind.__name__} or the name of a preset, not {config!r}")
    return config


def presets() -> tuple[str, ...]:
    """Names of all presets: arrays, caches, TCAMs and accelerators.

    Examples
    --------
    >>> import sysmt
    >>> "sysmt2_8" in sysmt.presets()
    True
    """
    return tuple(PRESETS)


def generate(config: Config | str, name: str | None = None) -> "Design":
    """Emit Verilog.

    Parameters
    ----------
    config : ArrayConfig, CacheConfig, TCAMConfig, AccelConfig or str
        What to generate; a string names a preset.
    name : str, optional
        Of the top module and the files: letters, digits and _. By default the preset's, or `sysmt`.

    Returns
    -------
    Design
        `verilog` (text), `manifest` (ports, configuration, latency), `write(folder)` for NAME.v and NAME.json.

    Raises
    ------
    UserError
        There is no such preset, or the name is none of Verilog.

    Examples
    --------
    >>> import sysmt
    >>> design = sysmt.generate(sysmt.preset("os2", pipeline=1), name="small_array")
    >>> design.name, design.manifest["config"]["rows"]
    ('small_array', 2)
    """
    from sysmt.hdl.designs import check_name, design_of

    chosen = _config(config, Config)
    return design_of(chosen, check_name(name if name is not None else config if isinstance(config, str) else "sysmt"))


def matmul(
    x: np.ndarray, w: np.ndarray, config: ArrayConfig | str = DEFAULT_ARRAY, threads: int | None = None
) -> Product:
    """Multiply on the golden model: the numbers of the array, to the last bit.

    Parameters
    ----------
    x : uint8 [M, K]
        Activations.
    w : int8 [K, N]
        Weights.
    config : ArrayConfig or str
        The array; a string names a preset.
    threads : int, optional
        Threads to run on, if fewer than the array has.

    Returns
    -------
    Product
        `sums` int32 [M, N], and `counters` (`active`, `busy`, `collisions`, `reduced`).

    Raises
    ------
    UserError
        Type or shape of an operand is wrong, K could overflow the accumulator, or the array cannot run `threads`.

    Examples
    --------
    >>> import numpy as np, sysmt
    >>> x, w = np.full((2, 4), 3, np.uint8), np.full((4, 2), -2, np.int8)
    >>> sysmt.matmul(x, w).sums.tolist()
    [[-24, -24], [-24, -24]]
    """
    from sysmt.sim.golden.matmul import matmul as golden

    return golden(x, w, _array(config).pe, threads)


@named()
def simulate(
    x: np.ndarray,
    w: np.ndarray,
    config: ArrayConfig | str = DEFAULT_ARRAY,
    threads: int | None = None,
    waves: str | Path | None = None,
    simulator: str = "verilator",
) -> Simulation:
    """Multiply on the generated Verilog, simulated; it is compiled the first time (about a minute).

    Needs the extra `cosim`.

    Parameters
    ----------
    x : uint8 [M, K]
        Activations.
    w : int8 [K, N]
        Weights.
    config : ArrayConfig or str
        The array; a string names a preset. Its counters are switched on.
    threads : int, optional
        Threads to run on, if fewer than the array has.
    waves : path, optional
        Where to leave the waveform: .vcd of Verilator, .fst of Icarus.
    simulator : "verilator" or "icarus"

    Raises
    ------
    UserError
        As `matmul`; or a simulator or package is missing.

    Examples
    --------
    >>> import numpy as np, sysmt
    >>> x, w = np.full((2, 4), 3, np.uint8), np.full((4, 2), -2, np.int8)
    >>> simulation = sysmt.simulate(x, w, config="sysmt2_2")
    >>> simulation.sums.tolist(), simulation.cycles
    ([[-24, -24], [-24, -24]], 8)
    """
    from sysmt.sim.cosim.rtl import products
    from sysmt.sim.golden.kind import golden_of
    from sysmt.sim.golden.product import check_operands

    array = _array(config).with_fields(counters=True)
    check_operands(x, w, array.pe)
    run = products([(x, w, threads)], array, simulator, waves=None if waves is None else Path(waves))
    counters = golden_of(array.pe).counters(**{name: run.counters[name] for name in array.pe.EVENTS})
    return Simulation(run.sums[0].astype(np.int32), counters, run.cycles)


@named()
def cycles(
    network: "str | Path | Iterable[Layer]",
    config: ArrayConfig | str = DEFAULT_ARRAY,
    method: str = "rtl",
    *,
    variant: str = "baseline",
    dataflow: str = "os",
    threads: int | None = None,
    optimise: bool = True,
) -> "CycleReport":
    """Count the cycles of a network, layer by layer.

    Parameters
    ----------
    network : str, path or layers
        The name of a built-in network, a .tflite model (extra `infer`), a topology of SCALE-Sim (.csv), or layers.
    config : ArrayConfig or str
        The array; a string names a preset.
    method : "rtl", "fuseconv" or "scalesim"
        The array as generated; the published model of FuSeConv; SCALE-Sim.
    variant : str
        Of a built-in network: "baseline", or one of FuSeConv.
    dataflow : "os", "ws" or "is"
        Of `scalesim`.
    threads : int, optional
        Threads that `rtl` runs on, if fewer than the array has.
    optimise : bool
        Apply graph passes to a model, and with `rtl` lower depthwise layers as is fastest; no result changes.

    Returns
    -------
    CycleReport
        `total`, and `layers` with `cycles` and `utilisation` each.

    Raises
    ------
    UserError
        The network cannot be found or read, or has a layer that the array cannot run.

    Examples
    --------
    >>> import sysmt
    >>> one, two = (sysmt.cycles("mobilenet_v1", name).total for name in ("os16", "sysmt2_16"))
    >>> one > two
    True
    """
    from sysmt.sim.cost.evaluate import evaluate
    from sysmt.sim.nn.layer import Layer
    from sysmt.sim.nn.readers import read_network

    if isinstance(network, (str, Path)):
        layers = read_network(network, variant, optimise)
    else:
        layers = tuple(network) if isinstance(network, Iterable) else ()
        if not layers or not all(isinstance(layer, Layer) for layer in layers):
            raise UserError(f"network must be a name, a path or layers, not {network!r}")
    return evaluate(layers, _array(config), method=method, dataflow=dataflow, threads=threads, optimise=optimise)


@named()
def infer(
    model: "Model | str | Path",
    inputs: "Inputs | np.ndarray | list[np.ndarray] | str | Path",
    config: ArrayConfig | str = DEFAULT_ARRAY,
    *,
    budget: float | None = None,
    reorder: bool = False,
    recalibrate: bool = False,
    keep_weights: bool = False,
    calibration: "Inputs | np.ndarray | list[np.ndarray] | str | Path | None" = None,
    optimise: bool = True,
) -> "Inference":
    """Run an int8 model on an array and compare it with its exact self.

    Parameters
    ----------
    model : Model, or path
        What `read_model` returns, a .tflite file (extra `infer`), or "digits".
    inputs : array [B, ...], list of arrays, Inputs, or path
        In the type of the model's input, a list for several; a path names a .npz file with `images`, `features`, or
        `in0`, `in1`, ..., and `labels` if known.
    config : ArrayConfig or str
        The array; a string names a preset.
    budget : float, optional
        Largest accuracy drop, as a fraction of 1: layers slow down until it holds. Needs `calibration`.
    reorder : bool
        Permute K so that fewer products are reduced. Needs `calibration`.
    recalibrate : bool
        Correct the integer biases and adapt the weights. Needs `calibration`.
    keep_weights : bool
        With `recalibrate`: correct the biases only.
    calibration : as `inputs`, optional
        Inputs to prepare the model with; never the tested ones.
    optimise : bool
        Apply graph passes, and lower depthwise layers as is fastest; no exact result changes.

    Returns
    -------
    Inference
        `outputs` and `exact`, both [B, ...] as the model gives them, and the `report`: accuracy, cycles, layers.

    Raises
    ------
    UserError
        A file cannot be read, inputs do not fit the model, or calibration inputs are missing.

    Examples
    --------
    >>> import numpy as np, sysmt
    >>> model = sysmt.read_model("digits")
    >>> inputs = np.zeros((2, *model.inputs[0].shape[1:]), model.inputs[0].dtype)
    >>> report = sysmt.infer(model, inputs, config="sysmt2_8").report
    >>> report["cycles"] < report["cycles_exact"]
    True
    """
    from sysmt.sim.nn.model import Model, read_model
    from sysmt.sim.quant.infer import infer as run
    from sysmt.sim.quant.options import Options

    read = model if isinstance(model, Model) else read_model(model)
    read = read.optimised() if optimise else read
    options = Options(
        budget=budget, reorder=reorder, recalibrate=recalibrate, keep_weights=keep_weights, optimise=optimise
    )
    prepared = None if calibration is None else _inputs(calibration, read)
    return run(read, _inputs(inputs, read), _array(config), options, calibration=prepared)


@named()
def compile_model(
    model: "Model | str | Path",
    config: "EngineConfig | str" = f"engine_{DEFAULT_ARRAY}",
    *,
    threads: int | None = None,
    budget: float | None = None,
    reorder: bool = False,
    recalibrate: bool = False,
    keep_weights: bool = False,
    calibration: "Inputs | np.ndarray | str | Path | None" = None,
) -> "Program":
    """Compile an int8 model into a program of the engine, which runs it whole.

    Parameters
    ----------
    model : Model, or path
        As `infer`.
    config : EngineConfig or str
        The engine; a string names a preset.
    threads : int, optional
        Threads of the layers that may run threaded, if fewer than the array has; not with the options below.
    budget, reorder, recalibrate, keep_weights, calibration
        As `infer`; the plan is the same.

    Returns
    -------
    Program
        `sysmt.write_program` leaves it in a file, `sysmt.read_program` reads it back.

    Raises
    ------
    UserError
        As `infer`; or the model does not fit into the engine, or has an operator that the engine cannot run.

    Examples
    --------
    >>> import sysmt
    >>> [layer.name for layer in sysmt.compile_model("digits", "engine_os4").layers]
    ['conv1', 'conv2', 'conv3']
    """
    from sysmt.hdl.params.engine import EngineConfig
    from sysmt.sim.engine.prepare import prepare
    from sysmt.sim.nn.model import Model, read_model
    from sysmt.sim.quant.options import Options

    read = model if isinstance(model, Model) else read_model(model)
    options = Options(budget=budget, reorder=reorder, recalibrate=recalibrate, keep_weights=keep_weights)
    prepared = None if calibration is None else _inputs(calibration, read)
    return prepare(read, _config(config, EngineConfig), options, calibration=prepared, threads=threads)


def run_program(
    program: "Program | str | Path", inputs: "Inputs | np.ndarray | str | Path"
) -> "tuple[np.ndarray, dict[str, Any]]":
    """Run a program on the golden engine: the numbers of the gates, to the last bit, and their cycles.

    Parameters
    ----------
    program : Program, or path
        What `compile_model` returns, or a file that holds it.
    inputs : array [B, ...], Inputs, or path
        As `infer`.

    Returns
    -------
    array [B, ...]
        The network's raw outputs.
    dict
        The report: accuracy, cycles of one input, `layers`.

    Raises
    ------
    UserError
        The program is damaged, or inputs do not fit it.

    Examples
    --------
    >>> import numpy as np, sysmt
    >>> program = sysmt.compile_model("digits", "engine_os4")
    >>> outputs, report = sysmt.run_program(program, np.zeros((2, 8, 8, 1), np.uint8))
    >>> outputs.shape, sum(row["cycles"] or 0 for row in report["layers"]) == report["cycles"]
    ((2, 10), True)
    """
    from sysmt.sim.engine.execute import execute
    from sysmt.sim.engine.file import read_program
    from sysmt.sim.engine.program import Program
    from sysmt.sim.nn.inputs import Inputs, load

    read = program if isinstance(program, Program) else read_program(program)
    if isinstance(inputs, (str, Path)):
        inputs = load(Path(inputs), read.ends)
    return execute(read, inputs if isinstance(inputs, Inputs) else Inputs(inputs, None))


def _inputs(inputs: "Inputs | np.ndarray | list[np.ndarray] | str | Path", model: "Model") -> "Inputs":
    from sysmt.sim.nn.inputs import Inputs, load

    if isinstance(inputs, Inputs):
        return inputs
    if isinstance(inputs, (str, Path)):
        return load(Path(inputs), model.network)
    return Inputs(model.pack(inputs if isinstance(inputs, (list, tuple)) else [inputs]), None)


@named()
def train(
    recipe: "Recipe | str",
    folder: str | Path | None = None,
    *,
    data: str | Path | None = None,
    test: str | Path | None = None,
    limit: int | None = None,
    start: str | Path | None = None,
    device: str = "auto",
    **changes: Any,
) -> "Trained":
    """Train a network with the array in its forward pass, or finish its training. Needs the extra `train`.

    Parameters
    ----------
    recipe : Recipe or str
        How to train; a string names one of "resnet8", "dscnn" and "digits".
    folder : path, optional
        For checkpoints, model.tflite, model.onnx and report.json.
    data, test : path, optional
        .npz files with inputs and labels to train and to test with; by default the recipe's own.
    limit : int, optional
        Only the first so many training inputs.
    start : path, optional
        Folder of a training with the same first phase: this one takes it from there.
    device : "auto", "cpu" or "cuda"
        `auto`: a GPU where there is one.
    changes
        Fields of the recipe, in place of its own: `threads`, `policy`, `prune`, `kure`, `epochs`, ...

    Returns
    -------
    Trained
        Its `report` has the accuracies, its `graph` the network in int8.

    Raises
    ------
    UserError
        A name is unknown, a value out of range, data or checkpoint cannot be used.

    Examples
    --------
    >>> import sysmt
    >>> trained = sysmt.train("digits", epochs=1, array_epochs=1, limit=64, policy="S+A")
    >>> sorted(trained.files())
    ['model.onnx', 'model.tflite', 'report.json']
    """
    from sysmt.base.choice import choose, must_be_one_of
    from sysmt.sim.train.recipe import RECIPES, Recipe
    from sysmt.sim.train.run import train as run

    chosen = choose("recipe", recipe, RECIPES) if isinstance(recipe, str) else recipe
    known = [field.name for field in dataclasses.fields(Recipe)]
    for name in changes:
        if name not in known:
            raise UserError(must_be_one_of("field of the recipe", name, known))
    places = [None if path is None else Path(path) for path in (folder, data, test, start)]
    return run(
        dataclasses.replace(chosen, **changes),
        places[0],
        data=(places[1], places[2]),
        limit=limit,
        start=places[3],
        device=device,
    )


@named()
def synthesise(
    design: "Design | Config | str",
    target: str = "generic",
    clock_mhz: float | None = None,
    seeds: int = 5,
) -> "Synthesis":
    """Synthesise: area by block, cells, and clock where the target tells. Needs the extra `silicon`.

    Parameters
    ----------
    design : Design, configuration or str
        What `generate` returns, or takes.
    target : str
        "generic" (gates of Yosys), a liberty file (.lib, .lib.gz), "ecp5", "ice40" or "gowin".
    clock_mhz : float, optional
        What cells are chosen for, and what is asked of the timing (default 100).
    seeds : int
        Placements on an FPGA; 0: resources only.

    Raises
    ------
    UserError
        The target is unknown, no part is large enough, or a tool is missing.

    Examples
    --------
    >>> import sysmt
    >>> result = sysmt.synthesise("os2")
    >>> result.blocks["multiplier"] > 0.2 * result.nand2
    True
    """
    from sysmt.hdl.emit import Design
    from sysmt.sim.flow.synthesis import CLOCK_MHZ
    from sysmt.sim.flow.synthesis import synthesise as run

    emitted = design if isinstance(design, Design) else generate(design)
    return run(emitted, target, CLOCK_MHZ if clock_mhz is None else clock_mhz, seeds)
