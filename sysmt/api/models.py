# SPDX-License-Identifier: Apache-2.0
"""Numbers and cycles: products and networks on the golden models."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sysmt.base.arguments import checked
from sysmt.base.errors import UserError
from sysmt.base.extras import named
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.presets import DEFAULT_ARRAY
from sysmt.sim.golden.product import Product

from .configs import array_config, inputs_of

if TYPE_CHECKING:
    from sysmt.sim.cost.evaluate import CycleReport
    from sysmt.sim.nn.inputs import Inputs
    from sysmt.sim.nn.layer import Layer
    from sysmt.sim.nn.model import Model
    from sysmt.sim.quant.infer import Inference


def matmul(
    x: np.ndarray,
    w: np.ndarray,
    config: ArrayConfig | str = DEFAULT_ARRAY,
    threads: int | None = None,
    zero: int = 0,
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
    zero : int
        Zero point of the activations, 0 to 255, of an array that takes it off (`signed_window`); the sums are those of
        x and w all the same.

    Returns
    -------
    Product
        `sums` int32 [M, N], and `counters` (`active`, `busy`, `collisions`, `reduced`).

    Raises
    ------
    UserError
        Type or shape of an operand is wrong, K could overflow the accumulator, or the array cannot run `threads` or
        take `zero` off.

    Examples
    --------
    >>> import numpy as np, sysmt
    >>> x, w = np.full((2, 4), 3, np.uint8), np.full((4, 2), -2, np.int8)
    >>> sysmt.matmul(x, w).sums.tolist()
    [[-24, -24], [-24, -24]]
    """
    from sysmt.sim.golden.matmul import matmul as golden

    return golden(x, w, array_config(config).pe, threads, zero=zero)


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
    sparsity: str | None = None,
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
    sparsity : str, optional
        N:M of weights that only shapes are known of, for PEs that count on it (`stc`): "2:4", or "1:1" if dense.

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
    from sysmt.sim.nn.sparsity import with_sparsity

    array = array_config(config)
    if isinstance(network, (str, Path)):
        layers = read_network(network, variant, optimise, sparse=array.pe.dense_threads < array.pe.threads)
    else:
        layers = tuple(network) if isinstance(network, Iterable) and not isinstance(network, np.ndarray) else ()
        if not layers or not all(isinstance(layer, Layer) for layer in layers):
            raise UserError(f"network must be a name, a path or layers, not {network!r}")
    layers = with_sparsity(layers, array.pe, sparsity)
    return evaluate(layers, array, method=method, dataflow=dataflow, threads=threads, optimise=optimise)


@named()
@checked
def infer(
    model: "Model | str | Path",
    inputs: "Inputs | np.ndarray | list[np.ndarray] | str | Path",
    config: ArrayConfig | str = DEFAULT_ARRAY,
    *,
    budget: float | None = None,
    speedup: float | None = None,
    reorder: bool = False,
    recalibrate: bool = False,
    keep_weights: bool = False,
    calibration: "Inputs | np.ndarray | list[np.ndarray] | str | Path | None" = None,
    optimise: bool = True,
    batch: int = 1,
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
    speedup : float, optional
        In its place: how many times as fast as on one thread the layers that may be threaded are at least; what time is
        left goes where it is worth most accuracy. Needs `calibration`.
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
    batch : int
        Inputs that go through a layer together: the report's cycles are those of so many.

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
        budget=budget,
        speedup=speedup,
        reorder=reorder,
        recalibrate=recalibrate,
        keep_weights=keep_weights,
        optimise=optimise,
        batch=batch,
    )
    prepared = None if calibration is None else inputs_of(calibration, read)
    return run(read, inputs_of(inputs, read), array_config(config), options, calibration=prepared)
