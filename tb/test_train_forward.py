# SPDX-License-Identifier: Apache-2.0
"""The forward pass of a network in training is the golden model's to the last bit; its gradients are the layer's."""

import numpy as np
import pytest

from sysmt.base.errors import UserError
from sysmt.hdl.params.kinds.sparq import TRIMS, WINDOWS, SparqConfig
from sysmt.hdl.params.pe import PEConfig
from sysmt.hdl.params.policy import POLICIES
from sysmt.sim.golden.matmul import matmul
from sysmt.sim.golden.requantize import multiply, quantize_multiplier
from sysmt.sim.nn.engines import Golden
from sysmt.sim.nn.forward import Runner, threaded_plan
from sysmt.sim.nn.network import build

pytest.importorskip("torch", reason="torch is not installed: pip install 'sysmt[train]'")

import torch

from sysmt.sim.train import arithmetic
from sysmt.sim.train.architecture import ARCHITECTURES
from sysmt.sim.train.calibration import calibrate, recalibrate
from sysmt.sim.train.export import graph
from sysmt.sim.train.network import TrainedNetwork
from sysmt.sim.train.products import product
from sysmt.sim.train.quantised import Mode, quantised
from tb.trained import signed, trained

torch.set_num_threads(1)


def operands(m, k, n, seed=0):
    """Sparse activations and weights, extremes among them."""
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 256, (m, k)) * (rng.random((m, k)) < 0.6)
    w = rng.integers(-128, 128, (k, n)) * (rng.random((k, n)) < 0.8)
    x[0], w[:, 0] = 255, -128
    return x.astype(np.uint8), w.astype(np.int8)


@pytest.mark.parametrize("rounding", ["nearest", "truncate"])
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("threads", [1, 2, 4])
@pytest.mark.parametrize("k", [1, 7, 577])
def test_product_is_the_golden_models(threads, policy, rounding, k):
    pe = PEConfig(threads=threads, policy=policy, rounding=rounding)
    x, w = operands(5, k, 3)
    found = product(torch.from_numpy(x), torch.from_numpy(w), pe, threads)
    np.testing.assert_array_equal(found.numpy(), matmul(x, w, pe, threads).sums)


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("trim", TRIMS)
@pytest.mark.parametrize("vsparq", [False, True])
def test_product_of_sparq_is_the_golden_models(window, trim, vsparq):
    pe = SparqConfig(pairs=2, window=window, trim=trim, vsparq=vsparq)
    for k in (1, 8, 577):
        x, w = operands(5, k, 3)
        for threads in (1, 4):
            found = product(torch.from_numpy(x), torch.from_numpy(w), pe, threads)
            np.testing.assert_array_equal(found.numpy(), matmul(x, w, pe, threads).sums)


def test_product_of_another_kind_goes_through_its_golden_model(monkeypatch):
    from pathlib import Path

    monkeypatch.setenv("SYSMT_KINDS", str(Path(__file__).parent / "toy_kind"))
    pe = PEConfig(kind="toy")
    x, w = operands(4, 9, 2)
    found = product(torch.from_numpy(x), torch.from_numpy(w), pe, 1)
    np.testing.assert_array_equal(found.numpy(), matmul(x, w, pe, 1).sums)


def test_product_in_parts_and_throttled(monkeypatch):
    monkeypatch.setattr("sysmt.sim.train.products.OPERAND_VALUES", {"cpu": 1})
    pe = PEConfig(threads=4, policy="S+Aw")
    x, w = operands(6, 41, 4)
    found = product(torch.from_numpy(x).float(), torch.from_numpy(w).float(), pe, 2)
    np.testing.assert_array_equal(found.numpy(), matmul(x, w, pe, 2).sums)


def test_inexact_products_are_refused():
    torch.set_float32_matmul_precision("high")
    try:
        with pytest.raises(UserError, match=r"^float32_matmul_precision must be 'highest', not 'high': .*$"):
            product(torch.ones(1, 1), torch.ones(1, 1), PEConfig(), 1)
    finally:
        torch.set_float32_matmul_precision("highest")


def test_requantisation_is_the_golden_models():
    rng = np.random.default_rng(5)
    scales = np.concatenate([2.0 ** rng.uniform(-34, 3, 400), [1 - 2.0**-40, 2.0**-20, 0.5, 0.0]])
    multipliers, shifts = np.array([quantize_multiplier(float(scale)) for scale in scales]).T
    found = arithmetic.quantized_multiplier(torch.from_numpy(scales))
    np.testing.assert_array_equal(found[0].numpy(), multipliers)
    np.testing.assert_array_equal(found[1].numpy(), shifts)
    sums = rng.integers(-(2**25), 2**25, (50, len(scales)))
    sums[0], sums[1] = 2**20, -(2**20)  # ties
    np.testing.assert_array_equal(
        arithmetic.multiply(torch.from_numpy(sums), *found).numpy(), multiply(sums, multipliers, shifts)
    )


PES = [PEConfig(threads=threads, policy=policy) for threads, policy in [(1, "S+A"), (2, "A"), (4, "S+aW"), (4, "S")]]


@pytest.mark.parametrize("pe", [*PES, SparqConfig(pairs=2)], ids=lambda pe: f"{pe.kind}{pe.threads}")
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_tensor_is_the_exported_networks(name, pe):
    network, inputs = trained(name)
    threads = pe.threads
    mode = Mode(pe=pe, threads=threads)
    recalibrate(network, [inputs], mode)
    found, expected = {}, {}
    quantised(network, inputs, mode, observe=lambda key, values: found.update({key: values.detach().numpy()}))
    exported = build(graph(network))
    runner = Runner(network=exported, engine=Golden(pe), plan=threaded_plan(exported, threads))
    runner(signed(inputs), tensors=lambda step, values: expected.update({step.name: values}))
    assert set(found) | {"scores"} == set(expected)
    for key, values in found.items():
        np.testing.assert_array_equal(values, expected[key].astype(int) + 128, key)
        assert len(np.unique(values)) > 4, key


def test_threads_are_those_of_the_planner():
    for architecture in ARCHITECTURES.values():
        network = TrainedNetwork(architecture)
        inputs = torch.zeros(1, *architecture.size, architecture.channels)
        calibrate(network, [inputs])
        exported = build(graph(network))
        plan = threaded_plan(exported, 4)
        taken = {linear.name for linear, layer in zip(exported.linears, plan, strict=True) if layer.threads == 4}
        assert taken == architecture.threaded()


@pytest.mark.parametrize("name", ["digits", "resnet8"])
def test_gradients_point_where_those_of_the_pass_in_real_numbers_do(name):
    network, inputs = trained(name, seed=2)
    calibrate(network, [inputs], clipped=0)
    gradients = []
    for exact in (False, True):
        for values in network.parameters.values():
            values.grad = None
        scores = quantised(network, inputs, Mode(pe=PEConfig()))[0] if exact else network.real(inputs)
        (scores**2).sum().backward()
        gradients.append({key: values.grad.flatten() for key, values in network.parameters.items()})
    for key, expected in gradients[0].items():
        assert torch.cosine_similarity(gradients[1][key], expected, dim=0) > 0.95, key


def test_recalibration_takes_the_statistics_of_all_batches():
    network, inputs = trained("digits")
    recalibrate(network, [inputs[:2], inputs[2:]], None)
    apart = {key: values.clone() for key, values in network.statistics.items() if key.startswith("conv1.mean")}
    recalibrate(network, [inputs], None)
    for key, values in apart.items():
        torch.testing.assert_close(network.statistics[key], values)
    assert network.momentum == 0.1
    before = network.statistics["conv2.mean"].clone()
    recalibrate(network, [inputs], Mode(pe=PEConfig(threads=4, policy="A"), threads=4))
    assert (network.statistics["conv2.mean"] != before).any()
